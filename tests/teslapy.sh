#!/bin/sh
# Installs the Python library TeslaPy, a client of Tesla's streaming server and owner API by other authors, in a
# venv for the tests.
#   tests/teslapy.sh
# The last line of output is the Python of the venv. Exit status 77: this machine cannot make a venv. Installations
# are kept in FR_TESLAPY_CACHE (~/.cache/fleetroute-teslapy).
set -eu
cache=${FR_TESLAPY_CACHE:-$HOME/.cache/fleetroute-teslapy}
packages="TeslaPy==2.9.2 certifi==2026.10.19.post1 charset-normalizer==3.5.3 idna==3.20 oauthlib==4.0.1
    requests==2.34.2 requests-oauthlib==2.0.0 urllib3==2.8.0 websocket-client==1.9.2"

# Several tests may install at the same time; the first one does it.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [ ! -e "$cache/venv/installed" ]; then
    rm -rf "$cache/venv"
    python3 -c 'import venv, ensurepip' || exit 77
    # shellcheck disable=SC2086 # several packages
    python3 -m venv "$cache/venv" && "$cache/venv/bin/pip" install -q --disable-pip-version-check $packages >&2 ||
        { rm -rf "$cache/venv"; exit 1; }
    touch "$cache/venv/installed"
fi
echo "$cache/venv/bin/python"
