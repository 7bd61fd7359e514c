#!/bin/bash
# enter.sh COMMAND...: runs a command with a Kubernetes node of its own: etcd, kube-apiserver, kube-controller-manager,
# kube-scheduler, containerd and kubelet, in a network, process and mount namespace that nobody else is in. When the
# command ends, or this script is killed, all processes and mounts are gone with the namespaces.
# Needs root. `enter.sh bash` gives a shell with KUBECONFIG set. TIME_LIMIT=SECONDS ends everything after that.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
RUN=${RUN:-$(mktemp -d "${TMPDIR:-/tmp}/keymount-node.XXXXXX")}
. "$here/env.sh"
why=$("$here/possible.sh") || { echo "$why" >&2; exit 1; }
"$here/packages.sh"
"$here/../api/kube/build.sh"

# What the namespaces do not hold: control groups, and the kernel settings that kubelet makes.
settings=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes)
declare -A before
for setting in "${settings[@]}"; do before[$setting]=$(cat "/proc/sys/$setting" 2>/dev/null) || true; done
tidy() {
  local cgroup setting i
  for cgroup in $(cgroups); do
    # What ran in them may take a moment to be gone.
    for ((i = 0; i < 50; i++)); do
      [ -d "$cgroup" ] || break
      find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    [ ! -d "$cgroup" ] || echo "$cgroup is left" >&2
  done
  for setting in "${settings[@]}"; do
    [ -z "${before[$setting]}" ] || echo "${before[$setting]}" > "/proc/sys/$setting" || true
  done
  [ -n "${KEEP_RUN:-}" ] || rm -rf "$RUN"
}
trap tidy EXIT
mkdir -p $(cgroups)
limit=()
# The first signal ends the command, and the node goes down in good order; the second one ends everything.
[ -z "${TIME_LIMIT:-}" ] || limit=(timeout --kill-after=60 "$TIME_LIMIT")
code=0
"${limit[@]}" setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net -- \
  "$here/inside.sh" "$@" || code=$?
[ $code != 124 ] || echo "the time limit of $TIME_LIMIT s is over" >&2
exit $code
