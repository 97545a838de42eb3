#!/bin/sh
# Builds the built-in plugins as WebAssembly components: target/plugins/NAME.wasm.
#
# A component is made anew only when its module or the tool has changed.
#
# COMPONENTIZE names the tool that makes components; by default cairnlog-componentize is built from the server's workspace.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/target/plugins
plugins="aws-cloudtrail kubernetes-audit web-access redact-fields retention-schedule"

say() { printf 'plugins: %s\n' "$*"; }
. "$root/scripts/wasm.sh"

if [ -n "${COMPONENTIZE:-}" ]; then
    tool=$COMPONENTIZE
else
    say "building cairnlog-componentize"
    (cd "$root" && cargo build --release --locked -p cairnlog-host --bin cairnlog-componentize)
    tool=${CARGO_TARGET_DIR:-$root/target}/release/cairnlog-componentize
fi

say "building modules"
build_modules $plugins

# A field of a manifest, or of the workspace's if it stands there.
field() { sed -n "s/^$2 = \"\(.*\)\"$/\1/p" "$1" | head -n 1; }

mkdir -p "$out"
for plugin in $plugins; do
    manifest=$root/plugins/$plugin/Cargo.toml
    module=$(module "$plugin")
    component=$out/$plugin.wasm
    if [ -f "$component" ] && ! [ "$module" -nt "$component" ] && ! [ "$tool" -nt "$component" ] && ! [ "$manifest" -nt "$component" ]; then
        say "$plugin is up to date"
        continue
    fi
    "$tool" "$module" "$component.partial" --name "$plugin" --version "$(field "$root/plugins/Cargo.toml" version)" \
        --summary "$(field "$manifest" description)" --licence "$(field "$root/plugins/Cargo.toml" license)"
    mv "$component.partial" "$component"
    say "$plugin: $(wc -c <"$component") bytes, sha256:$(sha256sum "$component" | cut -d ' ' -f 1)"
done
