#!/bin/bash
# The stack as its users install it: our images and charts, with helm, on a real control plane, containerd and kubelet, with the emulator
# as a pod in Azure's place. Builds everything (the Kubernetes programs and helm once), brings up a node in namespaces of its own, runs
# the tests of install/, takes the node down.
#   run-install.sh [NAME...]     all tests, or only these chapters of install/, for example `rotation`; the installation is always first
#   TIME_LIMIT=SECONDS           for the node and the tests, builds not counted (900)
#   STORY=FILE                   other tests with the same node and images (install/main.py)
#   PROFILE=dist                 the programs as they are published; `dev`: those that the tests have built, which costs no build;
#                                otherwise (`release`) static ones that are quick to build
#   KUBECONFIG=FILE NODE_SHELL=COMMAND run-install.sh --existing [NAME...]
#                                on a cluster of yours that has one node with containerd, a kubelet directory at /var/lib/kubelet and no
#                                Secrets Store CSI driver; COMMAND runs a shell command on the node, for example "ssh root@node" or
#                                "docker exec -i kind-control-plane sh -c". For clusters that may be broken: the node gets addresses of
#                                Azure's services for the time of the tests. Needs kubectl, and no root here.
# Needs root. Where a node cannot run this says why and succeeds, unless KEYMOUNT_MOUNT_NAMESPACE is "required".
# When a test fails its logs are kept; the last lines say where.
set -euo pipefail
cd "$(dirname "$0")"
existing=no
if [ "${1:-}" = --existing ]; then existing=yes; shift; fi
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }
RUN=$(mktemp -d "${TMPDIR:-/tmp}/keymount-install.XXXXXX"); export RUN KEEP_RUN=yes
trap 'rm -rf "$RUN"' EXIT
# Pods reach the API server at the address of its Service, as anywhere: the server listens there itself, and nobody has to translate.
export API_ADDRESS=10.96.0.1 API_PORT=443 NODE_ADDRESS=10.77.0.1 EMULATOR_ADDRESS=10.77.0.2
export STORY=${STORY:-$PWD/install/main.py}
export KUBELET_ROOT=/var/lib/kubelet NODE_PREPARE=$PWD/install/prepare.sh
. node/env.sh
[ $existing = yes ] || . node/needed.sh

say "packages and helm ..."
[ $existing = yes ] || install/packages.sh
. ../charts/tools.sh
export HELM
say "images ..."
build_programs xtask keymount-test-container
target=$(target_directory)
export KEYMOUNT_CONTAINER=$target/debug/keymount-test-container IMAGES=$RUN/images
# Nothing of the commit in them, so that they are built again only when their programs change. Dependencies are built once for all
# checkouts.
PROFILE=${PROFILE:-release}
directory=(--target-dir "$KEYMOUNT_CACHE/build/images")
[ "$PROFILE" != dev ] || directory=()
KEYMOUNT_COMMIT='' "$target/debug/xtask" images --profile "$PROFILE" --output "$IMAGES" "${directory[@]}"
if [ $existing = yes ]; then
  install/existing.sh "$@"
  say "done"
  exit 0
fi
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
. install/network.sh

say "bringing up the node ..."
code=0
TIME_LIMIT=${TIME_LIMIT:-900} node/enter.sh install/tests.sh "$@" || code=$?
if [ $code != 0 ]; then
  logs=$KEYMOUNT_CACHE/logs/$(basename "$(dirname "$STORY")")-$(date +%Y%m%dT%H%M%S)
  mkdir -p "$logs"
  cp -r "$RUN/logs" "$RUN/audit.log" "$RUN/state" "$logs" 2>/dev/null || true
  cp -r "$RUN/node/pods-logs" "$logs" 2>/dev/null || true
  find "$logs" ! -type f ! -type d -delete     # sockets
  say "FAILED; the logs of kubelet, containerd, the control plane, daemons and pods are in $logs"
fi
say "done"
exit $code
