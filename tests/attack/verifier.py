"""Checks each acknowledged record in each sink: lost, doubled, out of order, and its delay.

The txid of a simulated vehicle is a prefix that is unique for the vehicle, `-`, and the number of the message
from 0. With `--sequence FIELD` the value of the field is that number plus 1. So a sink of records is checked
by txid, and a sink of values by the value."""
import array
import bisect
import calendar
import re
import time

RECORD = re.compile(r'"vin":"(5YJ3E1EA7KF0\d{5})","txid":"([0-9a-f]{22})-(\d{9})",'
                    r'"created_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d\.\d{3})Z"')
_minutes = {}


def created_ms(minute, seconds):
    """The creation time of a record (UTC) in ms since 1970."""
    if minute not in _minutes:
        _minutes[minute] = calendar.timegm(time.strptime(minute, "%Y-%m-%dT%H:%M")) * 1000
    return _minutes[minute] + float(seconds) * 1000


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Ledger:
    """The records that were acknowledged, by the vehicles' own files, and the creation times of records."""

    def __init__(self, path):
        self.acknowledged, self.created, self.prefix_of = {}, {}, {}
        self.count = 0
        with open(path) as f:
            for line in f:
                prefix, number = line.split("-")
                numbers = self.acknowledged.setdefault(prefix, set())
                numbers.add(int(number))
                self.count += 1

    def store(self, prefix, number, vin, created):
        """Store the vehicle and the creation time of a record, for sinks of values."""
        self.prefix_of[vin] = prefix
        times = self.created.setdefault(prefix, array.array("d"))
        if number >= len(times):
            times.extend([0.0] * (number + 1 - len(times)))
        times[number] = created

    def creation_time(self, prefix, number):
        """The creation time of a record, or of the last record before it with a known creation time; else
        0."""
        times = self.created.get(prefix, ())
        return next((t for t in reversed(times[:number + 1]) if t), 0.0)


class Sink:
    """The records that one sink delivered. The creation time determines the phase: the n-th phase ends before
    the n-th of `borders` (ms since 1970). Problems are counted for each phase."""

    def __init__(self, name, ledger, borders):
        self.name, self.ledger, self.borders = name, ledger, borders
        phases = len(borders) + 1
        self.delays = [array.array("f") for _ in range(phases)]
        self.seen, self.last = {}, {}
        self.count = self.repeated = self.superseded = 0
        self.doubled, self.disorder, self.lost = [0] * phases, [0] * phases, [0] * phases
        self.examples = []

    def phase(self, created):
        return bisect.bisect_right(self.borders, created)

    def add_value(self, prefix, number, created, arrived=None, repeated=False):
        seen = self.seen.setdefault(prefix, set())
        self.count += 1
        if number in seen:
            self.repeated += repeated
            if not repeated:
                self.count_problem("doubled", self.doubled, created, prefix, number)
            return
        seen.add(number)
        if number < self.last.get(prefix, -1):
            self.count_problem("out of order", self.disorder, created, prefix, number)
        self.last[prefix] = number
        if arrived is not None:
            self.delays[self.phase(created)].append(arrived - created)

    def count_problem(self, what, counts, created, prefix, number):
        counts[self.phase(created)] += 1
        if len(self.examples) < 10:
            at = time.strftime("%H:%M:%S", time.gmtime(created / 1000))
            self.examples.append(f"{what}: {prefix}-{number} of {at}")

    def count_lost(self, superseded):
        """Count the acknowledged records that were not delivered. Called once, after all records were read.
        superseded(prefix, number, creation time) returns whether a record need not be delivered."""
        for prefix, numbers in self.ledger.acknowledged.items():
            for number in numbers - self.seen.get(prefix, set()):
                created = self.ledger.creation_time(prefix, number)
                if superseded(prefix, number, created):
                    self.superseded += 1
                else:
                    self.count_problem("lost", self.lost, created, prefix, number)

    def is_correct(self):
        return not (any(self.lost) or any(self.doubled) or any(self.disorder))

    def percentiles(self, phase):
        """p50, p99 and maximum of the delay in ms; None if no arrival was measured."""
        delays = sorted(self.delays[phase])
        return (percentile(delays, 0.5), percentile(delays, 0.99), delays[-1]) if delays else None

    def add_line(self, line, arrived=None, excused=False):
        """Count a record in JSON; returns whether it is a V record of the fleet. Other lines are skipped.
        `excused`: the record may be repeated without the flag."""
        if '"type":"V"' not in line:
            return False
        found = RECORD.search(line)
        if found is None or found[2] not in self.ledger.acknowledged:
            return False
        created = created_ms(found[4], found[5])
        self.ledger.store(found[2], int(found[3]), found[1], created)
        self.add_value(found[2], int(found[3]), created, arrived, excused or '"repeated":true' in line)
        return True


def lines(path):
    """The complete lines of a file."""
    with open(path, errors="replace") as f:
        for line in f:
            if line.endswith("\n"):
                yield line


class Histogram:
    """Delays of a sink between two samples of its counters; percentiles are interpolated within a class."""

    def __init__(self, before, after):
        self.classes = [(float(bound) if bound != "more" else 120000.0, after[bound] - before[bound])
                        for bound in after]

    def percentile(self, share):
        total, seen, low = sum(n for _, n in self.classes), 0, 0.0
        for bound, n in self.classes:
            if n and seen + n >= share * total:
                return low + (bound - low) * (share * total - seen) / n
            seen, low = seen + n, bound
        return float("nan")

    def max(self):
        return max((bound for bound, n in self.classes if n), default=float("nan"))
