#!/usr/bin/env python3
"""http.so with a real InfluxDB and with web servers: the right values arrive; nothing that was acknowledged is lost
while the server is away; health names the reason and the remedy; one record that the server refuses costs only itself;
hostile servers cost neither memory nor other sinks.

FR_OUTAGE (4) is for how many seconds the server is away."""
import calendar
import gzip
import os
import shutil
import socket
import struct
import time

from fr import BUILD, PATIENCE, VIN, Daemon, check_mistakes, free_port, run_parts, wait_until
from haproxy import HAProxy
from http_peers import HostileServer, Influx, WebServer, settle
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
            ms = calendar.timegm(at) * 1000 + int(r["created_at"][20:23])
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
        for age in (0, 1000):  # types are those of a shard, and a week has its own
            influx.write(f"tesla_V Gear=1.5 {time.time_ns() - age * 10**9}\n")
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


# ---- other formats --------------------------------------------------------------------

def formats():
    """JSON arrays, lines, Tesla's JSON and Teslemetry's form of the same records, plain, with gzip and with zstd, by POST
    and PUT, with headers from the configuration and from files."""
    with WebServer() as array, WebServer() as lines, WebServer() as tesla, WebServer() as flat_form:
        sinks = {"lines": (lines, "format: json-lines, compress: zstd, method: PUT, http_version: '1.1'"),
                 "tesla": (tesla, "format: tesla-json"),
                 "flat": (flat_form, "format: teslemetry, compress: gzip, headers: {X-Car: mine}")}
        routing = ('records:\n  - {type: "*", to: [archive, http, lines, flat], format: json}\n'
                   "  - {type: V, to: tesla, format: tesla-json}\n"
                   "fields: [{field: VehicleSpeed, to: [http, flat], unit: km/h, as: speed}]")
        with Daemon(routing, ARCHIVE + sink(array.url, "compress: gzip, header_files: {X-Key: @/key},"
                                            " headers: {Content-Type: application/vnd.tesla+json}") +
                    "".join(sink(s.url, o, name) for name, (s, o) in sinks.items()), journal="{}") as d:
            settle(d.path("key"), "first line\nsecond line\n")
            for name in ("http", *sinks):
                is_up(d, name)
            d.simulate("--speed", 40)
            wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 2)
            all_delivered(d)
            expected = {kind: d.records(f"{kind}.jsonl") for kind in ("V", "connectivity", "presence")}
            for server in (array, lines):
                for kind, records in expected.items():
                    assert [r for r in server.records() if r.get("type") == kind] == records, kind
            values = [r for r in array.records() if r.get("field") == "speed"]
            assert len(values) > 20 and {v["unit"] for v in values} == {"km/h"}, values[:3]
            first = array.requests[0]
            assert first.headers["X-Key"] == "first line" and first.method == "POST", first.headers
            assert first.headers["Content-Type"] == "application/vnd.tesla+json" and first.path == "/in"
            assert first.headers["Content-Encoding"] == "gzip" and len(first.raw) != len(first.body)
            assert lines.requests[0].method == "PUT" and lines.requests[0].headers["Content-Encoding"] == "zstd"
            assert len(array.requests) < len(array.records()), "many records in a request"
            assert len({r.peer for r in array.requests}) <= 4, "connections are kept"
            tesla_records = [r.json() for r in tesla.requests]
            assert len(tesla_records) == len(expected["V"]), len(tesla_records)
            assert {"data", "createdAt", "vin", "isResend"} <= set(tesla_records[0]), tesla_records[0]
            bodies = [r.json() for r in flat_form.requests]
            assert flat_form.requests[0].headers["X-Car"] == "mine"
            assert all(b["vin"] == VIN and b["createdAt"].endswith("Z") for b in bodies), bodies[:2]
            whole = [b for b in bodies if "data" in b and set(b["data"]) != {"speed"}]
            assert [b["data"] for b in whole] == [r["data"] for r in expected["V"]]
            assert [b["createdAt"] for b in whole] == [r["created_at"] for r in expected["V"]]
            assert any("ConnectionId" in str(b) or "status" in b for b in bodies if "data" not in b), bodies[:2]


