#!/usr/bin/env bash
# What the tests need beyond Python: what reads compose files and makes roots of Debian's, a PostgreSQL to be real about,
# a voice for drafts, Prometheus for its rules, a browser for the reports, and the private
# Asterisk. Quick when all are there.
set -euo pipefail
missing=()
command -v docker-compose >/dev/null || missing+=(docker-compose)
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v ip >/dev/null || missing+=(iproute2)
if ((${#missing[@]})); then
    [ "$(id -u)" = 0 ] || { echo "The tests need ${missing[*]}: run 'apt-get install ${missing[*]}' or make test as root." >&2; exit 1; }
    echo "installing ${missing[*]} for the tests"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "The tests need PostgreSQL: run 'apt-get install postgresql' or make test as root." >&2; exit 1; }
    echo "installing PostgreSQL for the tests"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # The package would start a cluster of its own; the tests make throw-away ones.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
if ! command -v espeak-ng >/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "The tests need espeak-ng: run 'apt-get install espeak-ng' or make test as root." >&2; exit 1; }
    echo "installing espeak-ng for the tests"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends espeak-ng >/dev/null
fi
if ! command -v promtool >/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "The tests need promtool: run 'apt-get install prometheus' or make test as root." >&2; exit 1; }
    echo "installing Prometheus for the tests"
    # The package would start a Prometheus of its own, now and at each boot; the tests start theirs.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
    if [ -d /run/systemd/system ]; then systemctl disable --now prometheus 2>/dev/null || true; fi
fi
if ! command -v chromium >/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "The tests need Chromium: run 'apt-get install chromium' or make test as root." >&2; exit 1; }
    echo "installing Chromium for the tests"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null
fi
bash "$(dirname "$0")/../asterisk/provide.sh" >/dev/null
