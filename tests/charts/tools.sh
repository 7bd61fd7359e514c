#!/bin/bash
# Builds helm and kustomize from Go modules into the cache, once. Sourced: sets HELM, KUSTOMIZE and PROMTOOL, which `promtool_program` builds.
HELM_VERSION=3.22.0 KUSTOMIZE_VERSION=5.8.1 PROMTOOL_VERSION=3.16.0
TOOLS=${KEYMOUNT_CACHE:-$HOME/.cache/keymount}/bin
HELM=$TOOLS/helm-$HELM_VERSION KUSTOMIZE=$TOOLS/kustomize-$KUSTOMIZE_VERSION PROMTOOL=$TOOLS/promtool-$PROMTOOL_VERSION

# go_tool FILE MODULE@VERSION PACKAGE LDFLAGS: in a directory of its own, then moved, so that no half program is left behind.
go_tool() {
  local file=$1 package=$2 ldflags=$3 directory
  [ -x "$file" ] && return 0
  mkdir -p "$TOOLS"; directory=$(mktemp -d "$TOOLS/.build.XXXXXX")
  echo "building $(basename "$file") ..."
  (cd / && CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOBIN=$directory nice -n 10 go install -trimpath -ldflags "-s -w $ldflags" "$package") &&
    mv "$directory"/* "$file"
  local status=$?
  rm -rf "$directory"
  return $status
}

# promtool comes with every service discovery of Prometheus, which tests of rules have no use for; its module cannot be installed by version,
# so it is a tool of the module in promtool/. To be called in this directory.
promtool_program() {
  [ -x "$PROMTOOL" ] && return 0
  mkdir -p "$TOOLS"
  echo "building $(basename "$PROMTOOL") ..."
  (cd promtool && CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' nice -n 10 go build -trimpath -tags remove_all_sd -ldflags '-s -w' \
    -o "$PROMTOOL.new" github.com/prometheus/prometheus/cmd/promtool) && mv "$PROMTOOL.new" "$PROMTOOL"
}

# The version of Kubernetes that helm renders for when it is not connected: that of the test cluster.
chart=helm.sh/helm/v3/pkg/chartutil lint=helm.sh/helm/v3/pkg/lint/rules
go_tool "$HELM" "helm.sh/helm/v3/cmd/helm@v$HELM_VERSION" "-X $chart.k8sVersionMajor=1 -X $chart.k8sVersionMinor=33 \
  -X $lint.k8sVersionMajor=1 -X $lint.k8sVersionMinor=33" &&
  go_tool "$KUSTOMIZE" "sigs.k8s.io/kustomize/kustomize/v5@v$KUSTOMIZE_VERSION" ""
