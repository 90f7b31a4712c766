#!/usr/bin/env python3
"""Every option, command, counter and metric in the code is in a man page; every metric that the alert
rules and the dashboard ask for exists."""
import os
import re
import subprocess
import sys

SOURCE = os.environ.get("top_srcdir") or os.getcwd()
BUILD = os.environ.get("FR_BUILD", os.getcwd())


def read(*path):
    with open(os.path.join(SOURCE, *path)) as f:
        return f.read()


def page(name):
    """The words of a page that are marked up as names, and all of it as text."""
    text = subprocess.run(["mandoc", "-Tutf8", "-O", "width=200", os.path.join(SOURCE, "man", name)],
                          check=True, capture_output=True, text=True).stdout
    return re.sub(".\b", "", text)


def has(text, word):
    return re.search(rf"(?<![A-Za-z0-9_-]){re.escape(word)}(?![A-Za-z0-9_-])", text)


missing = []


def want(name, words):
    text = page(name)
    missing.extend(f"{name}: {w}" for w in words if not has(text, w))


def keys(source):
    """The keys that a reader of YAML allows: its lists of words that end in NULL."""
    return set(re.findall(r'"(\w+)"', " ".join(
        re.findall(r"keys\[\] = \{(.*?)NULL\}", read("core", "config", source), re.S))))


want("fleetroute.yaml.5", keys("server_config.c"))
want("fleetroute-routing.5", keys("routing_config.c"))
for plugin, name in (("file", "file"), ("kafka", "kafka"), ("mqtt", "mqtt"),
                     ("ha_websocket", "ha-websocket")):
    options = subprocess.run([f"{BUILD}/fleetroute", "check", "--options", plugin], check=True,
                             env={**os.environ, "FLEETROUTE_PLUGIN_DIR": f"{BUILD}/.libs"},
                             capture_output=True, text=True).stdout
    names = re.findall(r"^  (\w+)", options, re.M)
    assert names, options
    want(f"fleetroute-{name}.7", names)

# Metrics: what the code can write, without the counters that are shown by type.
counters = re.findall(r'X\((\w+), "(\w+)"\)', read("core", "util", "counters.h"))
typed = r"(RECORDS|BYTES)_(V|ALERTS|ERRORS|CONNECTIVITY|PRESENCE|OTHER)"
metrics = {f"fleetroute_{name}_total" for i, name in counters if not re.fullmatch(typed, i)}
metrics |= set(re.findall(r'"((?:fleetroute|process|num|record|unknown|unexpected|uptime)_\w+)"',
                          read("core", "metrics.c")))
assert len(metrics) > 60, metrics
want("fleetroute-metrics.7", metrics)
for asked in ("prometheus/fleetroute.rules.yaml", "grafana/fleetroute.json"):
    for name in re.findall(r"\b(?:fleetroute|process|num|record)_\w+(?=[{\[ ]|$)",
                           read("etc", *asked.split("/")), re.M):
        if re.sub("_(bucket|sum|count)$", "", name) not in metrics:
            missing.append(f"{asked}: {name}")

# The tool's and the daemon's own options.
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
print("\n".join(missing) or f"{len(metrics)} metrics, and every option")
sys.exit(bool(missing))
