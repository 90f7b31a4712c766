#!/usr/bin/env python3
"""http.so with a real InfluxDB and with web servers: the right values arrive; nothing that was acknowledged is lost
while the server is away; health names the reason and the remedy; one record that the server refuses costs only itself;
hostile servers cost neither memory nor other sinks.

FR_OUTAGE (4) is for how many seconds the server is away."""
import json
import os
import shutil
import sys
import time

from fr import VIN, Daemon, fleetroute, run_parts, wait_until
from http_peers import Influx, WebServer, settle
from journal_checks import endless_load, in_order_for_each_vehicle
from outages_watch import Watch

OUTAGE = float(os.environ.get("FR_OUTAGE", "4"))
VEHICLES, RATE = 20, 5
MAX_KB = int(os.environ.get("FR_MOST_KB", "131072"))
EAGER = "retry: {min: 50 ms, max: 500 ms, attempts: 3}"
ARCHIVE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}\n'
BOTH = 'records: [{type: "*", to: [archive, http], format: json}]'


def sink(url, options="", name="http"):
    return f"  {name}: {{plugin: http, {EAGER}, options: {{url: '{url}'{', ' if options else ''}{options}}}}}\n"


def daemon(url, options="", routing=BOTH, more="", **settings):
    return Daemon(routing, ARCHIVE + sink(url, options) + more, journal="{}", **settings)


def status(d, name="http"):
    return d.status()["sinks"][name]


def health(d, name="http"):
    now = status(d, name)
    return now["health"], now["why"]


def wait_health(d, state, *words, name="http", seconds=10):
    """Health says so within 10 s."""
    try:
        wait_until(f"{name} is {state}: {words}", lambda: health(d, name)[0] == state and
                   all(word in health(d, name)[1] for word in words), seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}; it is {health(d, name)}") from late


def is_up(d, name="http"):
    wait_health(d, "up", "accepts requests", name=name, seconds=20)


def all_delivered(d, seconds=30):
    wait_until("all are delivered", lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()), seconds)


def put(d, *speeds):
    d.say(*({"VehicleSpeed": speed} for speed in speeds))


def speeds(server):
    return [r["data"]["VehicleSpeed"] for r in server.records() if "data" in r]


# ---- InfluxDB -------------------------------------------------------------------------

