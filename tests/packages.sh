#!/bin/sh
# Tests the Debian packages: two builds are identical; lintian; in a clean Debian 12 and 13 the packages are
# installed, started by the init script, used, upgraded under load without loss of an acknowledged record,
# and purged without remaining files; piuparts; autopkgtest; the container set-up. Needs root.
#   tests/packages.sh [STEP]...     without arguments: all steps; those that do not depend on each other in parallel
#   tests/packages.sh systems       only creates the archives of the clean systems
set -eu
cd "$(dirname "$0")/.."
top=$PWD
chroots=${FR_CHROOTS:-$HOME/.cache/fleetroute-chroots}
mirror=${FR_MIRROR:-http://deb.debian.org/debian}

[ "$(id -u)" = 0 ] || { echo "root is needed, for chroots"; exit 77; }

report() { echo "   packages: $*"; }

# Create the archive of a clean system, once. Several processes may need it at the same time.
make_system() {
    mkdir -p "$chroots"
    (flock 9 && make_system_if_missing "$1") 9>"$chroots/$1.lock"
}

make_system_if_missing() {
    [ ! -e "$chroots/$1.tar" ] || return 0
    rm -rf "$chroots/$1.new" &&
        debootstrap --variant=minbase --include=ca-certificates "$1" "$chroots/$1.new" "$mirror" \
            >"$chroots/$1.log" 2>&1 9>&- &&
        rm -rf "$chroots/$1.new/var/cache/apt/archives"/*.deb &&
        tar -c -C "$chroots/$1.new" -f "$chroots/$1.tar.new" . &&
        rm -rf "$chroots/$1.new" &&
        mv "$chroots/$1.tar.new" "$chroots/$1.tar"
}

# Whether clean systems can be created and used on this machine.
can_have_roots() {
    try=$(mktemp -d) && mount -t proc proc "$try" && umount "$try" && rmdir "$try" &&
        make_system bookworm && make_system trixie
}

# Create a copy of a clean system for one use: $root.
clean_root() {
    make_system "$1"
    root=$(mktemp -d)
    chmod 755 "$root"
    tar -x -C "$root" -f "$chroots/$1.tar"
    cp /etc/resolv.conf "$root/etc/"
    cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    # The test starts services, as on a machine without a running init.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    echo "$root" >>"$list"
}

# The daemons in several clean systems use the same ports: each system gets a network of its own when
# its packages are installed.
net=
own_network() {
    net=fr-packages-$$
    ip netns add "$net"
    ip -n "$net" link set lo up
}

drop_roots() {
    [ -z "$net" ] || ip netns del "$net" || true
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

in_root() { ${net:+nsenter --net="/run/netns/$net"} chroot "$root" /usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

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
    report "two builds are identical"
}

lint() {
    (cd packages && lintian --allow-root --fail-on error,warning \
        --suppress-tags bad-distribution-in-changes-file *.changes)
    report "lintian reports no error or warning"
}

# The units have a low exposure level by systemd-analyze, and can be loaded.
unit() {
    work=$(mktemp -d)
    dpkg-deb -x packages/fleetroute_[0-9]*.deb "$work"
    for name in fleetroute fleetroute-keep; do
        exposure=$(systemd-analyze security --offline=true "$work/lib/systemd/system/$name.service" |
            tee "$work/report" | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
        grep '✗' "$work/report" || true
        awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 2.0) }'
        report "systemd-analyze security of $name.service: $exposure"
    done
    # The programs of the units are not installed here; every other message is an error.
    complaints=$(cd "$work/lib/systemd/system" && systemd-analyze verify --man=no \
        ./fleetroute.service ./fleetroute-keep.service ./fleetroute-keep.timer 2>&1 |
        grep 'fleetroute[a-z-]*\.[a-z]*:' | grep -v 'is not executable: No such file' || true)
    [ -z "$complaints" ] || { echo "$complaints"; return 1; }
    rm -rf "$work"
}

# In $root: install, use, upgrade under load, purge.
use() {
    before=$(cd "$root" && find etc usr var -xdev ! -path 'var/lib/dpkg/*' ! -path 'var/cache/*' \
        ! -path 'var/log/*' ! -path 'var/lib/apt/*' | sort)
    install_debs
    own_network
    in_root /etc/init.d/fleetroute start | grep -q 'not set up yet'
    # The upkeep does nothing before the set-up, from the timer or from cron.
    in_root sh -c '[ "$(stat -c %U:%G:%a /var/lib/fleetroute-tesla)" = root:fleetroute:750 ]
        [ -e /etc/systemd/system/timers.target.wants/fleetroute-keep.timer ]
        job=$(sed -n "s/^[^ ]* \* \* \* \* root //p" /etc/cron.d/fleetroute)
        [ -n "$job" ] && [ -z "$(sh -ec "$job" 2>&1)" ] && [ -z "$(ls /var/lib/fleetroute-tesla)" ]'
    cp packaging/debian/tests/smoke "$root/smoke"
    in_root sh -eu /smoke >"$root/smoke.log" 2>&1 || { tail -n 40 "$root/smoke.log"; return 1; }
    [ "$(stat -c %a:%G "$root/etc/fleetroute/fleetroute.yaml")" = \
        "640:$(stat -c %G "$root/etc/fleetroute/tls")" ]
    upgrade
    purge
}

# Install the next version while vehicles send. Every acknowledged record is in the file.
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
    printf '#!/bin/sh\nexit 0\n' >"$root/usr/sbin/policy-rc.d" # dpkg may restart the daemon from here on
    in_root /etc/init.d/fleetroute start >/dev/null
    old=$(cat "$root/run/fleetroute.pid")
    in_root fleetroute simulate --pki /pki --connect 127.0.0.1:4430 --vehicles 50 --rate 20 \
        --duration 25 --patience 60 --acknowledged /acknowledged >"$root/load.log" 2>&1 &
    load=$!
    until [ -s "$root/acknowledged" ]; do kill -0 "$load" && sleep 0.2; done
    in_root sh -c 'dpkg --force-depends -i /next.deb' >"$root/upgrade.log" 2>&1 ||
        { cat "$root/upgrade.log"; return 1; }
    wait "$load" || { cat "$root/load.log"; return 1; }
    [ "$(cat "$root/run/fleetroute.pid")" != "$old" ]
    in_root sh -c 'until fleetroute status | grep "^sink archive" | grep -q " lag 0,"; do sleep 0.2; done'
    in_root /etc/init.d/fleetroute stop >/dev/null
    tail -n 1 "$root/etc/fleetroute/routing.yaml" | grep -q "administrator's own"
    sort "$root/acknowledged" >"$root/expected"
    cat "$root"/var/lib/fleetroute/archive/*/V.jsonl |
        sed 's/.*"txid":"\([^"]*\)".*/\1/' | sort -u >"$root/arrived"
    lost=$(comm -23 "$root/expected" "$root/arrived" | wc -l)
    [ -s "$root/expected" ] && [ "$lost" = 0 ] ||
        { echo "$lost of $(wc -l <"$root/expected") acknowledged are missing"; return 1; }
    report "upgraded under load: $(wc -l <"$root/expected") acknowledged records, all in the file"
}

purge() {
    in_root sh -c 'apt-get purge -y -qq "fleetroute*" && apt-get autoremove --purge -y -qq' \
        >"$root/purge.log" 2>&1 ||
        { cat "$root/purge.log"; return 1; }
    left=$(cd "$root" && find etc usr var run -xdev -iname '*fleetroute*' ! -path 'var/lib/apt/*' \
        ! -path 'var/cache/*' ! -path 'var/log/apt/*' 2>/dev/null)
    [ -z "$left" ] || { echo "remaining after purge: $left"; return 1; }
}

bookworm() {
    clean_root bookworm
    put_debs packages
    use
    report "Debian 12: installed, used, upgraded under load, purged"
}

trixie() {
    packaging/deb.sh trixie >deb.log 2>&1 || { tail -n 40 deb.log; return 1; }
    rm -f deb.log
    clean_root trixie
    put_debs packages/trixie
    use
    report "Debian 13: built, installed, used, upgraded under load, purged"
}

# Install, upgrade, remove and purge by the tool that Debian uses.
piuparts() {
    clean_root bookworm
    umount "$root/dev" "$root/proc"
    sed -i '$d' "$list"
    tar -c -z -C "$root" -f "$chroots/piuparts.tgz" .
    rm -rf --one-file-system "$root"
    # Files of systemd itself, which the definition of our user installs.
    ignored='/root/.ssh/|/var/(cache|lib|log)/private/|/var/lib/systemd/(coredump|pstore)/'
    # shellcheck disable=SC2046 # several arguments
    /usr/sbin/piuparts --ignore-regex="$ignored" --basetgz="$chroots/piuparts.tgz" \
        --distribution=bookworm --mirror="$mirror main" \
        --no-upgrade-test --skip-logrotatefiles-test --warn-on-debsums-errors --log-level=info \
        $(ls packages/*.deb | grep -v dbgsym) >piuparts.log 2>&1 || { tail -n 40 piuparts.log; return 1; }
    rm -f piuparts.log
    report "piuparts passes"
}

autopkgtest() {
    clean_root bookworm
    put_debs packages
    mkdir "$root/run/lock" 2>/dev/null || true
    /usr/bin/autopkgtest -U $(ls packages/*.deb | grep -v dbgsym) packages/*.dsc \
        -- chroot "$root" >autopkgtest.log 2>&1 || { tail -n 60 autopkgtest.log; return 1; }
    grep -aE '^[a-z]+ +(PASS|SKIP)' autopkgtest.log
    rm -f autopkgtest.log
    report "autopkgtest passes"
}

# Test the unit in a container that systemd boots, if containers can be booted here.
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
        report "systemd cannot be booted here: the unit was not tested"
    elif [ "$(cat "$root/outcome" 2>/dev/null)" != 0 ]; then
        tail -n 30 "$root/log" "$root/journal.log"
        return 1
    else
        report "systemd starts, reloads, watches and stops it"
    fi
}

# In $root: `fleetroute setup` continues with the files of the set-up script and may change its sections, up to
# the first answer that is missing.
setup_continues() {
    echo "127.0.0.1 telemetry.test" >>"$root/etc/hosts"
    printf '%s\n' 'account: yes' 'domain: telemetry.test' 'port: 443' 'listen_port: 4432' \
        'ca: /root/fleetroute-test-ca/server-ca.pem' >"$root/root/answers"
    chmod 600 "$root/root/answers"
    in_root fleetroute setup --answers /root/answers >"$root/setup2.log" 2>&1 || true
    if ! grep -q 'no answer `client_id:`' "$root/setup2.log" ||
        ! grep -q 'port: 4432' "$root/etc/fleetroute/fleetroute.yaml"; then
        tail -n 30 "$root/setup2.log"
        return 1
    fi
}

# The set-up script configures a new container, and can be run again.
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
    grep -q 'Remaining steps' "$root/setup.log"
    setup_continues
    grep -q '"vin":"5YJ3E1EA7KF000001"' "$root"/var/lib/fleetroute/archive/*/V.jsonl
    [ "$(stat -c %a "$root/etc/fleetroute/tls/server.key")" = 600 ]
    in_root /etc/init.d/fleetroute stop
    report "packaging/lxc/setup.sh sets up a new container"
}

systems() {
    make_system bookworm
    make_system trixie
}

# Run steps, one after the other, in a process of their own.
beside() {
    tests/packages.sh "$@" &
    started="$started $!"
}

all_steps() {
    build
    if ! can_have_roots; then
        tail -n 3 "$chroots"/*.log 2>/dev/null || true
        report "no clean systems can be created here: the packages are built and checked, not installed"
        lint
        unit
        return
    fi
    started=
    beside trixie
    beside bookworm lint unit
    beside systemd piuparts
    beside autopkgtest lxc
    status=0
    for pid in $started; do wait "$pid" || status=1; done
    return $status
}

if [ $# = 0 ]; then
    all_steps
else
    for step in "$@"; do
        "$step"
    done
fi
