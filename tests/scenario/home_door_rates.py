#!/usr/bin/env python3
"""The garage door with the shipped routing and blueprint: the car drives, stops sometimes, and arrives at
home. The door opens within 5 s, exactly once, with each of the two plugins, with and without changes of
other fields.

FR_ARRIVALS (5): number of arrivals. FR_DRIVE_S (5): seconds of driving before the first arrival. Prints the
delays of the door; tests/bench/door.py measures more."""
import os
import time

from arrivals import LIMIT, all_at_once, line
from home import ways

begun = time.monotonic()
options = {"count": int(os.environ.get("FR_ARRIVALS", "5")),
           "drive": float(os.environ.get("FR_DRIVE_S", "5"))}
results = all_at_once([(plugin, others, options) for plugin in ways() for others in (False, True)])
for plugin, others, delays, failure in results:
    print(line(plugin, others, delays), *([f"  FAULT {failure}"] if failure else []), sep="\n")
print(f"{time.monotonic() - begun:.0f} s")
failed = [(plugin, others) for plugin, others, _, failure in results if failure]
assert not failed, f"an arrival did not open the door exactly once within {LIMIT} s: {failed}"
