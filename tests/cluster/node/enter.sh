#!/bin/bash
# enter.sh COMMAND...: runs a command with a Kubernetes node of its own: etcd, kube-apiserver, kube-controller-manager,
# kube-scheduler, containerd and kubelet, in a network, process and mount namespace that nobody else is in. When the
# command ends, or this script is killed, all processes and mounts are gone with the namespaces.
# Needs root. `enter.sh bash` gives a shell with KUBECONFIG set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "a Kubernetes node needs root" >&2; exit 1; }
"$here/packages.sh"
RUN=${RUN:-$(mktemp -d "${TMPDIR:-/tmp}/keymount-node.XXXXXX")}
. "$here/env.sh"
"$here/../api/kube/build.sh"

# What the namespaces do not hold: cgroups, and the kernel settings that kubelet makes.
hierarchies=(/sys/fs/cgroup)
[ -e /sys/fs/cgroup/cgroup.controllers ] || hierarchies=(/sys/fs/cgroup/*/)
cgroups=(); for h in "${hierarchies[@]}"; do cgroups+=("${h%/}$NODE_CGROUP"); done
settings=$(sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)
tidy() {
  for cgroup in "${cgroups[@]}"; do
    [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || echo "$cgroup is left" >&2
  done
  sysctl -q -p - <<< "$settings" || true
  [ -n "${KEEP_RUN:-}" ] || rm -rf "$RUN"
}
trap tidy EXIT
mkdir -p "${cgroups[@]}"
setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net -- "$here/inside.sh" "$@"
