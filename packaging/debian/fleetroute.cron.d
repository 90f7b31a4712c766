# Upkeep of the tokens and telemetry configurations at Tesla, where systemd does not run; otherwise
# fleetroute-keep.timer starts it.
SHELL=/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
7-59/15 * * * * root [ -d /run/systemd/system ] || [ ! -x /usr/bin/fleetroute ] || [ ! -e /etc/fleetroute/fleetroute.yaml ] || fleetroute keep
