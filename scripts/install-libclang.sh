#!/bin/sh
# Gets libclang with its headers, which building RocksDB needs.
#
# The first of these that works: it is there already; as root, apt-get install; else Debian's packages, unpacked into
# .tools/libclang. Run it again at any time: it does what is missing. The last way leaves .tools/libclang/env behind; source
# it before building: `. .tools/libclang/env`.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$root/.tools/libclang

say() { printf 'libclang: %s\n' "$*"; }
die() {
    printf 'libclang: %s\n' "$*" >&2
    exit 1
}

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
if [ -f "$prefix/env" ]; then
    say "it is in .tools/libclang already: . .tools/libclang/env"
    exit 0
fi
command -v apt-get >/dev/null || die "no apt-get: install libclang and its headers with your system's packages"

if [ "${CAIRNLOG_LIBCLANG_ROUTE:-auto}" = auto ] && [ "$(id -u)" = 0 ]; then
    say "apt-get install libclang-dev"
    apt-get install -y -q --no-install-recommends libclang-dev || die "apt-get install libclang-dev failed: run apt-get update first"
    say "done"
    exit 0
fi

dev=$(apt-cache depends libclang-dev | sed -n 's/^ *Depends: \(libclang-[0-9]*-dev\)$/\1/p' | head -n 1)
[ -n "$dev" ] || die "apt knows no package libclang-dev: run apt-get update"
version=${dev#libclang-}
version=${version%-dev}
work=$root/.tools/libclang.partial
rm -rf "$work" "$prefix"
mkdir -p "$work/packages"
step=0
for package in "libclang1-$version" "libclang-common-$version-dev" "libllvm$version" libz3-4; do
    step=$((step + 1))
    say "$step/5 $package"
    (cd "$work/packages" && apt-get download -q "$package" >download.log 2>&1) ||
        die "apt-get download $package failed: $(tail -n 1 "$work/packages/download.log")"
    for file in "$work/packages/"*.deb; do
        dpkg -x "$file" "$work"
        rm "$file"
    done
done
rm -rf "$work/packages"
mv "$work" "$prefix"

library=$(find "$prefix" -name 'libclang-[0-9]*.so*' ! -type d | head -n 1)
headers=$(find "$prefix" -path '*/include/stddef.h' | head -n 1)
[ -n "$library" ] && [ -n "$headers" ] || die "the packages hold no libclang or no headers; they are in $prefix"
cat >"$prefix/env" <<EOF
export LIBCLANG_PATH='$(dirname "$library")'
export LD_LIBRARY_PATH='$(dirname "$library"):$(dirname "$(find "$prefix" -name 'libz3.so*' | head -n 1)")'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export BINDGEN_EXTRA_CLANG_ARGS='-isystem $(dirname "$headers")'
EOF
say "5/5 done: . .tools/libclang/env"
