#!/bin/sh
# Runs in a container that systemd has booted (tests/packages.sh). Tests the installed unit: port 443, a key
# that only root can read, reload, watchdog, crash, stop. The exit status is written to /outcome.
exec >/log 2>&1
set -eux
trap 'status=$?; journalctl -u fleetroute -u fleetroute-keep --no-pager >/journal.log; echo $status >/outcome
    systemctl poweroff' EXIT

until_true() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ $n -lt 300 ] || return 1
        sleep 0.1
    done
}

# Without a configuration the unit is skipped and has not failed.
systemctl start fleetroute || true
[ "$(systemctl show -p ActiveState --value fleetroute)" = inactive ]

fleetroute simulate --pki /pki --pki-only
install -m 600 /pki/server.key /etc/fleetroute/tls/
install -m 644 /pki/server.pem /pki/vehicle-ca.pem /etc/fleetroute/tls/
printf 'log: {format: journal}\n' >>/etc/fleetroute/fleetroute.yaml
mkdir -p /etc/systemd/system/fleetroute.service.d
printf '[Service]\nWatchdogSec=4\n' >/etc/systemd/system/fleetroute.service.d/quick.conf
systemctl daemon-reload
systemctl start fleetroute # Type=notify: vehicles can connect when it returns
fleetroute simulate --pki /pki --connect 127.0.0.1:443 --vehicles 3 --rate 20 --duration 2

pid=$(systemctl show -p MainPID --value fleetroute)
[ "$(stat -c %U "/proc/$pid")" = fleetroute ]
grep -E '^(CapEff|CapPrm|CapAmb):	0000000000000000$' "/proc/$pid/status" | wc -l | grep -qx 3
[ "$(stat -c %U:%a /var/lib/fleetroute)" = fleetroute:750 ]
journalctl -q -o json SYSLOG_IDENTIFIER=fleetrouted --no-pager |
    grep "listens on" | grep -q "\"PRIORITY\":\"5\""

# `systemctl reload` loads a renewed key that only root can read, and reports a wrong configuration.
systemctl reload fleetroute
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=renewed -days 9 \
    -keyout /etc/fleetroute/tls/server.key -out /etc/fleetroute/tls/server.pem
chmod 600 /etc/fleetroute/tls/server.key
systemctl reload fleetroute
until_true sh -c 'openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | grep -q CN.*renewed'
echo 'nonsense: true' >>/etc/fleetroute/routing.yaml
! systemctl reload fleetroute
sed -i '$d' /etc/fleetroute/routing.yaml
[ "$(systemctl show -p MainPID --value fleetroute)" = "$pid" ]

# The timer of the upkeep runs; without a section `tesla` its service does nothing. With one and old tokens it
# tries to refresh them, which fails without a network, counts the journal, and leaves a state that the daemon
# can read.
[ "$(systemctl is-enabled fleetroute-keep.timer)" = enabled ]
[ "$(systemctl is-active fleetroute-keep.timer)" = active ]
systemctl start fleetroute-keep.service
[ -z "$(ls /var/lib/fleetroute-tesla)" ]
install -m 600 /dev/null /etc/fleetroute/secret
echo secret >/etc/fleetroute/secret
printf '{"access_token":"a","refresh_token":"r","client_id":"id","refresh_issued_ms":0}' \
    >/var/lib/fleetroute-tesla/tokens.json
chmod 600 /var/lib/fleetroute-tesla/tokens.json
echo '{"vehicles":{"5YJ3E1EA7KF000001":{"pushed_ms":1}}}' >/var/lib/fleetroute-tesla/state.json
printf 'tesla: {domain: telemetry.example.com, client_id: id, client_secret_file: secret}\n' >>/etc/fleetroute/fleetroute.yaml
systemctl reload fleetroute
! systemctl start fleetroute-keep.service
[ "$(stat -c %U:%G:%a /var/lib/fleetroute-tesla/state.json)" = root:fleetroute:640 ]
grep -q '"counted_next":[1-9]' /var/lib/fleetroute-tesla/state.json # the journal was read
grep -q '"blocked":"network"' /var/lib/fleetroute-tesla/state.json
until_true sh -c 'fleetroute status | grep -q "^keep .*warning .*fleetroute keep. failed"'

# The watchdog restarts a daemon that hangs; systemd restarts a daemon that crashes.
kill -STOP "$pid"
until_true sh -c "[ \$(systemctl show -p NRestarts --value fleetroute) -ge 1 ]"
until_true fleetroute status
kill -SEGV "$(systemctl show -p MainPID --value fleetroute)"
until_true sh -c "[ \$(systemctl show -p NRestarts --value fleetroute) -ge 2 ]"
until_true fleetroute status
systemctl stop fleetroute
[ "$(systemctl show -p Result --value fleetroute)" = success ]
! pgrep fleetrouted
