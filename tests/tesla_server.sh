#!/bin/sh
# Builds Tesla's server fleet-telemetry with Go, for tests/differential.py. The last line of output is its path.
#   tests/tesla_server.sh
# FR_TESLA_SERVER is a server that exists already. The build takes some minutes the first time, and 2 GB of disk for
# Go's caches; the program is kept in FR_TESLA_SERVER_CACHE (~/.cache/fleetroute-tesla-server).
# Exit status 77: Go, a C compiler or libzmq is missing, or the module cannot be had.
set -eu
if [ -n "${FR_TESLA_SERVER:-}" ]; then
    echo "$FR_TESLA_SERVER"
    exit
fi
version=v0.9.4
# Of the module's files, as go.sum has it.
sum="h1:CR5GLwpVVnIz5C1AJ8YvrJpNAmVIgybU7LU2WcaDvEI="
module=github.com/teslamotors/fleet-telemetry
cache=${FR_TESLA_SERVER_CACHE:-$HOME/.cache/fleetroute-tesla-server}
program=$cache/$version/fleet-telemetry

# Several tests may build at the same time; the first one does it.
mkdir -p "$cache/$version"
exec 9>"$cache/lock"
flock 9

if [ ! -x "$program" ]; then
    if ! command -v go >/dev/null || ! pkg-config --exists libzmq libsodium; then
        echo "needed: Go 1.23 or newer, libzmq3-dev, libsodium-dev" >&2
        exit 77
    fi
    cd "$cache/$version"
    printf 'module fleetroute/differential\n\ngo 1.23\n\nrequire %s %s\n' "$module" "$version" >go.mod
    printf '%s %s %s\n' "$module" "$version" "$sum" >go.sum
    go build -mod=mod -o "$program.new" "$module/cmd" >build.log 2>&1 || { tail build.log >&2; exit 77; }
    mv "$program.new" "$program"
fi
echo "$program"
