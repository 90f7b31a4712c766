#!/usr/bin/env python3
"""The garage door with the shipped routing and blueprint: the car drives for a while, stands now and
then, and comes home; the door opens within 5 s, exactly once, by each of the two plugins, with and
without other fields that change.

FR_ARRIVALS (5) is how often the car comes home, FR_DRIVE_S (5) for how long it drives before the
first time. Prints how long the door takes; tests/bench/door.py measures more."""
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
assert not failed, f"not each arrival opened the door once within {LIMIT} s: {failed}"
