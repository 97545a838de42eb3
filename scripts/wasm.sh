# What builds packages of the plugins' workspace for WebAssembly: read with `.` by scripts that have set `root`.
#
# They have a target directory of their own, target/plugins-build, also where CARGO_TARGET_DIR points elsewhere, so that they
# never disturb the server's build.

target=wasm32-unknown-unknown
build=$root/target/plugins-build

rustc_has_target() { ls "$(rustc --print target-libdir --target "$target" 2>/dev/null)"/libstd-*.rlib >/dev/null 2>&1; }

# Builds these packages, with the compiler that scripts/install-wasm-target.sh finds or gets.
build_modules() (
    CAIRNLOG_WASM_ROUTE=${CAIRNLOG_WASM_ROUTE:-auto} "$root/scripts/install-wasm-target.sh"
    # Flags for the host's compiler are none of the modules'.
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
    if [ "${CAIRNLOG_WASM_ROUTE:-auto}" = debian ] || ! rustc_has_target; then
        . "$root/.tools/wasm/env"
    fi
    cd "$root/plugins"
    packages=$*
    set --
    for package in $packages; do set -- "$@" -p "$package"; done
    CARGO_TARGET_DIR=$build cargo build --locked --profile component --target "$target" --lib "$@"
)

# Where the module of a package is then.
module() { printf '%s/%s/component/%s.wasm' "$build" "$target" "$(printf '%s' "$1" | tr - _)"; }