def unfit():
    """A record in a format that the body cannot use is a dead letter with the remedy."""
    with WebServer() as server, daemon(server.url, "format: tesla-json", "records: [{type: V, to: http}]") as d:
        put(d, 1)
        wait_health(d, "degraded", "(set `format: tesla-json` of its route)")
        wait_until("a dead letter", lambda: status(d)["dead_letters"] == 1)
        assert server.seen == 0


def abrp():
    """A vehicle's known values in ABRP's units, with the token of the vehicle; vehicles without a token are not
    sent."""
    other = "5YJ3E1EA7KF000002"
    with WebServer(lambda request: (200, {}, b'{"status":"ok"}')) as server, daemon(
            server.url, "format: abrp, header_files: {Authorization: @/key}, tokens_file: @/tokens",
            "records: [{type: V, to: [archive, http], format: json}]") as d:
        settle(d.path("key"), "APIKEY 1234\n")
        settle(d.path("tokens"), f"# tokens\n{VIN} a/b&c\n")
        is_up(d)
        d.say({"VehicleSpeed": 50, "Soc": 71.5, "PackVoltage": 400, "PackCurrent": -50.5, "Gear": "D"})
        all_delivered(d)
        d.say({"Location": {"latitude": 48.137154, "longitude": 11.576124}, "Odometer": 1000, "TpmsPressureFl": 2.9,
               "BatteryLevel": 73, "DetailedChargeState": "DetailedChargeStateCharging", "FastChargerPresent": True})
        d.say({"VehicleSpeed": 1, "vin": other})
        d.say({"RouteLine": "nothing for ABRP"})
        all_delivered(d)
        assert len(server.requests) == 2, [r.body for r in server.requests]
        for request in server.requests:
            assert request.headers["Authorization"] == "APIKEY 1234" and request.path == "/in?token=a%2Fb%26c"
        tlm = server.requests[1].json()["tlm"]
        assert abs(tlm.pop("utc") - time.time()) < 60, tlm
        for name, value in {"soc": 71.5, "power": 20.2, "speed": 80.467, "voltage": 400, "current": 50.5, "is_parked": 0,
                            "lat": 48.137154, "lon": 11.576124, "odometer": 1609.344, "tire_pressure_fl": 290,
                            "is_charging": 1, "is_dcfc": 1}.items():
            assert abs(tlm.pop(name) - value) < 0.001, (name, value, tlm)
        assert not tlm, tlm
        assert "a/b" not in d.log_text() and "1234" not in d.log_text()


# ---- refusals -------------------------------------------------------------------------

def has_speed(request, speed):
    return any(r["data"].get("VehicleSpeed") == speed for r in request.json())


def poison(answer, *words, options="", dead=1, first=50):
    """One record, for which the server gives an answer of its own, costs only itself."""
    def judge(request):
        return answer(request) if has_speed(request, 57) else 204
    with WebServer(judge) as server, daemon(server.url, options, "records: [{type: V, to: [archive, http]}]") as d:
        is_up(d)
        put(d, *range(first, 200))
        put(d, *range(200, 210))
        wait_health(d, "degraded", *words, seconds=20)
        all_delivered(d)
        wait_until("one dead letter", lambda: status(d)["dead_letters"] == dead)
        expected = [n for n in range(first, 210) if n != 57]
        assert sorted(speeds(server)) == expected, speeds(server)
        assert server.seen < 90, server.seen
        print(f"{words}: {server.seen} requests, {len(server.requests)} accepted, {health(d)[1]}")
        return speeds(server)


def poison_400():
    assert poison(lambda request: (400, {}, b'{"error":"bad \\u0007record"}'), "status 400: bad  record",
                  "(the server does not accept this body") is not None


def poison_422():
    got = poison(lambda request: (422, {}, b"no\nsuch speed"), "status 422: no such speed")
    assert got == [n for n in range(50, 210) if n != 57], "the order is kept"


