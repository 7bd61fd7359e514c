#!/bin/bash
# Stops what runs of the node in good order: kubelet, all containers, containerd, the control plane.
cd "$(dirname "$0")"; . ./env.sh
stop kubelet
if alive containerd; then
  for task in $(ctr -a "$CONTAINERD_SOCKET" -n k8s.io tasks ls -q 2>/dev/null); do
    ctr -a "$CONTAINERD_SOCKET" -n k8s.io tasks kill -s SIGKILL -a "$task" >/dev/null 2>&1
  done
  stop containerd
fi
../api/down.sh
