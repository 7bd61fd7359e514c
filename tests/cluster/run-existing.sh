#!/bin/bash
# run-install.sh --existing, as you would run it on a cluster of yours. The node of node/ plays that cluster: it knows nothing of these
# tests, which reach it by a kubeconfig, kubectl and a shell on the node. Builds kubectl (once, a minute).
#   run-existing.sh [CHAPTER...]     as for run-install.sh; PROFILE and TIME_LIMIT too
# Needs root. Where a node cannot run this says why and succeeds, unless KEYMOUNT_MOUNT_NAMESPACE is "required".
set -euo pipefail
cd "$(dirname "$0")"
. node/needed.sh
here=$PWD RUN=$(mktemp -d "${TMPDIR:-/tmp}/keymount-existing.XXXXXX"); export RUN KEEP_RUN=yes
trap 'rm -rf "$RUN"' EXIT
export API_ADDRESS=10.96.0.1 API_PORT=443 NODE_ADDRESS=10.77.0.1 KUBELET_ROOT=/var/lib/kubelet NODE_PREPARE=$here/install/prepare.sh
. node/env.sh
api/kube/build.sh kubectl
# What run-install.sh needs is there before the network is away.
install/packages.sh
(. ../charts/tools.sh)
. install/network.sh
# The cluster's own environment stays with it.
code=0
node/enter.sh env -u RUN -u NODE -u NODE_CGROUP -u NODE_PREPARE -u KUBELET_ROOT -u POD_NETWORK -u API_ADDRESS -u API_PORT -u NODE_ADDRESS \
  PATH="$BIN:$PATH" NODE_SHELL="sh -c" CONTAINERD_SOCKET_ON_NODE="$CONTAINERD_SOCKET" "$here/run-install.sh" --existing "$@" || code=$?
if [ $code != 0 ]; then
  logs=$KEYMOUNT_CACHE/logs/existing-$(date +%Y%m%dT%H%M%S)
  mkdir -p "$logs"
  cp -r "$RUN/logs" "$RUN/node/pods-logs" "$logs" 2>/dev/null || true
  echo "FAILED; the logs of the cluster are in $logs"
fi
exit $code
