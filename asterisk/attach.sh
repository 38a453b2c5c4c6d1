#!/usr/bin/env bash
# Adds dialog-acd to an Asterisk you already have.
#
#   asterisk/attach.sh [ETC] [SOUNDS]        (default: /etc/asterisk /usr/share/asterisk/sounds)
#
# Writes files of its own, all named acd*, and adds #include lines to extensions.conf (two), queues.conf and
# musiconhold.conf (and to manager.conf where that does not include manager.d). Changes nothing else; may be run again
# after an update, and then keeps the secret and what you may have edited (acd-globals, -queues, -musiconhold, -pjsip).
# Your own channelvars of manager.conf are kept. At the end it says what is left to do by hand. Settings, by environment:
#
#   ACD_AGI=127.0.0.1:4573          where the service listens for AGI
#   ACD_AMI_SECRET_FILE=/etc/dialog-acd/ami.secret
#   ACD_AMI_FROM=127.0.0.1          from which address the service logs in; where it is another one, bind AMI to an
#                                   address that nobody else reaches (manager.conf, bindaddr): it does not encrypt
#   ACD_PHONES=PJSIP/               what the device names of your agents' phones begin with
#   ACD_FAILSAFE_MEMBERS=           comma-separated phones (PJSIP/101,PJSIP/102) that ring when the service is gone
#
# Phones, partners and prompts from the directory (dialog-acd asterisk sync) are added only where you ask for them:
#
#   ACD_SYNCED=                     the folder they are to be in: /var/lib/dialog-acd/asterisk
#   ACD_SYNC_USER=                  who writes it (root, or whoever the service runs as); its group is that of ETC
#   ACD_CERTIFICATE=, ACD_CERTIFICATE_KEY=   files (PEM) for SIP over TLS on port 5061, and encrypted voices (SRTP)
#   ACD_AUTHORITIES=/etc/ssl/certs  whose certificates partners may show
#   ACD_PHONE_CONTEXT=acd-agent-codes        the context of these phones
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
etc=${1:-/etc/asterisk}
sounds=${2:-/usr/share/asterisk/sounds}
agi=${ACD_AGI:-127.0.0.1:4573}
secret_file=${ACD_AMI_SECRET_FILE:-/etc/dialog-acd/ami.secret}
service=${ACD_AMI_FROM:-127.0.0.1}
phones=${ACD_PHONES:-PJSIP/}
members=${ACD_FAILSAFE_MEMBERS:-}
synced=${ACD_SYNCED:-}
certificate=${ACD_CERTIFICATE:-}
certificate_key=${ACD_CERTIFICATE_KEY:-$certificate}
authorities=${ACD_AUTHORITIES:-/etc/ssl/certs}
phone_context=${ACD_PHONE_CONTEXT:-acd-agent-codes}

fail() { echo "attach: $*" >&2; exit 1; }
for file in extensions.conf manager.conf queues.conf musiconhold.conf; do
    [ -f "$etc/$file" ] || fail "$etc/$file does not exist; name the configuration folder of your Asterisk: asterisk/attach.sh ETC"
done
[ -d "$sounds" ] || fail "$sounds does not exist; name the folder of sounds: asterisk/attach.sh $etc SOUNDS"
[[ $agi =~ ^[0-9a-zA-Z.-]+:[0-9]+$ ]] || fail "ACD_AGI=$agi is not host:port"
[[ $service =~ ^[0-9]+(\.[0-9]+){3}$ ]] || fail "ACD_AMI_FROM=$service is not an address, as 10.0.0.7"
if [ -n "$synced" ]; then
    [[ $synced =~ ^/[0-9a-zA-Z./_-]+$ ]] || fail "ACD_SYNCED=$synced is not the whole path of a folder"
    [[ $phone_context =~ ^[0-9a-zA-Z._-]+$ ]] || fail "ACD_PHONE_CONTEXT=$phone_context is no name of a context"
    [ -f "$etc/pjsip.conf" ] || fail "$etc/pjsip.conf does not exist"
    for file in ${certificate:+"$certificate" "$certificate_key"}; do
        [[ $file =~ ^/[0-9a-zA-Z./_-]+$ && -f $file ]] || fail "$file is not there: ACD_CERTIFICATE and ACD_CERTIFICATE_KEY are whole paths"
    done
    # Asterisk would have no transport at all, and say so in its log alone.
    [[ -z $certificate || ( $authorities =~ ^/[0-9a-zA-Z./_-]+$ && -d $authorities ) ]] || fail "$authorities does not exist (Debian: ca-certificates); name it in ACD_AUTHORITIES"
