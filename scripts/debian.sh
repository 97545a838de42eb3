# What the install scripts share: they read it with `.`, having set `tool` to the name under which they speak.

say() { printf '%s: %s\n' "$tool" "$*"; }
die() {
    printf '%s: %s\n' "$tool" "$*" >&2
    exit 1
}

# Whether apt knows a package. On a fresh machine it knows none before it has fetched its lists, which only root can tell it.
apt_knows() {
    command -v apt-get >/dev/null || return 1
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1 && return 0
    [ "$(id -u)" = 0 ] || return 1
    say "apt-get update"
    apt-get update -q && apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# Packages that these need and this machine lacks, themselves included; nothing is installed.
lacking_for() { apt-get -s -qq install --no-install-recommends "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\).*/\1/p'; }

# Fetches packages and unpacks them into the directory $1; nothing is installed.
unpack() {
    into=$1
    shift
    mkdir -p "$into/packages"
    list=
    for package in "$@"; do
        case " $list " in *" $package "*) ;; *) list="$list $package" ;; esac
    done
    for package in $list; do
        say "fetching $package (of$list)"
        (cd "$into/packages" && apt-get download -q "$package" >download.log 2>&1) ||
            die "apt-get download $package failed: $(tail -n 1 "$into/packages/download.log")"
        for file in "$into/packages/"*.deb; do
            dpkg -x "$file" "$into"
            rm "$file"
        done
    done
    rm -rf "$into/packages"
}