def trip():
    """Each value of a whole trip is in InfluxDB, with its time and its type, from records and from field routes."""
    routing = ('records: [{type: "*", to: [archive, http], format: json}]\n'
               "fields: [{field: [VehicleSpeed, Odometer], to: values, unit: metric},"
               " {field: [Gear, Location, DoorState, Locked], to: values}]")
    with Influx() as influx, daemon(
            influx.url, "format: influx, tags: {fleet: 'my cars, all'}", routing,
            more=sink(influx.url, "format: influx, measurement: car, precision: ms, compress: gzip", "values")) as d:
        is_up(d)
        is_up(d, "values")
        d.simulate("--speed", 40)
        wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 2)
        all_delivered(d)
        expected = {}
        for record in d.records("V.jsonl"):
            at = expected.setdefault(record["created_at"], {})
            at.update(flat(record["data"]))
        points = influx.points("tesla_V")
        assert len(points) == len(expected) > 100, (len(points), len(expected))
        for point, (created, values) in zip(points, sorted(expected.items())):
            assert point.pop("vin") == VIN and point.pop("fleet") == "my cars, all", point
            point.pop("name", None)
            assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(point["time"] // 1000)) == created[:19], created
            assert point["time"] % 1000 == int(created[20:23]), (point, created)
            point.pop("time")
            assert point == values, (point, values)
        types = dict(influx.query('SHOW FIELD KEYS FROM "tesla_V"')[0]["values"])
        assert types["VehicleSpeed"] == "float" and types["Gear"] == "string" and types["Locked"] == "boolean", types
        assert types["Location_latitude"] == "float", types
        for kind in ("connectivity", "presence"):
            assert len(influx.points(f"tesla_{kind}")) == len({r["created_at"] for r in d.records(f"{kind}.jsonl")})
        of_routes = [p for p in influx.points("car") if "Odometer" in p]
        in_miles = [v["Odometer"] for v in expected.values() if "Odometer" in v]
        assert abs(of_routes[-1]["Odometer"] - 1.609344 * in_miles[-1]) < 0.01, (of_routes[-1], in_miles[-1])
        print(f"{len(points)} points, {d.max_kb} kB")


def flat(data):
    """The fields of InfluxDB that are expected of a record's data."""
    found = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found.update({f"{key}_{part}": member for part, member in value.items()})
        elif value is not None:
            found[key] = value
    return found


def outage():
    """The server is killed under load and started again: nothing that was acknowledged is missing, and the other sink
    goes on."""
    with Influx() as influx, daemon(influx.url, "format: influx",
                                    routing="records: [{type: V, to: [archive, http], format: json}]") as d:
        is_up(d)
        with endless_load(d, "--vehicles", VEHICLES, "--rate", RATE, "--patience", 60):
            d.wait_count("acknowledged", 2 * VEHICLES, 60)
            watch = Watch(d)
            time.sleep(OUTAGE)  # the same time with the server, to compare
            watch.look("with InfluxDB")
            influx.kill()
            begun = time.monotonic()
            wait_health(d, "down", f"http://127.0.0.1:{influx.port}: ", "(is the server running there?)")
            while time.monotonic() - begun < OUTAGE:  # the outage itself is the thing tested
                time.sleep(0.2)
                assert health(d, "archive")[0] == "up"
            wait_until("the other sink has what was committed a moment ago",
                       lambda: status(d, "archive")["lag"] < 3 * VEHICLES * RATE)
            watch.look("without it")
            assert status(d)["lag"] > 0
            influx.start()
            wait_until("http has caught up", lambda: status(d)["lag"] < 3 * VEHICLES * RATE, 60)
            is_up(d)
            watch.look("it is back")
        all_delivered(d, 60)
        acknowledged = set(d.lines("acknowledged"))
        found = {(p["vin"], p["time"], field, value) for p in influx.points("tesla_V")
                 for field, value in p.items() if field not in ("vin", "time")}
        records = d.records("V.jsonl")
        assert acknowledged <= {r["txid"] for r in records}
        missing, count = 0, 0
        last = {}  # of several values of one field at one time, the last one stays
        for r in records:
            at = time.strptime(r["created_at"][:19], "%Y-%m-%dT%H:%M:%S")
            ms = int(__import__("calendar").timegm(at)) * 1000 + int(r["created_at"][20:23])
            for field, value in flat(r["data"]).items():
                last[r["vin"], ms, field] = value
        for (vin, ms, field), value in last.items():
            count += 1
            missing += (vin, ms, field, value) not in found
        assert not missing, f"{missing} of {count} values are missing"
        assert d.max_kb < MAX_KB, d.max_kb
        print(f"{len(acknowledged)} acknowledged, {count} values, {d.max_kb} kB")


def conflict():
    """A field with another type in the database: this value is refused, all others of its record and of the batch are
    written, and the dead letter has the record."""
    with Influx() as influx, daemon(influx.url, "format: influx, precision: ms",
                                    routing="records: [{type: V, to: [archive, http], format: json}]") as d:
        influx.write("tesla_V Gear=1.5\n")  # now: types are those of the shard
        is_up(d)
        d.say(*({"VehicleSpeed": n, "age": 1000 - n, **({"Gear": "D", "Soc": n} if n == 57 else {})}
                for n in range(100)))
        wait_health(d, "degraded", "field type conflict", "Gear", "route it with another `as:`")
        all_delivered(d)
        wait_until("one dead letter", lambda: status(d)["dead_letters"] == 1)
        assert status(d)["delivered"] == 99, status(d)
        points = [p for p in influx.points("tesla_V") if "VehicleSpeed" in p]
        assert sorted(p["VehicleSpeed"] for p in points) == list(range(100)), points
        assert [p["Soc"] for p in points if "Soc" in p] == [57], points
        assert health(d, "archive")[0] == "up"


run_parts(trip, outage, conflict)
