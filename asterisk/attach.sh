#!/usr/bin/env bash
# Adds dialog-acd to an Asterisk you already have.
#
#   asterisk/attach.sh [ETC] [SOUNDS]        (default: /etc/asterisk /usr/share/asterisk/sounds)
#
# Writes files of its own, all named acd*, and adds one #include line to extensions.conf, queues.conf and
# musiconhold.conf (and to manager.conf where that does not include manager.d). Changes nothing else, may be run again,
# and never overwrites a secret. At the end it says what is left to do by hand. Settings, by environment:
#
#   ACD_AGI=127.0.0.1:4573          where the service listens for AGI
#   ACD_AMI_SECRET_FILE=/etc/dialog-acd/ami.secret
#   ACD_PHONES=PJSIP/               what the device names of your agents' phones begin with
#   ACD_FAILSAFE_MEMBERS=           comma-separated phones (PJSIP/101,PJSIP/102) that ring when the service is gone
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
etc=${1:-/etc/asterisk}
sounds=${2:-/usr/share/asterisk/sounds}
agi=${ACD_AGI:-127.0.0.1:4573}
secret_file=${ACD_AMI_SECRET_FILE:-/etc/dialog-acd/ami.secret}
phones=${ACD_PHONES:-PJSIP/}
members=${ACD_FAILSAFE_MEMBERS:-}

fail() { echo "attach: $*" >&2; exit 1; }
for file in extensions.conf manager.conf queues.conf musiconhold.conf; do
    [ -f "$etc/$file" ] || fail "$etc/$file does not exist; name the configuration folder of your Asterisk: asterisk/attach.sh ETC"
done
[ -d "$sounds" ] || fail "$sounds does not exist; name the folder of sounds: asterisk/attach.sh $etc SOUNDS"
[[ $agi =~ ^[0-9a-zA-Z.-]+:[0-9]+$ ]] || fail "ACD_AGI=$agi is not host:port"

# New files belong to whom the configuration belongs to: Asterisk gives up root before it reads them.
owner=$(stat -c %u:%g "$etc/extensions.conf")
put() { # FILE MODE: standard input becomes the file
    local new; new=$(mktemp "$1.XXXXXX")
    cat >"$new"; chmod "$2" "$new"; chown "$owner" "$new"; mv "$new" "$1"
    echo "wrote    $1"
}
include() { # FILE LINE: add the line unless it is there
    grep -qxF "$2" "$1" && return
    printf '\n%s\n' "$2" >>"$1"
    echo "added    $2   to $1"
}

mkdir -p "$etc/acd" "$etc/manager.d" "$sounds/de/acd"
chown "$owner" "$etc/acd" "$etc/manager.d"
for file in "$here"/../dialplans/*.conf; do put "$etc/acd/$(basename "$file")" 640 <"$file"; done
cp "$here"/../dialplans/sounds/de/acd/*.alaw "$sounds/de/acd/"
echo "copied   prompts to $sounds/de/acd"

# [globals](+) adds to a section that exists, and is an error where none does.
globals='[globals]'; grep -q '^\[globals\]' "$etc/extensions.conf" && globals='[globals](+)'
put "$etc/acd-globals.conf" 640 <<END
; ACD_HEARTBEAT must never stand here: a reload would reset it and send every waiting caller to failsafe.
$globals
ACD_AGI=$agi
ACD_FAILSAFE_GROUP=general
END
include "$etc/extensions.conf" '#include "acd-globals.conf"'
include "$etc/extensions.conf" '#include "acd/*.conf"'

put "$etc/acd-queues.conf" 640 < <(
    echo '; Fixed phones that ring when the service is gone; one queue acd-failsafe-GROUP for each group of the directory.'
    sed -n '/^\[failsafe\](!)/,/^#include/p' "$here/etc/queues.conf" | grep -v '^#include' | sed 's/^\[failsafe\]/[acd-failsafe]/'
    echo '[acd-failsafe-general](acd-failsafe)'
    for member in ${members//,/ }; do echo "member => $member"; done
)
include "$etc/queues.conf" '#include "acd-queues.conf"'

put "$etc/acd-musiconhold.conf" 640 <<END
[acd]
mode = files
directory = moh
sort = random
END
include "$etc/musiconhold.conf" '#include "acd-musiconhold.conf"'

if [ ! -s "$secret_file" ]; then
    mkdir -p "$(dirname "$secret_file")"
    (umask 077; od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$secret_file"; echo >>"$secret_file")
    echo "made     a secret in $secret_file"
fi
put "$etc/manager.d/acd.conf" 640 < <(
    echo '[general](+)'
    grep -E '^(timestampevents|channelvars) ' "$here/etc/manager.conf"
    sed -n '/^\[dialog-acd\]/,$p' "$here/etc/manager.conf" |
        sed -e "s|@AMI_SECRET@|$(head -n 1 "$secret_file")|" -e "s|= PJSIP/agent$|= $phones|"
)
grep -qE '^#include "?manager\.d/' "$etc/manager.conf" || include "$etc/manager.conf" '#include "manager.d/acd.conf"'

cat <<END

Left to do by hand:
  1. In pjsip.conf, the endpoint of your trunk:      context = acd-in
     or only for some numbers, in your own context:  exten => _+495117307!,1,Goto(acd-in,\${EXTEN},1)
  2. The endpoints of your agents' phones:           context = acd-agent
                                                     device_state_busy_at = 1
                                                     set_var = TRANSFER_CONTEXT=acd-transfer
     and their numbering in $etc/acd/acd-agents.conf.
  3. In asterisk.conf, [options]:                    systemname = a name of its own for each Asterisk
  4. Then: asterisk -rx 'core reload'
END
