#!/usr/bin/env bash
# Gives this machine an Asterisk 22 to play with.
#
#   asterisk/provide.sh [CACHE_DIR]
#
# Standard output is exactly two lines, `root=DIR` and `version=22.x`; everything else goes to standard error.
#
# If the `asterisk` on the PATH is recent enough and has every module we load, German prompts, music and SIPp, it is
# used as it is and `root=/`. Debian 12 and 13 ship no Asterisk at all, so in most cases the answer is a Debian testing
# root of its own, made by debootstrap from the machine's own mirror and entered with chroot. It shares the network of
# the machine and nothing else: no package, user or file of the machine is touched (except debootstrap itself, which is
# installed when it is missing).
#
# The root is built beside its final place and renamed when it is complete, so an interrupted run leaves nothing that
# a later run could mistake for an Asterisk. A marker holds the hash of the recipe; another recipe means a new root.
set -euo pipefail

readonly SUITE=forky
# debootstrap of Debian 12 has no script of this name yet; all testing suites are built like sid.
readonly SCRIPT=sid
readonly PACKAGES=asterisk,asterisk-prompt-de,asterisk-moh-opsound-wav,sip-tester,tzdata
readonly RECIPE="4 $SUITE $PACKAGES"
readonly LEAST_MAJOR=22 LEAST_MINOR=6

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${1:-$here/../.cache/asterisk-root}
readonly here

say() { printf 'asterisk: %s\n' "$*" >&2; }
give_up() { say "$*"; exit 1; }

# "Asterisk 22.10.1~dfsg+..." -> "22.10.1"; empty if nothing answers.
version_of() { "$@" -V 2>/dev/null | sed -n 's/^Asterisk \([0-9][0-9.]*\).*/\1/p' || true; }

recent_enough() {
    local major minor
    IFS=. read -r major minor _ <<<"$1"
    [[ $major =~ ^[0-9]+$ && ${minor:-0} =~ ^[0-9]+$ ]] || return 1
    ((major > LEAST_MAJOR || (major == LEAST_MAJOR && ${minor:-0} >= LEAST_MINOR)))
}

# One clear reason why the machine's own Asterisk is of no use, or nothing if it is good.
fault_of_own() {
    local version directory module
    command -v asterisk >/dev/null || { echo "there is none on the PATH"; return; }
    version=$(version_of asterisk)
    recent_enough "$version" || { echo "version ${version:-unknown} is older than $LEAST_MAJOR.$LEAST_MINOR"; return; }
    directory=$(find /usr/lib /usr/lib64 /usr/local/lib -path '*asterisk/modules/chan_pjsip.so' -printf '%h\n' -quit \
        2>/dev/null) || true
    [[ -n $directory ]] || { echo "its modules were not found"; return; }
    # shellcheck disable=SC2013 # names of modules hold no blanks
    for module in $(sed -n 's/^\(load\|require\|preload\) *= *//p' "$here/etc/modules.conf"); do
        [[ -e $directory/$module ]] || { echo "module $module is missing"; return; }
    done
    [[ -d /usr/share/asterisk/sounds/de ]] || { echo "German prompts are missing (asterisk-prompt-de)"; return; }
    compgen -G '/usr/share/asterisk/moh/*.wav' >/dev/null ||
        { echo "music on hold is missing (asterisk-moh-opsound-wav)"; return; }
    command -v sipp >/dev/null || { echo "SIPp is missing (sip-tester)"; return; }
}

