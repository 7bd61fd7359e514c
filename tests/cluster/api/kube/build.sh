#!/bin/bash
# Builds etcd, kube-apiserver, kubelet, kube-controller-manager and kube-scheduler from the Go modules pinned in
# go.mod and go.sum beside this script. Programs that are already there are not built again.
# Cold: about 500 CPU-seconds and 3 GB of Go build cache; every program says when it is ready.
# Several of these may run at one time: each program is built once, and the others wait for it.
set -euo pipefail
cd "$(dirname "$0")"; . ../env.sh
command -v go >/dev/null || { echo "go is needed to build the test cluster" >&2; exit 1; }
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly'
ld="-s -w"
for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ld="$ld -X $p.gitVersion=v$KUBE_VERSION -X $p.gitMajor=1 -X $p.gitMinor=33 -X $p.gitTreeState=clean -X $p.buildDate=1970-01-01T00:00:00Z"
done
mkdir -p "$BIN"
build() { # NAME PACKAGE: into a temporary name first, so that an interrupted build leaves no half program
  local name=$1 package=$2 began=$SECONDS lock attempt
  [ -x "$BIN/$name" ] && return 0
  exec {lock}> "$BIN/.$name.lock"
  flock --nonblock "$lock" || { echo "waiting for $name, which is being built ..."; flock "$lock"; }
  if [ -x "$BIN/$name" ]; then exec {lock}>&-; return 0; fi
  echo "building $name ..."
  # Again when it fails: what it most often lacks is an answer of the module proxy.
  for attempt in 1 2 3; do
    ! timeout 1800 nice -n 10 go build -trimpath -ldflags "$ld" -o "$BIN/.$name.new" "$package" || break
    [ $attempt -lt 3 ] || return 1
    sleep $((attempt * 5))
  done
  mv "$BIN/.$name.new" "$BIN/$name"
  exec {lock}>&-
  echo "built $name in $((SECONDS - began)) s"
}
build etcd go.etcd.io/etcd/server/v3
for name in ${*:-kube-apiserver kube-controller-manager kube-scheduler kubelet}; do
  build "$name" "k8s.io/kubernetes/cmd/$name"
done
