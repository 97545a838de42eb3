#!/bin/sh
# Gets a Rust compiler for wasm32-unknown-unknown, which plugins are built for.
#
# The first of these that works: the compiler at hand has the target already; `rustup target add`; Debian's Rust compiler for
# browsers, unpacked into .tools/ (115 MB of downloads, once; nothing is installed). Run it again at any time: it does what
# is missing. CAIRNLOG_WASM_ROUTE=debian takes the last way at once.
#
# What the last way leaves behind: .tools/wasm/env, which scripts/build-plugins.sh reads.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=wasm32-unknown-unknown
prefix=$root/.tools/wasm
route=${CAIRNLOG_WASM_ROUTE:-auto}
tool="wasm target"
. "$root/scripts/debian.sh"

has_target() {
    libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) || return 1
    ls "$libdir"/libstd-*.rlib >/dev/null 2>&1
}

if [ "$route" != debian ]; then
    if has_target; then
        say "rustc has $target already"
        exit 0
    fi
    if command -v rustup >/dev/null; then
        say "rustup target add $target"
        if rustup target add "$target" && has_target; then
            say "done"
            exit 0
        fi
        say "rustup could not add it"
    fi
fi

# The file holds this checkout's path: one that was moved starts anew.
if [ -f "$prefix/env" ] && grep -qF "'$prefix/" "$prefix/env"; then
    say "Debian's compiler is in .tools/wasm already"
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
    die "no rustup that can add $target, and no apt-get: install the target with your system's Rust packages"

# Which version of the compiler apt names, and the libraries it is linked with.
depends() { apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *|\{0,1\}Depends: //p'; }
apt_knows rustc-web ||
    die "apt knows no package rustc-web: run apt-get update as root, or use a Debian release that has it"
compiler=$(apt-cache show --no-all-versions rustc-web 2>/dev/null | sed -n 's/^Version: \([0-9]*\.[0-9]*\).*/\1/p')
std=$(depends libstd-rust-web-dev | grep '^libstd-rust-web-[0-9]' | head -n 1)
llvm=$(depends "${std:-rustc-web}" | grep '^libllvm[0-9]' | head -n 1)
[ -n "$llvm" ] || llvm=$(depends rustc-web | grep '^libllvm[0-9]' | head -n 1)
[ -n "$std" ] && [ -n "$llvm" ] || die "can't tell which libraries rustc-web $compiler needs"

host=$(rustc -vV | sed -n 's/^host: //p')
linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
[ -x "$linker" ] || die "no rust-lld in the toolchain at hand ($linker)"

work=$root/.tools/wasm.partial
rm -rf "$work" "$prefix"
unpack "$work" rustc-web libstd-rust-web-dev "$std" rust-web-src "$llvm" libz3-4 $(lacking_for "$llvm" libz3-4)

# The standard library once, from Debian's sources; later builds find it as if it had come with the compiler.
say "building the standard library with rustc $compiler (a minute or two)"
mkdir -p "$work/empty/src"
printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
printf '' >"$work/empty/src/lib.rs"
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || printf '%s-linux-gnu' "$(uname -m)")
(
    cd "$work/empty"
    env RUSTC="$work/usr/bin/rustc" LD_LIBRARY_PATH="$work/usr/lib/$multiarch" RUSTC_BOOTSTRAP=1 \
        CARGO_ENCODED_RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" CARGO_TARGET_DIR="$work/empty/target" \
        cargo build --quiet --release --target "$target" -Zbuild-std=std,panic_abort
) || die "the standard library did not build; what was downloaded is in $work"
lib=$work/usr/lib/rustlib/$target/lib
mkdir -p "$lib"
cp "$work/empty/target/$target/release/deps/"lib*.rlib "$lib/"
rm -f "$lib/"libempty-*.rlib
rm -rf "$work/empty"

mv "$work" "$prefix"
cat >"$prefix/env" <<EOF
export RUSTC='$prefix/usr/bin/rustc'
export LD_LIBRARY_PATH='$prefix/usr/lib/$multiarch'
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER='$linker'
EOF
say "done: rustc $compiler for $target in .tools/wasm"
