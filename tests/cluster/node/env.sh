# Sourced by the scripts of the node tier. Everything can be set from outside.
NODE_NAME=${NODE_NAME:-node-1}
. "$(dirname "${BASH_SOURCE[0]}")/../api/env.sh"
NODE=${NODE:-$RUN/node}                            # what containerd and kubelet keep
KUBELET_ROOT=${KUBELET_ROOT:-$NODE/kubelet}
KUBELET_PORT=${KUBELET_PORT:-20250}
KUBELET_HEALTHZ_PORT=${KUBELET_HEALTHZ_PORT:-20248}
NODE_ADDRESS=${NODE_ADDRESS:-10.77.0.1}            # kubelet refuses a loopback address; nothing is ever sent to it
NODE_CGROUP=${NODE_CGROUP:-/keymount-$(basename "$RUN")}
IMAGE=${IMAGE:-keymount.test/container:1}          # the only image there is
CONTAINERD_SOCKET=$NODE/containerd/containerd.sock
export RUN NODE KUBELET_ROOT NODE_NAME NODE_ADDRESS NODE_CGROUP IMAGE

# cgroups: the node's directory in every hierarchy of control groups, version 1 or 2.
cgroups() {
  local hierarchy
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo "/sys/fs/cgroup$NODE_CGROUP"; return; fi
  for hierarchy in /sys/fs/cgroup/*/; do echo "${hierarchy%/}$NODE_CGROUP"; done
}
