#!/bin/bash
# The charts and manifests against helm, kustomize, promtool and a real kube-apiserver: builds the tools and the server (once), starts the server,
# runs the tests beside this script, stops it. Needs Go and Python 3. Arguments go to unittest, for example `tests/charts/run.sh -k rights`.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
promtool_program
export HELM KUSTOMIZE PROMTOOL
# A server of our own, beside those of other tests.
RUN=$(mktemp -d); export RUN
export API_PORT=${CHARTS_API_PORT:-16643} ETCD_PORT=${CHARTS_ETCD_PORT:-12579} ETCD_PEER_PORT=${CHARTS_ETCD_PEER_PORT:-12580}
. ../cluster/api/env.sh
trap '../cluster/api/down.sh --wipe' EXIT
../cluster/api/up.sh
export KUBECONFIG=$ADMIN_KUBECONFIG PYTHONDONTWRITEBYTECODE=1
# The definitions of the Prometheus operator, for the objects that are made for it.
PROMETHEUS=$(cd / && go mod download -json github.com/prometheus-operator/prometheus-operator@v0.85.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
export PROMETHEUS_CRDS=$PROMETHEUS/example/prometheus-operator-crd
# Argo CD's definitions, and the Lua of its health checks.
ARGOCD_MODULE=$(cd / && go mod download -json github.com/argoproj/argo-cd/v3@v3.5.3 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
export ARGOCD_MODULE
if ! command -v lua5.1 >/dev/null; then
  DEBIAN_FRONTEND=noninteractive bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends lua5.1' >/dev/null
fi
python3 -m unittest "$@"
