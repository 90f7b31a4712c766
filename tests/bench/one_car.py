#!/usr/bin/env python3
"""Measures CPU time, memory and disk space for one car that drives for an hour, simulated at SPEED times (20)
the real speed. The sinks are a file and a real mosquitto with the layout of Home Assistant; the journal and
the admin listener are as shipped.

    tests/bench/one_car.py [SPEED]      from the build folder"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from fr import VIN, Daemon, free_port, wait_until  # noqa: E402

SPEED = float(sys.argv[1]) if len(sys.argv) > 1 else 20
HOUR = 3600
broker = free_port()
sinks = f"""  archive: {{plugin: file, options: {{path: "@/%Y-%m-%d/%{{type}}.jsonl"}}}}
  home: {{plugin: mqtt, options: {{layout: homeassistant, port: {broker},
         entities: {os.environ.get("top_srcdir", "/work/main")}/etc/entities.yaml}}}}"""
routing = f"""vehicles: [{{vin: {VIN}, name: Melan Y}}]
records: [{{type: "*", to: archive}}, {{type: presence, to: home}}]
fields: [{{field: "*", to: home, unit: metric}}]"""
with Daemon(routing, sinks, f"admin: {{port: {free_port()}}}", journal="{}") as d:
    with open(d.path("mosquitto.conf"), "w") as f:
        f.write(f"listener {broker} 127.0.0.1\nallow_anonymous true\n")
    mosquitto = subprocess.Popen(["mosquitto", "-c", d.path("mosquitto.conf")], stderr=subprocess.DEVNULL)
    wait_until("the broker is connected", lambda: d.status()["sinks"]["home"]["health"] == "up", 60)
    first = d.status()
    time.sleep(20)
    before = d.status()
    idle = (before["cpu_us"] - first["cpu_us"]) / (before["uptime_ms"] - first["uptime_ms"]) / 1000
    begun, trips = time.monotonic(), 0
    while (time.monotonic() - begun) * SPEED < HOUR:
        d.simulate("--speed", SPEED, "--vin", VIN)
        trips += 1
    wait_until("the sinks have delivered all records", lambda: all(
        s["lag"] == 0 for s in d.status()["sinks"].values()), 60)
    simulated_s = (time.monotonic() - begun) * SPEED
    after = d.status()
    cpu = (after["cpu_us"] - before["cpu_us"]) / 1e6
    print(f"{simulated_s / 60:.0f} min of driving ({trips} trips) at {SPEED:g} times the speed:")
    print(f"  {after['counters']['records'] - before['counters']['records']} records, "
          f"{after['sinks']['home']['delivered'] - before['sinks']['home']['delivered']} states published")
    # The idle cost depends on real time and not on SPEED: subtract it for the run, add it for the hour.
    share = (cpu - idle * simulated_s / SPEED) / simulated_s + idle
    print(f"  {cpu:.2f} CPU seconds; {100 * share:.2f} % of a core, of that {100 * idle:.2f} % when idle")
    print(f"  {max(before['resident_kb'], after['resident_kb']) / 1000:.1f} MB of memory")
    print(f"  journal {after['journal']['record_bytes'] / 1e6:.2f} MB for this hour")
    mosquitto.terminate()
    mosquitto.wait()
