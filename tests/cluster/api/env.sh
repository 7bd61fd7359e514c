# Sourced by the scripts of the test cluster. Everything can be set from outside.
KUBE_VERSION=1.33.13
KEYMOUNT_CACHE=${KEYMOUNT_CACHE:-$HOME/.cache/keymount}    # programs and state; nothing is written beside these scripts
BIN=${BIN:-$KEYMOUNT_CACHE/kubernetes-$KUBE_VERSION}       # programs, built once
RUN=${RUN:-$KEYMOUNT_CACHE/cluster/run}                    # certificates, kubeconfigs, etcd's data, logs, process ids
API_ADDRESS=${API_ADDRESS:-127.0.0.1}
API_PORT=${API_PORT:-16443}
ETCD_PORT=${ETCD_PORT:-12379}
ETCD_PEER_PORT=${ETCD_PEER_PORT:-12380}
KCM_PORT=${KCM_PORT:-20257}
KS_PORT=${KS_PORT:-20259}
NODE_NAME=${NODE_NAME:-$(hostname)}                        # the node of the kubelet's certificate
ISSUER=${ISSUER:-https://kubernetes.default.svc.cluster.local}
ADMIN_KUBECONFIG=$RUN/admin.kubeconfig

# start_tick PID: when the process began, in clock ticks since boot; nothing for one that ended.
start_tick() {
  local line fields; { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 0
  line=${line##*) }; read -ra fields <<< "$line"; [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}
# alive NAME: is what was started under NAME still the very same process (id and start tick)?
alive() {
  local pid tick; [ -s "$RUN/pids/$1" ] || return 1
  read -r pid tick < "$RUN/pids/$1"; [ -n "$tick" ] && [ "$(start_tick "$pid")" = "$tick" ]
}
# start NAME COMMAND...: in the background, in a session of its own; remembers process id and start tick.
start() {
  local name=$1; shift
  alive "$name" && return 0
  mkdir -p "$RUN/pids" "$RUN/logs"
  setsid "$@" > "$RUN/logs/$name.log" 2>&1 < /dev/null &
  echo "$! $(start_tick $!)" > "$RUN/pids/$name"
}
# stop NAME [SECONDS]: TERM, wait, then KILL; only ever the process that start remembered.
stop() {
  local name=$1 seconds=${2:-10} pid i
  if alive "$name"; then
    read -r pid _ < "$RUN/pids/$name"; kill -TERM "$pid" 2>/dev/null
    for ((i = 0; i < seconds * 20; i++)); do alive "$name" || break; sleep 0.05; done
    alive "$name" && kill -KILL "$pid" 2>/dev/null
  fi
  rm -f "$RUN/pids/$name"
}
# wait_url URL SECONDS NAME [CURL OPTION...]: until it answers 200; gives up at once when NAME has died.
wait_url() {
  local url=$1 seconds=$2 name=$3 i; shift 3
  for ((i = 0; i < seconds * 10; i++)); do
    curl -fsS -o /dev/null --max-time 2 "$@" "$url" 2>/dev/null && return 0
    alive "$name" || { echo "$name died; the end of $RUN/logs/$name.log:" >&2; tail -5 "$RUN/logs/$name.log" >&2; return 1; }
    sleep 0.1
  done
  echo "$url did not answer 200 within $seconds s" >&2; return 1
}
# build_programs NAME...: builds programs of the workspace. With a test beside them they have the dependencies as `cargo test --workspace`
# has built them; for a package alone cargo would build other ones.
build_programs() { cargo build --quiet --workspace --test dependency_rules $(printf -- '--bin %s ' "$@"); }
# target_directory: where cargo builds.
target_directory() { cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }
# test_program PACKAGE TEST: builds a test target and prints the path of its program. Tests run it without cargo, which
# would look for changes, and needs a network for that at times.
test_program() {
  local program
  program=$(cargo test --quiet --workspace --test "$2" --no-run --message-format json |
    grep -F "#$1@" | grep -F "\"name\":\"$2\"" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
  [ -x "$program" ] && echo "$program"
}