# The first Debian archive in apt's lists: the machine's owner has decided where packages come from.
own_mirror() {
    local debian='(bullseye|bookworm|trixie|forky|duke|sid|oldstable|stable|testing|unstable)(-updates|-backports)?'
    {
        { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
            sed -nE "s#^deb +(\[[^]]*\] +)?((https?|file):[^ ]+) +$debian .*\bmain\b.*#\2#p"
        { cat /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } | awk -v debian="^$debian\$" '
            function flush() { if (deb && main && good && !off && uri != "") print uri
                               uri = ""; deb = main = good = off = 0 }
            /^#/ { next }
            /^[ \t]*$/ { flush(); next }
            tolower($1) == "types:" { for (i = 2; i <= NF; i++) if ($i == "deb") deb = 1 }
            tolower($1) == "uris:" { for (i = 2; i <= NF; i++) if (uri == "" && $i ~ /^(https?|file):/) uri = $i }
            tolower($1) == "suites:" { for (i = 2; i <= NF; i++) if ($i ~ debian) good = 1 }
            tolower($1) == "components:" { for (i = 2; i <= NF; i++) if ($i == "main") main = 1 }
            tolower($1) == "enabled:" && tolower($2) ~ /^(no|false|0)$/ { off = 1 }
            END { flush() }'
        echo http://deb.debian.org/debian
    } | sed 's#/*$##' | awk 'NR == 1' # not head: it would end the others with SIGPIPE
}

# debootstrap mounts /proc inside; removing a half-made root must never walk into it.
discard() {
    local mounted
    [[ -e $1 ]] || return 0
    awk -v at="$(readlink -f "$1")/" 'index($2, at) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r mounted; do umount -l "$mounted" || true; done
    rm -rf --one-file-system "$1"
}

apt_proxy() {
    local APT_PROXY=
    eval "$(apt-config shell APT_PROXY Acquire::http::Proxy)"
    [[ -z $APT_PROXY || -n ${http_proxy:-} ]] || export http_proxy=$APT_PROXY
}

tools() {
    local wanted=()
    command -v debootstrap >/dev/null || wanted+=(debootstrap)
    [[ -e $keyring ]] || wanted+=(debian-archive-keyring)
    if ((${#wanted[@]})); then
        say "installing ${wanted[*]} with apt-get"
        apt-get update -qq >&2 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >&2 ||
            give_up "cannot install ${wanted[*]}: install them by hand and run this again"
    fi
}

readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

build() {
    local mirror=$1 building=$2 log=$3 lacks_mknod=
    discard "$building"
    mkdir -p "$building"
    # Without the right to make device nodes (unprivileged LXC) debootstrap can bind the machine's nodes instead,
    # but does so only when told that it is in such a container.
    mknod "$building/.node" c 1 3 2>/dev/null || lacks_mknod=lxc
    rm -f "$building/.node"
    container=${lacks_mknod:-${container:-}} LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        debootstrap --variant=minbase --keyring="$keyring" --include="$PACKAGES" \
        "$SUITE" "$building" "$mirror" "$SCRIPT" 2>&1 | tee "$log" | awk '
            /^I: Retrieving/ { if (++got % 50 == 0) print "asterisk:   " got " packages fetched" }
            /^I: Unpacking/ { if (++unpacked % 100 == 0) print "asterisk:   " unpacked " packages unpacked" }
            /^I: (Installing|Configuring)/ { if (++n == 1) print "asterisk:   setting up packages" }
            /^[EW]: / { print "asterisk:   " $0 } { fflush() }' >&2 || return 1
    recent_enough "$(version_of chroot "$building" asterisk)" || return 1
    rm -rf "$building"/var/cache/apt/* "$building"/var/lib/apt/lists/* "$building"/var/log/* \
        "$building"/usr/share/{doc,man,locale,info,lintian}/* "$building"/debootstrap
    # Left over when devices were only bound: programs that open these must find something.
    [[ -c $building/dev/null ]] || { mkdir -p "$building/dev"; : >"$building/dev/null"; chmod 666 "$building/dev/null"; }
    mkdir -p "$building/run/dialog-acd"
    # Names of this machine, so that nothing inside ever asks DNS for them.
    cp /etc/hosts "$building/etc/hosts"
    printf '%s\n' "$RECIPE" | sha256sum | cut -c1-64 >"$building/.recipe"
}

usable() { # the cached root, if it is complete and of this recipe; sets `version`
    [[ -e $cache/.recipe && $(<"$cache/.recipe") == "$(printf '%s\n' "$RECIPE" | sha256sum | cut -c1-64)" ]] || return 1
    version=$(version_of chroot "$cache" asterisk)
    recent_enough "$version"
}

version=
fault=$(fault_of_own)
if [[ -z $fault ]]; then
    printf 'root=/\nversion=%s\n' "$(version_of asterisk)"
    exit 0
fi

((EUID == 0)) || give_up "the machine's own Asterisk is no use ($fault), and making one in $cache needs root: run this as root"
mkdir -p "$(dirname "$cache")"
cache=$(cd "$(dirname "$cache")" && pwd)/$(basename "$cache")
exec 9>"$cache.lock"
flock -n 9 || { say "waiting for another run that is building $cache"; flock 9; }

if ! usable; then
    say "using a root of its own in $cache, because of the machine's Asterisk: $fault"
    tools
    apt_proxy
    mirror=$(own_mirror)
    building=$cache.building
    trap 'discard "$building"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    say "building it from Debian $SUITE at $mirror, about 350 MB and a minute or two (log: $cache.log)"
    # 9>&-: a daemon that a package might start must not inherit the lock.
    if ! build "$mirror" "$building" "$cache.log" 9>&-; then
        say "that did not work; trying once more"
        # An old keyring does not know the newest archive keys; apt can bring the current one, verified by the old.
        { apt-get update -qq && apt-get install -y -qq --only-upgrade debian-archive-keyring; } >>"$cache.log" 2>&1 || true
        build "$mirror" "$building" "$cache.log" 9>&- ||
            give_up "no root could be made from $mirror ($SUITE): see $cache.log; is the mirror reachable from here?"
    fi
    discard "$cache"
    mv "$building" "$cache"
    usable || give_up "the new root in $cache does not answer 'asterisk -V': see $cache.log"
    say "ready: Asterisk $version in $cache"
fi
printf 'root=%s\nversion=%s\n' "$cache" "$version"
