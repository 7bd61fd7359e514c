#!/bin/bash
# Stops what up.sh (or start of env.sh) started, by the remembered process ids only; etcd last.
# --wipe also removes all state, the built programs stay.
cd "$(dirname "$0")"; . ./env.sh
last=(kube-scheduler kube-controller-manager kube-apiserver etcd)
for file in "$RUN"/pids/*; do
  name=${file##*/}; [[ $name = '*' || " ${last[*]} " = *" $name "* ]] || stop "$name"
done
for name in "${last[@]}"; do stop "$name"; done
[ "${1:-}" != --wipe ] || rm -rf "$RUN"
exit 0
