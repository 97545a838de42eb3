#!/bin/sh
# Foreign code against our server: Tessera's fsck, hammer and integration test, unmodified, over HTTP.
#
# 1. records log: fsck audits the log of the demo, checkpoint, tiles and entries.
# 2. opaque log: Tessera's live integration test adds entries and checks each one's bundle and inclusion proof.
# 3. opaque log, growing: the hammer adds ENTRIES entries (default 100000) and reads them back meanwhile; fsck audits the
#    log again and again while it grows, and once at its end.
#
# CAIRNLOG names the server's binary, by default target/release/cairnlog. What can't run is named; a check that fails
# ends with 1, one that could not run with 2 if STRICT is set, else with 0.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cairnlog=${CAIRNLOG:-${CARGO_TARGET_DIR:-$root/target}/release/cairnlog}
entries=${ENTRIES:-100000}
bin=$root/target/interop/bin
work=$(mktemp -d "$root/target/interop-XXXXXX")
token=interop-administrator-of-one-run-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
running=

say() { printf 'interop: %s\n' "$*"; }
skip() {
    say "SKIPPED: $*"
    [ -z "${STRICT:-}" ] || exit 2
    exit 0
}
fail() {
    say "FAILED: $*" >&2
    exit 1
}
end() {
    for process in $running; do kill "$process" 2>/dev/null || :; done
    wait
    rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM

"$root/scripts/build-tessera.sh" || skip "fsck, hammer and integration test of Tessera: they could not be built"
[ -x "$bin/bearer" ] || go build -o "$bin/bearer" "$root/scripts/interop/bearer.go"

# serve COMMAND READY: starts a server; its address is in $url once it has printed a line with READY.
serve() {
    (cd "$root" && CAIRNLOG_ADMIN_TOKEN=$token exec "$cairnlog" "$1" --data "$work/$1" --listen 127.0.0.1:0) \
        >"$work/$1.out" 2>"$work/$1.err" &
    server=$!
    running="$running $server"
    tries=0
    until grep -q "$2" "$work/$1.out"; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] && kill -0 "$server" 2>/dev/null || fail "no server: $(cat "$work/$1.err")"
        sleep 0.2
    done
    url=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$work/$1.out" | head -n 1)
}

# call PATH ARGUMENTS...: a request to the API.
call() {
    path=$1
    shift
    curl -fsS -H "Authorization: Bearer $token" "$@" "$url/api/v1/$path"
}

# key: the verifier key in the JSON of a log.
key() { sed -n 's/.*"verifier_key": *"\([^"]*\)".*/\1/p'; }

# fsck LOG: one audit. The program ends with 0 also when the log is wrong; it says so.
fsck() {
    size=$(curl -fsS "$url/logs/$1/checkpoint" | sed -n 2p)
    if ! timeout 1200 "$bin/fsck" --storage_url="$url/logs/$1/" --public_key="$work/$1.key" --ui=false --N=4 -v=1 --logtostderr \
        >"$work/fsck.log" 2>&1 || grep -q 'fsck failed' "$work/fsck.log"; then
        tail -n 20 "$work/fsck.log" >&2
        fail "fsck refuses log $1"
    fi
    grep -q 'Completed ranges' "$work/fsck.log" || fail "fsck of log $1 did not end: $(tail -n 3 "$work/fsck.log")"
    say "fsck: log $1 is good, $size entries or more"
}

# opaque LOG: creates a log and keeps its key.
opaque() {
    call logs -H 'Content-Type: application/json' -d "{\"name\":\"$1\",\"mode\":\"opaque\"}" | key >"$work/$1.key"
    [ -s "$work/$1.key" ] || fail "no opaque log"
}

port() { echo $((20000 + ($$ + $1) % 20000)); }

if [ -d "$root/target/plugins" ]; then
    say "1. a records log, that of the demo"
    serve demo 'Ctrl-C'
    log=$(call logs | sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' | head -n 1)
    call "logs/$log" | key >"$work/$log.key"
    fsck "$log"
else
    say "1. SKIPPED: the demo needs the plugins; make plugins builds them"
fi

say "2. Tessera's integration test against an opaque log"
serve serve '"ready":true'
opaque integration
TOKEN=$token "$bin/bearer" "127.0.0.1:$(port 0)" "$url" 2>"$work/bearer.err" &
running="$running $!"
until curl -fsS -o "$work/probe" "http://127.0.0.1:$(port 0)/healthz" 2>/dev/null; do
    kill -0 $! 2>/dev/null || fail "no proxy: $(cat "$work/bearer.err")"
    sleep 0.1
done
"$bin/integration.test" --run_integration_test --log_url="$url/logs/integration/" \
    --write_log_url="http://127.0.0.1:$(port 0)/logs/integration/" --log_public_key="$(cat "$work/integration.key")" \
    -test.v >"$work/integration.log" 2>&1 || fail "the integration test: $(tail -n 20 "$work/integration.log")"
grep -q '^--- PASS: TestLiveLogIntegration' "$work/integration.log" || fail "the integration test did not run"
say "integration test: passed"
fsck integration

say "3. the hammer adds $entries entries to an opaque log; fsck audits it while it grows"
opaque hammered
"$bin/hammer" --log_url="$url/logs/hammered/" --log_public_key="$(cat "$work/hammered.key")" \
    --bearer_token_write="$token" --show_ui=false --logtostderr --dup_chance=0 --leaf_min_size=128 \
    --num_writers=128 --max_write_ops=20000 --num_readers_random=2 --num_readers_full=1 --max_read_ops=200 \
    --leaf_write_goal="$entries" --max_runtime=60m >"$work/hammer.log" 2>&1 &
hammer=$!
running="$running $hammer"
audits=0
while kill -0 "$hammer" 2>/dev/null; do
    if curl -fsS "$url/logs/hammered/checkpoint" | sed -n 2p | grep -qv '^0$'; then
        fsck hammered
        audits=$((audits + 1))
    fi
    sleep 1
done
wait "$hammer" || fail "the hammer: $(tail -n 20 "$work/hammer.log")"
if grep -E '^[EF][0-9]' "$work/hammer.log"; then fail "the hammer saw errors"; fi
say "hammer: added $entries entries; $audits audits meanwhile"
fsck hammered
say "all good"
