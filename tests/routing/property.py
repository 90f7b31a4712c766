#!/usr/bin/env python3
"""Property test of field routes: the real sink processes random routing files and records in virtual time
(tests/routing/drive.c), and each delivered value is compared with the model (model.py).

usage: property.py [CASES [SEED]]     prints a reduced case for the first failure
"""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from model import Ambiguous, FIELDS, NAMES, Model

BUILD = os.environ.get("FR_BUILD", os.getcwd())
VINS = ["5YJ3E1EA7KF00000%d" % n for n in (1, 2, 3)]
UNITS = {4: "km/h", 5: "km", 85: "°F"}
EVERY = [0, 0, 0, 7, 53, 101, 250, 503, 1009, 4999, 30011, 60017, 600011]
PAUSES = [3, 5, 11, 40, 97, 211, 499, 997, 2503, 10007, 61001, 300007]


# ---- random cases ----

def random_route(rng, number, sinks):
    route = {"id": f"r{number}", "fields": rng.sample(sorted(NAMES), 1), "every": rng.choice(EVERY),
             "min_change": 0, "max_age": 0, "edge_only": False, "unit": None,
             "sinks": sorted(rng.sample(range(sinks), rng.randint(1, sinks)))}
    if rng.random() < 0.3:
        route["min_change"] = rng.choice([0.5, 2, 10])
    if rng.random() < 0.2:
        route["max_age"] = rng.choice([500, 5000, 30000])
    if rng.random() < 0.2:
        route["edge_only"] = True
    if len(route["fields"]) == 1 and route["fields"][0] in UNITS and rng.random() < 0.5:
        route["unit"] = UNITS[route["fields"][0]]
    return route


def random_routes(rng, sinks):
    """Routes of one field have a name with `as`. A route of several fields cannot have one, so there
    is at most one such route."""
    count = rng.choice([1, 2, 2, 3, 5, 8, 30])
    routes = [random_route(rng, n, sinks) for n in range(count)]
    if rng.random() < 0.4:
        wide = routes[rng.randrange(count)]
        wide["fields"] = ["*"] if rng.random() < 0.5 else sorted(rng.sample(sorted(NAMES), 4))
        wide["unit"] = None
    for sink in range(sinks):  # a sink without a route receives no records
        if not any(sink in r["sinks"] for r in routes):
            routes[0]["sinks"] = sorted(routes[0]["sinks"] + [sink])
    return routes


def changed_routes(rng, routes, sinks):
    routes = [dict(r) for r in routes]
    for r in routes:
        if rng.random() < 0.2:
            r["every"] = rng.choice(EVERY)
        if rng.random() < 0.1:
            r["edge_only"] = not r["edge_only"]
    if rng.random() < 0.3:
        extra = random_route(rng, 100 + rng.randrange(10 ** 6), sinks)
        routes.insert(rng.randrange(len(routes) + 1), extra)
    if len(routes) > 1 and rng.random() < 0.3:
        removed = routes.pop(rng.randrange(len(routes)))
        for sink in removed["sinks"]:
            if not any(sink in r["sinks"] for r in routes):
                routes[0]["sinks"] = sorted(routes[0]["sinks"] + [sink])
    return routes


def random_value(rng, field):
    kind = FIELDS[field][0]
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "text":
        return rng.choice(["a", "b", "long" * rng.choice([1, 200])])
    if kind == "location":
        return (52.5 + rng.choice([0, 0, 1e-6, 0.00005, 0.001]), 13.4)
    return float(rng.choice([0, 1, 1.25, 3, 10, 11, 12, 40]))


def random_record(rng, now, vins, journal):
    created = now - rng.choice([0, 0, 0, 0, 1, 20, 400, 7000, 100000])
    if not journal and rng.random() < 0.05:
        created = None
    data = [(f, random_value(rng, f)) for f in rng.sample(sorted(NAMES), rng.choice([1, 1, 2, 5]))]
    return {"at": now, "do": "record", "vin": rng.choice(vins), "created": created,
            "resend": rng.random() < 0.1, "data": data}


