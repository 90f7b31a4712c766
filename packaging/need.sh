#!/bin/sh
# Install the missing ones of the Debian packages that the build needs, and of those named.
#   packaging/need.sh [PACKAGE]...
set -eu
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

build="autoconf automake libtool make gcc pkg-config protobuf-c-compiler libprotobuf-c-dev
    libevent-dev libssl-dev librdkafka-dev libyaml-dev libwslay-dev libjansson-dev zlib1g-dev
    libzstd-dev liblmdb-dev libmosquitto-dev libhiredis-dev libpq-dev libzmq3-dev libseccomp-dev libqrencode-dev libcurl4-openssl-dev"
missing=
for p in $build "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "== installing:$missing"
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
