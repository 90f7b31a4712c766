"""A daemon with one of the shipped routing files, whole trips to it, and what its sink `home` was seen
to deliver, checked by the rule of windows.py."""
import math
import os
import random
import re
import signal
import threading
import time
import traceback
from collections import defaultdict

from fr import PATIENCE, SOURCE, Daemon, fleetroute
from vehicle import Vehicle, any_value
from windows import (NEAR, SLACK, check_windows, is_last, records_of, routes_of, seconds_of, sent_of,
                     table)

# Windows up to so many seconds are waited for after a trip; the end of the daemon closes the others.
WAIT = float(os.environ.get("FR_WAIT_S", "10"))
CHARGING = {"Disconnected", "Starting", "Charging", "Complete"}


def shipped(name):
    with open(f"{SOURCE}/etc/{name}") as f:
        return f.read()


HOME = shipped("home-assistant/routing.yaml")


def with_vehicles(routing, vins):
    """The same with another list of vehicles."""
    listed = "".join(f"  - {{vin: {vin}, name: Car {vin[-2:]}}}\n" for vin in vins)
    text, count = re.subn(r"(?m)^vehicles:\n(  -.*\n)+", f"vehicles:\n{listed}", routing)
    assert count == 1
    return text


def with_one_more(routing):
    """The same with one more vehicle on its list."""
    return routing.replace("vehicles:\n", "vehicles:\n  - {vin: 5YJ3E1EA7KF999999, name: Another}\n", 1)


class Run:
    """A daemon with a sink `home`, the trips driven to it, and the check of what `home` delivered."""

    def __init__(self, title, home, routing):
        """`home` has the text of its sink, follow(daemon), delivered(), which is {(vin, field):
        [Delivered]}, and the options of check_windows that suit it."""
        self.title, self.home, self.routing = title, home, routing
        self.vins = re.findall(r"vin: (\w+)", routing)
        self.routes = routes_of(routing, "home")
        self.messages = defaultdict(int)
        self.trips, self.breaks = [], []
        self.since, self.always_connected = 0, True

    def __enter__(self):
        self.d = Daemon(self.routing, self.home.sink, journal="{}").__enter__()
        self.home.follow(self.d)
        return self

    def __exit__(self, kind, value, trace):
        for trip in self.trips:
            trip.process.kill()
            trip.process.wait()
        self.d.__exit__(kind, value, trace)

    def trip(self, speed, *more, vin=None):
        """Begin a trip, of the routing's first vehicle if not said otherwise."""
        vin = vin or self.vins[0]
        self.trips.append(Trip(self, vin, self.d.simulate_beside("--speed", speed, "--vin", vin, *more)))
        return self.trips[-1]

    def restart(self):
        self.always_connected = False
        self.breaks.append(time.time())
        assert self.d.end() == 0
        self.d.start()

    def records(self):
        """What the daemon received, from its journal."""
        dump = fleetroute("journal", "dump", "-c", self.d.path("fleetroute.yaml")).stdout
        return [r for r in records_of(dump) if r["type"] == "V"]

    def arrived(self, sent, longest):
        """Whether each last value of the routes with windows of at most `longest` was delivered."""
        delivered, near = self.home.delivered(), self.home.options.get("near", {})
        return all(is_last(self.routes[field], values, delivered.get((vin, field)), near.get(field, NEAR))
                   for (vin, field), values in sent.items() if self.routes[field].every <= longest)

    def check(self):
        """After the trips: the table of fields, and every fault."""
        sent = sent_of(self.records(), self.routes)
        self.wait_arrived(sent, WAIT, WAIT + SLACK)
        self.breaks.append(time.time())
        assert self.d.end() == 0
        self.wait_arrived(sent, math.inf, 30 * PATIENCE)
        records = self.records()
        sent, delivered = sent_of(records, self.routes), self.home.delivered()
        rows, faults = check_windows(sent, delivered, self.routes, since=self.since, breaks=self.breaks,
                                     **self.home.options)
        for vin, count in self.messages.items():
            found = sum(r["vin"] == vin and seconds_of(r["received_at"]) >= self.since for r in records)
            if found != count:
                faults.append(f"{vin} sent {count} messages, but the journal has {found}")
        if self.always_connected:
            faults += self.received_late(records)
        for (vin, field), values in delivered.items():
            states = [v.value for v in values]
            if self.trips and field == "DetailedChargeState" and not CHARGING <= set(states):
                faults.append(f"{vin}: of a charging session only {states} appeared")
        return table(self.title, rows), faults

    def received_late(self, records):
        times = [(seconds_of(r["created_at"]), seconds_of(r["received_at"])) for r in records]
        pace = self.home.options.get("pace")
        return [f"a record was received {received - created:.2f} s after the vehicle made it"
                for created, received in times if received - created > SLACK and
                (pace is None or received - created > SLACK + pace.late(created, received))]

    def wait_arrived(self, sent, longest, seconds):
        """What has not arrived by then is for check_windows to name."""
        end = time.monotonic() + seconds
        while not self.arrived(sent, longest) and time.monotonic() < end:
            time.sleep(0.25)  # looking is work, and other cases are timed meanwhile


