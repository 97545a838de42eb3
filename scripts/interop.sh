#!/bin/sh
# Foreign code against our server, unmodified, over HTTP: Tessera's fsck, hammer, integration test and POSIX log, and
# transparency-dev's omniwitness and its feeder.
#
# 1. records log: fsck audits the log of the demo, checkpoint, tiles and entries.
# 2. opaque log: Tessera's live integration test adds entries and checks each one's bundle and inclusion proof.
# 3. opaque log, growing: the hammer adds ENTRIES entries (default 1000000) and reads them back meanwhile; fsck audits the
#    log again and again while it grows, and once at its end.
# 4. witnessed log: the omniwitness cosigns our heads, which are published by a policy that asks for it.
# 5. our witness: the omniwitness's feeder brings the checkpoints of Tessera's log to `cairnlog witness`, which cosigns them.
#
# CAIRNLOG names the server's binary, by default target/release/cairnlog. What can't run is named; a check that fails
# ends with 1, one that could not run with 2 if STRICT is set, else with 0.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cairnlog=${CAIRNLOG:-${CARGO_TARGET_DIR:-$root/target}/release/cairnlog}
entries=${ENTRIES:-1000000}
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

# start NAME READY COMMAND...: starts one of our servers with its data in NAME; its address is in $url once it has printed
# a line with READY.
start() {
    name=$1 ready=$2
    shift 2
    (cd "$root" && CAIRNLOG_ADMIN_TOKEN=$token exec "$cairnlog" "$@" --data "$work/$name" --listen 127.0.0.1:0) \
        >"$work/$name.out" 2>"$work/$name.err" &
    server=$!
    running="$running $server"
    await "a server" "$work/$name.err" "$server" grep -q "$ready" "$work/$name.out"
    url=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$work/$name.out" | head -n 1)
}

# await WHAT LOG PROCESS COMMAND...: until the command succeeds, two minutes at most and while the process is there.
await() {
    what=$1 log=$2 process=$3
    shift 3
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] && kill -0 "$process" 2>/dev/null || fail "it does not come: $what: $(tail -n 5 "$log")"
        sleep 0.2
    done
}

# answers URL: whether anything does.
answers() { curl -fsS -o "$work/probe" "$1" 2>/dev/null; }

# shows URL WORDS...: whether what is there has a line that begins with each of these.
shows() {
    address=$1
    shift
    curl -fsS -o "$work/shown" "$address" 2>/dev/null || return 1
    for words in "$@"; do grep -q "^$words" "$work/shown" || return 1; done
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
    start demo 'Ctrl-C' demo
    log=$(call logs | sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' | head -n 1)
    call "logs/$log" | key >"$work/$log.key"
    fsck "$log"
else
    say "1. SKIPPED: the demo needs the plugins; make plugins builds them"
fi

say "2. Tessera's integration test against an opaque log"
start server '"ready":true' serve
opaque integration
TOKEN=$token "$bin/bearer" "127.0.0.1:$(port 0)" "$url" 2>"$work/bearer.err" &
running="$running $!"
await "a proxy" "$work/bearer.err" $! answers "http://127.0.0.1:$(port 0)/healthz"
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

"$root/scripts/build-omniwitness.sh" || skip "the omniwitness and its feeder: they could not be built"

say "4. the omniwitness cosigns our heads"
"$bin/generate_keys" --origin=witness.example/omni --out_priv="$work/omni.key" --out_pub="$work/omni.pub"
echo "witness omni $(cat "$work/omni.pub") http://127.0.0.1:$(port 1)
quorum omni" >"$work/omni.policy"
start witnessed '"ready":true' serve --witness-policy "$work/omni.policy"
opaque witnessed
echo "Logs:
  - Origin: $(cut -d+ -f1 "$work/witnessed.key")
    URL: $url/logs/witnessed/
    PublicKey: $(cat "$work/witnessed.key")
    Feeder: none" >"$work/omni.yaml"
"$bin/omniwitness" --private_key_path="$work/omni.key" --db_file="$work/omni.db" --listen="127.0.0.1:$(port 1)" \
    --metrics_listen= --additional_logs="$work/omni.yaml" --logtostderr >"$work/omni.log" 2>&1 &
omni=$!
running="$running $omni"
added=0
for size in 1 2 300; do
    while [ "$added" -lt "$size" ]; do
        curl -fsS -o "$work/added" -H "Authorization: Bearer $token" -d "entry $added" "$url/logs/witnessed/add"
        added=$((added + 1))
    done
    await "a head of $size entries that the omniwitness has cosigned" "$work/omni.log" "$omni" \
        shows "$url/logs/witnessed/checkpoint" "$size\$" "— witness.example/omni "
done
fsck witnessed
say "omniwitness: cosigned heads of 1, 2 and 300 entries"

say "5. our witness cosigns the checkpoints of Tessera's log, which the omniwitness's feeder brings"
echo "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz" >"$work/tessera.key"
vkey=PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
"$cairnlog" witness keygen witness.example/ours --out "$work/ours.key" >"$work/ours.pub"
start witness '"ready":true' witness serve --key "$work/ours.key" --log "$vkey"
"$bin/posix" --storage_dir="$work/tessera" --private_key="$work/tessera.key" --listen="127.0.0.1:$(port 2)" >"$work/posix.log" 2>&1 &
posix=$!
running="$running $posix"
echo "Logs:
  - Origin: PeterNeumann
    URL: http://127.0.0.1:$(port 2)/
    PublicKey: $vkey
    Feeder: tiles" >"$work/feeds.yaml"
FEEDS="$work/feeds.yaml" "$root/scripts/build-omniwitness.sh"
await "Tessera's log" "$work/posix.log" "$posix" shows "http://127.0.0.1:$(port 2)/checkpoint" PeterNeumann
"$bin/feedwitness" --witness_url="$url" --metrics_listen= --max_qps=20 --logtostderr >"$work/feed.log" 2>&1 &
feeder=$!
running="$running $feeder"
about=$(printf PeterNeumann | sha256sum | cut -c1-64)
fed=0
for size in 1 300; do
    # Its batches take a second, so many are added at once.
    seq $((fed + 1)) "$size" | xargs -P 100 -I '{}' \
        curl -fsS -o "$work/added" -d 'entry {}' "http://127.0.0.1:$(port 2)/add" || fail "Tessera's log takes no entries"
    fed=$size
    await "a checkpoint of $size entries of Tessera's log that we have cosigned" "$work/feed.log" "$feeder" \
        shows "$url/$about/checkpoint" "$size\$" "— PeterNeumann " "— witness.example/ours "
done
say "our witness: cosigned checkpoints of Tessera's log of 1 and 300 entries"
say "all good"
