#!/usr/bin/env python3
"""Under load the daemon is killed with -9 at random moments, while a sink is away for parts of the time
and the journal reaches its limits.

With `when_full: block` every acknowledged record reaches both sinks. With `drop-oldest` no sink misses
more acknowledged records than its `deleted_undelivered` says, which comes from the journal and never
falls; the sink that works misses none unless some are counted.

FR_KILLS (8) is how often, for each policy. From 200 on `retention` passes in two more runs, with a
third of the kills: the sink is away all the time, and `size` is not reached."""
import json
import os
import random
import time

from fr import Daemon, wait_until
from journal_checks import endless_load, in_order_for_each_vehicle

KILLS = int(os.environ.get("FR_KILLS", "8"))
SEED = int(os.environ.get("FR_SEED", random.randrange(1 << 30)))
SINKS = "".join(f'  {name}: {{plugin: file, retry: {{min: 20 ms, max: 100 ms}}, options: '
                f'{{path: "@/{name}/%{{type}}.jsonl", rotate_size: 0}}}}\n' for name in ("works", "away"))
ROUTING = 'records: [{type: "*", to: [works, away]}]'

SMALL, SHORT = "size: 4 MB, retention: 1 min", "size: 400 MB, retention: 1 min"


class Away:
    """The folder of the sink `away`; while it is blocked a file stands in its place."""

    def __init__(self, d):
        self.folder, self.kept, self.blocked = d.path("away"), d.path("away.kept"), False

    def block(self):
        if not self.blocked:
            if os.path.exists(self.folder):
                os.rename(self.folder, self.kept)
            open(self.folder, "w").close()
            self.blocked = True

    def mend(self):
        if self.blocked:
            os.unlink(self.folder)
            if os.path.exists(self.kept):
                os.rename(self.kept, self.folder)
            self.blocked = False


def deleted(d):
    return {name: sink["deleted_undelivered"] for name, sink in d.status()["sinks"].items()}


def delivered(d, sink):
    """VIN and txid of each line; the files are large."""
    with open(d.path(f"{sink}/V.jsonl")) as f:
        return [{key: r[key] for key in ("vin", "txid")} for r in map(json.loads, f)]


def kill_under_load(d, away, load, kills, always):
    """Kill and start the daemon. What is counted never falls. Returns how many kills came while the sink
    was blocked, and while the journal was full."""
    total = {"works": 0, "away": 0}
    blocked = full = 0
    for kill in range(kills):
        if always or kill % 8 < 5:  # it changes while the daemon runs
            away.block()
        else:
            away.mend()
        time.sleep(random.uniform(0.05, 1.2))  # the moment of death is what is tested
        full += d.status()["journal"]["state"] == "full"
        blocked += away.blocked
        d.kill()
        d.start()
        now = deleted(d)
        assert all(now[name] >= total[name] for name in total), (total, now)
        total = now
        assert load.poll() is None, "the load has ended"
        wait_until("it goes on", lambda: d.count("acknowledged") > 20 or
                   d.status()["journal"]["state"] == "full", 60)
    return blocked, full


def run(policy, limits, kills, always=False):
    with Daemon(ROUTING, SINKS, journal=f"{{{limits}, when_full: {policy}}}") as d:
        away = Away(d)
        with endless_load(d, "--vehicles", 50, "--rate", 40, "--window", 64, "--data", 20,
                          "--patience", 60) as load:
            d.wait_count("acknowledged", 50, 60)
            began = time.time()
            blocked, full = kill_under_load(d, away, load, kills, always)
            print(f"{policy}, {limits}: {kills} kills in {time.time() - began:.0f} s, {blocked} while the "
                  f"sink was away, {full} while the journal was full")
            if always and policy == "block":
                status = d.status()
                assert time.time() - began > 60, "retention has not passed"
                assert status["journal"]["first"] <= status["sinks"]["away"]["cursor"], status
            away.mend()
        for name in ("works", "away"):
            wait_until(f"{name} has all", lambda: d.status()["sinks"][name]["lag"] == 0, 300)
        acknowledged, total = set(d.lines("acknowledged")), deleted(d)
        assert len(acknowledged) > 1000, len(acknowledged)
        for name in ("works", "away"):
            records = delivered(d, name)
            missing = acknowledged - {r["txid"] for r in records}
            print(f"  {name}: {len(acknowledged)} acknowledged, {len(records)} lines, {len(missing)} missing, "
                  f"{total[name]} deleted undelivered")
            assert len(missing) <= total[name], (name, len(missing), total[name])
            in_order_for_each_vehicle(records)
            assert policy == "drop-oldest" or total[name] == 0
        assert always or d.status()["journal"]["first"] > 1, "nothing was deleted"
        assert policy == "block" or total["away"] > 0, "nothing undelivered was deleted"


print("FR_SEED", SEED)
random.seed(SEED)
run("block", SMALL, KILLS)
run("drop-oldest", SMALL, KILLS)
if KILLS >= 200:
    run("block", SHORT, KILLS // 3, always=True)
    run("drop-oldest", SHORT, KILLS // 3, always=True)
