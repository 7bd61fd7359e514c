#!/bin/bash
# What Argo CD needs beside node/packages.sh: Redis, and git for the repositories.
set -euo pipefail
missing=()
for program in redis-server git; do
  command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "missing, and only Debian's packages are known here: ${missing[*]}" >&2; exit 1; }
echo "installing ${missing[*]} ..."
# Redis is a process of the test only, not a service of the machine.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
for attempt in 1 2 3; do
  ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null || exit 0
  echo "attempt $attempt failed" >&2
  sleep $((attempt * 5))
done
exit 1
