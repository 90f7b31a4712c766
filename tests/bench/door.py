#!/usr/bin/env python3
"""Measures the delay of the garage door with the shipped routing after a long drive. Prints numbers only.

    FR_BUILD=build FR_SOURCE=. tests/bench/door.py [ARRIVALS] [DRIVE_S] [VEHICLES]

VEHICLES (1) cars drive for DRIVE_S (300) seconds at the same time, then arrive at home ARRIVALS (50) times in
total, with short drives between arrivals. Each way into Home Assistant is measured with and without other
fields that change; all measurements run at the same time. FR_HA and FR_WAY are as in the scenarios."""
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
