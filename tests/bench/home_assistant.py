#!/usr/bin/env python3
"""Measures the delay of Home Assistant with real programs on one machine. Prints numbers only.

    FR_BUILD=build FR_SOURCE=. tests/bench/home_assistant.py [RUNS] [SECONDS]

First the time from sending a car's message that it is at home, over TLS, to the state change of the garage's
cover (RUNS, 200); then 100 vehicles with 20 fields a second each (SECONDS, 120). FR_HA and FR_WAY are as in
the scenarios."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from fr import SOURCE, Daemon, vector, wait_until
from home import AT_HOME, AWAY, CAR, GARAGE, HomeAssistant, Watch, Way, ways

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 120
AT_ONCE = CAR + "fields: [{field: [Location, Gear, VehicleSpeed], to: home, unit: metric}]"


def shipped_routing():
    """The installed example of a routing file; it contains the car of the test."""
    with open(f"{SOURCE}/etc/home-assistant/routing.yaml") as f:
        return f.read()


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def message(number, position):
    """A message with this number, the position and the current time: a test vector with these bytes
    replaced."""
    text = vector("01_v_three_datums").replace(b"-000000001", b"-%09d" % number)
    at = text.index(b"\x3a\x12\x09") + 3
    text = text[:at] + struct.pack("<d", position["latitude"]) + b"\x11" + \
        struct.pack("<d", position["longitude"]) + text[at + 17:]
    at = text.index(b"\x12\x0b\x08") + 3
    now = time.time()
    nanos = max(1 << 21, min(int(now % 1 * 1e9), (1 << 28) - 1))  # encoded in 4 bytes, as in the vector
    return text[:at] + varint(int(now)) + b"\x10" + varint(nanos) + text[at + 10:]


def share(sorted_numbers, part):
    return sorted_numbers[min(len(sorted_numbers) - 1, int(len(sorted_numbers) * part))]


def arrivals(plugin, routing, name, runs, pause_s):
    with Way(plugin) as way, HomeAssistant(GARAGE) as home:
        way.join(home)
        with Daemon(routing, way.sink(home), journal="{}") as d:
            watch = Watch(home)
            car = d.car()
            delays, number = [], 2
            for position in (AWAY, AT_HOME) * (runs + 1):
                if position is AT_HOME:
                    home.service("cover", "close_cover", entity_id="cover.garage")
                    home.wait("cover.garage", "closed")
                    time.sleep(pause_s)
                count = len(watch.states("cover.garage"))
                begin = time.monotonic()
                car.send(message(number, position))
                assert car.receive_reply()[0] == "ack"
                number += 1
                if position is AWAY:
                    home.wait("device_tracker.melan_y_location", "not_home", 15)
                    continue
                wait_until("the door opens", lambda: "open" in watch.states("cover.garage")[count:], 15)
                opened = [at for at, which, state, _ in watch.changes
                          if which == "cover.garage" and state == "open"][-1]
                delays.append((opened - begin) * 1000)
            car.close()
            watch.close()
    delays = sorted(delays[1:])
    print(f"{plugin}, {name}: {len(delays)} arrivals, send to open door: "
          f"p50 {share(delays, .5):.1f} ms, p99 {share(delays, .99):.1f} ms, max {delays[-1]:.1f} ms",
          flush=True)


def many_vehicles(plugin):
    with Way(plugin) as way, HomeAssistant() as home:
        way.join(home)
        with Daemon('records: [{type: presence, to: home}]\nfields: [{field: "*", to: home, unit: metric}]',
                    way.sink(home), journal="{}") as d:
            load = d.simulate_beside("--vehicles", 100, "--rate", 1, "--data", 20,
                                     "--duration", SECONDS + 20)
            wait_until("all vehicles are connected", lambda: d.status()["connections"] == 100, 60)
            time.sleep(20)  # until every device is registered
            first, begin = d.status(), time.monotonic()
            time.sleep(SECONDS)
            last, end = d.status(), time.monotonic()
            load.communicate(timeout=120)
            entities = len([e for e in home.entities() if "melan" not in e and "tesla" in e])
    a, b = first["sinks"]["home"], last["sinks"]["home"]
    delays = [(float(bound) if bound != "more" else 1e9, count - a["delay_ms"][bound])
              for bound, count in b["delay_ms"].items()]
    total = sum(n for _, n in delays)

    def below(part):
        seen = 0
        for bound, n in delays:
            seen += n
            if seen >= part * total:
                return bound
    print(f"{plugin}: 100 vehicles, 20 fields, {end - begin:.0f} s: {entities} entities, "
          f"{(b['delivered'] - a['delivered']) / (end - begin):.0f} values/s delivered, "
          f"{b['replaced'] - a['replaced']} replaced by newer ones; receipt to Home Assistant's response "
          f"p50 < {below(.5):.0f} ms, p99 < {below(.99):.0f} ms; fleetroute "
          f"{(last['cpu_us'] - first['cpu_us']) / (end - begin) / 1e4:.1f} % of a core, "
          f"{last['resident_kb'] / 1024:.0f} MB", flush=True)


for each in ways():
    arrivals(each, AT_ONCE, "at once", RUNS, 0)
    arrivals(each, shipped_routing(), "the shipped routing", min(RUNS, 50), 1.2)
    many_vehicles(each)
