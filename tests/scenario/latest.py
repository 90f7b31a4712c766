#!/usr/bin/env python3
"""State: after an outage only the newest value of each vehicle and field; last values are restored,
marked, and set off no automation; a vehicle's presence spans its connections and a restart."""
import json
import os

from fr import PATIENCE, Daemon, VIN, fleetroute, run_parts, vector, wait_until

HOME, AWAY = {"latitude": 52.5, "longitude": 13.4}, {"latitude": 52.6, "longitude": 13.5}


def newest_only():
    sinks = '  state: {plugin: fault, delivery: latest, retry: {min: 20 ms, max: 50 ms}, ' \
            'options: {path: "@/state.jsonl", retry_while: "@/unavailable"}}'
    with Daemon("fields: [{field: [Soc, VehicleSpeed, Gear], to: state}]", sinks, journal="{}") as d:
        d.say({"Soc": 1, "VehicleSpeed": 1, "Gear": "P"})
        wait_until("the first are there", lambda: len(d.lines("state.jsonl")) == 3)
        open(d.path("unavailable"), "w").close()
        d.say(*({"Soc": n, "VehicleSpeed": n} for n in range(2, 102)))
        d.say({"Soc": 7, "age": 3600})  # late: what waits is newer
        wait_until("all is read", lambda: d.status()["sinks"]["state"]["received"] == 102)
        os.unlink(d.path("unavailable"))
        wait_until("it goes on", lambda: d.status()["sinks"]["state"]["lag"] == 0)
        values = [(r["field"], r["value"]) for r in d.records("state.jsonl")[3:]]
        assert len(values) <= 4, values  # one was in the plugin's hands, one waited
        assert values[-1][1] == 101 and values[-2][1] == 101 or \
            {v for v in values if v[1] == 101} == {("Soc", 101), ("VehicleSpeed", 101)}, values
        assert d.status()["sinks"]["state"]["replaced"] >= 196
        # Down over a restart, with a backlog: again the newest only, and in the plugin's time.
        open(d.path("unavailable"), "w").close()
        d.say(*({"Soc": n} for n in range(200, 300)))
        before = len(d.lines("state.jsonl"))
        d.kill()
        os.unlink(d.path("unavailable"))
        d.start()
        wait_until("it goes on", lambda: d.status()["sinks"]["state"]["lag"] == 0 and
                   len(d.lines("state.jsonl")) > before)
        soc = [r for r in d.records("state.jsonl")[before:] if r["field"] == "Soc"]
        assert soc[-1]["value"] == 299 and len(soc) <= 2, soc


def restored_and_never_an_edge():
    sinks = '  state: {plugin: fault, delivery: latest, options: {path: "@/state.jsonl"}}\n' \
            '  door: {plugin: fault, delivery: latest, options: {path: "@/door.jsonl"}}\n' \
            '  log: {plugin: fault, options: {path: "@/log.jsonl"}}'
    routing = 'fields:\n' \
              '  - {field: Location, to: door, edge_only: true, max_age: 30 s}\n' \
              '  - {field: [Location, Soc], to: [state, log]}'
    with Daemon(routing, sinks, journal="{}") as d:
        d.say({"Location": AWAY, "Soc": 60})
        # A second location before the first is delivered would replace it.
        wait_until("the first is delivered", lambda: len(d.lines("state.jsonl")) == 2 and
                   len(d.lines("door.jsonl")) == 1)
        d.say({"Location": HOME})
        wait_until("the door has both", lambda: len(d.lines("door.jsonl")) == 2)
        wait_until("the state too", lambda: len(d.lines("state.jsonl")) == 3)
        wait_until("the log too", lambda: len(d.lines("log.jsonl")) == 3)
        for kill in (True, False):
            before = len(d.lines("state.jsonl"))
            d.kill() if kill else d.end()
            d.start()
            wait_until("values are restored", lambda: len(d.lines("state.jsonl")) >= before + 2)
            restored = d.records("state.jsonl")[before:]
            assert {r["field"]: r["value"] for r in restored} == {"Location": HOME, "Soc": 60}
            # After kill -9 what was just delivered may come again, and says so.
            assert all(r.get("restored") or (kill and r.get("repeated")) for r in restored), restored
            # Parked at home it says so again: no arrival. Nor is what is resent from an hour ago.
            d.say({"Location": HOME})
            d.say({"Location": AWAY, "age": 3600}, new=False)
            wait_until("both are read", lambda: d.status()["sinks"]["door"]["lag"] == 0)
            assert len(d.lines("door.jsonl")) == 2, d.lines("door.jsonl")
        assert not any("restored" in line for line in d.lines("log.jsonl"))
        once = [r for r in d.records("log.jsonl") if not r.get("repeated")]
        assert len(once) == 7, once
        d.say({"Location": AWAY})
        d.say({"Location": HOME})
        wait_until("a real arrival opens it", lambda: len(d.lines("door.jsonl")) == 4)
        # A sink that is new gets the whole state, too.
        d.sinks += '\n  fresh: {plugin: fault, delivery: latest, options: {path: "@/fresh.jsonl"}}'
        d.routing += "\n  - {field: Soc, to: fresh}"
        d.reload()
        wait_until("it has the state", lambda: len(d.lines("fresh.jsonl")) == 1)
        assert d.records("fresh.jsonl")[0]["value"] == 60
        shown = json.loads(fleetroute("values", "-s", d.control, "--json", VIN).stdout)
        assert shown["values"]["Soc"]["value"] == 60 and shown["values"]["Location"]["value"] == HOME
        assert "Soc" in fleetroute("values", "-s", d.control, VIN).stdout
        unknown = fleetroute("values", "-s", d.control, "X", check=False)
        assert unknown.returncode == 1 and "VIN" in unknown.stderr


def presence():
    sinks = '  p: {plugin: fault, options: {path: "@/presence.jsonl"}}'

    def said(d):
        return [r["status"] for r in d.records("presence.jsonl") if not r.get("repeated")]

    with Daemon("records: [{type: presence, to: p}]", sinks, "limits: {presence_grace: 500 ms}",
                journal="{}") as d:
        wifi, lte = d.car(), d.car()
        wait_until("it is there", lambda: said(d) == ["CONNECTED"])
        wifi.close()
        wait_until("one is gone", lambda: d.status()["connections"] == 1)
        again = d.car()
        lte.close()
        wait_until("the other is gone", lambda: d.status()["connections"] == 1)
        again.close()
        wait_until("it is gone", lambda: said(d) == ["CONNECTED", "DISCONNECTED"])
        stays, leaves = d.car(), d.car(vin="5YJ3E1EA7KF000002")
        wait_until("both are there", lambda: said(d).count("CONNECTED") == 3)
        stays.send(vector("01_v_three_datums"))
        assert stays.receive_reply()[0] == "ack"
        shown = json.loads(fleetroute("values", "-s", d.control, "--json", VIN).stdout)
        assert shown["presence"]["status"] == "CONNECTED", shown
        d.extra = f"limits: {{presence_grace: {int(3000 * PATIENCE)} ms}}"
        d.kill()
        d.start()
        back = d.car()  # within the grace; the other one never
        wait_until("the other is missed", lambda: said(d).count("DISCONNECTED") == 2)
        assert d.records("presence.jsonl")[-1]["vin"] == "5YJ3E1EA7KF000002"
        assert said(d).count("CONNECTED") == 3, said(d)
        for car in (back, stays, leaves):
            car.close()


if __name__ == "__main__":
    run_parts(newest_only, restored_and_never_an_edge, presence)
