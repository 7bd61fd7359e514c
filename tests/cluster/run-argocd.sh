#!/bin/bash
# The stack by way of the real Argo CD: deploy/argocd from a local git repository onto the node of run-install.sh, with our images and
# the emulator as a pod in Azure's place. Builds Argo CD (once, 3 to 10 minutes on two cores) and everything that run-install.sh builds.
#   TIME_LIMIT=SECONDS           for the node and the tests, builds not counted (900)
# Needs root, Go and Debian's packages. Where a node cannot run this says why and succeeds, unless KEYMOUNT_MOUNT_NAMESPACE is "required".
# When a test fails its logs are kept, those of Argo CD among them; the last lines say where.
set -euo pipefail
cd "$(dirname "$0")"
. node/needed.sh
. api/env.sh; . argocd/env.sh
argocd/packages.sh
argocd/build.sh
# The node is new and has the start-up taint: pods wait until the driver has taken it off.
export STORY=$PWD/argocd/main.py NODE_TAINT=secrets-store.csi.k8s.io/agent-not-ready:NoSchedule
exec ./run-install.sh "$@"
