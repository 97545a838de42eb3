#!/bin/sh
# Builds the verifier for browsers: target/browser/verify.wasm, and target/browser/verify.html, one page that holds it and
# needs nothing else.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/target/browser
. "$root/scripts/wasm.sh"

say() { printf 'browser: %s\n' "$*"; }

say "building the module"
build_modules cairnlog-browser
mkdir -p "$out"
cp "$(module cairnlog-browser)" "$out/verify.wasm"
{
    sed '/@MODULE@/,$d' "$root/examples/browser/page.html"
    printf 'const MODULE = "%s";\n' "$(base64 <"$out/verify.wasm" | tr -d '\n')"
    sed '1,/@MODULE@/d' "$root/examples/browser/page.html"
} >"$out/verify.html.partial"
mv "$out/verify.html.partial" "$out/verify.html"
say "target/browser/verify.html: $(wc -c <"$out/verify.html") bytes"
