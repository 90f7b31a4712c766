"""The promise of routing windows, checked value for value.

`check_windows` compares what a vehicle sent with what a sink was seen to deliver. It knows nothing of
the program's timers: it states only what must be true afterwards.
- Each value, or a newer one of the same field, is delivered at most one window (the route's `every`)
  and SLACK after its receipt; later if the machine was as late at that time (pace.py). A value that differs from the last delivered one by less than the
  route's `min_change` need not be delivered.
- Deliveries keep the order in which the values were received.
- A window delivers one value: in a time T at most T / window + 2.
- The last delivered value is the last one sent.
"""
import bisect
import calendar
import json
import math
import os
import re
import time
from collections import defaultdict, namedtuple

# The promise is the window plus 100 ms, and the table shows the worst excess. The default is more
# because CI machines are shared: a test process may have to wait that long for the processor.
SLACK = float(os.environ.get("FR_SLACK_MS", "1000")) / 1000
NEAR = 1e-6  # how numbers may differ by being converted and written
CLOCKS = 0.005  # received_at is cut to milliseconds, and the sender's and reader's stamps are rounded
METRES_PER_DEGREE = 111194.9

Route = namedtuple("Route", "field every min_change unit")  # every: seconds, 0: at once
Sent = namedtuple("Sent", "at value key")  # at: seconds since 1970; key: its record's created_at
Delivered = namedtuple("Delivered", "at value key")  # key: None if the sink does not write it
Row = namedtuple("Row", "field every sent delivered replaced unchanged worst beyond")


# ---- the routing file ------------------------------------------------------------------------

SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}
METRIC = {"VehicleSpeed": "km/h", "EstBatteryRange": "km", "Odometer": "km", "MilesToArrival": "km"}
FACTORS = {"km/h": 1.609344, "km": 1.609344}  # the vehicle's own units are mph and mi


def routes_of(text, sink):
    """{field: Route} of the field routes that lead to a sink, from a file with one route a line, as
    the shipped ones are. An option that the rule does not cover is an error."""
    routes = {}
    _, _, fields = re.sub(r"(^|\s)#.*", "", text).partition("fields:\n")
    for line in filter(None, map(str.strip, fields.splitlines())):
        inner = re.fullmatch(r"- \{(.*)\}", line).group(1)
        options = dict(re.findall(r"(\w+): (\[[^]]*\]|[^,]+)", inner))
        names = options.pop("field").strip("[]").split(", ")
        if sink not in options.pop("to").strip("[]").split(", "):
            continue
        number, unit = re.fullmatch(r"(\d+) (\w+)", options.pop("every", "0 s")).groups()
        change, into = float(options.pop("min_change", 0)), options.pop("unit", None)
        assert not options, f"the rule does not cover {options} of: {line}"
        for name in names:
            assert name not in routes, f"two routes of {name} to {sink}"
            routes[name] = Route(name, int(number) * SECONDS[unit], change,
                                 METRIC.get(name) if into == "metric" else into)
    assert routes, f"no field route to {sink}"
    return routes


# ---- what was sent ---------------------------------------------------------------------------

