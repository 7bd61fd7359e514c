#!/usr/bin/env bash
# The driver and the Azure provider over their sockets, against peers that are written from the field tables of the
# contracts. Needs Go, and either root or user namespaces. Variables: build.sh. Arguments go to `go test`.
set -euo pipefail
cd "$(dirname "$0")"
. ./build.sh
exec go test -count=1 "$@" ./driver ./azure
