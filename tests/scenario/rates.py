#!/usr/bin/env python3
"""Routes of different rates beside each other, with the routing files as they are shipped: every value
of a whole trip arrives within its route's window, or a newer one does, in files and over MQTT; also on
the next trips, from five vehicles at once, and across reloads, restarts and a lost connection.

FR_SLACK_MS (1000) is what a value may take beyond its window. FR_WAIT_S (10): windows up to so long
are waited for after a trip; the end of the daemon closes the others. FR_CASES names the cases to run."""
import functools
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import defaultdict

from fr import Daemon, fleetroute, skip, wait_until
from home import Broker
from pace import Pace
from trips import (HOME, Run, every_field, five_vehicles, reloads, restarts, run_cases, shipped,
                   three_trips, tunnel, whole_trip, with_vehicles)
from windows import Delivered, Route, check_the_rule, check_windows, records_of, sent_of, table

FIVE = [f"5YJ3E1EA7KF00000{n}" for n in range(1, 6)]


class FileTail:
    """The lines of a file as they appear, each with the time."""

    def __init__(self, path):
        self.path, self.file, self.lines, self.rest = path, None, [], ""

    def look(self):
        if self.file is None and os.path.exists(self.path):
            self.file = open(self.path)
        if self.file and (text := self.file.read()):
            now = time.time()
            *whole, self.rest = (self.rest + text).split("\n")
            self.lines += [(now, line) for line in whole]


class Follower(threading.Thread):
    """Reads all tails every 10 ms, in one thread."""

    def __init__(self):
        super().__init__(daemon=True)
        self.tails, self.stopped = [], threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.01):
            for tail in list(self.tails):
                tail.look()

    def follow(self, path):
        self.tails.append(FileTail(path))
        return self.tails[-1]


follower = Follower()


class FileHome:
    """The sink `home` is a file."""
    sink, options = '  home: {plugin: file, options: {path: "@/%{type}.jsonl"}}', {}

    def follow(self, d):
        self.tail = follower.follow(d.path("fields.jsonl"))

    def delivered(self):
        found = defaultdict(list)
        for at, line in list(self.tail.lines):
            v = json.loads(line)
            found[v["vin"], v["field"]].append(Delivered(at, v["value"], v["created_at"]))
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        follower.tails.remove(self.tail)


class MqttHome:
    """The sink `home` is a real mosquitto, with canonical values; mosquitto_sub stamps what
    it receives."""

    def __enter__(self):
        self.broker = Broker()
        self.broker.start()
        self.sink, self.options = f"  home: {{plugin: mqtt, options: {{layout: values, port: {self.broker.port}}}}}", {}
        self.out = open(f"{self.broker.folder}/received", "wb")
        self.subscriber = subprocess.Popen(
            ["mosquitto_sub", "-p", str(self.broker.port), "-t", "#", "-q", "1", "-F", "%U %t %p"],
            stdout=self.out)
        wait_until("it has subscribed", self.subscribed)
        return self

    def subscribed(self):
        subprocess.run(["mosquitto_pub", "-p", str(self.broker.port), "-t", "ready", "-m", "1"], check=True)
        return self.lines()

    def lines(self):
        with open(self.out.name) as f:
            return f.read().split("\n")[:-1]

    def follow(self, d):
        pass

    def delivered(self):
        found = defaultdict(list)
        for line in self.lines():
            at, topic, value = line.split(" ", 2)
            if part := re.fullmatch(r"tesla/(\w+)/v/(\w+)", topic):
                found[part.groups()].append(Delivered(float(at), json.loads(value), None))
        return found

    def __exit__(self, *_):
        self.subscriber.kill()
        self.subscriber.wait()
        self.out.close()
        self.broker.__exit__()


HOMES = {"file": FileHome, "mqtt": MqttHome}


# ---- the cases -------------------------------------------------------------------------------

CASES = [(whole_trip, HOME), (three_trips, HOME), (five_vehicles, with_vehicles(HOME, FIVE)),
         (reloads, HOME), (restarts, HOME), (tunnel, HOME), (every_field, HOME)]


def case(drive, routing, plugin, pace):
    with HOMES[plugin]() as home, \
            Run(f"{drive.__name__}, {plugin}, etc/home-assistant/routing.yaml", home, routing) as run:
        home.options = home.options | {"pace": pace}
        drive(run)
        return run.check()


def positions(pace):
    """A route every 500 ms, alone and with a slow one beside it."""
    routing = """fields:
  - {field: Location, to: [alone, beside], every: 500 ms}
  - {field: Soc, to: beside, every: 60 s}
"""
    sinks = '  alone: {plugin: file, options: {path: "@/alone.jsonl"}}\n' \
            '  beside: {plugin: file, options: {path: "@/beside.jsonl"}}'
    with Daemon(routing, sinks, journal="{}") as d:
        begin = time.time()
        d.simulate("--speed", 5)
        least = 35 - 2 * pace.late(begin, time.time())
        alone, beside = (sum(v["field"] == "Location" for v in d.records(f"{name}.jsonl"))
                         for name in ("alone", "beside"))
        text = f"positions of a trip at 5x, every 500 ms: {alone} alone, {beside} beside Soc every 60 s"
        # 38 on a machine that is not busy: each window that closes late moves those behind it.
        return text, [] if beside >= least and abs(alone - beside) <= 1 + 35 - least else [text]


def whole_records(pace):
    """etc/routing.yaml: every record, once, at once, in order."""
    sinks = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
    with Daemon(shipped("routing.yaml"), sinks, journal="{}") as d:
        tail = follower.follow(d.path("V.jsonl"))
        d.simulate("--speed", 2)
        wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
        assert d.end() == 0
        tail.look()
        records = [r for r in records_of(fleetroute("journal", "dump", "-c",
                                                    d.path("fleetroute.yaml")).stdout) if r["type"] == "V"]
        found = [(at, json.loads(line)) for at, line in tail.lines]
        routes = {field: Route(field, 0, 0, None) for r in records for field in r["data"]}
        delivered = defaultdict(list)
        for at, record in found:
            for field, value in record["data"].items():
                delivered[record["vin"], field].append(Delivered(at, value, record["created_at"]))
        rows, faults = check_windows(sent_of(records, routes), delivered, routes, pace=pace)
        if [r["txid"] for _, r in found] != [r["txid"] for r in records]:
            faults.append("the archive does not have every record once and in order")
        return table("whole_records, file, etc/routing.yaml", rows), faults


def main():
    if not shutil.which("mosquitto") or not shutil.which("mosquitto_sub"):
        skip("mosquitto and mosquitto_sub are needed")
    check_the_rule()
    with Pace() as pace:
        todo = {"positions": functools.partial(positions, pace),
                "whole_records": functools.partial(whole_records, pace)}
        for drive, routing in CASES:
            for plugin in HOMES:
                todo[f"{drive.__name__} {plugin}"] = functools.partial(case, drive, routing, plugin, pace)
        run_cases(todo)


if __name__ == "__main__":
    main()
