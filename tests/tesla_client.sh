#!/bin/sh
# Installs the Python library tesla-fleet-api, a client of Tesla's cloud by other authors, for the tests.
#   tests/tesla_client.sh
# It needs Python 3.13: one of this machine in a venv, or else a Debian 13 made by debootstrap (as root).
# The last line of output is the command of that Python, and its root folder. Exit status 77: neither is possible.
# FR_TESLA_PYTHON names the Python; "debian" takes a Debian 13. Installations are kept in FR_TESLA_CACHE
# (~/.cache/fleetroute-tesla-client).
set -eu
cache=${FR_TESLA_CACHE:-$HOME/.cache/fleetroute-tesla-client}
packages="tesla-fleet-api==1.18.1 tesla-protocol==4.0.1 aiofiles==25.1.0 aiohappyeyeballs==2.7.1 aiohttp==3.14.5
    aiolimiter==1.3.0 aiooui==0.1.11 aiosignal==1.4.0 attrs==26.1.0 bleak==3.1.0 bleak-retry-connector==4.7.1
    bluetooth-adapters==2.4.0 cffi==2.1.1 cryptography==50.0.2 dbus-fast==5.2.0 frozenlist==1.8.0
    googleapis-common-protos==1.76.0 idna==3.20 multidict==7.2.1 propcache==0.5.4 protobuf==7.36.2 pycparser==3.12
    uart-devices==0.1.1 usb-devices==0.5.1 yarl==1.25.1"

# Print a Python of this machine that the library accepts and that can make a venv.
find_python() {
    for python in ${FR_TESLA_PYTHON:-python3 python3.13 python3.14 "$HOME"/.pyenv/versions/3.1[3-9]*/bin/python3}; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
}

# The folder appears only when everything is installed in it.
in_venv() {
    [ -x "$cache/venv/bin/python" ] && return
    rm -rf "$cache/venv"
    # shellcheck disable=SC2086 # several packages
    "$1" -m venv "$cache/venv" && "$cache/venv/bin/pip" install -q --disable-pip-version-check $packages >&2 ||
        { rm -rf "$cache/venv"; exit 1; }
}

in_debian_13() {
    root=$cache/debian
    [ -e "$root/installed" ] && return
    rm -rf "$root"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$root" \
        ${FR_MIRROR:+"$FR_MIRROR"} >"$root.log" 2>&1 || { tail "$root.log" >&2; exit 1; }
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
    for f in /etc/pip.conf "$HOME/.config/pip/pip.conf" "${SSL_CERT_FILE:-}" "${PIP_CERT:-}"; do
        [ -f "$f" ] && { mkdir -p "$root$(dirname "$f")"; cp -L "$f" "$root$f"; }
    done
    chroot "$root" sh -c "python3 -m venv /client && /client/bin/pip install -q --disable-pip-version-check \
        $(echo $packages)" >&2
    touch "$root/installed"
}

# Several tests may install at the same time; the first one does it.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

python=
[ "${FR_TESLA_PYTHON:-}" = debian ] || python=$(find_python)
if [ -n "$python" ]; then
    in_venv "$python"
    echo "$cache/venv/bin/python /"
elif [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
    in_debian_13
    echo "chroot $root /client/bin/python $root"
else
    echo "no Python 3.13 with venv here, and no root with debootstrap" >&2
    exit 77
fi
