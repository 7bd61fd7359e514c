#!/bin/bash
# Starts what of Argo CD is not running, as processes beside the cluster that is up: Redis, repo-server, application controller,
# ApplicationSet controller and API server. Its definitions and settings have to be there (argocd.py puts them). node/down.sh stops it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../node/env.sh"; . "$here/env.sh"
export PATH=$ARGOCD_BIN:$PATH
ARGOCD_HOME=$RUN/argocd
umask 077
mkdir -p "$ARGOCD_HOME"/{tmp,home,config/tls,config/ssh,config/gpg/keys,config/gpg/source,plugins}
[ -s "$ARGOCD_HOME/redis.password" ] || openssl rand -hex 16 > "$ARGOCD_HOME/redis.password"
password=$(cat "$ARGOCD_HOME/redis.password")
cat > "$ARGOCD_HOME/redis.conf" <<K
bind 127.0.0.1
port $ARGOCD_REDIS_PORT
dir $ARGOCD_HOME
save ""
appendonly no
requirepass $password
K
start redis redis-server "$ARGOCD_HOME/redis.conf"

# "In the cluster" is what the administrator's kubeconfig leads to. Certificates, keys and plug-ins are looked for in files that an
# image would have.
settings=(env "KUBECONFIG=$ADMIN_KUBECONFIG" "HOME=$ARGOCD_HOME/home" "TMPDIR=$ARGOCD_HOME/tmp" "REDIS_PASSWORD=$password" ARGOCD_FAKE_IN_CLUSTER=true
  "ARGOCD_APP_CONFIG_PATH=$ARGOCD_HOME/config" "ARGOCD_TLS_DATA_PATH=$ARGOCD_HOME/config/tls" "ARGOCD_SSH_DATA_PATH=$ARGOCD_HOME/config/ssh"
  ARGOCD_GPG_ENABLED=false "ARGOCD_GNUPGHOME=$ARGOCD_HOME/config/gpg/keys" "ARGOCD_GPG_DATA_PATH=$ARGOCD_HOME/config/gpg/source"
  "ARGOCD_ASK_PASS_SOCK=$ARGOCD_HOME/ask-pass.sock" "ARGOCD_PLUGINSOCKFILEPATH=$ARGOCD_HOME/plugins"
  ARGOCD_RECONCILIATION_TIMEOUT=30s ARGOCD_RECONCILIATION_JITTER=0s)
log=(--loglevel info --logformat text)
cluster=(--kubeconfig "$ADMIN_KUBECONFIG" --namespace "$ARGOCD_NAMESPACE")
redis=(--redis "127.0.0.1:$ARGOCD_REDIS_PORT")

start argocd-repo-server "${settings[@]}" argocd-repo-server "${log[@]}" "${redis[@]}" --disable-tls --client-ca-path= \
  --address 127.0.0.1 --port "$ARGOCD_REPOSITORIES_PORT" --metrics-address 127.0.0.1 --metrics-port "$ARGOCD_REPOSITORIES_METRICS_PORT"
wait_url "http://127.0.0.1:$ARGOCD_REPOSITORIES_METRICS_PORT/healthz" 60 argocd-repo-server
start argocd-application-controller "${settings[@]}" argocd-application-controller "${log[@]}" "${cluster[@]}" "${redis[@]}" \
  --repo-server "127.0.0.1:$ARGOCD_REPOSITORIES_PORT" --repo-server-plaintext --metrics-port "$ARGOCD_CONTROLLER_METRICS_PORT"
start argocd-applicationset-controller "${settings[@]}" argocd-applicationset-controller "${log[@]}" "${cluster[@]}" \
  --argocd-repo-server "127.0.0.1:$ARGOCD_REPOSITORIES_PORT" --repo-server-plaintext --enable-leader-election=false \
  --metrics-addr "127.0.0.1:$ARGOCD_SETS_METRICS_PORT" --probe-addr "127.0.0.1:$ARGOCD_SETS_PROBE_PORT" --webhook-addr "127.0.0.1:$ARGOCD_SETS_HOOK_PORT"
start argocd-server "${settings[@]}" argocd-server "${log[@]}" "${cluster[@]}" "${redis[@]}" --disable-auth --insecure \
  --repo-server "127.0.0.1:$ARGOCD_REPOSITORIES_PORT" --repo-server-plaintext \
  --address 127.0.0.1 --port "$ARGOCD_SERVER_PORT" --metrics-address 127.0.0.1 --metrics-port "$ARGOCD_SERVER_METRICS_PORT"
wait_url "http://127.0.0.1:$ARGOCD_CONTROLLER_METRICS_PORT/healthz" 60 argocd-application-controller
wait_url "http://127.0.0.1:$ARGOCD_SETS_METRICS_PORT/metrics" 60 argocd-applicationset-controller
wait_url "http://127.0.0.1:$ARGOCD_SERVER_PORT/healthz" 60 argocd-server
