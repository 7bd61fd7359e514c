#!/bin/bash
# What the node needs beside node/packages.sh: a network for pods.
set -euo pipefail
[ ! -x /usr/lib/cni/ptp ] || exit 0
command -v apt-get >/dev/null || { echo "missing, and only Debian's packages are known here: containernetworking-plugins" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3; do
  ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends containernetworking-plugins; } >/dev/null || exit 0
  echo "attempt $attempt failed" >&2
  sleep $((attempt * 5))
done
exit 1
