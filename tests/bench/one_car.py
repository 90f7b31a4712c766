#!/usr/bin/env python3
"""What an owner's server costs: one car driving for an hour, played SPEED times as fast, into a file and
a real mosquitto with Home Assistant's layout, with the journal and the admin listener as shipped.
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
    wait_until("the broker is there", lambda: d.status()["sinks"]["home"]["health"] == "up", 60)
    rest = d.status()
    time.sleep(20)
    before = d.status()
    idle = (before["cpu_us"] - rest["cpu_us"]) / (before["uptime_ms"] - rest["uptime_ms"]) / 1000
    begun, trips = time.monotonic(), 0
    while (time.monotonic() - begun) * SPEED < HOUR:
        d.simulate("--speed", SPEED, "--vin", VIN)
        trips += 1
    wait_until("the sinks are done", lambda: all(
        s["behind"] == 0 for s in d.status()["sinks"].values()), 60)
    played = (time.monotonic() - begun) * SPEED
    after = d.status()
    cpu = (after["cpu_us"] - before["cpu_us"]) / 1e6
    print(f"{played / 60:.0f} min of driving ({trips} trips) at {SPEED:g} times the speed:")
    print(f"  {after['counters']['records'] - before['counters']['records']} records, "
          f"{after['sinks']['home']['delivered'] - before['sinks']['home']['delivered']} states told")
    # The clock's ticks are not sped up: what it costs to wait is added for the whole hour.
    share = (cpu - idle * played / SPEED) / played + idle
    print(f"  {cpu:.2f} CPU seconds; {100 * share:.2f} % of a core, of that {100 * idle:.2f} % at rest")
    print(f"  {max(before['resident_kb'], after['resident_kb']) / 1000:.1f} MB of memory")
    print(f"  journal {after['journal']['record_bytes'] / 1e6:.2f} MB for this hour")
    mosquitto.terminate()
    mosquitto.wait()
