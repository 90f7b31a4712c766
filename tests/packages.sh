#!/bin/sh
# The Debian packages, as an administrator meets them: built twice to the same bytes, lintian, then
# installed in a clean Debian 12 and a clean Debian 13, started by the init script, used, upgraded
# under load without losing an acknowledged record, purged without a trace; piuparts; autopkgtest;
# the container set-up. As root.
#   tests/packages.sh [STEP]...
set -eu
cd "$(dirname "$0")/.."
top=$PWD
chroots=${FR_CHROOTS:-$HOME/.cache/fleetroute-chroots}
mirror=${FR_MIRROR:-http://deb.debian.org/debian}
steps=${*:-build lint unit bookworm systemd lxc trixie piuparts autopkgtest}

[ "$(id -u)" = 0 ] || { echo "root is needed, for chroots"; exit 77; }

say() { echo "   packages: $*"; }

# A clean system, made once.
make_system() {
    [ ! -e "$chroots/$1.tar" ] || return 0
    mkdir -p "$chroots" &&
        rm -rf "$chroots/$1.new" &&
        debootstrap --variant=minbase --include=ca-certificates "$1" "$chroots/$1.new" "$mirror" \
            >"$chroots/$1.log" 2>&1 &&
        rm -rf "$chroots/$1.new/var/cache/apt/archives"/*.deb &&
        tar -c -C "$chroots/$1.new" -f "$chroots/$1.tar.new" . &&
        rm -rf "$chroots/$1.new" &&
        mv "$chroots/$1.tar.new" "$chroots/$1.tar"
}

# Whether this machine lets us make such systems and live in them.
can_have_roots() {
    try=$(mktemp -d) && mount -t proc proc "$try" && umount "$try" && rmdir "$try" &&
        make_system bookworm && make_system trixie
}

# And a copy of it for each use.
clean_root() {
    make_system "$1"
    root=$(mktemp -d)
    chmod 755 "$root"
    tar -x -C "$root" -f "$chroots/$1.tar"
    cp /etc/resolv.conf "$root/etc/"
    cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    # Services are started by the test, as on a machine without an init that runs.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    echo "$root" >>"$list"
}

drop_roots() {
    while read -r root; do
        chroot "$root" /etc/init.d/fleetroute stop >/dev/null 2>&1 || true
        for at in dev proc; do
            ! mountpoint -q "$root/$at" || umount "$root/$at" || umount -l "$root/$at"
        done
        rm -rf --one-file-system "$root"
    done <"$list"
    rm -f "$list"
}
list=$(mktemp)
trap drop_roots EXIT

in_root() { chroot "$root" /usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

install_debs() {
    in_root apt-get update -qq
    in_root sh -c 'apt-get install -y -qq --no-install-recommends /packages/*.deb' >"$root/apt.log" 2>&1 ||
        { tail -n 30 "$root/apt.log"; return 1; }
}

put_debs() {
    mkdir -p "$root/packages"
    cp "$1"/*.deb "$root/packages/"
    rm -f "$root"/packages/*-dbgsym_*
}

# ---- steps ----------------------------------------------------------------------------

build() {
    packaging/deb.sh >deb.log 2>&1 || { tail -n 40 deb.log; return 1; }
    (cd packages && sha256sum *.deb) >first.sums
    packaging/deb.sh >deb.log 2>&1 || { tail -n 40 deb.log; return 1; }
    (cd packages && sha256sum --quiet -c "$top/first.sums")
    rm -f deb.log first.sums
    say "built twice, to the same bytes"
}

lint() {
    (cd packages && lintian --allow-root --fail-on error,warning --suppress-tags bad-distribution-in-changes-file *.changes)
    say "lintian is content"
}

# How tight the unit is, as systemd sees it; and whether it can be loaded at all.
unit() {
    work=$(mktemp -d)
    dpkg-deb -x packages/fleetroute_[0-9]*.deb "$work"
    exposure=$(systemd-analyze security --offline=true "$work"/lib/systemd/system/fleetroute.service |
        tee "$work/report" | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
    grep '✗' "$work/report" || true
    awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 2.0) }'
    # Its programs are not installed here; anything else that it says of the unit is a mistake.
    complaints=$(systemd-analyze verify --man=no "$work"/lib/systemd/system/fleetroute.service 2>&1 |
        grep 'fleetroute.service:' | grep -v 'is not executable: No such file' || true)
    [ -z "$complaints" ] || { echo "$complaints"; return 1; }
    rm -rf "$work"
    say "systemd-analyze security: $exposure"
}

# Put into a root: install, use, upgrade under load, purge.
use() {
    before=$(cd "$root" && find etc usr var -xdev ! -path 'var/lib/dpkg/*' ! -path 'var/cache/*' \
        ! -path 'var/log/*' ! -path 'var/lib/apt/*' | sort)
    install_debs
    in_root /etc/init.d/fleetroute start | grep -q 'not set up yet'
    cp packaging/debian/tests/smoke "$root/smoke"
    in_root sh -eu /smoke >"$root/smoke.log" 2>&1 || { tail -n 40 "$root/smoke.log"; return 1; }
    [ "$(stat -c %a:%G "$root/etc/fleetroute/fleetroute.yaml")" = "640:$(stat -c %G "$root/etc/fleetroute/tls")" ]
    upgrade
    purge
}

# While vehicles send, the next version takes the place of this one. What was acknowledged is there.
upgrade() {
    new=$(mktemp -d)
    dpkg-deb -R "$root"/packages/fleetroute_[0-9]*.deb "$new"
    sed -i 's/^Version: .*/&+next/' "$new/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$new" "$root/next.deb" >/dev/null 2>&1
    rm -rf "$new"
    echo "# the administrator's own line" >>"$root/etc/fleetroute/routing.yaml"
    rm -rf "$root"/var/lib/fleetroute/*
    in_root sh -c 'fleetroute simulate --pki /pki --pki-only
        install -m 600 /pki/server.key /etc/fleetroute/tls/
        install -m 644 /pki/server.pem /pki/vehicle-ca.pem /etc/fleetroute/tls/'
    printf '#!/bin/sh\nexit 0\n' >"$root/usr/sbin/policy-rc.d" # from here on dpkg may restart it
    in_root /etc/init.d/fleetroute start >/dev/null
    old=$(cat "$root/run/fleetroute.pid")
    in_root fleetroute simulate --pki /pki --connect 127.0.0.1:4430 --vehicles 50 --rate 20 \
        --duration 25 --patience 60 --acknowledged /acknowledged >"$root/load.log" 2>&1 &
    load=$!
    until [ -s "$root/acknowledged" ]; do kill -0 "$load" && sleep 0.2; done
    in_root sh -c 'dpkg --force-depends -i /next.deb' >"$root/upgrade.log" 2>&1 || { cat "$root/upgrade.log"; return 1; }
    wait "$load" || { cat "$root/load.log"; return 1; }
    [ "$(cat "$root/run/fleetroute.pid")" != "$old" ]
    in_root sh -c 'until fleetroute status | grep "^sink archive" | grep -q " 0 behind"; do sleep 0.2; done'
    in_root /etc/init.d/fleetroute stop >/dev/null
    tail -n 1 "$root/etc/fleetroute/routing.yaml" | grep -q "administrator's own"
    sort "$root/acknowledged" >"$root/told"
    cat "$root"/var/lib/fleetroute/archive/*/V.jsonl | sed 's/.*"txid":"\([^"]*\)".*/\1/' | sort -u >"$root/arrived"
    lost=$(comm -23 "$root/told" "$root/arrived" | wc -l)
    [ -s "$root/told" ] && [ "$lost" = 0 ] || { echo "$lost of $(wc -l <"$root/told") acknowledged are missing"; return 1; }
    say "upgraded under load: $(wc -l <"$root/told") acknowledged, each in the file"
}

purge() {
    in_root sh -c 'apt-get purge -y -qq "fleetroute*" && apt-get autoremove --purge -y -qq' >"$root/purge.log" 2>&1 ||
        { cat "$root/purge.log"; return 1; }
    left=$(cd "$root" && find etc usr var run -xdev -iname '*fleetroute*' ! -path 'var/lib/apt/*' ! -path 'var/cache/*' ! -path 'var/log/apt/*' 2>/dev/null)
    [ -z "$left" ] || { echo "left behind: $left"; return 1; }
}

bookworm() {
    clean_root bookworm
    put_debs packages
    use
    say "Debian 12: installed, used, upgraded under load, purged"
}

trixie() {
    packaging/deb.sh trixie >deb.log 2>&1 || { tail -n 40 deb.log; return 1; }
    rm -f deb.log
    clean_root trixie
    put_debs packages/trixie
    use
    say "Debian 13: built, installed, used, upgraded under load, purged"
}

# Installed, upgraded, removed, purged by the tool that Debian itself asks.
piuparts() {
    clean_root bookworm
    umount "$root/dev" "$root/proc"
    sed -i '$d' "$list"
    tar -c -z -C "$root" -f "$chroots/piuparts.tgz" .
    rm -rf --one-file-system "$root"
    # What systemd, which comes with our user's definition, leaves behind of its own.
    ignored='/root/.ssh/|/var/(cache|lib|log)/private/|/var/lib/systemd/(coredump|pstore)/'
    # shellcheck disable=SC2046 # words
    /usr/sbin/piuparts --ignore-regex="$ignored" --basetgz="$chroots/piuparts.tgz" --distribution=bookworm --mirror="$mirror main" \
        --no-upgrade-test --skip-logrotatefiles-test --warn-on-debsums-errors --log-level=info \
        $(ls packages/*.deb | grep -v dbgsym) >piuparts.log 2>&1 || { tail -n 40 piuparts.log; return 1; }
    rm -f piuparts.log
    say "piuparts passes"
}

autopkgtest() {
    clean_root bookworm
    put_debs packages
    mkdir "$root/run/lock" 2>/dev/null || true
    /usr/bin/autopkgtest -U $(ls packages/*.deb | grep -v dbgsym) packages/*.dsc \
        -- chroot "$root" >autopkgtest.log 2>&1 || { tail -n 60 autopkgtest.log; return 1; }
    grep -aE '^[a-z]+ +(PASS|SKIP)' autopkgtest.log
    rm -f autopkgtest.log
    say "autopkgtest passes"
}

# The unit, under a systemd that has booted, where a container can be booted at all.
systemd() {
    clean_root bookworm
    put_debs packages
    in_root apt-get update -qq
    in_root sh -c 'apt-get install -y -qq --no-install-recommends systemd-sysv dbus openssl procps \
        /packages/fleetroute_*.deb' >"$root/apt.log" 2>&1 || { tail -n 30 "$root/apt.log"; return 1; }
    umount "$root/dev" "$root/proc"
    install -m 755 tests/systemd_unit.sh "$root/systemd_unit.sh"
    cat >"$root/etc/systemd/system/try.service" <<EOF
[Unit]
After=multi-user.target
[Service]
ExecStart=/systemd_unit.sh
[Install]
WantedBy=graphical.target
EOF
    ln -s /etc/systemd/system/try.service "$root/etc/systemd/system/multi-user.target.wants/"
    timeout -k 5 150 systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --private-network \
        >"$root/nspawn.log" 2>&1 </dev/null || true
    if [ ! -e "$root/log" ]; then
        tail -n 3 "$root/nspawn.log"
        say "systemd cannot be booted here: the unit was not started"
    elif [ "$(cat "$root/outcome" 2>/dev/null)" != 0 ]; then
        tail -n 30 "$root/log" "$root/journal.log"
        return 1
    else
        say "systemd starts, reloads, watches and stops it"
    fi
}

# A fresh container becomes a server by one script, twice.
lxc() {
    clean_root bookworm
    put_debs packages
    cp packaging/lxc/setup.sh "$root/root/"
    echo "a-token" >"$root/root/token"
    for round in first second; do
        in_root sh /root/setup.sh --name telemetry.test --port 4431 --test-ca --packages /packages \
            --vin "5YJ3E1EA7KF000001=Melan Y" --home http://127.0.0.1:9 --token-file /root/token \
            >"$root/setup.log" 2>&1 || { echo "$round round:"; tail -n 40 "$root/setup.log"; return 1; }
    done
    grep -q 'What is left to do' "$root/setup.log"
    grep -q '"vin":"5YJ3E1EA7KF000001"' "$root"/var/lib/fleetroute/archive/*/V.jsonl
    [ "$(stat -c %a "$root/etc/fleetroute/tls/server.key")" = 600 ]
    in_root /etc/init.d/fleetroute stop
    say "a fresh container is set up by packaging/lxc/setup.sh"
}

if [ $# = 0 ] && ! can_have_roots; then
    tail -n 3 "$chroots"/*.log 2>/dev/null || true
    say "no clean systems can be made here: the packages are built and looked at, not installed"
    steps="build lint unit"
fi
for step in $steps; do
    "$step"
done
