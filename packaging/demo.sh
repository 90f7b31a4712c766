#!/bin/sh
# Install the build dependencies, build, and demonstrate fleetroute: the daemon with a file sink, a
# simulated car that drives home, and its fields as they arrive.
#   packaging/demo.sh          FR_SPEED=10 simulates the trip ten times as fast (default 4)
set -eu
cd "$(dirname "$0")/.."
demo=$PWD/build-demo
run=$demo/run

packaging/need.sh

echo "== building in $demo"
[ -x configure ] || autoreconf -fi >/dev/null 2>&1
mkdir -p "$demo" && cd "$demo"
[ -f Makefile ] || ../configure -q CFLAGS="-O2 -g" >configure.out 2>&1 ||
    { cat configure.out; exit 1; }
make -s -j"$(nproc)"

echo "== a test CA, a configuration, the daemon"
rm -rf "$run" && mkdir -p "$run"
./fleetroute simulate --pki "$run" --pki-only
cat >"$run/fleetroute.yaml" <<YAML
listen: {address: 127.0.0.1, port: 0}
tls: {certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}
control: control.sock
state: state
plugin_dir: $demo/.libs
sinks:
  archive: {plugin: file, options: {path: "$run/%{type}.jsonl"}}
YAML
cat >"$run/routing.yaml" <<YAML
vehicles: [{vin: 5YJ3E1EA7KF000001, name: Melan Y}]
records: [{type: "*", to: archive}]
YAML
cd "$run"
"$demo/fleetroute" check -c fleetroute.yaml
"$demo/fleetrouted" -c fleetroute.yaml 2>daemon.log &
daemon=$!
trap 'kill $daemon $tail 2>/dev/null || true' EXIT
tail=
until "$demo/fleetroute" status -s control.sock >/dev/null 2>&1; do
    kill -0 $daemon || { cat daemon.log; exit 1; }
    sleep 0.1
done
port=$("$demo/fleetroute" status -s control.sock --json | sed -n 's/.*"port": \([0-9]*\).*/\1/p')

echo "== a car drives home (port $port); its fields as they arrive:"
"$demo/fleetroute" tail -s control.sock &
tail=$!
"$demo/fleetroute" simulate --pki . --connect "127.0.0.1:$port" --speed "${FR_SPEED:-4}" -q >trip.txt
kill $daemon
wait $daemon || { cat daemon.log; exit 1; }
wait $tail || true
trap - EXIT
echo "== $(cat trip.txt)"
echo "== $(wc -l <V.jsonl) records in $run/V.jsonl, the last one:"
tail -n 1 V.jsonl
