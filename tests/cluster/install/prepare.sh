#!/bin/bash
# Makes the namespaces look like a node on Azure, before anything of it runs: addresses, names, and the directories where the charts
# expect them. All of it goes with the namespaces.
set -euo pipefail
. "$(dirname "$0")/../node/env.sh"
ip address add "$API_ADDRESS/32" dev lo          # the Service of the API server
if [ -n "${EMULATOR_ADDRESS:-}" ]; then
  ip address add "$EMULATOR_ADDRESS/32" dev lo     # Key Vault and Entra
  ip address add 169.254.169.254/32 dev lo         # the machine's metadata service
  echo "$EMULATOR_ADDRESS shop.vault.azure.net team.vault.azure.net login.microsoftonline.com" >> "$RUN/hosts"
fi
# place DIRECTORY OURS: has the charts' default directory lead to one of ours.
place() { mkdir -p "$1" "$2"; mount --bind "$2" "$1"; mount --make-rshared "$1"; }
place /var/lib/kubelet "$NODE/kubelet"
place /var/run/secrets-store-csi-providers "$NODE/providers"
# What containerd and the network plugins keep of pods' networks.
place /var/run/netns "$NODE/netns"
place /var/lib/cni "$NODE/cni-results"
mkdir -p "$NODE/emulator"
