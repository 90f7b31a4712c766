#!/usr/bin/env python3
"""Damaged pages of the journal: bits flipped, pages zeroed, pages as they were before (a lost write).
The daemon starts and counts what is missing, or refuses and says what to do; it never crashes, and
salvage brings back what can be read."""
import os
import random
import re
import shutil
import subprocess

from fr import BUILD, Daemon, fleetroute, wait_until

SINK = '  all: {plugin: file, from: oldest, options: {path: "@/all/%{type}.jsonl", rotate_size: 0}}'
PAGE = 4096
CASES = int(os.environ.get("FR_DAMAGE_CASES", "9"))


def flip(data, older, rng):
    for _ in range(3):
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)


def flip_heads(data, older, rng):
    """Where it hurts: in the first bytes of pages."""
    for _ in range(3):
        at = rng.randrange(len(data) // PAGE) * PAGE + rng.randrange(40)
        data[at] ^= 1 << rng.randrange(8)


def zero(data, older, rng):
    at = rng.randrange(2, len(data) // PAGE) * PAGE
    data[at:at + PAGE] = bytes(PAGE)


def noise(data, older, rng):
    at = rng.randrange(2, len(data) // PAGE) * PAGE
    data[at:at + PAGE] = rng.randbytes(PAGE)


def stale(data, older, rng):
    """A page as an older state of the file had it."""
    pages = [n for n in range(2, len(older) // PAGE)
             if older[n * PAGE:(n + 1) * PAGE] != data[n * PAGE:(n + 1) * PAGE]]
    for n in rng.sample(pages, min(2, len(pages))):
        data[n * PAGE:(n + 1) * PAGE] = older[n * PAGE:(n + 1) * PAGE]


def first_and_last(done):
    """The numbers of the records, as `journal check` and `journal salvage` say them."""
    return tuple(map(int, re.search(r"(\d+) to (\d+)", done.stdout).groups()))


def delivered(d):
    return {r["txid"] for r in d.records("all/V.jsonl")}


def starts(d):
    """Start the daemon; False: it refuses, in words and not by a signal."""
    d.write()
    with open(d.path("log"), "ab") as log:
        d.process = subprocess.Popen([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")],
                                     stderr=log)
    wait_until("it starts or refuses", lambda: d.ended() or d.status(check=False), 40)
    assert not d.ended() or d.process.returncode == 1, (d.process.returncode, d.log_text()[-3000:])
    return not d.ended()


def everything_comes(d, acknowledged, spared=0):
    """A sink that begins at the oldest gets all but what is counted."""
    wait_until("the sink has read all", lambda: d.ended() or d.status()["sinks"]["all"]["lag"] == 0, 30)
    assert not d.ended(), (d.process.returncode, d.log_text()[-3000:])
    counted = d.count("journal_records_missing") + d.count("journal_records_damaged") + spared
    lost = set(acknowledged) - delivered(d)
    assert len(lost) <= counted, (len(lost), counted, d.log_text()[-3000:])
    d.say({"Soc": 1})  # and it can be written
    return len(lost)


def one_case(d, pristine, acknowledged, older, damage, seed, results):
    journal = d.path("state/journal")
    shutil.rmtree(journal)
    shutil.copytree(pristine, journal)
    shutil.rmtree(d.path("all"), ignore_errors=True)
    with open(f"{journal}/data.mdb", "r+b") as f:
        data = bytearray(f.read())
        damage(data, older, random.Random(seed))
        f.seek(0)
        f.write(data)
    check = fleetroute("journal", "check", "-c", d.path("fleetroute.yaml"), check=False)
    assert check.returncode in (0, 1), check
    if starts(d):
        results["lost"] += everything_comes(d, acknowledged)
        results["started"] += 1
    else:
        last = d.log_text().strip().splitlines()[-1]
        assert "salvage" in last, last
        salvage = fleetroute("journal", "salvage", "-c", d.path("fleetroute.yaml"), check=False)
        assert salvage.returncode == 0, salvage
        first, last = first_and_last(salvage)
        assert WHOLE[0] <= first <= last <= WHOLE[1], (first, last)
        # Gaps are counted by the numbers of the records; salvage cannot know of records before the
        # first and behind the last that it finds, but says which these are.
        d.start()
        lost = everything_comes(d, acknowledged, spared=first - WHOLE[0] + WHOLE[1] - last)
        results["salvaged"] += 1
        results["lost_in_salvage"] += lost
    assert d.end() == 0, d.log_text()[-3000:]


with Daemon('records: [{type: "*", to: none}]', '  none: {plugin: file, options: {path: "@/none.jsonl"}}',
            journal="{values: false}") as d:
    d.simulate("--vehicles", 20, "--rate", 0, "--window", 32, "--data", 8, "--duration", 1,
               "--acknowledged", d.path("acknowledged"))
    d.end()
    with open(d.path("state/journal/data.mdb"), "rb") as f:
        older = f.read()
    d.start()
    for _ in range(3):
        d.simulate("--vehicles", 5, "--rate", 100, "--duration", 1, "--acknowledged", d.path("more"))
        d.say(*({"Soc": n} for n in range(50)))
    acknowledged = d.lines("acknowledged")
    assert len(acknowledged) > 2000
    assert d.end() == 0
    WHOLE = first_and_last(fleetroute("journal", "check", "-c", d.path("fleetroute.yaml")))
    pristine = d.path("pristine")
    shutil.copytree(d.path("state/journal"), pristine)
    d.routing, d.sinks = 'records: [{type: "*", to: all}]', SINK
    for damage in (flip, flip_heads, zero, noise, stale):
        results = dict.fromkeys(("started", "lost", "salvaged", "lost_in_salvage"), 0)
        for seed in range(CASES // 5 + 1):
            one_case(d, pristine, acknowledged, older, damage, seed, results)
        print(damage.__name__, results)
