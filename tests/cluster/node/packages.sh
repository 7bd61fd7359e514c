#!/bin/bash
# Installs what the node needs from Debian's or Ubuntu's packages, unless the programs are there already.
set -euo pipefail
missing=()
for program in containerd runc ip:iproute2 unshare:util-linux curl openssl; do
  command -v "${program%%:*}" >/dev/null || missing+=("${program##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing ${missing[*]} ..."
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
