#!/usr/bin/env python3
"""Does the history delay acknowledgements? A fleet sends with the history off, with its default (20 vehicles) and
with a history of 1,000 vehicles, in turns; meanwhile one car's history is requested twice a second. Prints the delay
of acknowledgements, the daemon's CPU time, and the times of the requests. Measures; asserts nothing.

    FR_BUILD=build FR_SOURCE=. tests/bench/history_load.py [VEHICLES [RATE [SECONDS [ROUNDS]]]]"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from fr import VIN, Daemon, fleetroute  # noqa: E402

VEHICLES, RATE, SECONDS, ROUNDS = [float(a) for a in sys.argv[1:]] + [10000, 0.5, 60, 3][len(sys.argv) - 1:]
ALL = 'records: [{type: "*", to: archive}]'
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
HISTORIES = {"off": "history: off", "20 vehicles": "history: {}",
             "1,000 vehicles": "history: {vehicles: 1000, size: 1 GB}"}


def requests(d, process):
    times = []
    while process.poll() is None:
        begun = time.monotonic()
        fleetroute("history", "-s", d.control, "--json", "-n", 2000, "--last", "7 d", VIN, "VehicleSpeed", "Soc",
                   "Odometer", "BatteryLevel", check=False)
        times.append(time.monotonic() - begun)
        time.sleep(0.5)
    return sorted(times)


def one_round(name):
    with Daemon(ALL, FILE, journal="{}", extra=f"limits: {{connections_per_source: 0}}\n{HISTORIES[name]}") as d:
        process = d.simulate_beside("--vehicles", int(VEHICLES), "--rate", RATE, "--duration", SECONDS)
        times = requests(d, process)
        text = process.stdout.read()
        status = d.status()
        p50, p99, longest = re.search(r"p50 ([\d.]+) ms, p99 ([\d.]+) ms, max ([\d.]+)", text).groups()
        history = status["history"] or {"lag": 0, "bytes": 0}
        print(f"{name:15} p50 {p50} ms, p99 {p99} ms, max {longest} ms; CPU {status['cpu_us'] / 1e6:.1f} s, "
              f"{status['counters']['acknowledged']} acknowledged, {status['counters']['history_values_stored']} stored, "
              f"{history['bytes'] / 1e6:.1f} MB, lag {history['lag']}, resident {status['resident_kb'] / 1e3:.0f} MB; "
              f"requests median {times[len(times) // 2] * 1e3:.0f} ms, max {times[-1] * 1e3:.0f} ms", flush=True)


for _ in range(int(ROUNDS)):
    for each in HISTORIES:
        one_round(each)