def poison_500():
    """The server fails at one record, which is among others, and which is the first one."""
    for first in (50, 57):
        poison(lambda request: (500, {}, b"<html>oops</html>"), "see the server's log", first=first)


def cut(request):
    raise ConnectionError


def poison_reset():
    """The server ends the connection at one record."""
    poison(cut, "localhost:")


def too_large():
    """A server with a limit for bodies: requests become smaller; only a record above the limit is refused."""
    def judge(request):
        return 413 if len(request.raw) > 4000 else 204
    with WebServer(judge) as server, daemon(server.url, "", "records: [{type: V, to: [archive, http]}]") as d:
        is_up(d)
        lines = [{"VehicleSpeed": n} for n in range(300)]
        lines[100]["RouteLine"] = "x" * 5000
        d.say(*lines)
        wait_health(d, "degraded", "status 413 (raise the server's limit")
        all_delivered(d)
        assert speeds(server) == [n for n in range(300) if n != 100]
        assert status(d)["dead_letters"] == 1 and server.seen < 200, server.seen


# ---- servers that are away ------------------------------------------------------------

def load_outage():
    """Several connections, a server that ends and starts again under load: nothing is lost, and each vehicle's records
    are in order."""
    with WebServer() as server, daemon(server.url, "connections: 8, compress: gzip",
                                       "records: [{type: V, to: [archive, http], format: json}]") as d:
        is_up(d)
        with endless_load(d, "--vehicles", VEHICLES, "--rate", RATE, "--patience", 60):
            d.wait_count("acknowledged", 2 * VEHICLES, 60)
            for _ in range(2):
                server.stop()
                wait_health(d, "down")
                time.sleep(OUTAGE / 4)  # the outage itself is the thing tested
                server.start()
                wait_until("http has caught up", lambda: status(d)["lag"] < 3 * VEHICLES * RATE, 60)
                is_up(d)
        all_delivered(d, 60)
        acknowledged, records = set(d.lines("acknowledged")), server.records()
        missing = acknowledged - {r["txid"] for r in records}
        assert not missing, f"{len(missing)} of {len(acknowledged)} are missing"
        in_order_for_each_vehicle(records)
        assert d.max_kb < MAX_KB, d.max_kb
        print(f"{len(acknowledged)} acknowledged, {len(records)} received in {len(server.requests)} requests, "
              f"{d.max_kb} kB")


def refusing_servers():
    """Statuses that are no record's fault: all records wait, health has the remedy, and the sink goes on by itself."""
    now = {}
    with WebServer(lambda request: now["answer"]) as server, daemon(server.url) as d:
        number = 0
        for answer, words in (((301, {"Location": "/there"}, b""), "status 301 (redirects are not followed: set `url:`"),
                              ((307, {"Location": "/there"}, b""), "status 307 (redirects are not followed: set `url:`"),
                              (404, "status 404 (check the path"), (405, "(check `method:`"),
                              ((503, {"Retry-After": "0"}, b'{"message":"starting"}'), "status 503: starting"),
                              (500, "status 500 (see the server's log)"), (415, "Content-Type"), (599, "status 599"),
                              ((502, {"Retry-After": "nonsense"}, b""), "status 502")):
            now["answer"] = answer
            put(d, *range(number, number + 20))
            number += 20
            wait_health(d, "down", f"http://localhost:{server.port}: ", words)
            if answer == 500:  # also after other records were tried
                seen = server.seen
                wait_until("it is tried again", lambda: server.seen > seen + 5, 60)
                assert health(d)[0] == "down", health(d)
            now["answer"] = 204
            all_delivered(d)
            is_up(d)
        assert speeds(server) == list(range(number)) and status(d)["dead_letters"] == 0, speeds(server)


