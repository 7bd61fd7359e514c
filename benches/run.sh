#!/bin/bash
# Measures a driver and a provider: makes a network and a mount namespace of its own, starts a real kube-apiserver in it,
# and hands the arguments over. `cargo xtask bench` builds what is missing and calls this.
#   run.sh BENCH [ARGUMENT...]     BENCH is the program keymount-bench
#   EMULATED=1                     without a kube-apiserver: the emulator's Kubernetes API answers
# Needs to be root: the vault is asked by its real name on port 443, which a private hosts file leads to this machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../tests/cluster"
if [ "${KEYMOUNT_BENCH_INSIDE:-}" != 1 ]; then
  # Beforehand and outside: it downloads and builds.
  if [ -z "${EMULATED:-}" ]; then (. api/env.sh; api/kube/build.sh kube-apiserver) >&2; fi
  exec env KEYMOUNT_BENCH_INSIDE=1 unshare --net --mount --propagation private -- "$here/run.sh" "$@"
fi
bench=$1; shift
RUN=$(mktemp -d); export RUN
trap 'if [ -z "${EMULATED:-}" ]; then api/down.sh --wipe >&2; fi; rm -rf "$RUN"' EXIT
ip link set lo up
{ cat /etc/hosts; echo 127.0.0.1 bench.vault.azure.net login.microsoftonline.com; } > "$RUN/hosts"
mount --bind "$RUN/hosts" /etc/hosts

if [ -z "${EMULATED:-}" ]; then
  . api/env.sh
  # The server tells what service accounts, the driver among them, ask for.
  printf '%s\n' 'apiVersion: audit.k8s.io/v1' 'kind: Policy' 'omitStages: [RequestReceived]' 'rules:' \
    '- {level: Metadata, userGroups: ["system:serviceaccounts"]}' '- {level: None}' > "$RUN/audit-policy.yaml"
  export KEYMOUNT_AUDIT_LOG=$RUN/audit.log
  export APISERVER_ARGS="--audit-policy-file=$RUN/audit-policy.yaml --audit-log-path=$KEYMOUNT_AUDIT_LOG --audit-log-maxsize=1000"
  api/up.sh >&2
  export KUBECONFIG=$ADMIN_KUBECONFIG
fi
"$bench" "$@"
