#!/bin/bash
# Makes the cluster's CA, serving and client certificates (ECDSA P-256), tokens and kubeconfigs once; later calls do nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
certs=$RUN/certs; mkdir -p "$certs"; cd "$certs"; umask 077
[ -e .complete ] && exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -keyout ca.key -out ca.crt -subj /CN=keymount-test-ca \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
certificate() { # NAME SUBJECT USAGE [ALTERNATIVE NAMES]
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  { echo "keyUsage=critical,digitalSignature"; echo "extendedKeyUsage=$3"; if [ -n "${4:-}" ]; then echo "subjectAltName=$4"; fi; } > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" -extfile "$1.ext" 2>/dev/null
  rm -f "$1.csr" "$1.ext"
}
certificate apiserver /CN=kube-apiserver serverAuth \
  "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:10.96.0.1"
certificate kubelet-serving "/O=system:nodes/CN=system:node:$NODE_NAME" serverAuth "DNS:$NODE_NAME,DNS:localhost,IP:127.0.0.1"
certificate admin "/O=system:masters/CN=keymount-test-admin" clientAuth
certificate apiserver-kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client" clientAuth
certificate kube-controller-manager "/CN=system:kube-controller-manager" clientAuth
certificate kube-scheduler "/CN=system:kube-scheduler" clientAuth
certificate kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" clientAuth
openssl genrsa -out sa.key 2048 2>/dev/null; openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
# One user who may do everything and one who may do nothing.
openssl rand -hex 16 > admin.token; openssl rand -hex 16 > nobody.token
printf '%s,test-admin,1001,"system:masters"\n%s,test-nobody,1002,""\n' "$(cat admin.token)" "$(cat nobody.token)" > tokens.csv
kubeconfig() { # FILE USER CREDENTIALS
  cat > "$1" <<K
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$API_ADDRESS:$API_PORT", certificate-authority: "$certs/ca.crt"}}]
users: [{name: $2, user: {$3}}]
contexts: [{name: test, context: {cluster: test, user: $2}}]
current-context: test
K
}
kubeconfig "$ADMIN_KUBECONFIG" admin "client-certificate: $certs/admin.crt, client-key: $certs/admin.key"
kubeconfig "$RUN/nobody.kubeconfig" nobody "token: $(cat nobody.token)"
for n in kube-controller-manager kube-scheduler kubelet; do
  kubeconfig "$RUN/$n.kubeconfig" "$n" "client-certificate: $certs/$n.crt, client-key: $certs/$n.key"
done
touch .complete
