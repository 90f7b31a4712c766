"""What became of each acknowledged record in each sink: lost, doubled, out of order, and how late.

A simulated vehicle's txid is a prefix of its own, `-` and a number that counts its messages from 0; with
`--sequence FIELD` the field holds that number plus 1. So a sink that gets whole records is checked by
txid, and one that gets values by value."""
import array
import bisect
import calendar
import re
import time

RECORD = re.compile(r'"vin":"(5YJ3E1EA7KF0\d{5})","txid":"([0-9a-f]{22})-(\d{9})",'
                    r'"created_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d\.\d{3})Z"')
_minutes = {}


def created_ms(minute, seconds):
    """Milliseconds since 1970 of a record's time, which is in UTC."""
    if minute not in _minutes:
        _minutes[minute] = calendar.timegm(time.strptime(minute, "%Y-%m-%dT%H:%M")) * 1000
    return _minutes[minute] + float(seconds) * 1000


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Ledger:
    """What the vehicles say was acknowledged, and when each record was created."""

    def __init__(self, path):
        self.acknowledged, self.created, self.prefix_of = {}, {}, {}
        self.count = 0
        with open(path) as f:
            for line in f:
                prefix, number = line.split("-")
                numbers = self.acknowledged.setdefault(prefix, set())
                numbers.add(int(number))
                self.count += 1

    def learn(self, prefix, number, vin, created):
        """Remember a record's vehicle and creation time, for sinks that get values only."""
        self.prefix_of[vin] = prefix
        times = self.created.setdefault(prefix, array.array("d"))
        if number >= len(times):
            times.extend([0.0] * (number + 1 - len(times)))
        times[number] = created

    def when(self, prefix, number):
        """The creation time of a record, or of one before it that some sink has got."""
        times = self.created.get(prefix, ())
        return next((t for t in reversed(times[:number + 1]) if t), 0.0)


class Sink:
    """What one sink has got. Phases are told apart by the creation time: `borders` in ms, the n-th
    phase ends before the n-th border. Mistakes are counted for each phase."""

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

    def take(self, prefix, number, created, arrived=None, repeated=False):
        seen = self.seen.setdefault(prefix, set())
        self.count += 1
        if number in seen:
            self.repeated += repeated
            if not repeated:
                self.note("doubled", self.doubled, created, prefix, number)
            return
        seen.add(number)
        if number < self.last.get(prefix, -1):
            self.note("out of order", self.disorder, created, prefix, number)
        self.last[prefix] = number
        if arrived is not None:
            self.delays[self.phase(created)].append(arrived - created)

    def note(self, what, counts, created, prefix, number):
        counts[self.phase(created)] += 1
        if len(self.examples) < 10:
            at = time.strftime("%H:%M:%S", time.gmtime(created / 1000))
            self.examples.append(f"{what}: {prefix}-{number} of {at}")

    def count_lost(self, superseded):
        """Count the acknowledged records that did not come; once, after the last one was taken.
        `superseded`: called with prefix, number and creation time, whether it need not come."""
        for prefix, numbers in self.ledger.acknowledged.items():
            for number in numbers - self.seen.get(prefix, set()):
                created = self.ledger.when(prefix, number)
                if superseded(prefix, number, created):
                    self.superseded += 1
                else:
                    self.note("lost", self.lost, created, prefix, number)

    def is_right(self):
        return not (any(self.lost) or any(self.doubled) or any(self.disorder))

    def percentiles(self, phase):
        """p50, p99 and the greatest delay in ms; None where no arrival was measured."""
        delays = sorted(self.delays[phase])
        return (percentile(delays, 0.5), percentile(delays, 0.99), delays[-1]) if delays else None

    def take_line(self, line, arrived=None, excused=False):
        """A record as JSON; other lines, and those of vehicles that are not the fleet's, are skipped.
        `excused`: it may come again without a mark. Whether it was one of the fleet's."""
        if '"type":"V"' not in line:
            return False
        found = RECORD.search(line)
        if found is None or found[2] not in self.ledger.acknowledged:
            return False
        created = created_ms(found[4], found[5])
        self.ledger.learn(found[2], int(found[3]), found[1], created)
        self.take(found[2], int(found[3]), created, arrived, excused or '"repeated":true' in line)
        return True


def lines(path):
    with open(path, errors="replace") as f:
        for line in f:
            if line.endswith("\n"):
                yield line


class Histogram:
    """Delays of a sink between two looks at its counters; percentiles are interpolated in a class."""

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

    def most(self):
        return max((bound for bound, n in self.classes if n), default=float("nan"))