def retry_after():
    """429 with Retry-After: no request before its end, and a bound of five minutes."""
    times = []

    def judge(request):
        times.append(time.monotonic())
        return (429, {"Retry-After": "6"}, b"slow down") if len(times) == 1 else 204
    with WebServer(judge) as server, daemon(server.url, "connections: 1") as d:
        is_up(d)
        put(d, 1)
        wait_health(d, "down", "status 429: slow down (too many requests", "next attempt in 6 s")
        put(d, 2, 3)
        all_delivered(d)
        assert times[1] - times[0] >= 5.9, times
        assert speeds(server) == [1, 2, 3], speeds(server)
    with WebServer(lambda request: (503, {"Retry-After": "99999999999999999999"}, b"")) as server, daemon(server.url) as d:
        put(d, 1)
        wait_health(d, "down", "next attempt in 300 s")


def credentials():
    """A file that is missing, that everybody can read, a wrong secret, and the right one, without a reload."""
    def judge(request):
        return 204 if request.headers["Authorization"] == "Bearer right" else (401, {}, b'{"error":"who?"}')
    with WebServer(judge) as server, daemon(server.url, "header_files: {Authorization: @/token}") as d:
        is_up(d)  # the connection
        put(d, 1)
        wait_health(d, "down", "/token: No such file", "must be able to read it")
        settle(d.path("token"), "Bearer wrong\n", 0o644)
        os.chmod(d.path("token"), 0o644)
        wait_health(d, "down", "/token: mode 0644 lets others read it (chmod o= ")
        settle(d.path("token"), "\n")
        wait_health(d, "down", "the first line is empty")
        settle(d.path("token"), "Bearer wrong\n")
        wait_health(d, "down", "status 401: who? (check the credentials in `header_files:`)")
        put(d, 2)
        settle(d.path("token"), "Bearer right\n")
        all_delivered(d)
        is_up(d)
        assert speeds(server) == [1, 2] and "Bearer" not in d.log_text()
        settle(d.path("token"), "Bearer newer\n")
        put(d, 3)  # the old one is used until the server refuses it
        all_delivered(d)


def stop_while_away():
    """The daemon stops at once although a request has no answer, and delivers the records after its next start."""
    release = []

    def judge(request):
        wait_until("the test goes on", lambda: release, 60)
        return 204
    with WebServer(judge) as server, daemon(server.url, "timeout: 60 s") as d:
        is_up(d)
        put(d, 1, 2)
        wait_until("a request is sent", lambda: server.seen > 0)
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 8 * PATIENCE, time.monotonic() - begun
        release.append(True)
        d.start()
        is_up(d)
        all_delivered(d)
        assert speeds(server)[-2:] == [1, 2], speeds(server)


def dead_name_server():
    """A look-up that takes a minute blocks neither the sink, nor its end."""
    d = daemon("http://server.stuck:9/", "connect_timeout: 500 ms")
    d.environment = {**os.environ, "LD_PRELOAD": f"{BUILD}/.libs/slow_names.so"}
    with d, WebServer() as server:
        wait_health(d, "down", "check the network and the host in `url:`", seconds=20)
        put(d, 1)
        d.sinks = ARCHIVE + sink(server.url)
        d.reload()
        is_up(d)
        all_delivered(d)
        assert speeds(server) == [1], speeds(server)
        d.sinks = ARCHIVE + sink("http://server.stuck:9/")
        d.reload()
        put(d, 2)
        wait_until("it is looked up", lambda: status(d)["lag"] > 0)
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 15 * PATIENCE, time.monotonic() - begun


# ---- hostile servers ------------------------------------------------------------------

def head(stream):
    """Read a request."""
    size = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    stream.read(size)


def garbage(client, stream):
    head(stream)
    client.sendall(bytes(range(256)) * 1000)
    stream.read()


def silence(client, stream):
    stream.read()


def hang_up(client, stream):
    head(stream)


def reset(client, stream):
    stream.readline()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_answer(client, stream):
    head(stream)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def endless_headers(client, stream):
    head(stream)
    client.sendall(b"HTTP/1.1 204 No Content\r\n")
    while True:
        client.sendall(b"X-Header: " + b"a" * 1000 + b"\r\n")


def endless_header(client, stream):
    head(stream)
    client.sendall(b"HTTP/1.1 204 No Content\r\nX: ")
    while True:
        client.sendall(b"a" * 65536)


