#!/bin/sh
# Turn a fresh Debian 12 or 13, for example a Proxmox container, into a running telemetry server; see
# fleetroute-lxc(7). It can be run again: it keeps the configuration, the test CA and the Let's Encrypt
# certificate of an earlier run.
set -eu

usage() {
    cat <<'EOF'
usage: setup.sh --name HOST [OPTIONS]
      --name HOST           the server's name, to which cars connect
      --port PORT           the port to which cars connect (443)
      --email ADDRESS       your address for Let's Encrypt, which issues the certificate
      --test-ca             a private CA, for a test with a simulated car
      --certificate FILE --key FILE
                            a certificate that you already have
      --vehicle-ca FILE     Tesla's production CA bundle (prod_ca.crt), in PEM
      --vin VIN[=NAME]      a vehicle that may connect; may be given more than once
      --home URL            the URL of Home Assistant
      --token-file FILE     a long-lived access token of Home Assistant
      --packages FOLDER     the folder of the .deb files (the folder of this script, or /root)
EOF
}

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

log_step() { echo "== $*"; }

name= port=443 email= test_ca= certificate= key= vehicle_ca= vehicles= home= token= packages=
while [ $# -gt 0 ]; do
    case $1 in
        --test-ca) test_ca=yes; shift; continue ;;
        -h | --help) usage; exit 0 ;;
    esac
    [ $# -ge 2 ] || fail "$1 needs a value (--help)"
    case $1 in
        --name) name=$2 ;;
        --port) port=$2 ;;
        --email) email=$2 ;;
        --certificate) certificate=$2 ;;
        --key) key=$2 ;;
        --vehicle-ca) vehicle_ca=$2 ;;
        --vin) vehicles="$vehicles$2
" ;;
        --home) home=$2 ;;
        --token-file) token=$2 ;;
        --packages) packages=$2 ;;
        *) fail "unknown option \"$1\" (--help)" ;;
    esac
    shift 2
done

[ "$(id -u)" = 0 ] || fail "run it as root"
[ -n "$name" ] || fail "--name is required: the server's name, to which cars connect"
case $name in *[!A-Za-z0-9.-]*) fail "--name: \"$name\" is not a host name" ;; esac
case $port in '' | *[!0-9]*) fail "--port: \"$port\" is not a number" ;; esac
[ -n "$test_ca$certificate$email" ] ||
    fail "no certificate: use --email for Let's Encrypt, --certificate and --key, or --test-ca"
[ -z "$certificate" ] || [ -n "$key" ] || fail "--certificate needs --key"
[ -n "$test_ca$vehicle_ca" ] ||
    fail "--vehicle-ca is required: Tesla's production CA bundle, config/files/prod_ca.crt of its fleet-telemetry server"
for file in "$certificate" "$key" "$vehicle_ca" "$token"; do
    [ -z "$file" ] || [ -r "$file" ] || fail "$file cannot be read"
done
[ -z "$home" ] || [ -n "$token" ] || fail "--home needs --token-file"

# ---- packages -----------------------------------------------------------------------------

here=$(cd "$(dirname "$0")" && pwd)
find_deb() {
    for folder in ${packages:+"$packages"} "$here" "$here/../../packages" /root; do
        for deb in "$folder/$1"_*.deb "$folder/$1.deb"; do
            [ ! -e "$deb" ] || { (cd "$(dirname "$deb")" && echo "$PWD/$(basename "$deb")"); return; }
        done
    done
    fail "no package $1_*.deb in $here or /root: name its folder with --packages"
}

export DEBIAN_FRONTEND=noninteractive
wanted=$(find_deb fleetroute)
[ -z "$home" ] || wanted="$wanted $(find_deb fleetroute-homeassistant)"
[ -z "$email" ] || wanted="$wanted certbot"
log_step "installing $wanted"
apt-get update -qq
# shellcheck disable=SC2086 # words
apt-get install -y -qq --no-install-recommends ca-certificates libjs-chart.js libjs-leaflet $wanted >/dev/null

# ---- certificates -------------------------------------------------------------------------

config=/etc/fleetroute
if [ -n "$test_ca" ]; then
    [ -e /root/fleetroute-test-ca/server.pem ] ||
        fleetroute simulate --pki /root/fleetroute-test-ca --pki-only --host "$name"
    certificate=/root/fleetroute-test-ca/server.pem
    key=/root/fleetroute-test-ca/server.key
    vehicle_ca=${vehicle_ca:-/root/fleetroute-test-ca/vehicle-ca.pem}
