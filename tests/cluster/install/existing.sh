#!/bin/bash
# existing.sh [CHAPTER...]: runs the tests on the cluster that KUBECONFIG names, which has one node, and takes away what they leave: called by
# run-install.sh --existing, which says what it needs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../node/env.sh"
: "${NODE_SHELL:?how to run a command on the node, for example 'ssh root@node' or 'docker exec -i kind-control-plane sh -c'}"
command -v kubectl >/dev/null || { echo "kubectl is missing" >&2; exit 1; }
read -ra shell <<< "$NODE_SHELL"
on_node() { "${shell[@]}" "$1"; }
mapfile -t nodes < <(kubectl get nodes -o name)
[ ${#nodes[@]} = 1 ] || { echo "the cluster has ${#nodes[@]} nodes; these tests look at one" >&2; exit 1; }
export NODE_NAME=${nodes[0]#node/} NODE=/var/lib/keymount-test CONTAINERD_SOCKET=${CONTAINERD_SOCKET_ON_NODE:-/run/containerd/containerd.sock}
kubectl get crd secretproviderclasses.secrets-store.csi.x-k8s.io >/dev/null 2>&1 && { echo "there is a Secrets Store CSI driver in this cluster already" >&2; exit 1; }

proxy=
tidy() {
  set +e
  [ -z "$proxy" ] || kill "$proxy"
  "$HELM" uninstall csi --namespace kube-system --ignore-not-found >/dev/null 2>&1
  kubectl delete --ignore-not-found --wait=false clusterrolebinding/issuer-discovery \
    namespace/{azure,contents,secrets,other,negative,identities,pod-identity,rotation,upgrade,crowd,removal} >/dev/null
  kubectl delete --ignore-not-found crd/secretproviderclass{es,podstatuses}.secrets-store.csi.x-k8s.io >/dev/null
  on_node "rm -rf $NODE; ip address del $EMULATOR_ADDRESS/32 dev lo; ip address del 169.254.169.254/32 dev lo; grep -v ' # keymount-test' /etc/hosts > /tmp/hosts.$$; cat /tmp/hosts.$$ > /etc/hosts; rm /tmp/hosts.$$"
} 2>/dev/null
trap tidy EXIT

# The node looks like one on Azure. A file that is mounted, as in a container, can be written and not replaced.
on_node "mkdir -p $NODE/emulator; ip address add $EMULATOR_ADDRESS/32 dev lo; ip address add 169.254.169.254/32 dev lo;
  echo '$EMULATOR_ADDRESS shop.vault.azure.net team.vault.azure.net login.microsoftonline.com # keymount-test' >> /etc/hosts"
"$here/../node/image.sh" "$KEYMOUNT_CONTAINER" "$RUN/image.tar"
for file in "$IMAGES"/*.tar "$RUN/image.tar"; do
  on_node "ctr -a $CONTAINERD_SOCKET -n k8s.io images import --digests=false -" < "$file" >/dev/null
done
exec {told}< <(exec kubectl proxy --port=0 2>&1)
proxy=$!
read -r line <&"$told"
export API_PROXY=${line##* } PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
export HELM_CACHE_HOME=$RUN/helm/cache HELM_CONFIG_HOME=$RUN/helm/config HELM_DATA_HOME=$RUN/helm/data
mkdir -p "$RUN"
timeout --kill-after=60 "${TIME_LIMIT:-900}" python3 "$here/main.py" "$@"
