"""A slow and simple model of field routes, which computes what a sink must deliver.

The input is the routes, the actions of a case and the time at which the sink received each record. The output
is every expected value: time, vehicle, field, route, unit, value, flags, creation time. Times are in ms.
"""
import math

RESEND, LATE, RESTORED, REPEATED = 1, 2, 4, 8
EDGE_AGE_MAX = 60000  # a flagged value that is older becomes the last value and is not an edge
ANY_CHANGE = 1e-12

# field: (kind, unit on the wire)
FIELDS = {4: ("real", "mph"), 5: ("real", "mi"), 8: ("real", "%"), 85: ("real", "°C"),
          21: ("location", ""), 59: ("bool", ""), 64: ("text", ""), 300: ("real", "")}
NAMES = {4: "VehicleSpeed", 5: "Odometer", 8: "Soc", 85: "InsideTemp", 21: "Location", 59: "Locked",
         64: "VehicleName", 300: "field_300"}
CONVERT = {("mph", "km/h"): lambda x: x * 1.609344, ("mi", "km"): lambda x: x * 1.609344,
           ("°C", "°F"): lambda x: x * 1.8 + 32}


def metres(a, b):
    to = math.pi / 180
    h = math.sin((b[0] - a[0]) * to / 2) ** 2 + math.cos(a[0] * to) * math.cos(b[0] * to) * \
        math.sin((b[1] - a[1]) * to / 2) ** 2
    return 2 * 6371000 * math.asin(math.sqrt(min(1, h)))


def distance(a, b):
    """The distance of two values; None if values of this type are only equal or not equal."""
    if isinstance(a, bool) or isinstance(b, bool) or type(a) is not type(b):
        return None
    if isinstance(a, float):
        return abs(a - b)
    if isinstance(a, tuple):
        return metres(a, b)
    return None


class Ambiguous(Exception):
    """Two events are in the same ms and their order is not defined."""


class Value:
    """A value of one field, in the unit of its route."""

    def __init__(self, vin, field, value, created, received, flags):
        self.vin, self.field, self.value, self.flags = vin, field, value, flags
        self.created, self.received = created, received
        self.measured = received if created is None else created

    def age(self, now):
        return now - min(self.measured, self.received)


class State:
    """The state of one vehicle, route and field."""

    def __init__(self):
        self.last = None     # last Value that was delivered or learned
        self.closes = None   # end of the window; None: no window is open
        self.waiting = None  # Value to deliver at the end of the window


