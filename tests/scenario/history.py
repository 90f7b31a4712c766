#!/usr/bin/env python3
"""The history of a vehicle: values of a week, the track and the session of a drive, alerts, connections and
signals; it survives kill -9 without counting twice, damage and a full disk, and delays nothing."""
import json
import os
import sys
import time

from faults import Faults
from fr import PATIENCE, SOURCE, VIN, Daemon, fleetroute, run_parts, wait_until

sys.path.insert(0, f"{SOURCE}/tests/attack")
from messages import alerts, envelope  # noqa: E402

ALL = 'records: [{type: "*", to: archive}]'
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}'
HOUR, DAY = 3600, 86400


def history(d, *arguments, check=True):
    out = fleetroute("history", "-s", d.control, "--json", *arguments, check=check)
    return json.loads(out.stdout) if out.returncode == 0 else out.stderr


def series(d, *fields, last="1 d", points=500):
    return history(d, "--last", last, "-n", points, VIN, *fields)["series"]


PARKED = "5YJ3E1EA7KF999999"  # none of those that are simulated


def signals(d, vin=VIN):
    return history(d, "--signals", vin)["signals"]


def week_is_charted():
    """Values with creation times in the past: each range has its own resolution, with the extremes kept."""
    with Daemon(ALL, FILE, journal="{}", extra="history: {}") as d:
        lines = [{"age": age, "Soc": 50 + age % 7, "InsideTemp": 20.5} for age in range(6 * DAY, 0, -300)]
        d.say(*lines, {"age": 3 * DAY - 17, "Soc": 99.5})
        soc = wait_until("the week is there", lambda: (s := series(d, "Soc", last="7 d")[0])["t"] and s)
        assert soc["level"] == "minute" and soc["unit"] == "%", soc
        assert 400 < len(soc["t"]) <= 500, len(soc["t"])
        assert max(soc["max"]) == 99.5 and min(soc["min"]) == 50, soc
        assert soc["t"] == sorted(soc["t"])
        assert series(d, "Soc", last="1 h")[0]["level"] == "raw"
        assert len(series(d, "Soc", last="1 h")[0]["t"]) in (11, 12)
        begun = time.monotonic()
        series(d, "Soc", "InsideTemp", last="7 d", points=2000)
        assert time.monotonic() - begun < 2 * PATIENCE
        assert "there is no field" in history(d, VIN, "NoSuchField", check=False)
        assert "VIN is invalid" in history(d, "../../etc", "Soc", check=False)
        assert series(d, "VehicleSpeed")[0]["t"] == []


def drive_has_a_track_a_session_alerts_and_connections():
    with Daemon(ALL, FILE, journal="{}", extra="limits: {presence_grace: 100 ms}\nhistory: {}") as d:
        d.simulate("--speed", 20)
        answer = wait_until("the trip", lambda: (a := history(d, "--sessions", VIN))["sessions"] and a)
        kinds = {s["kind"] for s in answer["sessions"]}
        assert kinds == {"drive", "charge"}, answer
        drive = [s for s in answer["sessions"] if s["kind"] == "drive"][0]
        assert 0.5 < drive["distance_mi"] < 1.5 and drive["max_speed_mph"] > 40, drive
        track = history(d, "--track", VIN)
        assert track["drive"]["begin"] == drive["begin"]
        assert 3 <= len(track["lat"]) <= 50 and abs(track["lat"][-1] - 37.4) < 0.001, track
        gear = series(d, "Gear")[0]
        assert gear["v"] == ["P", "D", "P"], gear
        car = d.car()
        car.send(envelope("alerts", alerts(["<b>PCS</b>\x1b[2J"]), VIN))
        d.wait_count("records_alerts", 1)
        car.close()
        found = wait_until("the alert", lambda: history(d, "--alerts", VIN)["alerts"])
        assert len(found) == 1 and found[0]["name"].startswith("<b>PCS</b>"), found
        ends = {(of, connected) for of in ("vehicle", "connection") for connected in (True, False)}
        wait_until("both ends of the connections", lambda: ends == {
            (c["of"], c["connected"]) for c in history(d, "--connections", VIN)["connections"]})
        text = fleetroute("history", "-s", d.control, "--alerts", VIN).stdout
        assert "\x1b" not in text, text


