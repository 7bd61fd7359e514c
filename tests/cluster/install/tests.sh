#!/bin/bash
# Runs the tests (STORY) on the node that is up. What the cluster was like at the end is kept for who looks into a failure.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../node/env.sh"
snapshotter=$(sed -n 's/.*snapshotter = "\(.*\)"/\1/p' "$NODE/containerd.toml")
for file in "$IMAGES"/*.tar; do
  ctr -a "$CONTAINERD_SOCKET" -n k8s.io images import --snapshotter "$snapshotter" "$file" >/dev/null || exit 1
done
export CONTAINERD_SOCKET NODE PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
export HELM_CACHE_HOME=$RUN/helm/cache HELM_CONFIG_HOME=$RUN/helm/config HELM_DATA_HOME=$RUN/helm/data
python3 "$STORY" "$@"
