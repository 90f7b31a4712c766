#!/bin/sh
# Installs a real Home Assistant for the tests, without Docker.
#   tests/home_assistant.sh install 2024.3.3    into a venv, for Python 3.11
#   tests/home_assistant.sh install 2026.2.3    into a Debian 13 made by debootstrap (as root)
# The last line of output is the command that starts Home Assistant, and its root folder.
# Installations are kept in FR_HA_CACHE (~/.cache/fleetroute-homeassistant).
set -eu
cache=${FR_HA_CACHE:-$HOME/.cache/fleetroute-homeassistant}
version=${2:-2024.3.3}
debian_packages=python3,python3-venv,python3-dev,gcc,g++,make,libffi-dev,libssl-dev
debian_packages=$debian_packages,ca-certificates,zlib1g-dev,libturbojpeg0
folder=$cache/$version

in_venv() {
    [ -x "$folder/bin/hass" ] && return
    rm -rf "$folder"
    python3 -m venv "$folder"
    # Includes packages that integrations install at their first start: no start needs the network.
    "$folder/bin/pip" install -q "homeassistant==$version" "josepy<2" PyNaCl==1.5.0 \
        paho-mqtt==1.6.1 home-assistant-frontend==20240307.0 >&2 || { rm -rf "$folder"; exit 1; }
}

in_debian_13() {
    [ -x "$folder/root/ha/bin/hass" ] && return
    rm -rf "$folder"
    mkdir -p "$folder"
    debootstrap --variant=minbase --include="$debian_packages" \
        trixie "$folder" >"$folder.log" 2>&1 || { tail "$folder.log" >&2; exit 1; }
    cp -L /etc/resolv.conf /etc/hosts "$folder/etc/" 2>/dev/null || true
    for f in /etc/pip.conf "$HOME/.config/pip/pip.conf" "${SSL_CERT_FILE:-}" "${PIP_CERT:-}"; do
        [ -f "$f" ] && { mkdir -p "$folder$(dirname "$f")"; cp -L "$f" "$folder$f"; }
    done
    chroot "$folder" sh -c "cd /root && python3 -m venv ha &&
        ha/bin/pip install -q homeassistant==$version paho-mqtt==2.1.0" >&2
}

# Several tests may install at the same time; the first one does it.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

case $1-$version in
install-2024*)
    in_venv
    echo "$folder/bin/hass /"
    ;;
install-*)
    in_debian_13
    [ -e "$folder/proc/self" ] || mount -t proc proc "$folder/proc"
    echo "chroot $folder /root/ha/bin/hass $folder"
    ;;
*)
    echo "usage: $0 install VERSION" >&2
    exit 2
    ;;
esac
