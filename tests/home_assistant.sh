#!/bin/sh
# A real Home Assistant for the tests, without Docker.
#   tests/home_assistant.sh install 2024.3.3    into a venv, for Python 3.11
#   tests/home_assistant.sh install 2026.2.3    into a Debian 13 made by debootstrap (as root)
# prints, as its last line, the command that runs it, and the folder that it sees as its root.
# FR_HA_CACHE (~/.cache/fleetroute-homeassistant) keeps what was installed.
set -eu
cache=${FR_HA_CACHE:-$HOME/.cache/fleetroute-homeassistant}
version=${2:-2024.3.3}
place=$cache/$version

in_venv() {
    [ -x "$place/bin/hass" ] && return
    rm -rf "$place"
    python3 -m venv "$place"
    # What its integrations ask for at their first start, so that no start needs the network.
    "$place/bin/pip" install -q "homeassistant==$version" "josepy<2" PyNaCl==1.5.0 \
        paho-mqtt==1.6.1 >&2 || { rm -rf "$place"; exit 1; }
}

in_debian_13() {
    [ -x "$place/root/ha/bin/hass" ] && return
    rm -rf "$place"
    mkdir -p "$place"
    debootstrap --variant=minbase --include=python3,python3-venv,python3-dev,gcc,g++,make,libffi-dev,libssl-dev,ca-certificates,zlib1g-dev,libturbojpeg0 \
        trixie "$place" >"$place.log" 2>&1 || { tail "$place.log" >&2; exit 1; }
    cp -L /etc/resolv.conf /etc/hosts "$place/etc/" 2>/dev/null || true
    for f in /etc/pip.conf "$HOME/.config/pip/pip.conf" "${SSL_CERT_FILE:-}" "${PIP_CERT:-}"; do
        [ -f "$f" ] && { mkdir -p "$place$(dirname "$f")"; cp -L "$f" "$place$f"; }
    done
    chroot "$place" sh -c "cd /root && python3 -m venv ha &&
        ha/bin/pip install -q homeassistant==$version paho-mqtt==2.1.0" >&2
}

case $1-$version in
install-2024*)
    in_venv
    echo "$place/bin/hass /"
    ;;
install-*)
    in_debian_13
    [ -e "$place/proc/self" ] || mount -t proc proc "$place/proc"
    echo "chroot $place /root/ha/bin/hass $place"
    ;;
*)
    echo "usage: $0 install VERSION" >&2
    exit 2
    ;;
esac
