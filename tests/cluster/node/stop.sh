#!/bin/bash
# stop.sh NAME: stops one process of the cluster (kubelet, kube-apiserver, ...); up.sh starts it again.
. "$(dirname "$0")/env.sh"
stop "$1"
