#!/bin/bash
# The driver under a real kubelet: builds everything (the Kubernetes programs once, a few minutes), brings up a node in
# namespaces of its own, runs the tests, takes the node down.
#   run-node.sh [FILTER...]                 all tests, or those whose names contain FILTER
#   DRIVER=/path run-node.sh                another driver, with the flags of driver v1.6.0 and a registrar beside it
#   TEST_THREADS=N                          tests that run at one time (4)
#   TIME_LIMIT=SECONDS                      for the node and the tests, builds not counted (900)
# Needs root. Where a node cannot run this says why and succeeds, unless KEYMOUNT_MOUNT_NAMESPACE is "required".
# When a test fails its logs are kept; the last lines say where.
set -euo pipefail
cd "$(dirname "$0")"
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }
RUN=$(mktemp -d "${TMPDIR:-/tmp}/keymount-node.XXXXXX"); export RUN KEEP_RUN=yes
trap 'rm -rf "$RUN"' EXIT
. node/env.sh
. node/needed.sh

say "building driver, container and tests ..."
build_programs keymount-test-container secrets-store-csi-driver
NODE_TESTS=$(test_program keymount-cluster-tests node)
target=$(target_directory)
export NODE_TESTS
export KEYMOUNT_CONTAINER=$target/debug/keymount-test-container KEYMOUNT_DRIVER=$target/debug/secrets-store-csi-driver
node/packages.sh
say "Kubernetes programs ..."
api/kube/build.sh

say "bringing up the node ..."
code=0
TIME_LIMIT=${TIME_LIMIT:-900} node/enter.sh node/tests.sh "$@" || code=$?
if [ $code != 0 ]; then
  logs=$KEYMOUNT_CACHE/logs/node-$(date +%Y%m%dT%H%M%S)
  mkdir -p "$logs"
  cp -r "$RUN/logs" "$RUN/tests" "$logs" 2>/dev/null || true
  cp -r "$RUN/node/pods-logs" "$logs" 2>/dev/null || true
  find "$logs" ! -type f ! -type d -delete     # sockets
  say "FAILED; the logs of kubelet, containerd, the control plane, drivers and pods are in $logs"
fi
say "done"
exit $code
