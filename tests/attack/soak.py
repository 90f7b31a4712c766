#!/usr/bin/env python3
"""2,000 messages a second, reconnects, and a sequence of faults:

    soak.py [SECONDS [FAULT...]]

Each fault of soak_faults.py occurs at least once, and again until the time is over; the reference run is
1800 s. The table has for each fault: its lines in the log, /readyz and the status within 10 s, the time from
its end until delivery resumed without intervention, and the records that were lost, doubled without the flag
`repeated`, or out of order. The test fails if any record was, if a fault was not reported, or, with
SECONDS >= 600, if memory or descriptors grew after a sixth of the time. Not part of `make check`."""
import contextlib
import re
import shutil
import sys
import time
import urllib.error
import urllib.request

from fleet import Fleet, Mosquitto, print_results
from hostile import Kafka, free_port, skip
from faults import Faults
from soak_faults import FAULTS

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 120
RATE, RECONNECT_S = 4, 60
REPORT_S, RESUME_S = 10, 60
PAUSE_S = 5
BORDER_MS = 4000  # a fault affects records that were created up to 4 s before it
LEVEL = re.compile(r" (error|warning|notice)|^<[0-5]>", re.I)


class Soak:
    def __init__(self, fleet, faults, admin_port):
        self.fleet, self.d, self.faults, self.admin_port = fleet, fleet.d, faults, admin_port
        self.rows, self.problems, self.borders, self.restarted_at = [], [], [], 0.0

    def readyz(self):
        """The lines of /readyz that report a problem; ["no answer"] if it does not respond."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2):
                return []
        except urllib.error.HTTPError as e:
            return e.read().decode().strip().splitlines()
        except OSError:
            return ["no answer"]

    def reports(self, log_from):
        """The current (log lines, lines of /readyz, lines of the status) that report a problem."""
        with open(self.d.path("log"), errors="replace") as f:
            f.seek(log_from)
            log = [line for line in f.read().splitlines() if not line.startswith("fault_io:")]
        status = self.d.status(check=False) or {"sinks": {}, "journal": {"state": "no answer"}}
        unhealthy = [f"{name}: {s['health']}: {s['why']}" for name, s in status["sinks"].items()
                if s["health"] != "up"]
        if status["journal"]["state"] != "well":
            unhealthy.insert(0, f"journal: {status['journal']['state']}: {status['journal'].get('why', '')}")
        return log, self.readyz(), unhealthy

    def watch(self, fault, log_from, begun):
        """Wait until the fault is reported, for at most REPORT_S; returns the first matching line of log,
        /readyz and status, and the seconds until the first report (None: not reported)."""
        seen, late = [None] * 3, None
        while time.monotonic() - begun < max(REPORT_S if fault.seen and not late else 0, fault.seconds):
            for source, lines in enumerate(self.reports(log_from)):
                matching = [line for line in lines if fault.seen and re.search(fault.seen, line)]
                seen[source] = seen[source] or (matching or [None])[0]
                if matching and late is None:
                    late = time.monotonic() - begun
            time.sleep(0.25)
        if fault.seen and late is None and fault.always_seen:
            self.problems.append(f"{fault.name}: {fault.seen!r} is not reported within {REPORT_S} s")
        return seen, late

    def wait_resumed(self, fault):
        """Seconds until every sink is up and delivers new records."""
        begun = time.monotonic()
        first = self.d.status()
        while time.monotonic() - begun < RESUME_S:
            status = self.d.status()
            sinks = status["sinks"].items()
            if status["journal"]["next"] > first["journal"]["next"] and not self.readyz() and all(
                    s["lag"] < 2000 and s["health"] in ("up", "degraded") and
                    s["delivered"] > first["sinks"][name]["delivered"] for name, s in sinks):
                return time.monotonic() - begun
            time.sleep(0.1)
        self.problems.append(f"{fault.name}: delivery not resumed within {RESUME_S} s: {self.reports(0)[1:]}")
        return float("nan")

    def apply(self, fault):
        self.borders.append(time.time() * 1000 - BORDER_MS)
        log_from = len(self.d.log_text().encode(errors="replace"))
        fault.begin()
        begun = time.monotonic()
        if fault.restarts:
            fault.end()
            self.restarted_at = time.monotonic()
            self.fleet.restarts.append(time.time() * 1000)
        seen, late = self.watch(fault, log_from, begun)
        if not fault.restarts:
            fault.end()
        self.rows.append((fault.name, seen, late, self.wait_resumed(fault)))
        print(f"{time.strftime('%H:%M:%S')} {fault.name}: reported after {late} s, resumed after "
              f"{self.rows[-1][3]:.1f} s", flush=True)
        time.sleep(PAUSE_S)
        fault.check()

    def run(self):
        self.fleet.start_vehicles(RATE, 86400, RECONNECT_S)
        end = time.monotonic() + SECONDS
        time.sleep(PAUSE_S)
        chosen = [f for f in FAULTS if f.__name__ in sys.argv[2:]] or FAULTS
        queue = list(chosen)
        while queue:
            self.apply(queue.pop(0)(self.fleet, self.faults))
            if not queue and time.monotonic() < end:
                queue = [f for f in chosen if not f.restarts]
                if not queue:
                    break
        time.sleep(max(0, min(5, end - time.monotonic())))
        self.fleet.wait_delivered(180, now=True)

    def table(self, sinks):
        print("\nfault | log line | /readyz | status | s until reported | s until resumed | lost | "
              "doubled without a flag | out of order")
        for n, (name, seen, late, resumed) in enumerate(self.rows):
            counts = [sum(counts[n + 1] for counts in (getattr(s, what) for s in sinks.values()))
                      for what in ("lost", "doubled", "disorder")]
            words = [(line or "-")[:100] for line in seen]
            print(" | ".join([name, *words, "-" if late is None else f"{late:.1f}", f"{resumed:.1f}",
                              *map(str, counts)]))

    def check_growth(self):
        """Compare the maxima of memory and descriptors before and after a border: a sixth of SECONDS, at
        least 30 s, after the last restart."""
        rows = [row for row in self.fleet.samples.rows if row[0] > self.restarted_at]
        border = rows[0][0] + max(30, SECONDS / 6)
        early, late = ([row for row in rows if (row[0] < border) == first] for first in (True, False))
        if not late:
            return
        for what, column, unit, allowance in (("resident memory", 1, "kB", None),
                                              ("anonymous memory", 3, "kB", 16384),
                                              ("descriptors", 2, "", 64)):
            before, after = max(row[column] for row in early), max(row[column] for row in late)
            print(f"{what}: at most {before} {unit} until {border - rows[0][0]:.0f} s after the last "
                  f"restart, {after} {unit} later")
            # Resident pages of the mapped journal are page cache; their number depends on the backlog.
            if SECONDS >= 600 and allowance is not None and after > before * 1.1 + allowance:
                self.problems.append(f"{what} grew from {before} to {after}")
        print(self.fleet.samples.curve())


def main():
    admin_port = free_port()
    with contextlib.ExitStack() as stack:
        kafka = stack.enter_context(Kafka(properties="log.message.timestamp.type=LogAppendTime\n"))
        mosquitto = stack.enter_context(Mosquitto())
        fleet = Fleet(kafka, mosquitto, vehicles=500, at_home=0, extra=f"admin: {{port: {admin_port}}}")
        faults = Faults(fleet.d)
        stack.enter_context(fleet)
        soak = Soak(fleet, faults, admin_port)
        soak.run()
        sinks = fleet.verify(soak.borders)
        soak.problems += print_results(sinks)
        soak.table(sinks)
        soak.check_growth()
        assert not soak.problems, "\n".join(soak.problems)


if not shutil.which("mosquitto"):
    skip("mosquitto is needed")
main()
