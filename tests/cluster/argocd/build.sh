#!/bin/bash
# Builds Argo CD, which is one program under several names, and the helm and kustomize that it calls, from the Go modules pinned in go.mod
# and go.sum beside this script. What is already there is not built again. Cold: 3 to 10 minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")"; . ../api/env.sh; . ./env.sh
command -v go >/dev/null || { echo "go is needed to build Argo CD" >&2; exit 1; }
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly'
module=github.com/argoproj/argo-cd/v3
mkdir -p "$ARGOCD_BIN"
exec {lock}> "$ARGOCD_BIN/.lock"
flock "$lock"

# make NAME COMMAND...: into a directory of its own first, so that an interrupted build leaves no half program.
make() {
  local name=$1 began=$SECONDS directory attempt; shift
  [ ! -x "$ARGOCD_BIN/$name" ] || return 0
  directory=$(mktemp -d "$ARGOCD_BIN/.build.XXXXXX")
  echo "building $name ..."
  # Again when it fails: what it most often lacks is an answer of the module proxy.
  for attempt in 1 2 3; do
    ! GOBIN=$directory timeout 1800 nice -n 10 "$@" || break
    [ $attempt -lt 3 ] || { rm -rf "$directory"; return 1; }
    sleep $((attempt * 5))
  done
  mv "$directory"/* "$ARGOCD_BIN/$name"; rmdir "$directory"
  echo "built $name in $((SECONDS - began)) s"
}
make argocd go install -trimpath -ldflags "-s -w -X $module/common.version=$ARGOCD_VERSION" "$module/cmd"
for name in argocd-application-controller argocd-applicationset-controller argocd-repo-server argocd-server argocd-git-ask-pass; do
  ln -sf argocd "$ARGOCD_BIN/$name"
done
# Its definitions, config maps and two scripts that it calls for every revision stay where Go keeps modules; files there cannot be executed.
directory=$(go list -m -f '{{.Dir}}' "$module")
[ -n "$directory" ] || { go mod download "$module"; directory=$(go list -m -f '{{.Dir}}' "$module"); }
ln -sfn "$directory/manifests" "$ARGOCD_BIN/manifests"
for script in git-verify-wrapper.sh gpg-wrapper.sh; do
  printf '#!/bin/sh\nexec /bin/sh "%s" "$@"\n' "$directory/hack/$script" > "$ARGOCD_BIN/$script"
  chmod 755 "$ARGOCD_BIN/$script"
done
cd / && export GOFLAGS=-buildvcs=false
make helm go install -trimpath -ldflags '-s -w' "helm.sh/helm/v4/cmd/helm@v$ARGOCD_HELM_VERSION"
make kustomize go install -trimpath -ldflags '-s -w' "sigs.k8s.io/kustomize/kustomize/v5@v$ARGOCD_KUSTOMIZE_VERSION"