fi
if [ -n "$certificate" ]; then
    install -m 644 "$certificate" $config/tls/server.pem
    install -m 600 "$key" $config/tls/server.key
    certificate=$config/tls/server.pem
    key=$config/tls/server.key
else
    log_step "requesting a certificate for $name from Let's Encrypt"
    [ -e "/etc/letsencrypt/live/$name/fullchain.pem" ] ||
        certbot certonly --standalone --non-interactive --agree-tos --key-type ecdsa \
            -m "$email" -d "$name" ||
        fail "Let's Encrypt issued no certificate for $name: check that the name resolves to your public address, and that port 80 is forwarded to this machine"
    certificate=/etc/letsencrypt/live/$name/fullchain.pem
    key=/etc/letsencrypt/live/$name/privkey.pem
fi
[ -e $config/tls/vehicle-ca.pem ] || install -m 644 "$vehicle_ca" $config/tls/vehicle-ca.pem

# ---- configuration ------------------------------------------------------------------------

# `fleetroute setup` may change the sections below this line (FR_YAML_EDIT_MARK in core/config/yaml_edit.h).
mark="# Written by fleetroute setup, which may change this section."
if ! grep -q '^# written by setup.sh' $config/fleetroute.yaml; then
    log_step "writing $config"
    cp -p $config/fleetroute.yaml $config/fleetroute.yaml.orig
    {
        echo "# written by setup.sh; the example is fleetroute.yaml.orig, the manual fleetroute.yaml(5)"
        echo "$mark"
        echo "listen: {address: 0.0.0.0, port: $port}"
        echo "$mark"
        echo "tls:"
        echo "  certificate: $certificate"
        echo "  key: $key"
        echo "  vehicle_ca: $config/tls/vehicle-ca.pem"
        echo "routing: routing.yaml"
        echo "admin: {address: 127.0.0.1, port: 8480}"
        echo "user: fleetroute"
        echo "$mark"
        echo "sinks:"
        echo "  archive:"
        echo "    plugin: file"
        echo "    options: {path: \"/var/lib/fleetroute/archive/%Y-%m-%d/%{type}.jsonl\"}"
        if [ -n "$home" ]; then
            echo "  home:"
            echo "    plugin: ha_websocket"
            echo "    options: {url: \"$home\", token_file: $config/home-assistant.token}"
        fi
    } >$config/fleetroute.yaml
    [ -z "$home" ] || install -m 640 -g fleetroute "$token" $config/home-assistant.token
    cp -p $config/routing.yaml $config/routing.yaml.orig
    {
        echo "# written by setup.sh; the manual is fleetroute-routing(5)"
        echo "$mark"
        echo "vehicles:"
        printf '%s' "$vehicles" | while IFS='=' read -r vin called; do
            echo "  - {vin: $vin${called:+, name: \"$called\"}}"
        done
        echo "$mark"
        echo "records:"
        echo "  - {type: \"*\", to: archive}"
        if [ -n "$home" ]; then
            echo "  - {type: presence, to: home}"
            echo "  - {type: alerts, to: home, as: notification}"
            echo "$mark"
            sed -n '/^fields:/,$p' /usr/share/fleetroute/home-assistant/routing.yaml
        fi
    } >$config/routing.yaml
fi
fleetroute check

# ---- running ------------------------------------------------------------------------------

log_step "starting"
if [ -d /run/systemd/system ]; then
    systemctl enable -q fleetroute
    systemctl restart fleetroute
else
    /etc/init.d/fleetroute restart
fi
fleetroute status
if [ -n "$test_ca" ]; then
    log_step "simulating a car that drives home"
    fleetroute simulate --pki /root/fleetroute-test-ca --connect "127.0.0.1:$port" --speed 200 -q \
        ${vehicles:+--vin "${vehicles%%[=
]*}"}
    fleetroute status
fi
cat <<EOF
== done. Remaining steps:
   - forward TCP port $port of your router to this machine${email:+, and 80 for the certificate's renewal}
   - run \`fleetroute setup\`: it leads through Tesla's account, the key and the configuration of the car
   fleetroute tail prints the values that the car sends; http://127.0.0.1:8480/ shows the state of the server.
EOF