def kill_counts_nothing_twice():
    with Daemon(ALL, FILE, journal="{}", extra="history: {}") as d:
        d.say(*({"Soc": n, "age": 100 - n} for n in range(100)))
        wait_until("they are written", lambda: signals(d) == 100)
        for _ in range(3):
            d.kill()
            d.start()
            assert signals(d) == 100
        d.end()
        d.start()
        d.say({"Soc": 5})
        wait_until("it continues", lambda: signals(d) == 101)
        assert d.count("history_records_missed") == 0


def damaged_and_full_files_are_mended():
    """What is lost is read again from the journal; records are acknowledged and delivered meanwhile."""
    with Daemon(ALL, FILE, journal="{}", extra="history: {}") as d:
        d.say(*({"Soc": n, "age": 1000 - n} for n in range(500)))
        wait_until("they are written", lambda: signals(d) == 500)
        for damage in (lambda data: data[:len(data) // 2], lambda data: bytes(len(data)),
                       lambda data: data[:8192] + os.urandom(len(data) - 8192), lambda data: b""):
            d.kill()
            with open(d.path("state/history/data.mdb"), "r+b") as f:
                torn = damage(f.read())
                f.seek(0)
                f.truncate()
                f.write(torn)
            d.start()
            wait_until("they are read again", lambda: signals(d) == 500)
        assert "is rebuilt from the journal" in d.log_text()


def failing_disk_delays_nothing():
    with_faults = Daemon(ALL, FILE, journal="{}", extra="history: {}")
    faults = Faults(with_faults)
    with with_faults as d:
        d.say({"Soc": 1, "vin": PARKED})
        wait_until("it is written", lambda: signals(d, PARKED) == 1)
        for n, rule in enumerate(("write history/data.mdb ENOSPC", "write history/data.mdb EIO")):
            faults.set(rule)
            before = d.count("acknowledged")
            d.simulate("--vehicles", 5, "--rate", 50, "--duration", 1)
            assert d.count("acknowledged") >= before + 200
            d.say({"Soc": n, "vin": PARKED})
            wait_until("the fault is reported", lambda: d.status()["history"]["health"] == "degraded")
            assert d.status()["journal"]["health"] == "up"
            wait_until("sinks are served", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
            faults.clear()
            wait_until("it is written after all", lambda: signals(d, PARKED) == n + 2)
            wait_until("it is well", lambda: d.status()["history"]["health"] == "up")


def settings_are_applied():
    """Off; chosen fields; a bound of vehicles; without a journal."""
    with Daemon(ALL, FILE, journal="{}", extra="history: off") as d:
        assert "`history: {}`" in history(d, VIN, "Soc", check=False)
        assert d.status()["history"] is None and not os.path.exists(d.path("state/history"))
        d.extra = "history: {vehicles: 2, fields: [Soc], size: 4 MB, keep: 2 d}"
        assert "`history:` has changed: it needs a restart" in d.reload().stdout
        d.end()
        d.start()
        for n in range(4):
            d.say({"vin": f"5YJ3E1EA7KF00000{n}", "Soc": 5, "VehicleSpeed": 3})
        wait_until("vehicles beyond the bound are counted",
                   lambda: d.count("history_records_of_vehicles_over_bound") == 2)
        status = d.status()["history"]
        assert status["vehicles"] == 2 and status["size"] == 4000000, status
        answer = history(d, "5YJ3E1EA7KF000000", "Soc", "VehicleSpeed")["series"]
        assert len(answer[0]["t"]) == 1 and answer[1]["t"] == [], answer
    with Daemon(ALL, FILE) as d:
        assert "needs a journal" in history(d, VIN, "Soc", check=False)


if __name__ == "__main__":
    run_parts(week_is_charted, drive_has_a_track_a_session_alerts_and_connections, kill_counts_nothing_twice,
              damaged_and_full_files_are_mended, failing_disk_delays_nothing, settings_are_applied)