fi

# A new file is as open as the one that includes it: Asterisk gives up root before it reads them, and a file it cannot
# read takes the whole including file with it.
put() { # FILE REFERENCE: standard input becomes the file
    local new; new=$(mktemp "$1.XXXXXX")
    cat >"$new"; chmod --reference="$2" "$new"; chown --reference="$2" "$new"; mv "$new" "$1"
    echo "wrote    $1"
}
first() { # FILE REFERENCE: only where it does not exist yet, because from then on it is yours
    if [ -e "$1" ]; then echo "kept     $1"; cat >/dev/null; else put "$@"; fi
}
include() { # FILE LINE: add the line unless it is there
    grep -qxF "$2" "$1" && return
    printf '\n%s\n' "$2" >>"$1"
    echo "added    $2   to $1"
}

mkdir -p "$etc/acd" "$etc/manager.d" "$sounds/de/acd"
chown --reference="$etc" "$etc/acd" "$etc/manager.d"
chmod --reference="$etc" "$etc/acd" "$etc/manager.d"
for file in acd.conf acd-failsafe.conf acd-agents.conf; do
    put "$etc/acd/$file" "$etc/extensions.conf" <"$here/../dialplans/$file"
done
for file in "$here"/../dialplans/sounds/de/acd/*.alaw; do # where they are the same, the folder may be closed to us
    cmp -s "$file" "$sounds/de/acd/${file##*/}" || cp "$file" "$sounds/de/acd/"
done
echo "copied   prompts to $sounds/de/acd"

# [globals](+) adds to a section that exists, and is an error where none does.
globals='[globals]'; grep -q '^\[globals\]' "$etc/extensions.conf" && globals='[globals](+)'
first "$etc/acd-globals.conf" "$etc/extensions.conf" <<END
; ACD_HEARTBEAT must never stand here: a reload would reset it and send every waiting caller to failsafe.
$globals
ACD_AGI=$agi
ACD_FAILSAFE_GROUP=general
END
include "$etc/extensions.conf" '#include "acd-globals.conf"'
include "$etc/extensions.conf" '#include "acd/*.conf"'