class Model:
    def __init__(self, routes, restore, latest, journal):
        self.routes, self.restore, self.latest, self.journal = routes, restore, latest, journal
        self.states, self.newest, self.known = {}, {}, {}
        self.out, self.batch = [], []
        self.down, self.pending = False, []  # pending: undelivered values while the peer is unreachable

    # ---- delivery ----

    def emit(self, now, route, v):
        name = route["id"] if len(route["fields"]) == 1 and "*" not in route["fields"] else \
            NAMES[v.field]
        self.batch.append((now, v.vin, v.field, name, self.unit(route, v.field), v.value,
                           v.flags, 0 if v.created is None else v.created, v.measured,
                           now - v.age(now) + route["max_age"] if route["max_age"] else math.inf))

    def deliver_batch(self):
        """Deliver the values of one batch. With `delivery: latest` only the newest value of each vehicle,
        field and route."""
        batch, self.batch = self.batch, []
        if self.latest:
            newest = {}
            for e in batch:
                key = (e[1], e[2], e[3])
                if key not in newest or e[8] >= newest[key][8]:
                    newest[key] = e
            batch = list(newest.values())
        if self.down or self.pending:
            self.pending += batch
        else:
            self.out += [e[:8] for e in batch]

    def up(self, now):
        """The peer is reachable again: deliver the pending values, then those of windows that closed
        meanwhile."""
        pending, self.pending, self.down = self.pending, [], False
        self.out += [(now, *e[1:8]) for e in pending if e[9] >= now]
        self.close_until(now, now)

    @staticmethod
    def unit(route, field):
        return route["unit"] or FIELDS[field][1]

    def convert(self, route, field, value):
        change = CONVERT.get((FIELDS[field][1], self.unit(route, field)))
        return change(value) if change and isinstance(value, float) else value

    def state(self, route, vin, field):
        return self.states.setdefault((vin, route["id"], field), State())

    def deliver(self, now, route, state, v):
        self.emit(now, route, v)
        self.learn(state, v)
        if route["every"]:
            state.closes = now + route["every"]

    @staticmethod
    def learn(state, v):
        if state.last is None or v.measured >= state.last.measured:
            state.last = v

    @staticmethod
    def changed(route, state, v):
        if state.last is None or not (route["edge_only"] or route["min_change"]):
            return True
        far = distance(state.last.value, v.value)
        if far is None:
            return state.last.value != v.value
        return far >= (route["min_change"] or ANY_CHANGE)

    # ---- records ----

    def record(self, now, received, vin, created, resend, data, repeated):
        flags = (RESEND if resend else 0) | (REPEATED if repeated else 0)
        if created is not None:
            if created < self.newest.get(vin, -math.inf):
                flags |= LATE
            else:
                self.newest[vin] = created
        for field, value in data:
            for route in self.routes:
                if field in route["fields"] or "*" in route["fields"]:
                    converted = self.convert(route, field, value)
                    self.route_value(now, route, Value(vin, field, converted, created, received, flags))

    def route_value(self, now, route, v):
        has_state = route["every"] or route["min_change"] or route["edge_only"]
        state = self.state(route, v.vin, v.field) if has_state else None
        if route["max_age"] and v.age(now) > route["max_age"]:
            if route["edge_only"]:
                self.learn(state, v)
            return
        if route["edge_only"] and v.flags:
            if v.age(now) > EDGE_AGE_MAX:
                self.learn(state, v)
            return
        if not has_state:
            self.emit(now, route, v)
        elif not self.changed(route, state, v):
            if state.waiting and v.measured >= state.waiting.measured:
                state.waiting = None if route["edge_only"] else v
        elif state.closes is not None:
            if state.waiting is None or v.measured >= state.waiting.measured:
                state.waiting = v
        else:
            self.deliver(now, route, state, v)

    # ---- windows ----

    def route_named(self, name):
        return next(r for r in self.routes if r["id"] == name)

    def close_window(self, now, route, state):
        """Close the window; deliver the waiting value unless it is too old or no edge."""
        v, state.waiting, state.closes = state.waiting, None, None
        if v is None:
            return
        if route["max_age"] and v.age(now) > route["max_age"]:
            if route["edge_only"]:
                self.learn(state, v)
        elif not route["edge_only"] or self.changed(route, state, v):
            self.deliver(now, route, state, v)

    def close_until(self, now, at_once=None):
        """Close every window that ends at or before `now`. Values are delivered at the end of their window,
        or at `at_once`."""
        while not self.pending:
            due = [(s.closes, key) for key, s in self.states.items()
                   if s.closes is not None and s.closes <= now]
            if not due:
                return
            at = min(due)[0]
            for closes, key in due:
                if closes == at:
                    self.close_window(at_once or at, self.route_named(key[1]), self.states[key])
            self.deliver_batch()

    def closes_at(self, now):
        return any(s.closes == now for s in self.states.values())

    def flush(self, now):
        for (_, name, _), state in self.states.items():
            if state.waiting:
                self.close_window(now, self.route_named(name), state)

    # ---- operator actions ----

    def reload(self, now, routes):
        old, self.routes = self.routes, routes
        pairs, left = {}, [r["id"] for r in routes]
        for r in old:
            same = next((n for n in left for k in routes if k["id"] == n and k == r), None)
            if same:
                pairs[r["id"]] = same
                left.remove(same)
        removed = {}
        for (vin, name, field), state in list(self.states.items()):
            if name not in pairs:
                route, waited = next(r for r in old if r["id"] == name), state.waiting
                self.close_window(now, route, state)
                if waited:
                    self.learn(state, waited)
                removed[vin, name, field] = self.states.pop((vin, name, field))
        new = [r for r in routes if r["id"] not in pairs.values()]
        order = [r["id"] for r in old]
        for (vin, name, field), state in sorted(removed.items(), key=lambda g: order.index(g[0][1])):
            before = next(r for r in old if r["id"] == name)
            for r in new:
                if (field in r["fields"] or "*" in r["fields"]) and state.last and \
                        (r["every"] or r["min_change"] or r["edge_only"]) and \
                        self.unit(r, field) == self.unit(before, field):
                    self.learn(self.state(r, vin, field), state.last)
        self.deliver_batch()
        if self.journal and self.lacks_edges(old, routes):
            self.restore_values(now, False)

    def lacks_edges(self, old, routes):
        def covers(r, field):
            return field in r["fields"] or "*" in r["fields"]
        return any(r["edge_only"] and covers(r, field) and
                   not any(covers(o, field) and (o["every"] or o["min_change"] or o["edge_only"]) and
                           self.unit(o, field) == self.unit(r, field) for o in old)
                   for r in routes for field in list(FIELDS)[:-1])

    def rewind(self):
        self.pending = []
        for (_, name, _), state in self.states.items():
            state.waiting = state.closes = None
            if not self.route_named(name)["edge_only"]:
                state.last = None

    def restart(self, now):
        self.flush(now)
        self.deliver_batch()
        self.states, self.newest = {}, {}
        if self.journal and (self.restore or any(r["every"] or r["min_change"] or r["edge_only"]
                                                 for r in self.routes)):
            self.restore_values(now, self.restore)

    def store(self, vin, created, received, data):
        """Store the last values, as the journal does."""
        for field, value in data:
            known = self.known.get((vin, field))
            if known is None or created >= known.created:
                self.known[vin, field] = Value(vin, field, value, created, received, RESTORED)

    def restore_values(self, now, deliver):
        for (vin, field), known in sorted(self.known.items()):
            self.newest[vin] = max(self.newest.get(vin, -math.inf), known.created)
            for route in self.routes:
                if field not in route["fields"] and "*" not in route["fields"]:
                    continue
                v = Value(vin, field, self.convert(route, field, known.value), known.created,
                          known.received, RESTORED)
                if route["edge_only"] or (deliver and (route["every"] or route["min_change"])):
                    self.learn(self.state(route, vin, field), v)
                if deliver and not route["edge_only"] and \
                        not (route["max_age"] and v.age(now) > route["max_age"]):
                    self.emit(now, route, v)
        self.deliver_batch()
