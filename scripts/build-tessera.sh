#!/bin/sh
# Builds the programs of Tessera (github.com/transparency-dev/tessera), another tile log, that interop and bench use:
# target/interop/bin/{fsck,hammer,posix,posix-5ms,integration.test}. Its source is used as it is, at one version; posix-5ms
# is its POSIX log with batches of at most 5 ms instead of a second, the best of the settings that were tried.
#
# Without Go, or where its module proxy can't be reached, it says so and ends with 2.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
module=github.com/transparency-dev/tessera
version=v1.0.4
out=$root/target/interop
bin=$out/bin
stamp=$bin/.tessera-$version-2

say() { printf 'tessera: %s\n' "$*" >&2; }

[ -f "$stamp" ] && exit 0
if ! command -v go >/dev/null 2>&1; then
    say "Go is not here (https://go.dev/dl); skipped"
    exit 2
fi
if ! source=$(go mod download -json "$module@$version" 2>/dev/null | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || [ -z "$source" ]; then
    say "the module $module@$version can't be had from $(go env GOPROXY); skipped"
    exit 2
fi
say "building $module@$version"
mkdir -p "$bin"
rm -rf "$out/tessera"
# The hammer is internal to the module, so it is built within a copy of it.
cp -r "$source" "$out/tessera"
chmod -R u+w "$out/tessera"
(
    cd "$out/tessera"
    GOFLAGS=-mod=mod
    export GOFLAGS
    if ! go mod download; then
        say "what the module needs can't be had from $(go env GOPROXY); skipped"
        exit 2
    fi
    go build -buildvcs=false -o "$bin/" ./cmd/fsck ./internal/hammer ./cmd/conformance/posix
    go test -c -o "$bin/integration.test" ./integration
    cp -r cmd/conformance/posix cmd/conformance/posix-5ms
    sed -i 's/WithBatching(256, time.Second)/WithBatching(256, 5*time.Millisecond)/' cmd/conformance/posix-5ms/main.go
    grep -q '5\*time.Millisecond' cmd/conformance/posix-5ms/main.go
    go build -buildvcs=false -o "$bin/" ./cmd/conformance/posix-5ms
)
touch "$stamp"
