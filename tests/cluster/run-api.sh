#!/bin/bash
# The contract of the Kubernetes API against a real kube-apiserver: builds and starts etcd and kube-apiserver
# (a few minutes the first time, 3 s later), runs the checks that `cargo test` runs against the double, stops both.
# Arguments go to the test program, for example `tests/cluster/run-api.sh watches`.
set -euo pipefail
cd "$(dirname "$0")"
RUN=$(mktemp -d); export RUN    # beside whatever else runs; only the ports are shared
. api/env.sh
trap 'api/down.sh --wipe' EXIT
api/up.sh
export KUBECONFIG=$ADMIN_KUBECONFIG KEYMOUNT_NOBODY_KUBECONFIG=$RUN/nobody.kubeconfig
echo "running the contract against kube-apiserver v$KUBE_VERSION ..."
cargo test -p keymount-cluster-tests --test contract -- --ignored --skip double:: "$@"