def random_case(rng):
    sinks = rng.choice([1, 1, 2, 3])
    case = {"sinks": sinks, "latest": rng.random() < 0.3, "restore": rng.random() < 0.5,
            "journal": rng.random() < 0.3, "routes": random_routes(rng, sinks), "actions": []}
    vins, now, records = VINS[:rng.randint(1, 3)], 10, 0
    routes, down = case["routes"], False
    # In some cases the peer is unreachable for a time. Then the sink drops values that are too old at one of
    # its retries, whose times are random. So these cases have no max_age.
    faults = not case["latest"] and rng.random() < 0.3
    for _ in range(rng.choice([5, 15, 40, 80])):
        now += rng.choice(PAUSES)
        if faults and rng.random() < (0.3 if down else 0.1):
            down = not down
            case["actions"].append({"at": now, "do": "down" if down else "up"})
            continue
        if rng.random() < 0.08 and records:
            choice = rng.choice(["reload", "restart", "rewind"])
            if choice == "rewind" and case["journal"]:
                case["actions"].append({"at": now, "do": "rewind", "to": rng.randint(1, records)})
            elif choice == "restart" and not down:
                case["actions"].append({"at": now, "do": "restart"})
            else:
                routes = changed_routes(rng, routes, sinks)
                case["actions"].append({"at": now, "do": "reload", "routes": routes})
            continue
        for _ in range(rng.choice([1, 1, 1, 1, 3, 12])):
            case["actions"].append(random_record(rng, now, vins, case["journal"]))
            records += 1
    if faults:
        for r in case["routes"] + [r for a in case["actions"] if a["do"] == "reload"
                                   for r in a["routes"]]:
            r["max_age"] = 0
    if down:
        case["actions"].append({"at": now + rng.choice(PAUSES), "do": "up"})
        now = case["actions"][-1]["at"]
    case["actions"].append({"at": now + rng.choice(PAUSES), "do": "end"})
    return case


# ---- the program under test ----

def routing_text(routes):
    def route_text(r):
        fields = ", ".join('"*"' if f == "*" else NAMES[f] for f in r["fields"])
        text = f"field: [{fields}], to: [{', '.join('s%d' % s for s in r['sinks'])}]"
        if len(r["fields"]) == 1 and "*" not in r["fields"]:
            text += f", as: {r['id']}"
        if r["every"]:
            text += f", every: {r['every']} ms"
        if r["min_change"]:
            text += f", min_change: {r['min_change']}"
        if r["max_age"]:
            text += f", max_age: {r['max_age']} ms"
        if r["unit"]:
            text += f", unit: {r['unit']}"
        if r["edge_only"]:
            text += ", edge_only: true"
        return "  - {" + text + "}\n"
    return "fields:\n" + "".join(route_text(r) for r in routes)


MEMBERS = {"real": 5, "bool": 6, "location": 7, "text": 1}


def wire(field, value):
    kind = FIELDS[field][0]
    text = f"{value[0]!r},{value[1]!r}" if kind == "location" else str(int(value)) if kind == "bool" \
        else str(value)
    return f"{field}:{MEMBERS[kind]}:{text}"


def script(case):
    def with_text(line, routes):
        text = routing_text(routes)
        return f"{line} {len(text.encode())}\n{text}"
    out = f"case {case['sinks']} {'latest' if case['latest'] else 'log'} {int(case['restore'])} " \
          f"{int(case['journal'])}\n" + with_text("routing", case["routes"])
    for a in case["actions"]:
        if a["do"] == "record":
            created = "-" if a["created"] is None else a["created"]
            out += f"{a['at']} record {a['vin']} {created} {int(a['resend'])} " + \
                " ".join(wire(f, v) for f, v in a["data"]) + "\n"
        elif a["do"] == "reload":
            out += with_text(f"{a['at']} reload", a["routes"])
        elif a["do"] == "rewind":
            out += f"{a['at']} rewind {a['to']}\n"
        else:
            out += f"{a['at']} {a['do']}\n"
    return out


