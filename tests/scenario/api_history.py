#!/usr/bin/env python3
"""The history over HTTP: the answers of `fleetroute history`, refusals, and the sharing of the threads by clients."""
import contextlib
import json
import os
import signal
import socket
import time

from admin_api import Client
from fr import PATIENCE, VIN, Daemon, fleetroute, free_port, run_parts, wait_until
from history import ALL, DAY, FILE, history, signals

UNKNOWN = "5YJ3E1EA7KF777777"
PARTS = ("history?fields=Soc", "track", "sessions", "alerts", "connections", "signals")


@contextlib.contextmanager
def served(extra="history: {}", **more):
    port = free_port()
    with Daemon(ALL, FILE, f"admin: {{port: {port}}}\n{extra}", journal="{}", **more) as d:
        yield d, Client(port)


def refusal(me, path):
    status, headers, body = me.ask(path)
    assert headers["Content-Type"] == "application/json", headers
    return status, json.loads(body).get("error")


def answers_are_those_of_the_tool():
    with served("limits: {presence_grace: 100 ms}\nhistory: {}") as (d, me):
        d.simulate("--speed", 20)
        wait_until("the trip", lambda: {s["kind"] for s in me.json(f"/api/vehicles/{VIN}/sessions")["sessions"]} ==
                   {"drive", "charge"})
        # Each request writes what arrived until then, at most once a second; the numbers stay afterwards.
        for option, what in (("--sessions", "sessions"), ("--alerts", "alerts"), ("--connections", "connections"),
                             ("--signals", "signals")):
            mine, tool = me.json(f"/api/vehicles/{VIN}/{what}"), history(d, option, VIN)
            assert mine["vin"] == VIN and mine[what] == tool[what], (what, mine, tool)
        track = me.json(f"/api/vehicles/{VIN}/track?points=5")
        assert track["drive"]["kind"] == "drive" and 2 <= len(track["lat"]) <= 5, track
        values = me.json(f"/api/vehicles/{VIN}/history?fields=Soc,Gear,VehicleSpeed&from=-3600000&points=2000")
        assert [s["field"] for s in values["series"]] == ["Soc", "Gear", "VehicleSpeed"], values
        assert values["to"] - values["from"] == 3600000 and 1 < len(values["series"][2]["t"]) <= 2000, values
        assert me.json(f"/api/vehicles/{VIN}/history?fields=Soc%2CGear")["series"][1]["v"] == ["P", "D", "P"]
        now = values["to"]
        later = me.json(f"/api/vehicles/{VIN}/history?fields=Soc&from={now + 1000}&to={now + 2000}")["series"][0]
        assert later["t"] == [] and later["avg"] == [], later
        one = me.json(f"/api/vehicles/{VIN}")  # the endpoint of the vehicle itself
        assert one["vin"] == VIN and "values" in one, one
        assert me.ask(f"/api/vehicles/{VIN}/signals", "HEAD")[2] == ""
        # A vehicle that is in the history alone.
        d.end()
        d.journal = "{retention: 1 h}"
        d.start()
        assert me.json(f"/api/vehicles/{VIN}/signals")["signals"] > 10


def requests_are_refused_with_a_reason():
    with served() as (d, me):
        d.say({"Soc": 1})
        wait_until("it is known", lambda: me.status(f"/api/vehicles/{VIN}/signals") == 200)
        for part in PARTS:
            assert refusal(me, f"/api/vehicles/{UNKNOWN}/{part}") == (404, "there is no such vehicle"), part
        for vin in ("..", "%2e%2e", "a%2fb", "%00", "x" * 65, "x" * 300, "%3Cb%3E", "%20"):
            status, _, _ = me.ask(f"/api/vehicles/{vin}/signals")
            assert status in (400, 404), (vin, status)
        for query, text in (("", "names no field"), ("fields=", "names no field"), ("fields=NoSuchField", "no field"),
                            ("fields=Soc&points=0", "points must be"), ("fields=Soc&points=2001", "points must be"),
                            ("fields=Soc&points=1e3", "points must be"), ("fields=Soc&from=x", "from must be"),
                            ("fields=Soc&from=99999999999999999999", "from must be"), ("fields=Soc&fields", "no value"),
                            ("fields=Soc&from=5000&to=4000", "before"), ("fields=Soc%zz", "% code"),
                            ("fields=Soc%00", "% code"), ("fields=Soc&evil=1", "parameters of a request"),
                            ("fields=" + ",".join(["Soc"] * 600), "longer than"),
                            ("fields=Soc,Gear,VehicleSpeed,Odometer,BatteryLevel,InsideTemp,OutsideTemp,PackVoltage,"
                             "PackCurrent,GpsHeading,IdealBatteryRange,EstBatteryRange,RatedRange,TpmsPressureFl,"
                             "TpmsPressureFr,TpmsPressureRl,TpmsPressureRr", "at most 16")):
            status, error = refusal(me, f"/api/vehicles/{VIN}/history?{query}")
            assert status == 400 and text in error, (query, status, error)
        assert "not allowed" in refusal(me, f"/api/vehicles/{VIN}/track?fields=Soc")[1]
        assert me.status(f"/api/vehicles/{VIN}/history/") == me.status(f"/api/vehicles/{VIN}/nothing") == 404
        assert me.status(f"/api/vehicles//history") == me.status("/api/vehicles/history/history") == 404
        assert me.status(f"/api/vehicles/{VIN}/signals", "POST", X_Fleetroute="1") == 405


