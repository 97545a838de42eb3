#!/bin/sh
# Gets SoftHSM 2, a PKCS#11 token in software, which the tests of tokens need. A server needs it for nothing.
#
# The first of these that works: it is there already; as root, apt-get install; else Debian's packages, unpacked into
# .tools/softhsm, where the tests find it. Run it again at any time: it does what is missing.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$root/.tools/softhsm
tool=softhsm
. "$root/scripts/debian.sh"

library_in() { find "$@" -name libsofthsm2.so 2>/dev/null | head -n 1; }
util_in() { find "$@" -name softhsm2-util 2>/dev/null | head -n 1; }

if [ "${CAIRNLOG_SOFTHSM_ROUTE:-auto}" = auto ] && [ -n "$(library_in /usr/lib/softhsm /usr/lib/*/softhsm)" ] &&
    command -v softhsm2-util >/dev/null; then
    say "it is there already"
    exit 0
fi
if [ -n "$(library_in "$prefix")" ] && [ -n "$(util_in "$prefix")" ]; then
    say "it is in .tools/softhsm already"
    exit 0
fi
command -v apt-get >/dev/null || die "no apt-get: install SoftHSM 2 with your system's packages"
apt_knows softhsm2 || die "apt knows no package softhsm2: run apt-get update as root, then this again"

if [ "${CAIRNLOG_SOFTHSM_ROUTE:-auto}" = auto ] && [ "$(id -u)" = 0 ]; then
    say "apt-get install softhsm2"
    install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends softhsm2; }
    # Lists that are too old name packages that are gone.
    install || { apt-get update -q && install; } || die "apt-get install softhsm2 failed"
    say "done"
    exit 0
fi

work=$root/.tools/softhsm.partial
rm -rf "$work" "$prefix"
unpack "$work" softhsm2 libsofthsm2 $(lacking_for softhsm2 libsofthsm2)
mv "$work" "$prefix"
[ -n "$(library_in "$prefix")" ] || die "the packages hold no libsofthsm2.so; they are in $prefix"
say "done"
