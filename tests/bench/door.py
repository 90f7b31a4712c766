#!/usr/bin/env python3
"""How long the garage door takes with the shipped routing after a long drive: numbers only.

    FR_BUILD=build FR_SOURCE=. tests/bench/door.py [ARRIVALS] [DRIVE_S] [VEHICLES]

One car drives for DRIVE_S (300) seconds, then comes home ARRIVALS (50) times with short drives between;
or VEHICLES (1) cars drive beside each other and share the arrivals. For each way into Home Assistant,
with and without other fields that change, all beside each other. FR_HA and FR_WAY as in the
scenarios."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from arrivals import all_at_once, line  # noqa: E402
from home import ways  # noqa: E402

ARRIVALS, DRIVE, VEHICLES = [*map(int, sys.argv[1:]), *(50, 300, 1)[len(sys.argv) - 1:]]
options = {"count": ARRIVALS // VEHICLES, "drive": DRIVE, "vehicles": VEHICLES}
for plugin, others, delays, failure in all_at_once(
        [(plugin, others, options) for plugin in ways() for others in (False, True)]):
    print(f"{DRIVE} s of driving, {VEHICLES} vehicle(s): {line(plugin, others, delays)}", flush=True)
    if failure:
        print(f"  {failure}")
