#!/bin/sh
# The alert rules and the dashboard, by the tools of those who will read them.
command -v promtool >/dev/null || exit 77
top=${top_srcdir:-.}
promtool check rules "$top/etc/prometheus/fleetroute.rules.yaml" &&
    promtool test rules "$top/tests/monitoring/rules.test.yaml" &&
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$top/etc/grafana/fleetroute.json"
