#!/bin/sh
# Builds and tests a plugin of each kind in every language, and the examples, which must all give the same golden output.
#
# Needs what the languages need (docs/plugins.md): npm, python3 with venv, clang with wasi-libc. CAIRNLOG names the binary.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cairnlog=${CAIRNLOG:-$root/target/release/cairnlog}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'guests: %s\n' "$*"; }
[ ! -f "$root/.tools/wasm/env" ] || . "$root/.tools/wasm/env"

try() { # folder
    (cd "$1" && "$cairnlog" plugin build >"$work/log" 2>&1 && "$cairnlog" plugin test >"$work/log" 2>&1) || {
        cat "$work/log" >&2
        say "$1 is not good"
        exit 1
    }
}

for language in rust javascript python c; do
    say "example in $language"
    try "$root/examples/plugins/$language"
    cmp "$root/examples/plugins/rust/golden/doors.json" "$root/examples/plugins/$language/golden/doors.json"
done

for language in rust js python c; do
    for kind in normalizer redactor retention; do
        say "$kind in $language"
        "$cairnlog" plugin new "a-$kind" --kind "$kind" --lang "$language" --dir "$work/$language-$kind" >/dev/null
        try "$work/$language-$kind"
    done
done

say "the SDKs' own tests"
(cd "$root/sdk/js" && npm test --silent >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
(cd "$root/sdk/python" && python3 -m unittest discover -s test >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
# What a plugin allocates goes with its instance, so nothing is freed.
export ASAN_OPTIONS=detect_leaks=0
(cd "$root/sdk/c" && gcc -std=c11 -fsanitize=address,undefined -I. -Inormalizer test/test_sdk.c text.c event.c json.c ocsf.c \
    component.c -lm -o "$work/test" && "$work/test" >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
say "all good"
