#!/bin/bash
# Tests against a real kube-apiserver: builds and starts etcd and kube-apiserver (a few minutes the first time, 3 s later),
# and stops both in the end. First the contract, the checks that `cargo test` runs against the double; then the economy,
# what the driver asks of the server, for which the driver must be able to mount.
#   run-api.sh [FILTER...]           all tests, or those whose names contain FILTER, for example `watches`
#   DRIVER=/path run-api.sh          the economy of another driver, with the flags of driver v1.6.0: measured, not judged
#   FULL=yes run-api.sh              also what takes minutes: the idle node, the large cluster
#   TIME_LIMIT=SECONDS               for each of the two, builds not counted (600; 1800 with FULL=yes)
# Where nothing can be mounted this says so and leaves out the economy, unless KEYMOUNT_MOUNT_NAMESPACE is "required".
set -euo pipefail
cd "$(dirname "$0")"
RUN=$(mktemp -d); export RUN    # beside whatever else runs; only the ports are shared
. api/env.sh
trap 'api/down.sh --wipe' EXIT
long=(--skip idle:: --skip memory::) seconds=600
if [ "${FULL:-no}" = yes ]; then long=() seconds=1800; fi
limit=(timeout --kill-after=10 "${TIME_LIMIT:-$seconds}")

build_programs secrets-store-csi-driver
target=$(target_directory)
contract=$(test_program keymount-cluster-tests contract) economy=$(test_program keymount-cluster-tests economy)

# The server tells what service accounts, the driver among them, ask for.
cat > "$RUN/audit-policy.yaml" <<K
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
K
export KEYMOUNT_AUDIT_LOG=$RUN/audit.log
export APISERVER_ARGS="--audit-policy-file=$RUN/audit-policy.yaml --audit-log-path=$KEYMOUNT_AUDIT_LOG --audit-log-maxsize=1000"
api/up.sh
export KUBECONFIG=$ADMIN_KUBECONFIG KEYMOUNT_NOBODY_KUBECONFIG=$RUN/nobody.kubeconfig
export KEYMOUNT_RUN=$RUN KEYMOUNT_DRIVER=$target/debug/secrets-store-csi-driver

echo "the contract, against kube-apiserver v$KUBE_VERSION ..."
"${limit[@]}" "$contract" --ignored --skip double:: "$@"

isolated=(unshare --mount --propagation private --)
"${isolated[@]}" true 2>/dev/null || isolated=(unshare --user --map-root-user --mount --propagation private --)
if ! why=$("${isolated[@]}" true 2>&1); then
  echo "the economy is skipped: no namespace for mounts can be made: $why"
  [ "${KEYMOUNT_MOUNT_NAMESPACE:-}" != required ]
  exit
fi
echo "the economy ..."
[ ${#long[@]} = 0 ] || echo "left out, because they take minutes: idle, memory (FULL=yes)"
"${limit[@]}" "${isolated[@]}" "$economy" --ignored --test-threads=1 --nocapture "${long[@]}" "$@"
