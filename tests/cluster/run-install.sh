#!/bin/bash
# The stack as its users install it: our images and charts, with helm, on a real control plane, containerd and kubelet, with the emulator
# as a pod in Azure's place. Builds everything (the Kubernetes programs and helm once), brings up a node in namespaces of its own, runs
# the tests of install/, takes the node down.
#   run-install.sh [NAME...]     all tests, or only these chapters of install/, for example `rotation`; the installation is always first
#   TIME_LIMIT=SECONDS           for the node and the tests, builds not counted (900)
# Needs root. Where a node cannot run this says why and succeeds, unless KEYMOUNT_MOUNT_NAMESPACE is "required".
# When a test fails its logs are kept; the last lines say where.
set -euo pipefail
cd "$(dirname "$0")"
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }
RUN=$(mktemp -d "${TMPDIR:-/tmp}/keymount-install.XXXXXX"); export RUN KEEP_RUN=yes
trap 'rm -rf "$RUN"' EXIT
# Pods reach the API server at the address of its Service, as anywhere: the server listens there itself, and nobody has to translate.
export API_ADDRESS=10.96.0.1 API_PORT=443 NODE_ADDRESS=10.77.0.1 EMULATOR_ADDRESS=10.77.0.2
export KUBELET_ROOT=/var/lib/kubelet NODE_PREPARE=$PWD/install/prepare.sh POD_NETWORK=$RUN/pods.conflist
. node/env.sh
if ! why=$(node/possible.sh); then
  echo "skipped: $why"
  [ "${KEYMOUNT_MOUNT_NAMESPACE:-}" != required ] || exit 1
  exit 0
fi

say "packages and helm ..."
install/packages.sh
. ../charts/tools.sh
export HELM
say "images ..."
# Nothing of the commit in them, so that they are built again only when their programs change.
export IMAGES=$RUN/images
KEYMOUNT_COMMIT='' cargo xtask images --output "$IMAGES"
say "the program of the pods ..."
cargo build --quiet -p keymount-cluster-tests --bin keymount-test-container
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
export KEYMOUNT_CONTAINER=$target/debug/keymount-test-container
say "Kubernetes programs ..."
api/kube/build.sh

# The server tells what the driver asks for, and what it is refused.
cat > "$RUN/audit-policy.yaml" <<K
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
K
export AUDIT_LOG=$RUN/audit.log
export APISERVER_ARGS="--audit-policy-file=$RUN/audit-policy.yaml --audit-log-path=$AUDIT_LOG --audit-log-maxsize=1000"
cat > "$POD_NETWORK" <<K
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": {"type": "host-local",
 "dataDir": "$RUN/addresses", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
K

say "bringing up the node ..."
code=0
TIME_LIMIT=${TIME_LIMIT:-900} node/enter.sh install/tests.sh "$@" || code=$?
if [ $code != 0 ]; then
  logs=$KEYMOUNT_CACHE/logs/install-$(date +%Y%m%dT%H%M%S)
  mkdir -p "$logs"
  cp -r "$RUN/logs" "$RUN/audit.log" "$RUN/state" "$logs" 2>/dev/null || true
  cp -r "$RUN/node/pods-logs" "$logs" 2>/dev/null || true
  find "$logs" ! -type f ! -type d -delete     # sockets
  say "FAILED; the logs of kubelet, containerd, the control plane, daemons and pods are in $logs"
fi
say "done"
exit $code
