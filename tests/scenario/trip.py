#!/usr/bin/env python3
"""A car's trip arrives in files as it was driven: every record, typed values, events of coming
and going; a tunnel's backlog is delivered with is_resend; Wi-Fi and LTE overlap; tail shows it."""
import subprocess

from fr import BUILD, PATIENCE, VIN, Daemon, fleetroute, wait_until

SINKS = """  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}
  values: {plugin: file, options: {path: "@/values.jsonl"}}"""
ROUTING = f"""vehicles: [{{vin: {VIN}, name: Melan Y}}]
records: [{{type: "*", to: archive, ack: archive}}]
fields:
  - {{field: Gear, to: values, edge_only: true}}
  - {{field: VehicleSpeed, to: values, unit: km/h, every: 100 ms, as: speed}}
  - {{field: Location, to: values, min_change: 100, max_age: 10 s}}
"""


def values(d, name):
    return [r for r in d.records("values.jsonl") if r["field"] == name]


def invalid_options():
    for words, message in ((["--rate", "-1"], '--rate must be a number from 0 to 1e9, not "-1"'),
                           (["--rate", "nan"], "--rate must be a number"),
                           (["--vehicles", "12x"], '--vehicles must be a whole number from 0 to 4294967295, not "12x"'),
                           (["--first", "-1"], "--first must be"), (["--data", "99999999999999999999"], "--data must be"),
                           (["--speed", "0"], "--speed must be more than 0"),
                           (["--home", "1,2x"], "--home must be LAT,LON in degrees"),
                           (["--tunnel", "5"], "--tunnel must be AT,FOR in s"),
                           (["--nonsense"], "see `fleetroute simulate --help`"), ([], "--pki DIR is required")):
        done = fleetroute("simulate", *words, check=False)
        assert done.returncode == 1 and message in done.stderr, (words, done)
    assert fleetroute("simulate", "-h").stdout == fleetroute("simulate", "--rate", 1, "--help").stdout


def whole_trip(d):
    out = d.simulate("--speed", 40).stdout
    messages, acknowledged, refused = (int(word) for word in out.split() if word.isdigit())
    assert messages > 100 and acknowledged == messages and refused == 0, out
    wait_until("all records are written", lambda: len(d.lines("V.jsonl")) == messages)
    records = d.records("V.jsonl")
    assert {r["vin"] for r in records} == {VIN} and {r["name"] for r in records} == {"Melan Y"}
    assert len({r["txid"] for r in records}) == messages
    gears = [r["data"]["Gear"] for r in records if "Gear" in r["data"]]
    assert gears == ["P", "D", "P"], gears
    states = [r["data"]["DetailedChargeState"] for r in records if "DetailedChargeState" in r["data"]]
    assert states == ["Disconnected", "Starting", "Charging", "Complete"], states
    last = [r["data"]["Location"] for r in records if "Location" in r["data"]][-1]
    assert abs(last["latitude"] - 37.4) < 1e-3 and abs(last["longitude"] + 122.1) < 1e-3, last
    # The first P only repeats what the trip before ended with: no edge.
    assert [v["value"] for v in values(d, "Gear")] == ["D", "P"]
    wait_until("the last speed's window closes", lambda: values(d, "speed")[-1]["value"] == 0)
    speeds = [v["value"] for v in values(d, "speed")]
    assert 66 < max(speeds) < 68 and values(d, "speed")[0]["unit"] == "km/h", speeds
    assert 10 < len(values(d, "Location")) < 30, len(values(d, "Location"))
    status = wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 2 and
                        [r["status"] for r in d.records("connectivity.jsonl")])
    assert status == ["CONNECTED", "DISCONNECTED"], status


def tunnel(d):
    before = len(d.lines("V.jsonl"))
    out = d.simulate("--speed", 20, "--tunnel", "20,40").stdout
    messages, acknowledged, _ = (int(word) for word in out.split() if word.isdigit())
    assert acknowledged == messages, out
    wait_until("the backlog is written", lambda: len({r["txid"] for r in d.records("V.jsonl")[before:]})
               == messages)


def overlap(d):
    wait_until("the car of the trip before is gone", lambda: d.status()["connections"] == 0 and
               [r["status"] for r in d.records("connectivity.jsonl")][-1] == "DISCONNECTED")
    before = len(d.lines("connectivity.jsonl"))
    d.simulate("--speed", 20, "--overlap")
    events = wait_until("both are gone", lambda: len(d.lines("connectivity.jsonl")) == before + 4 and
                        d.records("connectivity.jsonl")[before:])
    seen = [(e["networkInterface"], e["status"]) for e in events]
    assert seen == [("cellular", "CONNECTED"), ("wifi", "CONNECTED"), ("cellular", "DISCONNECTED"),
                    ("wifi", "DISCONNECTED")], seen


def tail(d):
    """The daemon may accept the client late, so it does not end by itself after the first values."""
    def shown():
        with open(d.path("shown")) as f:
            return f.read()
    with open(d.path("shown"), "w") as out:
        view = subprocess.Popen([f"{BUILD}/fleetroute", "tail", "-s", d.control, "--redact", "--field",
                                 "Gear", "--field", "Location"], stdout=out)
    d.simulate("--speed", 40)
    wait_until("the trip is displayed", lambda: "Gear" in shown() and "5YJ-" in shown() and "37.39" in shown())
    view.terminate()
    view.wait(20 * PATIENCE)
    assert VIN not in shown(), shown()


invalid_options()
with Daemon(ROUTING, SINKS) as d:
    tail(d)
    wait_until("the first trip is written", lambda: len(d.lines("connectivity.jsonl")) == 2)
    for name in ("V.jsonl", "connectivity.jsonl", "values.jsonl"):
        open(d.path(name), "w").close()
    whole_trip(d)
    tunnel(d)
    overlap(d)