def endless_continue(client, stream):
    head(stream)
    while True:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def slow_drip(client, stream):
    head(stream)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 1000:
        client.sendall(bytes([byte]))
        time.sleep(0.05)


def old_protocol(client, stream):
    head(stream)
    client.sendall(b"<html>HTTP/0.9 has no status</html>")


def endless_error(client, stream):
    head(stream)
    client.sendall(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        client.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")


def bomb(client, stream):
    """A compressed answer without a request for one."""
    head(stream)
    body = gzip.compress(bytes(100_000_000))
    client.sendall(b"HTTP/1.1 503 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    stream.read()


def hostile_early():
    hostile(garbage, silence, hang_up, reset, half_answer, old_protocol)


def hostile_late():
    hostile(endless_headers, endless_header, endless_continue, slow_drip, endless_error, bomb)


def hostile(*behaviours):
    """Each broken server: health names a reason within 10 s, memory is bounded, the other sink goes on, and a good
    server gets all records in order."""
    with daemon("http://127.0.0.1:1/", "timeout: 1 s") as d:
        wait_health(d, "down", "http://127.0.0.1:1: ", "(is the server running there?)")
        for number, behave in enumerate(behaviours):
            with HostileServer(behave) as server:
                d.sinks = ARCHIVE + sink(f"http://127.0.0.1:{server.port}/", "timeout: 1 s")
                d.reload()
                put(d, *range(number * 100, number * 100 + 100))
                wait_health(d, "down", f"http://127.0.0.1:{server.port}: ")
                wait_until("it is tried again", lambda: server.connections >= 3)
                wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == number * 100 + 100)
                assert health(d)[0] == "down", health(d)
                print(f"{behave.__name__}: {health(d)[1]}; {d.max_kb} kB")
        assert d.max_kb < MAX_KB, d.max_kb
        with WebServer() as server:
            d.sinks = ARCHIVE + sink(server.url)
            d.reload()
            all_delivered(d)
            is_up(d)
            got = speeds(server)
            assert got == list(range(100 * len(behaviours))), got
            assert status(d)["dead_letters"] == 0


def huge_answer():
    """An accepted request with an endless answer is done: the answer is cut."""
    def endless(client, stream):
        head(stream)
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            client.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
    with HostileServer(endless) as server, daemon(f"http://127.0.0.1:{server.port}/") as d:
        put(d, *range(100))
        all_delivered(d)
        is_up(d)
        assert d.max_kb < MAX_KB, d.max_kb


# ---- TLS and HTTP/2 -------------------------------------------------------------------

def tls():
    """The certificate is verified, with its name; a client's certificate; each mistake has its remedy."""
    with daemon("http://127.0.0.1:1/") as d:
        both = f"certificate: {d.certificate()[0]}, key: {d.certificate()[1]}"
        with WebServer(tls=d.folder) as server, WebServer() as plain, \
                WebServer(tls=d.folder, client_ca=d.path("vehicle-ca.pem")) as strict:
            for url, options, state, words in (
                    (server.url, "", "down", ("check `ca:`",)),
                    (server.url, "ca: @/vehicle-ca.pem", "down", ("check `ca:`",)),
                    (server.url.replace("localhost", "127.0.0.2"), "ca: @/server-ca.pem", "down",
                     ("https://127.0.0.2:", "the host in `url:` is in the certificate")),
                    (server.url, "ca: @/none.pem", "down", ("none.pem", "(check `ca:`)")),
                    (plain.url.replace("http:", "https:"), "ca: @/server-ca.pem", "down", ("(is it a server with TLS",)),
                    (f"http://localhost:{server.port}/", "", "down", ("localhost",)),
                    (strict.url, "ca: @/server-ca.pem", "down", ("localhost",)),
                    (server.url, "ca: @/server-ca.pem", "up", ("accepts requests",)),
                    (strict.url, f"ca: @/server-ca.pem, {both}", "up", ("accepts requests",))):
                d.sinks = ARCHIVE + sink(url, options)
                d.reload()
                put(d, 5)
                wait_health(d, state, *words)
                print(health(d)[1])
            all_delivered(d)
            assert len(speeds(server)) + len(speeds(strict)) == 9, (speeds(server), speeds(strict))


HTTP2 = """defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend f
    bind 127.0.0.1:{port} ssl crt {pem} alpn h2
    http-request set-header X-Proto "2" if {{ fc_http_major 2 }}
    default_backend b
backend b
    server s 127.0.0.1:{server_port}
"""


def http2():
    """HTTP/2 with TLS through HAProxy, with several requests on one connection; the proxy ends and starts again."""
    def judge(request):
        return 422 if request.headers["X-Proto"] != "2" else 204
    with WebServer(judge) as server, daemon("http://127.0.0.1:1/", routing="records: [{type: V, to: [archive, http]}]") as d:
        with open(d.path("h2.pem"), "w") as both:
            for name in ("server.pem", "server.key"):
                with open(d.path(name)) as part:
                    both.write(part.read())
        port = free_port()
        text = HTTP2.format(pem=d.path("h2.pem"), port=port, server_port=server.port)
        d.sinks = ARCHIVE + sink(f"https://localhost:{port}/in", "ca: @/server-ca.pem, connections: 4, compress: gzip")
        with HAProxy(d, text) as proxy:
            proxy.wait_listening(port)
            d.reload()
            is_up(d)
            d.simulate("--vehicles", 20, "--rate", 20, "--duration", 2)
            all_delivered(d)
            assert len(server.records()) > 700 and status(d)["dead_letters"] == 0, (len(server.records()), health(d))
        put(d, 1)
        wait_health(d, "down", f"https://localhost:{port}: ")
        with HAProxy(d, text):
            all_delivered(d)
        in_order_for_each_vehicle([r for r in server.records() if not r["txid"].startswith("said-")])
        assert speeds(server)[-1] == 1


# ---- configuration --------------------------------------------------------------------

def mistakes():
    """Each mistake in an option with its line and column, and the nearest valid name."""
    d = Daemon(BOTH, ARCHIVE + """  http:
    plugin: http
    options:
      formt: influx
      format: inflx
      url: ftp://example.com/
      timeout: 5 ms
      connections: 1000
      max_records: 0
      max_bytes: 5
      certificate: /c.pem
      tokens_file: /tokens
      measurement: "%{vim}"
      headers:
        "X Y": a
        Connection: close
""")
    check_mistakes(d, ("formt: influx", 'did you mean "format"?'), ("format: inflx", "one of json|"))
    for line in ("formt: influx", "format: inflx"):  # options are checked when they have their types
        d.sinks = d.sinks.replace(f"      {line}\n", "")
    check_mistakes(d, ("url: ", "it must begin with http:// or https://"), ("timeout: ", "timeout must be between"),
          ("connections: ", "connections must be between 1 and 64"), ("max_records: ", "max_records must be between 1"),
          ("max_bytes: ", "max_bytes must be between 1 kB"), ("certificate: ", "certificate needs `key:`"),
          ("tokens_file: ", "no effect without `format: abrp`"), ("measurement: ", "measurement: the word in braces"),
          ('"X Y": ', "the name of a header"), ("Connection: ", "fleetroute sets this header itself"))
    d.sinks = d.sinks.replace("ftp://example.com/", '"https://me:secret\\x40example.com/"')
    check_mistakes(d, ("url: ", "it must not have a user name"))
    d.sinks = ARCHIVE + "  http:\n    plugin: http\n    options:\n      format: abrp\n"
    check_mistakes(d, ("format: abrp", "format abrp needs `tokens_file:`"))
    d.sinks = ARCHIVE + "  http:\n    plugin: http\n    options:\n      format: influx\n"
    check_mistakes(d, ("format: influx", "the sink needs `url:`"))
    shutil.rmtree(d.folder)


run_parts(trip, outage, conflict, formats, unfit, abrp, poison_400, poison_422, poison_500, poison_reset, too_large,
          load_outage, refusing_servers, retry_after, credentials, stop_while_away, dead_name_server, hostile_early,
          hostile_late, huge_answer, tls, http2, mistakes)