def seconds_of(text):
    """Seconds since 1970 of a time such as 2026-01-01T00:00:00.123Z."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1] or 0)


def sent_of(records, routes):
    """{(vin, field): [Sent]} from the journal's records, in the routes' units."""
    sent = defaultdict(list)
    for record in records:
        for field, value in record["data"].items() if record["type"] == "V" else ():
            if field in routes:
                if routes[field].unit in FACTORS:
                    value *= FACTORS[routes[field].unit]
                sent[record["vin"], field].append(
                    Sent(seconds_of(record["received_at"]), value, record["created_at"]))
    return sent


# ---- the rule --------------------------------------------------------------------------------

def distance(a, b):
    """How much two values differ: numbers in their unit, places in metres, others not or wholly. A
    sink may have one state for all doors or all tyres: whether one of them is open, or has a warning."""
    if isinstance(a, dict) and isinstance(b, dict) and "latitude" in a and "latitude" in b:
        north = (a["latitude"] - b["latitude"]) * METRES_PER_DEGREE
        east = (a["longitude"] - b["longitude"]) * METRES_PER_DEGREE * math.cos(math.radians(a["latitude"]))
        return math.hypot(north, east)
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (a, b)):
        return abs(a - b)
    a, b = (any(v.values()) if isinstance(v, dict) and isinstance(other, bool) else v
            for v, other in ((a, b), (b, a)))
    return 0 if a == b else math.inf


def shown(value):
    """A value in a message."""
    place = isinstance(value, dict) and "latitude" in value
    return f"{value['latitude']:.6f},{value['longitude']:.6f}" if place else value


def is_last(route, sent, delivered, near=NEAR):
    """Whether the last value delivered is the last one sent, or hardly differs."""
    least = route.min_change * (1 + 1e-9) + near
    return bool(delivered) and distance(delivered[-1].value, sent[-1].value) <= least


class Stream:
    """One field of one vehicle."""

    def __init__(self, name, route, sent, delivered, slack, since, near, silent, pace):
        self.name, self.route, self.sent, self.delivered = name, route, sent, delivered
        self.slack, self.since, self.near, self.silent = slack, since, near, silent
        self.faults, self.pace = [], pace
        self.receipts = [s.at for s in sent]
        self.times = [d.at for d in delivered]

    def fault(self, text):
        self.faults.append(f"{self.name}: {text}")

    def is_it(self, sent, delivered):
        return sent.at <= delivered.at + CLOCKS and delivered.key in (None, sent.key) and \
            distance(sent.value, delivered.value) <= self.near

    def match(self):
        """Which sent value each delivery is: the newest possible, in the order of sending."""
        newest = len(self.sent) - 1
        self.which = [None] * len(self.delivered)
        for j in reversed(range(len(self.delivered))):
            at = newest
            while at >= 0 and not self.is_it(self.sent[at], self.delivered[j]):
                at -= 1
            if at < 0:
                self.fault(f"{shown(self.delivered[j].value)} was delivered, but never sent, or before a "
                           "newer value")
            else:
                self.which[j] = newest = at

    def needs_nothing(self, k):
        """The value hardly differs from the older one that was delivered last when it came, or whose
        delivery was under way then."""
        least = self.route.min_change * (1 + 1e-9) + (self.near if self.silent else 0)
        if not self.route.min_change and not self.silent:
            return False
        first = max(0, bisect.bisect_right(self.times, self.receipts[k]) - 1)
        end = bisect.bisect_right(self.times, self.receipts[k] + self.slack)
        return any(self.which[j] is not None and self.which[j] < k and
                   distance(self.delivered[j].value, self.sent[k].value) <= least
                   for j in range(first, end))

    def is_late(self, received, delivered):
        beyond = delivered - received - self.route.every - self.slack
        if beyond <= 0 or beyond == math.inf or self.pace is None:
            return beyond > 0
        return beyond > self.pace.late(received, delivered)

    def check_delays(self):
        """Set `own`, the time of delivery of each value; `quiet`, whether it need not be delivered; and
        `reported`, the time at which it or a newer value was delivered."""
        own = [math.inf] * len(self.sent)
        for j, k in enumerate(self.which):
            if k is not None:
                own[k] = min(own[k], self.times[j])
        self.quiet = [self.needs_nothing(k) for k in range(len(self.sent))]
        self.own = own
        self.reported, newest = [math.inf] * len(self.sent), math.inf
        late = []
        for k in reversed(range(len(self.sent))):
            newest = min(newest, self.receipts[k] if self.quiet[k] else own[k])
            self.reported[k] = newest
            if self.receipts[k] >= self.since and self.is_late(self.receipts[k], newest):
                late.append((newest - self.receipts[k], self.sent[k].value))
        if late:
            delay, value = max(late, key=lambda each: each[0])
            when = "never" if delay == math.inf else f"{delay:.2f} s after its receipt"
            self.fault(f"{len(late)} of {len(self.sent)} values too late: {shown(value)}, or a newer one, "
                       f"was delivered {when}, with a window of {self.route.every:g} s")

    def check_count(self, breaks):
        """No window delivers two values. At a break (a restart) all windows close, and the last
        values may be delivered again. If the machine was late at the first ones, they came in a shorter time."""
        if not self.route.every:
            return
        edges = [-math.inf, *breaks, math.inf]
        for begin, end in zip(edges, edges[1:]):
            times = [t for t in self.times if begin <= t < end]
            most = (times[-1] - times[0]) / self.route.every + 2 + (begin > -math.inf) if times else 0
            if times and self.pace is not None:
                most += self.pace.late(times[0] - 1, times[0]) / self.route.every
            if len(times) > most:
                self.fault(f"{len(times)} values in {times[-1] - times[0]:.1f} s, with a window of "
                           f"{self.route.every:g} s")

    def check_last(self):
        if not is_last(self.route, self.sent, self.delivered, self.near):
            last = shown(self.delivered[-1].value) if self.delivered else "none"
            self.fault(f"the last value is {shown(self.sent[-1].value)}, the last delivered one {last}")

    def check(self, breaks):
        self.match()
        self.check_delays()
        self.check_count(breaks)
        self.check_last()


def row_of(route, streams):
    counted = [(s, k) for s in streams for k in range(len(s.sent)) if s.receipts[k] >= s.since]
    delays = [s.reported[k] - s.receipts[k] for s, k in counted]
    delivered = sum(s.own[k] < math.inf for s, k in counted)
    unchanged = sum(s.quiet[k] and s.own[k] == math.inf for s, k in counted)
    return Row(route.field, route.every, len(counted), delivered,
               len(counted) - delivered - unchanged, unchanged, max(delays, default=0),
               max((d - route.every for d in delays), default=0))


def check_windows(sent, delivered, routes, slack=SLACK, since=0, near=None, silent=False, breaks=(), pace=None):
    """Rows of a table, one for each field, and the faults found, as texts.

    sent, delivered: {(vin, field): list}, in the order of receipt and delivery. routes: {field: Route}.
    since: values received before are not checked. near: {field: how far a delivered number may be from
    the sent one}, where it is rounded; in metres for places. silent: a value equal to the last
    delivered one shows no delivery. breaks: when the daemon was restarted. pace: a Pace, whose delays
    are no fault."""
    faults = [f"{vin} {field}: delivered {len(values)} times, but never sent or not routed"
              for (vin, field), values in delivered.items() if (vin, field) not in sent]
    rows = []
    for field, route in routes.items():
        streams = [Stream(f"{vin} {field}", route, values, delivered.get((vin, field), []), slack, since,
                          (near or {}).get(field, NEAR), silent, pace)
                   for (vin, name), values in sent.items() if name == field]
        for stream in streams:
            stream.check(breaks)
            faults += stream.faults
        if streams:
            rows.append(row_of(route, streams))
    return rows, faults


def table(title, rows):
    """The rows as text. Times are in seconds; `beyond` is the worst delay less the window."""
    lines = [title, f"  {'field':22}{'window':>8}{'sent':>7}{'deliv.':>7}{'repl.':>7}{'unch.':>7}"
             f"{'worst':>10}{'beyond':>10}"]
    for r in rows:
        lines.append(f"  {r.field:22}{r.every:8g}{r.sent:7}{r.delivered:7}{r.replaced:7}{r.unchanged:7}"
                     f"{r.worst:10.3f}{r.beyond:10.3f}")
    worst = max(rows, key=lambda r: r.beyond, default=None)
    if worst:
        lines.append(f"  worst beyond its window: {worst.beyond * 1000:.0f} ms ({worst.field})")
    return "\n".join(lines)


def check_the_rule():
    """The rule itself finds what it is for, and finds nothing where all is right."""
    routes = {"Soc": Route("Soc", 10, 0, None), "Gear": Route("Gear", 0, 0, None),
              "Temp": Route("Temp", 10, 0.5, None), "Doors": Route("Doors", 0, 0, None)}

    def faults(field, sent, delivered):
        return len(check_windows({("v", field): [Sent(*s, None) for s in sent]},
                                 {("v", field): [Delivered(*d, None) for d in delivered]}, routes, 0.1)[1])

    sent = [(0, 1), (2, 2), (4, 3), (20, 4)]
    assert faults("Soc", sent, [(0, 1), (10, 3), (20, 4)]) == 0
    assert faults("Soc", sent, [(0, 1), (12.3, 3), (22, 4)]) == 1  # 2 is 0.2 s late; 3 is in time
    assert faults("Soc", sent, [(0, 1), (30, 4)]) == 1  # 4 comes too late to replace 2 and 3
    assert faults("Soc", sent, [(0, 1), (10, 3)]) == 2  # the last one is missing
    assert faults("Soc", sent, [(0, 1), (10, 3), (10.1, 2), (20, 4)]) >= 1  # the order
    assert faults("Soc", sent, [(0, 1), (2, 2), (4, 3), (20, 4)]) == 0
    assert faults("Soc", [(0, 1), (1, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]) == 1  # no window kept
    assert faults("Soc", sent, [(0, 1), (10, 7), (20, 4)]) >= 1  # never sent
    assert faults("Soc", sent, []) > 0
    gears = [(0, "P"), (5, "D"), (9, "P")]
    assert faults("Gear", gears, gears) == 0
    assert faults("Gear", gears, [(0, "P"), (9, "P")]) == 1
    assert faults("Gear", gears, [(0, "P"), (5.2, "D"), (9, "P")]) == 1
    temps = [(0, 20), (1, 20.4), (2, 20.6), (30, 20.7)]
    assert faults("Temp", temps, [(0, 20), (10, 20.6)]) == 0
    assert faults("Temp", temps, [(0, 20), (50, 20.7)]) == 1
    assert faults("Temp", temps[:2], [(0, 20)]) == 0
    doors = [(at, {"front": False, "rear": is_open}) for at, is_open in ((0, False), (5, True), (9, False))]
    assert faults("Doors", doors, [(0, False), (5, True), (9, False)]) == 0
    assert faults("Doors", doors, [(0, False), (9, False)]) == 1
    assert faults("Doors", doors, [(0, False), (5, True)]) == 2


def records_of(text):
    """The records of `fleetroute journal dump`."""
    return [json.loads(line) for line in text.splitlines()]
