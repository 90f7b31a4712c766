#!/usr/bin/env python3
"""An idle vehicle takes at most 17 kB of memory with OpenSSL 3.0, and 25 kB with later releases, whose objects are
larger. When a fleet leaves, its memory returns to the kernel."""
import os
import re
import ssl

from fr import Daemon, skip, wait_until

FIRST, MORE = 200, 700  # memory that the daemon allocates once is in use with the first vehicles
MAX_KB = 17 if ssl.OPENSSL_VERSION_INFO[:2] == (3, 0) else 25

if "FR_MOST_KB" in os.environ:
    skip("sanitizers take memory of their own")


def anonymous_kb(d):
    with open(f"/proc/{d.process.pid}/status") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))


def connect(d, first, count):
    vehicles = d.simulate_beside("--vehicles", count, "--first", first, "--rate", "0.000001", "--duration", "600")
    wait_until("all are connected", lambda: d.status()["connections"] == first + count, 60)
    return vehicles


with Daemon("records: []", "  own: {plugin: file, options: {path: \"@/%{type}.jsonl\"}}",
            extra="limits: {half_open_per_source: 0}") as d:
    fleet = [connect(d, 0, FIRST)]
    before = anonymous_kb(d)
    fleet.append(connect(d, FIRST, MORE))
    after = anonymous_kb(d)
    each = (after - before) / MORE
    print(f"{each:.1f} kB for each of {MORE} idle vehicles; {before} kB with {FIRST}, {after} kB with all")
    assert each < MAX_KB, each
    for vehicles in fleet:
        vehicles.kill()
        vehicles.communicate()
    wait_until("all have left", lambda: d.status()["connections"] == 0)
    # Half of it: pages that also hold other memory stay.
    wait_until("the memory is returned", lambda: anonymous_kb(d) < after - MORE * each / 2, 20)
    print(f"{anonymous_kb(d)} kB when all have left")
