#!/bin/bash
# Says on one line why a Kubernetes node cannot run here, and fails; says nothing and succeeds where it can.
set -uo pipefail
. "$(dirname "$0")/env.sh"
no() { echo "$*"; exit 1; }
[ "$(id -u)" = 0 ] || no "a Kubernetes node needs root"
command -v unshare >/dev/null || no "unshare (util-linux) is missing"
refusal=$(unshare --mount --propagation private --pid --fork --mount-proc --net -- mount -t tmpfs none /tmp 2>&1) ||
  no "no namespaces in which file systems can be mounted: $refusal"
for cgroup in $(cgroups); do
  made=no; [ -d "$cgroup" ] || made=yes
  refusal=$(mkdir -p "$cgroup" 2>&1) || no "no control groups can be made: $refusal"
  [ $made = no ] || rmdir "$cgroup"
done
