#!/bin/sh
# Builds the programs of transparency-dev/witness, the witness that others run, for interop:
# target/interop/bin/{omniwitness,feedwitness,generate_keys}. Its source is used as it is, at one version, but for the list
# of the logs that it knows, which is data compiled in: of the world's logs it is to know none. FEEDS names a list of logs
# for feedwitness to feed from.
#
# Without Go, or where its module proxy can't be reached, it says so and ends with 2.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
module=github.com/transparency-dev/witness
version=v0.0.0-20260720115447-2e1c6971d19e
out=$root/target/interop
source=$out/omniwitness
stamp=$out/bin/.omniwitness-$version

say() { printf 'omniwitness: %s\n' "$*" >&2; }
build() { (cd "$source" && GOFLAGS=-mod=mod go build -buildvcs=false -o "$out/bin/" "$@"); }

if ! [ -f "$stamp" ]; then
    if ! command -v go >/dev/null 2>&1; then
        say "Go is not here (https://go.dev/dl); skipped"
        exit 2
    fi
    if ! found=$(go mod download -json "$module@$version" 2>/dev/null | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || [ -z "$found" ]; then
        say "the module $module@$version can't be had from $(go env GOPROXY); skipped"
        exit 2
    fi
    say "building $module@$version"
    mkdir -p "$out/bin"
    rm -rf "$source"
    cp -r "$found" "$source"
    chmod -R u+w "$source"
    echo 'Logs: []' >"$source/omniwitness/logs.yaml"
    if ! (cd "$source" && GOFLAGS=-mod=mod go mod download); then
        say "what the module needs can't be had from $(go env GOPROXY); skipped"
        exit 2
    fi
    build ./cmd/omniwitness ./cmd/generate_keys
    touch "$stamp"
fi
if [ -n "${FEEDS:-}" ]; then
    cp "$FEEDS" "$source/omniwitness/logs.yaml"
    build ./cmd/feedwitness
fi