class Trip:
    def __init__(self, run, vin, process):
        self.run, self.vin, self.process = run, vin, process

    def wait_records(self, count):
        self.run.d.wait_count("records_v", count, 60)

    def end(self):
        out = self.process.communicate(timeout=300 * PATIENCE)[0]
        messages, acknowledged, refused = (int(word) for word in out.split() if word.isdigit())
        assert self.process.returncode == 0 and acknowledged == messages and refused == 0, out
        self.run.messages[self.vin] += messages


# ---- what is driven --------------------------------------------------------------------------

def whole_trip(run):
    run.trip(2).end()


def three_trips(run):
    for _ in range(3):
        run.trip(6).end()


def five_vehicles(run):
    for trip in [run.trip(4, vin=vin) for vin in run.vins]:
        trip.end()


def reloads(run):
    """By the tool and by SIGHUP, with the same routing, and with one more vehicle."""
    trip = run.trip(4)
    for n, count in enumerate(range(20, 181, 20)):
        trip.wait_records(count)
        run.d.routing = with_one_more(run.routing) if n % 4 > 1 else run.routing
        if n % 2:
            run.d.reload()
        else:
            run.d.write()
            run.d.process.send_signal(signal.SIGHUP)
        run.d.wait_count("reloads", n + 1)
    trip.end()


def restarts(run):
    """Twice on the way, and between two trips."""
    trip = run.trip(4)
    for _ in range(2):
        trip.wait_records(60)
        run.restart()
    trip.end()
    run.restart()
    run.trip(6).end()


def tunnel(run):
    run.always_connected = False
    run.trip(4, "--tunnel", "30,40").end()


def every_field(run):
    """A car that sends each field of the routing again and again, several at once, for half a minute."""
    car, fields, end = Vehicle(run.d, run.vins[0]), list(run.routes), time.monotonic() + 30
    while time.monotonic() < end:
        chosen = random.sample(fields, random.randint(1, 6))
        car.say({field: any_value(field) for field in chosen})
        run.messages[car.vin] += 1
        time.sleep(random.choice([0.02, 0.05, 0.1, 0.3, 1.5]))
    car.say({field: any_value(field) for field in fields})
    run.messages[car.vin] += 1
    car.close()


# ---- beside each other -----------------------------------------------------------------------

def together(todo):
    """Call every function of {name: function} in a thread of its own; {name: (result, failure)}, with
    None for the result, or the traceback as text for the failure."""
    results = {}

    def call(name):
        try:
            results[name] = todo[name](), None
        except BaseException:
            results[name] = None, traceback.format_exc()

    threads = [threading.Thread(target=call, args=(name,)) for name in todo]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: results[name] for name in todo}


def run_cases(todo):
    """Run cases, which return a table and faults, beside each other; print what came of them. FR_CASES
    names those to run, by parts of their names; without it all are."""
    begun, failed = time.monotonic(), []
    chosen = os.environ.get("FR_CASES", "").split(",")
    todo = {name: what for name, what in todo.items() if any(part in name for part in chosen)}
    for name, (result, failure) in together(todo).items():
        text, faults = result or (f"{name} was not finished", [failure])
        print(text, *(f"  FAULT {fault}" for fault in faults[:10]), sep="\n")
        if len(faults) > 10:
            print(f"  and {len(faults) - 10} more")
        failed += [name] if faults else []
    print(f"{len(todo)} cases, {time.monotonic() - begun:.0f} s")
    assert not failed, f"not within windows and {SLACK * 1000:.0f} ms: {failed}"
