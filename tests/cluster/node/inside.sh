#!/bin/bash
# The first process of the namespaces that enter.sh makes: network and names, node up, the command, node down.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/env.sh"
set -e
ip link set lo up
ip address add "$NODE_ADDRESS/32" dev lo
printf '127.0.0.1 localhost %s\n' "$NODE_NAME" > "$RUN/hosts"
mount --bind "$RUN/hosts" /etc/hosts
# The node's directory is where kubelet's and containerd's mounts are; their propagation stays inside.
mkdir -p "$NODE"; mount --bind "$NODE" "$NODE"; mount --make-rshared "$NODE"
# What else a test wants to have before anything runs.
[ -z "${NODE_PREPARE:-}" ] || "$NODE_PREPARE"
"$here/up.sh"
export KUBECONFIG=$ADMIN_KUBECONFIG KEYMOUNT_RUN=$RUN
set +e
"$@"
code=$?
"$here/down.sh"
exit $code
