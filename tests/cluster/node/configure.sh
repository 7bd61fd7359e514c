#!/bin/bash
# Writes the configuration of containerd and kubelet.
set -euo pipefail
. "$(dirname "$0")/env.sh"
# An overlay cannot lie on an overlay, as the disk of a container often is one.
snapshotter=native probe=$(mktemp -d "$NODE/overlay.XXXXXX")
mkdir "$probe"/{lower,upper,work,merged}
if mount -t overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" overlay "$probe/merged" 2>/dev/null; then
  umount "$probe/merged"
  snapshotter=overlayfs
fi
rm -rf "$probe"
cat > "$NODE/containerd.toml" <<K
version = 2
root = "$NODE/containerd/root"
state = "$NODE/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$IMAGE"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "$(command -v runc)"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "$NODE/cni"
    bin_dir = "/usr/lib/cni"
K
# Kubelet wants to see a network. Where every pod is in the node's own (hostNetwork) no plugin ever runs.
if [ -n "${POD_NETWORK:-}" ]; then
  cp "$POD_NETWORK" "$NODE/cni/pods.conflist"
else
  echo '{"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "loopback"}]}' > "$NODE/cni/none.conflist"
fi
# Of the node when it is new: NODE_TAINT=KEY:EFFECT.
taints="[]"
[ -z "${NODE_TAINT:-}" ] || taints="[{key: \"${NODE_TAINT%%:*}\", effect: \"${NODE_TAINT##*:}\"}]"
cat > "$NODE/kubelet.yaml" <<K
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $KUBELET_PORT
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: $KUBELET_HEALTHZ_PORT
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$RUN/certs/ca.crt"}}
authorization: {mode: Webhook}
tlsCertFile: "$RUN/certs/kubelet-serving.crt"
tlsPrivateKeyFile: "$RUN/certs/kubelet-serving.key"
containerRuntimeEndpoint: "unix://$CONTAINERD_SOCKET"
cgroupDriver: cgroupfs
cgroupRoot: "$NODE_CGROUP"
failSwapOn: false
failCgroupV1: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
resolvConf: ""
clusterDNS: ["127.0.0.1"]
volumePluginDir: "$KUBELET_ROOT/volumeplugins"
podLogsDir: "$NODE/pods-logs"
evictionHard: {"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
maxPods: 500
kubeAPIQPS: 200
kubeAPIBurst: 400
# Volumes are published again at every sync; the default of a minute would make tests of that slow.
syncFrequency: ${KUBELET_SYNC:-2s}
nodeStatusUpdateFrequency: 5s
registerNode: true
registerWithTaints: $taints
shutdownGracePeriod: 0s
K
