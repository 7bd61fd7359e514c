#!/bin/bash
# Starts what of the node is not running, and waits until it is ready. Run it inside enter.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/env.sh"
began=$SECONDS certs=$RUN/certs
WITH_KCM=1 "$here/../api/up.sh"
mkdir -p "$NODE"/containerd "$NODE"/cni "$KUBELET_ROOT"
"$here/configure.sh"

start containerd containerd --config "$NODE/containerd.toml"
for ((i = 0; i < 200; i++)); do
  ctr -a "$CONTAINERD_SOCKET" version >/dev/null 2>&1 && break
  alive containerd || { tail -5 "$RUN/logs/containerd.log" >&2; exit 1; }
  sleep 0.05
done
if [ -n "${KEYMOUNT_CONTAINER:-}" ] && ! ctr -a "$CONTAINERD_SOCKET" -n k8s.io images ls -q | grep -qx "$IMAGE"; then
  "$here/image.sh" "$KEYMOUNT_CONTAINER" "$NODE/image.tar"
  ctr -a "$CONTAINERD_SOCKET" -n k8s.io images import --digests=false --snapshotter "$(sed -n 's/.*snapshotter = "\(.*\)"/\1/p' "$NODE/containerd.toml")" "$NODE/image.tar" >/dev/null
fi
start kubelet "$BIN/kubelet" --config="$NODE/kubelet.yaml" --kubeconfig="$RUN/kubelet.kubeconfig" --root-dir="$KUBELET_ROOT" \
  --cert-dir="$KUBELET_ROOT/pki" --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS" --v="${KUBELET_V:-2}"
wait_url "http://127.0.0.1:$KUBELET_HEALTHZ_PORT/healthz" 60 kubelet
node_is_ready() {
  curl -fsS --cacert "$certs/ca.crt" --cert "$certs/admin.crt" --key "$certs/admin.key" 2>/dev/null \
    "https://$API_ADDRESS:$API_PORT/api/v1/nodes/$NODE_NAME?pretty=false" | grep -q '"type":"Ready","status":"True"'
}
for ((i = 0; i < 600; i++)); do node_is_ready && break; sleep 0.1; done
node_is_ready || { echo "the node is not ready; see $RUN/logs" >&2; exit 1; }
echo "node $NODE_NAME ready after $((SECONDS - began)) s"
