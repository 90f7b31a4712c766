#!/usr/bin/env python3
"""Messages of 950 kB, whose JSON is up to six times as large: the daemon holds no more of them than its
queues allow, also for a sink whose peer is away, and returns the memory to the kernel when they are through.

FR_MOST_KB is the bound while they come (a build with sanitizers needs another, and keeps what is freed)."""
import os
import re
import sys
import threading
import time

from fr import SOURCE, Daemon, wait_until

sys.path.append(os.path.join(SOURCE, "tests/attack"))
import messages

MOST_KB = int(os.environ.get("FR_MOST_KB", 150_000))
KEPT_KB = 30_000  # more than before the load, five seconds after it
SANITIZERS = "FR_MOST_KB" in os.environ
CARS, VEHICLE_NAME = 4, 64
LETTERS, CONTROLS = 20, 6  # messages of each car
VINS = [f"5YJ3E1EA7KF{i:06d}" for i in range(CARS)]
SINKS = """  own: {plugin: file, queue: {bytes: 16 MB}, options: {path: "@/own/%{type}.jsonl", rotate_size: 0, fsync: never}}
"""
AWAY = """  away: {plugin: kafka, queue: {bytes: 16 MB}, options: {brokers: "127.0.0.1:1"}}
"""

def anonymous_kb(d):
    with open(f"/proc/{d.process.pid}/status") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))


class Watch(threading.Thread):
    """The largest size of the daemon until end()."""

    def __init__(self, d):
        super().__init__()
        self.d, self.peak, self.over = d, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, anonymous_kb(self.d))

    def end(self):
        self.over.set()
        self.join()
        return self.peak


def send(car, vin, text, count):
    payload = messages.vehicle_data(messages.datum(VEHICLE_NAME, messages.field(1, text)))
    for _ in range(count):
        car.send(messages.envelope("V", payload, vin))
    for _ in range(count):
        assert car.receive_reply()[0] == "ack"


def load(cars, text, count):
    """Every car sends its messages at once, and has the acknowledgements."""
    threads = [threading.Thread(target=send, args=(car, vin, text, count)) for car, vin in zip(cars, VINS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def delivered(d):
    return d.status()["sinks"]["own"]["delivered"]


with Daemon("records: [{type: V, to: own}]", SINKS, journal="{size: 1 GB}") as d:
    cars = [d.car(vin=vin) for vin in VINS]
    before = anonymous_kb(d)
    watch = Watch(d)
    load(cars, "x" * 950_000, LETTERS)
    wait_until("all are delivered", lambda: delivered(d) == CARS * LETTERS, 60)
    print("letters:", watch.peak, "kB")
    # A sink whose broker is away holds what its queue allows; the rest waits in the journal.
    d.routing, d.sinks = "records: [{type: V, to: own}, {type: V, to: away, format: json}]", SINKS + AWAY
    d.reload()
    load(cars, "\x01" * 950_000, CONTROLS)
    wait_until("all are delivered", lambda: delivered(d) == CARS * (LETTERS + CONTROLS), 60)
    wait_until("the other sink has read what its queue allows",
               lambda: d.status()["sinks"]["away"]["unfinished_bytes"] > 7_000_000)
    held = d.status()["sinks"]["away"]["unfinished_bytes"]
    assert held < 16_000_000 + 3 * 7_000_000, held
    print(f"with {held // 1000} kB held for a sink: {watch.peak} kB at most, {anonymous_kb(d)} kB now")
    d.routing, d.sinks = "records: [{type: V, to: own}]", SINKS
    d.reload()
    begun = time.monotonic()
    peak = watch.end()
    assert peak < MOST_KB, peak
    if not SANITIZERS:
        wait_until("the memory is returned", lambda: anonymous_kb(d) < before + KEPT_KB, 5)
    print(f"{before} kB before, {peak} kB at most, {anonymous_kb(d)} kB after {time.monotonic() - begun:.1f} s")
