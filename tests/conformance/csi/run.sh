#!/usr/bin/env bash
# The CSI project's own suite against the driver, and what kubelet and the sidecars find beside the CSI socket.
# Needs Go, and either root or user namespaces. Everything runs in namespaces of its own (../peers/stack), and what it
# starts it ends. Prints what ran and what was skipped, and why. Variables: ../peers/build.sh, and
#
#   NODE_DRIVER_REGISTRAR, LIVENESSPROBE   the sidecars' programs; without them the tests of the sidecars themselves are
#                                          skipped: their modules cannot be installed by `go install`. What they do with
#                                          the driver's socket is tested by the library they are made of.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../peers/build.sh"

version=v5.5.0
tools=$KEYMOUNT_CACHE/bin
CSI_SANITY=$tools/csi-sanity-$version
if [ ! -x "$CSI_SANITY" ]; then
    echo "installing csi-sanity $version ..."
    installing=$(mktemp -d)
    trap 'rm -rf "$installing"' EXIT
    GOBIN=$installing go install "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@$version"
    mkdir -p "$tools"
    mv "$installing/csi-sanity" "$CSI_SANITY"
fi
SIDECARS=$tools/sidecars
(cd "$here/sidecars" && go build -o "$SIDECARS" .)
export CSI_SANITY SIDECARS

cd "$here/../peers"
go test -count=1 -v "$@" ./sanity ./kubelet