def history_is_off():
    with served("history: off") as (d, me):
        d.say({"Soc": 1})
        for part in PARTS:
            status, error = refusal(me, f"/api/vehicles/{VIN}/{part}")
            assert status == 404 and "`history: {}`" in error, (part, status, error)


def redacted_names_are_understood():
    """With `log: {redact: true}` a page has the displayed form of a VIN alone."""
    with served("log: {redact: true}\nhistory: {}") as (d, me):
        d.simulate("--speed", 20)
        name = wait_until("the vehicle", lambda: me.json("/api/vehicles")["vehicles"])[0]["vin"]
        assert VIN not in name
        track = wait_until("the track", lambda: (t := me.json(f"/api/vehicles/{name}/track"))["lat"] and t)
        assert VIN not in json.dumps(track)
        assert all(round(x, 2) == x for x in track["lat"]), track


def slow_requests(port, count, source):
    """Open connections that each request much, and do not read. Returns them."""
    waiting = []
    fields = "VehicleSpeed,Soc,Odometer,InsideTemp,OutsideTemp,PackVoltage,PackCurrent,BatteryLevel"
    for _ in range(count):
        s = socket.socket()
        s.bind((source, 0))
        s.settimeout(30 * PATIENCE)
        s.connect(("127.0.0.1", port))
        s.sendall(f"GET /api/vehicles/{VIN}/history?fields={fields}&from=-{8 * DAY * 1000}&points=2000 HTTP/1.1\r\n"
                  f"Host: localhost\r\n\r\n".encode())
        waiting.append(s)
    return waiting


def status_of(s):
    return s.recv(100).split(b" ")[1].decode()


def clients_share_the_threads():
    """A client that sends many slow requests gets refusals; others are answered, and so is the event loop."""
    with served() as (d, me):
        d.say(*({"age": age, **{f: age % 97 for f in ("VehicleSpeed", "Soc", "Odometer", "InsideTemp", "OutsideTemp",
                                                       "PackVoltage", "PackCurrent", "BatteryLevel")}}
                for age in range(2 * DAY, 0, -60)))
        wait_until("they are written", lambda: signals(d) == 2 * DAY // 60 * 8)
        d.freeze()  # so that all requests arrive at once
        crowd = slow_requests(me.port, 24, "127.0.0.9")
        os.kill(d.process.pid, signal.SIGCONT)
        begun = time.monotonic()
        assert me.status(f"/api/vehicles/{VIN}/signals") == me.status("/api/vehicles") == 200
        mine = time.monotonic() - begun
        states = [status_of(s) for s in crowd]
        assert states.count("200") >= 1 and states.count("503") >= 8 and set(states) <= {"200", "503"}, states
        print(f"answered in {mine * 1e3:.0f} ms beside {states.count('200')} slow requests of another client")
        for s in crowd:
            s.close()
        # Clients that leave cancel their requests; the daemon answers others and ends.
        for s in slow_requests(me.port, 20, "127.0.0.9"):
            s.close()
        assert me.status(f"/api/vehicles/{VIN}/sessions") == 200
        crowd = slow_requests(me.port, 20, "127.0.0.9")
        out = fleetroute("history", "-s", d.control, "--signals", VIN)
        assert out.returncode == 0
    for s in crowd:
        s.close()


if __name__ == "__main__":
    run_parts(answers_are_those_of_the_tool, requests_are_refused_with_a_reason, history_is_off,
              redacted_names_are_understood, clients_share_the_threads)
