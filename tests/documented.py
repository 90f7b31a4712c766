#!/usr/bin/env python3
"""Every option, command, counter and metric of the code is in a man page; every metric in the alert rules and
the dashboard exists; each blueprint can be imported by a link."""
import json
import os
import re
import subprocess
import sys
from urllib.parse import quote

SOURCE = os.environ.get("top_srcdir") or os.getcwd()
BUILD = os.environ.get("FR_BUILD", os.getcwd())


def read(*path):
    with open(os.path.join(SOURCE, *path)) as f:
        return f.read()


def page(name):
    """The text of a man page without formatting."""
    text = subprocess.run(["mandoc", "-Tutf8", "-O", "width=200", os.path.join(SOURCE, "man", name)],
                          check=True, capture_output=True, text=True).stdout
    return re.sub(".\b", "", text)


def has(text, word):
    return re.search(rf"(?<![A-Za-z0-9_-]){re.escape(word)}(?![A-Za-z0-9_-])", text)


missing = []


def require(name, words):
    text = page(name)
    missing.extend(f"{name}: {w}" for w in words if not has(text, w))


def keys(source):
    """The keys in the NULL-terminated lists `keys` of a source file of core/config."""
    return set(re.findall(r'"(\w+)"', " ".join(
        re.findall(r"keys\[\] = \{(.*?)NULL\}", read("core", "config", source), re.S))))


require("fleetroute.yaml.5", keys("server_config.c") | keys("server_tesla.c") | keys("server_admin.c") |
        keys("server_history.c"))
require("fleetroute-routing.5", keys("routing_config.c"))
for source in ("field_route.c", "record_route.c"):
    rows = re.findall(r'^    \{(?:\.name = )?"(\w+)",', read("core", "config", source), re.M)
    assert len(rows) > 4, (source, rows)
    require("fleetroute-routing.5", rows)
# A plugin is a folder whose Makefile.inc adds to plugin_LTLIBRARIES.
for plugin in sorted(os.listdir(os.path.join(SOURCE, "plugins"))):
    makefile = os.path.join(SOURCE, "plugins", plugin, "Makefile.inc")
    if not os.path.exists(makefile) or "plugin_LTLIBRARIES" not in read("plugins", plugin, "Makefile.inc"):
        continue
    name = plugin.replace("_", "-")
    options = subprocess.run([f"{BUILD}/fleetroute", "check", "--options", plugin], check=True,
                             env={**os.environ, "FLEETROUTE_PLUGIN_DIR": f"{BUILD}/.libs"},
                             capture_output=True, text=True).stdout
    names = re.findall(r"^  (\w+)", options, re.M)
    require(f"fleetroute-{name}.7", names)

# All metrics, without the counters that have the record type as a label.
counters = re.findall(r'X\((\w+), "(\w+)"\)', read("core", "util", "counters.h"))
typed = r"(RECORDS|BYTES)_(V|ALERTS|ERRORS|CONNECTIVITY|PRESENCE|OTHER)"
metrics = {f"fleetroute_{name}_total" for i, name in counters if not re.fullmatch(typed, i)}
metrics |= set(re.findall(r'"((?:fleetroute|process|num|record|dispatch|socket|unknown|unexpected|uptime)_\w+)"',
                          read("core", "daemon", "prometheus.c") + read("core", "daemon", "prometheus_keep.c")))
assert len(metrics) > 60, metrics
require("fleetroute-metrics.7", metrics)
for user in ("prometheus/fleetroute.rules.yaml", "grafana/fleetroute.json"):
    for name in re.findall(r"\b(?:fleetroute|process|num|record)_\w+(?=[{\[ ]|$)",
                           read("etc", *user.split("/")), re.M):
        if re.sub("_(bucket|sum|count)$", "", name) not in metrics:
            missing.append(f"{user}: {name}")

# fleetroute-compat(7): the keys of Tesla's config.json are in the page, and each key of fleetroute.yaml that
# the page names exists.
require("fleetroute-compat.7", """host port status_port server_cert server_key ca_file use_default_eng_ca namespace
    records reliable_ack_sources transmit_decoded_records rate_limit vins_signal_tracking_enabled log_level
    json_log_enable bootstrap.servers broker client_id username password topic_base qos retained
    keep_alive_seconds connect_retry_interval_ms prometheus_metrics_port prometheus_metrics_host statsd
    airbrake kinesis pubsub zmq redis""".split())
known = keys("server_config.c") | keys("server_admin.c")
for section, key in re.findall(r"(?<![\w.])(listen|tls|status|admin|log|limits|journal)\.(\w+)",
                               read("man", "fleetroute-compat.7")):
    if section not in known or (key not in known and f"tls.{key}" not in (
            "tls.server_cert", "tls.server_key", "tls.ca_file")):
        missing.append(f"fleetroute-compat.7: {section}.{key} is no key")

# The links of `fleetroute doctor`.
links = [link for part in ("local", "tls", "key", "account", "vehicle", "daemon", "home")
         for link in re.findall(r'^    \{"(\w+)",', read("core", "tool", f"doctor_{part}.c"), re.M)]
assert len(links) > 25, links
require("fleetroute.1", links)

# Options of the tool and of the daemon.
for program, name in (("fleetroute", "fleetroute.1"), ("fleetrouted", "fleetrouted.8")):
    text = page(name)
    helps = [subprocess.run([f"{BUILD}/{program}", "--help"], capture_output=True, text=True).stdout]
    if program == "fleetroute":
        commands = re.findall(r"^  ([a-z-]+) ", helps[0], re.M)
        assert len(commands) > 5, helps
        for command in commands:
            helps.append(subprocess.run([f"{BUILD}/{program}", command, "--help"],
                                        capture_output=True, text=True).stdout)
            if not has(text, command):
                missing.append(f"{name}: {command}")
    for option in sorted(set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", "".join(helps), re.M))):
        if not has(text, "-" + option) and f"--{option}" not in text and option != "help":
            missing.append(f"{name}: --{option}")
# Each endpoint of the API is in openapi.json, and the man page has a paragraph for it.
described = json.loads(read("core", "admin", "web", "openapi.json"))["paths"]
endpoints = set(re.findall(r'"(/api/[^"]+)"', read("core", "daemon", "http_endpoints.c") +
                           read("core", "admin", "http_login.c"))) - {"/api/openapi.json"}
assert len(endpoints) > 8, endpoints
missing += [f"openapi.json: {path}" for path in sorted(endpoints - described.keys())]
missing += [f"openapi.json: {path} does not exist" for path in sorted(described.keys() - endpoints)
            if path.startswith("/api/")]
text = page("fleetroute-api.7")
missing += [f"fleetroute-api.7: {path}" for path in sorted(endpoints) if re.sub("[{}]", "", path) not in text]
# The blueprints of Home Assistant have links for their import.
blueprints = os.listdir(os.path.join(SOURCE, "etc", "home-assistant", "blueprints"))
assert len(blueprints) >= 3, blueprints
for name in blueprints:
    url = f"https://github.com/fleetroute/fleetroute/blob/main/etc/home-assistant/blueprints/{name}"
    if f"\n  source_url: {url}\n" not in read("etc", "home-assistant", "blueprints", name):
        missing.append(f"{name}: source_url: {url}")
    link = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url=" + quote(url, safe="")
    for path in (["README.md"], ["man", "fleetroute-home-assistant.7"]):
        if link not in read(*path):
            missing.append(f"{path[-1]}: {link}")
print("\n".join(missing) or f"{len(metrics)} metrics, and every option")
sys.exit(bool(missing))
