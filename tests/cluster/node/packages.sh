#!/bin/bash
# Installs what the node needs from Debian's or Ubuntu's packages, unless the programs are there already.
set -euo pipefail
missing=()
for program in containerd runc ip:iproute2 unshare:util-linux setpriv:util-linux curl openssl; do
  command -v "${program%%:*}" >/dev/null || missing+=("${program##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "missing, and only Debian's packages are known here: ${missing[*]}" >&2; exit 1; }
echo "installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
install() { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; }
for attempt in 1 2 3; do
  ! timeout 300 bash -c "$(declare -p missing); $(declare -f install); install" >/dev/null || exit 0
  echo "attempt $attempt failed" >&2
  sleep $((attempt * 5))
done
exit 1
