#!/bin/sh
# Builds the built-in plugins as WebAssembly components: target/plugins/NAME.wasm.
#
# Plugins have a target directory of their own, target/plugins-build, also where CARGO_TARGET_DIR points elsewhere, so that
# they never disturb the server's build. A component is made anew only when its module or the tool has changed.
#
# COMPONENTIZE names the tool that makes components; by default cairnlog-componentize is built from the server's workspace.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=wasm32-unknown-unknown
build=$root/target/plugins-build
out=$root/target/plugins
plugins="aws-cloudtrail kubernetes-audit web-access redact-fields retention-schedule"

say() { printf 'plugins: %s\n' "$*"; }
rustc_has_target() { ls "$(rustc --print target-libdir --target "$target" 2>/dev/null)"/libstd-*.rlib >/dev/null 2>&1; }

if [ -n "${COMPONENTIZE:-}" ]; then
    tool=$COMPONENTIZE
else
    say "building cairnlog-componentize"
    (cd "$root" && cargo build --release --locked -p cairnlog-host --bin cairnlog-componentize)
    tool=${CARGO_TARGET_DIR:-$root/target}/release/cairnlog-componentize
fi

CAIRNLOG_WASM_ROUTE=${CAIRNLOG_WASM_ROUTE:-auto} "$root/scripts/install-wasm-target.sh"
say "building modules"
(
    # Flags for the host's compiler are none of the modules'.
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
    if [ "${CAIRNLOG_WASM_ROUTE:-auto}" = debian ] || ! rustc_has_target; then
        . "$root/.tools/wasm/env"
    fi
    cd "$root/plugins"
    set --
    for plugin in $plugins; do set -- "$@" -p "$plugin"; done
    CARGO_TARGET_DIR=$build cargo build --locked --profile component --target "$target" --lib "$@"
)

# A field of a manifest, or of the workspace's if it stands there.
field() { sed -n "s/^$2 = \"\(.*\)\"$/\1/p" "$1" | head -n 1; }

mkdir -p "$out"
for plugin in $plugins; do
    manifest=$root/plugins/$plugin/Cargo.toml
    module=$build/$target/component/$(printf '%s' "$plugin" | tr - _).wasm
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
