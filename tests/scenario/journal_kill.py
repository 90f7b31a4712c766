#!/usr/bin/env python3
"""Under the load of 500 vehicles the daemon is killed with -9 at random moments, every second time
together with the disk's power: whatever was not synced is gone. Every acknowledged record
reaches every sink, at least once, in order for each vehicle.

FR_KILLS (20) is how often, FR_KILL_VEHICLES (500) how many drive."""
import os
import random
import shutil
import time

from fr import BUILD, Daemon, wait_until
from journal_checks import endless_load, in_order_for_each_vehicle

KILLS = int(os.environ.get("FR_KILLS", "20"))
VEHICLES = int(os.environ.get("FR_KILL_VEHICLES", "500"))
SEED = int(os.environ.get("FR_SEED", random.randrange(1 << 30)))
SINKS = '  archive: {plugin: file, options: {path: "@/state/archive/%{type}.jsonl", rotate_size: 0}}\n' \
        '  copy: {plugin: file, options: {path: "@/state/copy/%{type}.jsonl", rotate_size: 0}}'
ROUTING = 'records: [{type: "*", to: [archive, copy]}]'


def cut_power(d):
    """Put back what the disk held: the shadows of the files under state/."""
    for folder, _, names in os.walk(d.path("state")):
        for name in names:
            path = os.path.join(folder, name)
            shadow = d.path("shadow" + path[len(d.path("state")):])
            os.unlink(path)
            if os.path.exists(shadow) and not name.endswith((".lock", "lock.mdb")):
                shutil.copyfile(shadow, path)


def forget_shadows(d):
    shutil.rmtree(d.path("shadow"), ignore_errors=True)
    shutil.copytree(d.path("state"), d.path("shadow"))


def main():
    print("FR_SEED", SEED)
    random.seed(SEED)
    with Daemon(ROUTING, SINKS, journal="{}") as d:
        plain = dict(os.environ)
        power = dict(os.environ, LD_PRELOAD=f"{BUILD}/.libs/power_cut.so",
                     FR_POWER_ROOT=d.path("state"), FR_POWER_SHADOW=d.path("shadow"))
        with endless_load(d, "--vehicles", VEHICLES, "--rate", 10, "--window", 64, "--patience", 60):
            d.wait_count("acknowledged", VEHICLES, 60)
            for kill in range(KILLS):
                with_power = kill % 2 == 1
                time.sleep(random.uniform(0.05, 1.2))  # the moment of death is what is tested
                d.kill()
                if d.environment is power:
                    assert os.path.getmtime(d.path("shadow/journal/data.mdb")) > began, \
                        "the preloaded library does not work"
                    cut_power(d)
                d.environment = plain if with_power else power
                if d.environment is power:
                    forget_shadows(d)
                began = time.time()
                d.start()
                wait_until("vehicles are back",
                           lambda: d.status()["counters"]["acknowledged"] > VEHICLES / 10, 60)
        for sink in ("archive", "copy"):
            wait_until(f"{sink} has all", lambda: d.status()["sinks"][sink]["lag"] == 0, 60)
            acknowledged = d.lines("acknowledged")
            records = d.records(f"state/{sink}/V.jsonl")
            missing = set(acknowledged) - {r["txid"] for r in records}
            assert not missing, f"{sink}: {len(missing)} of {len(acknowledged)} acknowledged are missing"
            in_order_for_each_vehicle(records)
            print(f"{sink}: {len(acknowledged)} acknowledged, {len(records)} lines, "
                  f"{len(records) - len(set(r['txid'] for r in records))} of them repeated")


if __name__ == "__main__":
    main()
