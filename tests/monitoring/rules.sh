#!/bin/sh
# Check the alert rules with promtool and the syntax of the dashboard.
command -v promtool >/dev/null || exit 77
top=${top_srcdir:-.}
promtool check rules "$top/etc/prometheus/fleetroute.rules.yaml" &&
    promtool test rules "$top/tests/monitoring/rules.test.yaml" &&
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$top/etc/grafana/fleetroute.json"