first "$etc/acd-queues.conf" "$etc/queues.conf" < <(
    echo '; Fixed phones that ring when the service is gone; one queue acd-failsafe-GROUP for each group of the directory.'
    sed -n '/^\[acd-failsafe\](!)/,/^#include/p' "$here/etc/queues.conf" | grep -v '^#include'
    echo '[acd-failsafe-general](acd-failsafe)'
    for member in ${members//,/ }; do echo "member => $member"; done
)
include "$etc/queues.conf" '#include "acd-queues.conf"'

first "$etc/acd-musiconhold.conf" "$etc/musiconhold.conf" <<END
[acd]
mode = files
directory = moh
sort = random
END
include "$etc/musiconhold.conf" '#include "acd-musiconhold.conf"'

# What the directory knows. The folder belongs to whoever writes it, and Asterisk's group may read it, nobody else.
if [ -n "$synced" ]; then
    owner=${ACD_SYNC_USER:-root} group=$(stat -c %g "$etc/pjsip.conf")
    if [ "$(stat -c %u:%g:%a "$synced" 2>/dev/null || true)" != "$(id -u "$owner" 2>/dev/null || echo "$owner"):$group:2750" ]; then
        mkdir -p "$synced"
        chown "$owner:$group" "$synced"
        chmod 2750 "$synced"
    fi
    if [ -n "$certificate" ]; then
        way=$'transport = acd-tls\nmedia_encryption = sdes' partner='transport = acd-tls'
    else
        way=$'; No certificate was named: signalling and voices are not encrypted.\nmedia_encryption = no'
        partner='; there is no transport for it yet: transport = ...'
    fi
    first "$etc/acd-pjsip.conf" "$etc/pjsip.conf" < <(
        if [ -n "$certificate" ]; then
            cat <<END
; TLS 1.2 with forward secrecy (BSI TR-02102-2). Partners have to show a certificate that this machine trusts.
[acd-tls]
type = transport
protocol = tls
bind = 0.0.0.0:5061
method = tlsv1_2
cipher = ECDHE-ECDSA-AES256-GCM-SHA384,ECDHE-RSA-AES256-GCM-SHA384,ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-RSA-AES128-GCM-SHA256
cert_file = $certificate
priv_key_file = $certificate_key
ca_list_path = $authorities
verify_server = yes

END
        fi
        template=$(<"$here/etc/acd-pjsip.conf")
        template=${template//@PHONE_WAY@/$way} template=${template//@PHONE_CONTEXT@/$phone_context}
        template=${template//@PHONE_CODECS@/g722,alaw} template=${template//@QUALIFY@/30}
        template=${template//set_var = TRANSFER_CONTEXT=@TRANSFER_CONTEXT@/; set_var = TRANSFER_CONTEXT=your-context}
        template=${template//@UDP_WAY@/; transport = the name of yours, where you have several for UDP}
        template=${template//@TCP_WAY@/; transport = the name of yours}
        template=${template//@TLS_WAY@/$partner} template=${template//@SYNCED@/$synced}
        printf '%s\n' "$template"
    )
    include "$etc/pjsip.conf" '#include "acd-pjsip.conf"'
    include "$etc/queues.conf" "#tryinclude \"$synced/current/queues-acd.conf\""
    mkdir -p "$sounds/de/custom"
    ours="$sounds/de/custom/acd"
    [ -e "$ours" ] && [ ! -L "$ours" ] && fail "$ours is there already; prompts of the directory belong there"
    [ "$(readlink "$ours" || true)" = "$synced/current/sounds/de/acd" ] || ln -sfn "$synced/current/sounds/de/acd" "$ours"
    echo "linked   $ours"
fi

if [ ! -s "$secret_file" ]; then
    mkdir -p "$(dirname "$secret_file")"
    (umask 077; od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$secret_file"; echo >>"$secret_file")
    echo "made     a secret in $secret_file"
fi
# The last channelvars wins, so ours have to name the site's as well.
ours=$(sed -n 's/^channelvars *= *//p' "$here/etc/manager.conf")
theirs=$(sed -n 's/^channelvars *=>\{0,1\} *//p' "$etc/manager.conf" $(ls "$etc"/manager.d/*.conf 2>/dev/null | grep -v '/acd.conf$') |
    tr ',' '\n' | tr -d ' ' | grep -vxF "$(tr ',' '\n' <<<"$ours")" | awk 'NF && !seen[$0]++' | paste -sd, || true)
account=$(sed -n '/^\[dialog-acd\]/,$p' "$here/etc/manager.conf")
account=${account//@AMI_SECRET@/$(head -n 1 "$secret_file")} # in the shell: an argument would be in the process list
account=${account//= PJSIP\/agent/= $phones}
account=${account//permit = 127.0.0.1\/255.255.255.255/permit = $service\/255.255.255.255}
put "$etc/manager.d/acd.conf" "$etc/manager.conf" < <(
    echo '[general](+)'
    grep -E '^timestampevents ' "$here/etc/manager.conf"
    echo "channelvars = $ours${theirs:+,$theirs}"
    printf '%s\n' "$account"
)
grep -qE '^#include "?manager\.d/' "$etc/manager.conf" || include "$etc/manager.conf" '#include "manager.d/acd.conf"'

mode=$(stat -c %A "$etc/manager.d/acd.conf")
[ "${mode:7:1}" = - ] || echo "WARNING  $etc/manager.d/acd.conf holds a secret and everybody may read it, like manager.conf: chmod o-r both"
[ -n "$members" ] || echo "WARNING  nobody rings when the service is gone: name phones in ACD_FAILSAFE_MEMBERS, or in $etc/acd-queues.conf"
if [ -n "$synced" ]; then
    [ -n "$certificate" ] || echo "WARNING  phones of the directory will not encrypt: name ACD_CERTIFICATE, remove $etc/acd-pjsip.conf and run this again"
    [ "$phone_context" != acd-agent-codes ] || echo "WARNING  phones of the directory can dial *71 to *74 and nothing else, not even 112: name ACD_PHONE_CONTEXT, or change it in $etc/acd-pjsip.conf"
fi
# What Asterisk writes down of callers is nowhere forgotten in time: dialog-acd's own records are.
says() { sed 's/;.*//' "$etc/$1" 2>/dev/null | grep -iE "^[[:space:]]*$2" >/dev/null; }
says cdr.conf 'enable[[:space:]]*=>?[[:space:]]*(no|off|false|0)' ||
    echo "WARNING  Asterisk keeps every caller's number in its CDRs: enable = no in $etc/cdr.conf"
says logger.conf 'queue_log[[:space:]]*=>?[[:space:]]*(no|off|false|0)' ||
    echo "WARNING  Asterisk keeps callers' numbers in its queue_log: queue_log = no in $etc/logger.conf"
if sed 's/;.*//' "$etc/logger.conf" 2>/dev/null | grep -v '^[[:space:]]*console' | grep -E "=>?.*(verbose|debug|dtmf|\*)" >/dev/null; then
    echo "WARNING  verbose and debug lines tell callers' numbers: take them (and *, which is all there are) out of the files of $etc/logger.conf"
fi
says cel.conf 'enable[[:space:]]*=>?[[:space:]]*(yes|on|true|1)' &&
    echo "WARNING  Asterisk keeps callers' numbers in its CEL: enable = no in $etc/cel.conf"
datadir=$(dirname "$sounds")
# Where it can be asked: earlier ones lose orders between any two lines of the dialplan.
version=$(asterisk -V 2>/dev/null | sed -n 's/^Asterisk \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' || true)
[[ -z $version || ${version%.*} -gt 22 || ( ${version%.*} -eq 22 && ${version#*.} -ge 6 ) ]] ||
    echo "WARNING  Asterisk $version loses orders of the service now and then: 22.6 or later is needed"
compgen -G "$datadir/moh/*" >/dev/null || echo "WARNING  $datadir/moh is empty: callers would wait in silence (Debian: asterisk-moh-opsound-wav)"

cat <<END

Left to do by hand:
  1. In pjsip.conf, the endpoint of your trunk:      context = acd-in
     or only for some numbers, in your own context:  exten => _+495117307!,1,Goto(acd-in,\${EXTEN},1)
  2. In the context your agents' phones have:        include => acd-agent-codes
     (they keep dialling everything else as before, 110 and 112 included)
     and at their endpoints:                         device_state_busy_at = 1
     For blind transfers that come back when nobody answers, see the head of $etc/acd/acd-agents.conf.
  3. In asterisk.conf, [options]:                    systemname = a name of its own for each Asterisk
  4. For every failsafe group of your directory a queue [acd-failsafe-GROUP](acd-failsafe) in $etc/acd-queues.conf;
     a group without one rings acd-failsafe-general.
  5. Then: asterisk -rx 'core reload'
END
[ -z "$synced" ] || cat <<END
For phones, partners and prompts of the directory:
  6. In asterisk.conf, [options]:                    sounds_search_custom_dir = yes      (then restart Asterisk)
  7. What stands in pjsip.conf already and in the directory as well has to be named in ACD_ASTERISK__BY_HAND.
  8. ACD_ASTERISK__SYNC=$synced for the service here, or a timer: asterisk/systemd/
END
