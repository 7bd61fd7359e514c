# Sourced: the network of the node's pods, in POD_NETWORK.
export POD_NETWORK=$RUN/pods.conflist
cat > "$POD_NETWORK" <<K
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": {"type": "host-local",
 "dataDir": "$RUN/addresses", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
K