class Driver:
    def __init__(self):
        self.process = None

    def run(self, case):
        """Run a case; returns for each sink ([(time, total of received records)], [value])."""
        if self.process is None:
            self.process = subprocess.Popen([f"{BUILD}/tests/routing/drive"], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(script(case))
        self.process.stdin.flush()
        sinks = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                code, self.process = self.process.wait(), None
                raise AssertionError(f"the program ended with {code}")
            words = line.split(None, 8)
            if words[0] == "end":
                return sinks
            if words[0] == "sink":
                sinks.append(([], []))
            elif words[1] == "received":
                sinks[-1][0].append((int(words[0]), int(words[2])))
            elif words[1] == "value":
                at, _, vin, field, name, unit, flags, created, text = words
                sinks[-1][1].append((int(at), vin, int(field), name, "" if unit == "-" else unit,
                                     value_of(json.loads(text)), int(flags), int(created)))


def value_of(value):
    if isinstance(value, dict):
        return (value["latitude"], value["longitude"])
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


# ---- comparison ----

def routes_of(routes, sink):
    return [{k: v for k, v in r.items() if k != "sinks"} for r in routes if sink in r["sinks"]]


def expected(case, sink, received):
    """The values that the model delivers, given the times at which the program received records."""
    model = Model(routes_of(case["routes"], sink), case["restore"], case["latest"], case["journal"])
    journal, position, total, repeated_below = [], 0, 0, 0
    last_up = -10
    received = list(received)
    actions = case["actions"]

    def process_until(now):
        """Process the records that the program received at or before `now`; None: all."""
        nonlocal position, total
        while received and (now is None or received[0][0] <= now):
            at, upto = received.pop(0)
            if model.closes_at(at) and journal[position]["at"] != at:
                raise Ambiguous()
            model.close_until(at)
            for _ in range(upto - total):
                r = journal[position]
                position += 1
                assert at - r["at"] <= 2 or at - last_up <= 2 or position <= repeated_below, \
                    "a record was received late"
                model.record(at, r["at"], r["vin"], r["created"], r["resend"], r["data"],
                             position <= repeated_below)
            model.deliver_batch()
            total = upto

    for i, a in enumerate(actions):
        if a["do"] == "record":
            journal.append(a)
            if case["journal"]:
                model.store(a["vin"], a["created"], a["at"], a["data"])
            continue
        # Process what the program received before this action. Records of the same time come later.
        while received and (received[0][0] < a["at"] or (
                received[0][0] == a["at"] and position + received[0][1] - total <= len(journal) and
                a["do"] not in ("rewind", "up"))):
            process_until(received[0][0])
        model.close_until(a["at"])
        if a["do"] == "down":
            model.down = True
        elif a["do"] == "up":
            model.up(a["at"])
            last_up = a["at"]
        elif a["do"] == "reload":
            model.reload(a["at"], routes_of(a["routes"], sink))
        elif a["do"] == "rewind":
            model.rewind()
            last_up = a["at"]  # pending values are discarded, so the sink receives more records
            repeated_below = max(repeated_below, position)
            position = a["to"] - 1
        elif a["do"] == "restart":
            model.restart(a["at"])
            repeated_below = 0
        elif a["do"] == "end":
            process_until(None)
            model.flush(a["at"])
            model.deliver_batch()
    assert position == len(journal), f"{position} of {len(journal)} records were received"
    return model.out


def near(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-9 * max(1, abs(a), abs(b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return abs(a[0] - b[0]) < 1e-9 and abs(a[1] - b[1]) < 1e-9
    return a == b


def by_stream(values):
    """The values of each vehicle, field and route, in order. The order between these is not defined."""
    streams = {}
    for v in values:
        streams.setdefault(v[1:4], []).append(v)
    return streams


def difference(case, sinks):
    """The first difference between model and program as text, or None."""
    for sink, (received, values) in enumerate(sinks):
        try:
            want, got = by_stream(expected(case, sink, received)), by_stream(values)
        except Ambiguous:
            raise
        except AssertionError as e:
            return f"sink s{sink}: {e}"
        for key in sorted(set(want) | set(got)):
            w, g = want.get(key, []), got.get(key, [])
            for i in range(max(len(w), len(g))):
                a, b = w[i] if i < len(w) else None, g[i] if i < len(g) else None
                if a is None or b is None or a[:5] != b[:5] or a[6:] != b[6:] or not near(a[5], b[5]):
                    return f"sink s{sink}: expected {a}\n         delivered {b}"
    return None


# ---- reduction of failing cases ----

def fails(driver, case):
    try:
        return difference(case, driver.run(case))
    except Ambiguous:
        return None


def smaller(case):
    """Cases that are slightly smaller."""
    actions, routes = case["actions"], case["routes"]
    for size in (len(actions) // 2, len(actions) // 4, 4, 1):
        for i in range(0, len(actions) - 1, max(1, size)):
            part = actions[i:i + max(1, size)]
            if part and part[-1]["do"] != "end":
                yield {**case, "actions": actions[:i] + actions[i + len(part):]}
    for i in range(len(routes)):
        yield {**case, "routes": routes[:i] + routes[i + 1:]}
    for i, a in enumerate(actions):
        if a["do"] == "record" and len(a["data"]) > 1:
            for k in range(len(a["data"])):
                b = {**a, "data": a["data"][:k] + a["data"][k + 1:]}
                yield {**case, "actions": actions[:i] + [b] + actions[i + 1:]}
        if a["do"] == "reload":
            for k in range(len(a["routes"])):
                b = {**a, "routes": a["routes"][:k] + a["routes"][k + 1:]}
                yield {**case, "actions": actions[:i] + [b] + actions[i + 1:]}
    for i, r in enumerate(routes):
        for key, plain in (("min_change", 0), ("max_age", 0), ("edge_only", False), ("unit", None),
                           ("every", 0)):
            if r[key] != plain:
                yield {**case, "routes": routes[:i] + [{**r, key: plain}] + routes[i + 1:]}
    for key in ("restore", "journal"):
        if case[key] and not (key == "journal" and any(a["do"] == "rewind" for a in actions)):
            yield {**case, key: False}


def usable(case):
    rewinds = [a for a in case["actions"] if a["do"] == "rewind"]
    every = [case["routes"]] + [a["routes"] for a in case["actions"] if a["do"] == "reload"]
    records, down = 0, False
    for a in case["actions"]:
        records += a["do"] == "record"
        if a["do"] in ("down", "up"):
            if down == (a["do"] == "down"):
                return False
            down = not down
        if down and a["do"] in ("restart", "end"):
            return False
        if a["do"] == "rewind" and a["to"] > records:
            return False
    return all(any(s in r["sinks"] for r in routes) for routes in every for s in range(case["sinks"])) \
        and (case["journal"] or not rewinds)


def shrink(driver, case, limit=1500):
    again = True
    while again and limit > 0:
        again = False
        for c in smaller(case):
            limit -= 1
            if limit <= 0:
                break
            if usable(c) and fails(driver, c):
                case, again = c, True
                break
    return case


def main():
    if os.environ.get("FR_SKIP_SCENARIOS"):
        sys.exit(77)
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ.get("FR_ROUTING_CASES", "1000"))
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("FR_ROUTING_SEED", "1"))
    driver = Driver()
    values = records = ambiguous = 0
    for n in range(seed, seed + cases):
        case = random_case(random.Random(n))
        try:
            sinks = driver.run(case)
            failure = difference(case, sinks)
        except Ambiguous:
            ambiguous += 1
            continue
        values += sum(len(v) for _, v in sinks)
        records += sum(a["do"] == "record" for a in case["actions"])
        if failure:
            print(f"case {n} fails: {failure}\nreducing the case")
            case = shrink(driver, case)
            print(script(case) + fails(driver, case))
            sys.exit(1)
    assert ambiguous < cases // 20, f"{ambiguous} cases have no defined order"
    print(f"{cases - ambiguous} cases: {records} records, {values} values as in the model "
          f"({ambiguous} cases without a defined order skipped)")


if __name__ == "__main__":
    main()
