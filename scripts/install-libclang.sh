#!/bin/sh
# Gets libclang with its headers, which building RocksDB needs.
#
# The first of these that works: it is there already; as root, apt-get install; else Debian's packages, unpacked into
# .tools/libclang. Run it again at any time: it does what is missing. The last way leaves .tools/libclang/env behind, which
# the Makefile reads; who calls cargo by hand reads it first: `. .tools/libclang/env`.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$root/.tools/libclang
tool=libclang
. "$root/scripts/debian.sh"

# A library and the compiler's own headers: one without the other does not do (libclang1 alone lacks stddef.h).
library_in() { find "$@" -maxdepth 1 \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) 2>/dev/null | head -n 1; }
header_in() { find "$@" -maxdepth 6 -path '*clang*' -name stddef.h 2>/dev/null | head -n 1; }

is_there() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        [ -n "$(library_in "$LIBCLANG_PATH")" ] && [ -n "$(header_in "$LIBCLANG_PATH" "$LIBCLANG_PATH/../lib" /usr/lib)" ]
    else
        [ -n "$(library_in /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib)" ] && [ -n "$(header_in /usr/lib /usr/lib64)" ]
    fi
}

if [ "${CAIRNLOG_LIBCLANG_ROUTE:-auto}" = auto ] && is_there; then
    say "it is there already"
    exit 0
fi
# The file holds this checkout's path: one that was moved starts anew.
if [ -f "$prefix/env" ] && grep -qF "'$prefix/" "$prefix/env"; then
    say "it is in .tools/libclang already: . .tools/libclang/env"
    exit 0
fi
command -v apt-get >/dev/null || die "no apt-get: install libclang and its headers with your system's packages"
apt_knows libclang-dev || die "apt knows no package libclang-dev: run apt-get update as root, then this again"

if [ "${CAIRNLOG_LIBCLANG_ROUTE:-auto}" = auto ] && [ "$(id -u)" = 0 ]; then
    say "apt-get install libclang-dev"
    install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libclang-dev; }
    # Lists that are too old name packages that are gone.
    install || { apt-get update -q && install; } || die "apt-get install libclang-dev failed"
    say "done"
    exit 0
fi

dev=$(apt-cache depends libclang-dev | sed -n 's/^ *Depends: \(libclang-[0-9]*-dev\)$/\1/p' | head -n 1)
[ -n "$dev" ] || die "can't tell which version of libclang libclang-dev stands for"
version=${dev#libclang-}
version=${version%-dev}
work=$root/.tools/libclang.partial
rm -rf "$work" "$prefix"
libraries="libclang1-$version libllvm$version libz3-4"
unpack "$work" "libclang-common-$version-dev" $libraries $(lacking_for $libraries)
mv "$work" "$prefix"

library=$(find "$prefix" -name 'libclang-[0-9]*.so*' ! -type d | head -n 1)
headers=$(find "$prefix" -path '*/include/stddef.h' | head -n 1)
[ -n "$library" ] && [ -n "$headers" ] || die "the packages hold no libclang or no headers; they are in $prefix"
libraries=$(find "$prefix" -name '*.so*' ! -type d -exec dirname {} + | sort -u | paste -sd :)
cat >"$prefix/env" <<EOF
export LIBCLANG_PATH='$(dirname "$library")'
export LD_LIBRARY_PATH='$libraries'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export BINDGEN_EXTRA_CLANG_ARGS='-isystem "$(dirname "$headers")"'
EOF
say "done: . .tools/libclang/env"
