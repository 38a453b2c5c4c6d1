#!/usr/bin/env bash
# Makes the folder of an installation: secrets, each owned by who reads it and open to nobody else, and places for what
# the site brings. As root; may be run again, and keeps what is
# there; where one of two who must know the same has a new secret, the other gets it.
#
#   docker/prepare.sh /srv/dialog-acd
set -euo pipefail
umask 077

site=${1:-}
[[ $site =~ ^/[0-9a-zA-Z./_-]+$ ]] || { echo "prepare: name the folder of this installation: docker/prepare.sh /srv/dialog-acd" >&2; exit 1; }
((EUID == 0)) || { echo "prepare: run this as root, secrets have to be given to the users of the containers" >&2; exit 1; }
readonly SERVICE=10115 ASTERISK=10116 POSTGRES=999 PROMETHEUS=65534 GRAFANA=472

place() { install -d -o "$2" -g "$3" -m "$4" "$site/$1"; }
secret() { # OWNER NAME COMMAND...: what the command says becomes the file, unless there is one
    local owner=$1 file=$site/secrets/$2; shift 2
    [ ! -s "$file" ] || return 0
    "$@" >"$file.new"
    chown "$owner:$owner" "$file.new"
    mv "$file.new" "$file"
    echo "made     $file"
}
copy() { # OWNER NAME WHO COMMAND...: as above, and made anew when it would be another; WHO has to be told
    local owner=$1 file=$site/secrets/$2 who=$3 was=made; shift 3
    "$@" >"$file.new"
    chown "$owner:$owner" "$file.new"
    if [ -s "$file" ]; then
        if cmp -s "$file.new" "$file"; then rm "$file.new"; return; fi
        was=remade
    fi
    mv "$file.new" "$file"
    printf "%-8s %s\n" "$was" "$file"
    [ $was = made ] || echo "         a container keeps the file it began with: docker compose up -d --force-recreate $who"
}
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; echo; }

mkdir -p "$site" && chmod 711 "$site"
# Docker itself opens these, as root; each container sees its own file alone.
for folder in secrets secrets/{service,asterisk,db,prometheus,grafana}; do place "$folder" root root 711; done
place files $SERVICE $SERVICE 700
place asterisk root $ASTERISK 750
place tls root $ASTERISK 750
place prometheus root $PROMETHEUS 750

secret $SERVICE service/api random
secret $SERVICE service/ami random
secret $SERVICE service/metrics random
secret $POSTGRES db/superuser random
secret $POSTGRES db/acd random
secret $GRAFANA grafana/admin random
# The other sides of what two must know.
copy $ASTERISK asterisk/ami 'asterisk dialog-acd' cat "$site/secrets/service/ami"
copy $PROMETHEUS prometheus/metrics 'prometheus dialog-acd' cat "$site/secrets/service/metrics"
copy $SERVICE service/pgpass 'dialog-acd   # and in the database: ALTER ROLE acd PASSWORD' sed 's/^/db:5432:acd:acd:/' "$site/secrets/db/acd"

# Containers have these folders of the checkout; it may have been made under umask 077.
chmod -R a+rX "$(dirname "${BASH_SOURCE[0]}")"/{grafana,postgres,prometheus}

for file in acd.crt acd.key; do # whoever brings a certificate need not think of this
    [ ! -e "$site/tls/$file" ] || { chown root:$ASTERISK "$site/tls/$file"; chmod 640 "$site/tls/$file"; }
done
