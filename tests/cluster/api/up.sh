#!/bin/bash
# Starts etcd and kube-apiserver on loopback, and with WITH_KCM=1 controller-manager and scheduler too.
# What already runs is left as it is. Prints where the administrator's kubeconfig is.
set -euo pipefail
cd "$(dirname "$0")"; . ./env.sh
parts=(kube-apiserver); [ -z "${WITH_KCM:-}" ] || parts+=(kube-controller-manager kube-scheduler)
kube/build.sh "${parts[@]}"
mkdir -p "$RUN"/{logs,pids,etcd}; chmod 700 "$RUN/etcd"
./certs.sh
certs=$RUN/certs began=$SECONDS
echo "starting etcd and kube-apiserver ..."
start etcd "$BIN/etcd" --name test --data-dir "$RUN/etcd" --log-level warn --unsafe-no-fsync \
  --listen-client-urls "http://127.0.0.1:$ETCD_PORT" --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
  --listen-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" --initial-advertise-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
  --initial-cluster "test=http://127.0.0.1:$ETCD_PEER_PORT"
start kube-apiserver "$BIN/kube-apiserver" --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
  --bind-address="$API_ADDRESS" --advertise-address="$API_ADDRESS" --secure-port="$API_PORT" --endpoint-reconciler-type=none \
  --tls-cert-file="$certs/apiserver.crt" --tls-private-key-file="$certs/apiserver.key" --client-ca-file="$certs/ca.crt" \
  --token-auth-file="$certs/tokens.csv" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --service-account-issuer="$ISSUER" --service-account-signing-key-file="$certs/sa.key" --service-account-key-file="$certs/sa.pub" \
  --service-cluster-ip-range=10.96.0.0/24 --allow-privileged=true --event-ttl=1h --profiling=false \
  --kubelet-client-certificate="$certs/apiserver-kubelet-client.crt" --kubelet-client-key="$certs/apiserver-kubelet-client.key" \
  --kubelet-certificate-authority="$certs/ca.crt" --kubelet-preferred-address-types=Hostname ${APISERVER_ARGS:-}
wait_url "https://$API_ADDRESS:$API_PORT/readyz" 120 kube-apiserver --cacert "$certs/ca.crt" --cert "$certs/admin.crt" --key "$certs/admin.key"
if [ -n "${WITH_KCM:-}" ]; then
  echo "starting kube-controller-manager and kube-scheduler ..."
  kcm=$RUN/kube-controller-manager.kubeconfig ks=$RUN/kube-scheduler.kubeconfig
  start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig="$kcm" --authentication-kubeconfig="$kcm" \
    --authorization-kubeconfig="$kcm" --bind-address=127.0.0.1 --secure-port="$KCM_PORT" --leader-elect=false \
    --use-service-account-credentials=true --service-account-private-key-file="$certs/sa.key" --root-ca-file="$certs/ca.crt" \
    --cluster-signing-cert-file="$certs/ca.crt" --cluster-signing-key-file="$certs/ca.key" --profiling=false
  start kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$ks" --authentication-kubeconfig="$ks" --authorization-kubeconfig="$ks" \
    --bind-address=127.0.0.1 --secure-port="$KS_PORT" --leader-elect=false --profiling=false
  wait_url "https://127.0.0.1:$KCM_PORT/healthz" 60 kube-controller-manager -k
  wait_url "https://127.0.0.1:$KS_PORT/healthz" 60 kube-scheduler -k
fi
echo "ready after $((SECONDS - began)) s, KUBECONFIG=$ADMIN_KUBECONFIG"
