#!/usr/bin/env python3
"""A delivery that fails costs itself: it delays later ones of its vehicle and record type, and nothing
else; it goes to the dead letters after a bounded number of attempts; health says so with the reason."""
import json
import os
import time

from fr import Daemon, VIN, fleetroute, run_parts, wait_until

SECOND = "5YJ3E1EA7KF000002"
ROUTES = 'records: [{type: "*", to: odd}]'


def odd(more, retry="min: 20 ms, max: 200 ms, attempts: 4"):
    return f'  odd: {{plugin: fault, retry: {{{retry}}}, options: {{path: "@/odd", {more}}}}}'


def sink(d):
    return d.status()["sinks"]["odd"]


def letters(d):
    return d.records("state/dead-letters/odd.jsonl")


def alert(n, vin=VIN):
    return json.dumps({"type": "alerts", "vin": vin, "txid": f"alert-{n:06d}",
                       "created_at": "2026-11-24T00:00:00.000Z", "received_at": "2026-11-24T00:00:00.000Z",
                       "alerts": [{"name": f"a{n}", "audiences": [], "started_at": "2026-11-24T00:00:00.000Z"}]})


def one_type_fails():
    """Alerts have no place to go. Vehicle data goes on, in order, without waiting for anything."""
    with Daemon(ROUTES, odd('fail: alerts, fail_until: "@/repaired"'), journal="{}") as d:
        d.say(alert(1))
        wait_until("it is degraded", lambda: sink(d)["health"] == "degraded", 10)
        assert "cannot store alerts" in sink(d)["why"] and "repaired" in sink(d)["why"], sink(d)
        for n in range(50):
            d.say({"Soc": n})
        wait_until("vehicle data goes on", lambda: len(d.records("odd")) == 50, 2)
        assert [r["data"]["Soc"] for r in d.records("odd")] == list(range(50))
        wait_until("the alert is a dead letter", lambda: sink(d)["dead_letters"] == 1)
        letter = letters(d)[0]
        assert letter["attempts"] == 4 and "cannot store" in letter["reason"], letter
        wait_until("nothing is left", lambda: sink(d)["lag"] == 0 and sink(d)["retrying"] == 0)
        # Repaired, the dead letter is sent again.
        open(d.path("repaired"), "w").close()
        fleetroute("replay", "-s", d.control, d.path("state/dead-letters/odd.jsonl"))
        wait_until("it is delivered", lambda: len(d.records("odd")) == 51)
        assert d.records("odd")[-1]["txid"] == "alert-000001"


def order_is_kept():
    """What fails for a while is delivered in its order, and nothing becomes a dead letter."""
    sinks = odd('fail: alerts, fail_until: "@/repaired"', "min: 50 ms, max: 100 ms, attempts: 100")
    with Daemon(ROUTES, sinks, journal="{}") as d:
        d.say(*(alert(n) for n in range(30)), *(alert(100 + n, SECOND) for n in range(30)))
        wait_until("they wait", lambda: sink(d)["retrying"] == 2)
        open(d.path("repaired"), "w").close()
        wait_until("all are delivered", lambda: len(d.records("odd")) == 60)
        for vin, first in ((VIN, 0), (SECOND, 100)):
            got = [r["txid"] for r in d.records("odd") if r["vin"] == vin]
            assert got == [f"alert-{first + n:06d}" for n in range(30)], got
        assert sink(d)["dead_letters"] == 0


def bounds():
    """More failing deliveries than may wait: the oldest are dead letters early, and none is lost."""
    sinks = odd('fail: alerts, fail_until: "@/repaired"', "min: 1 s, max: 10 s, attempts: 100")
    with Daemon(ROUTES, sinks, journal="{}") as d:
        d.say(*(alert(n) for n in range(500)), {"Soc": 1})
        wait_until("vehicle data goes on", lambda: len(d.records("odd")) == 1, 5)
        wait_until("all but 64 are dead letters", lambda: sink(d)["dead_letters"] >= 430, 5)
        open(d.path("repaired"), "w").close()
        wait_until("the others are delivered", lambda: sink(d)["lag"] == 0, 30)
        got = [r["txid"] for r in d.records("odd") if r["type"] == "alerts"]
        dead = [r["record"]["txid"] for r in letters(d)]
        assert sorted(got + dead) == [f"alert-{n:06d}" for n in range(500)], (len(got), len(dead))


def poisoned_vehicle():
    """A vehicle whose records are refused does not slow another down, and has them all kept."""
    with Daemon("records: [{type: V, to: odd}]", odd(f"refuse: {SECOND}"), journal="{}") as d:
        d.say(*({"Soc": n, "vin": vin} for n in range(500) for vin in (VIN, SECOND)))
        wait_until("both are through", lambda: sink(d)["lag"] == 0)
        assert sink(d)["retried"] == 0 and sink(d)["refused"] == 500, sink(d)
        assert [r["data"]["Soc"] for r in d.records("odd")] == list(range(500))
        assert [r["record"]["data"]["Soc"] for r in letters(d)] == list(range(500))
        assert {r["record"]["vin"] for r in letters(d)} == {SECOND}
        assert sink(d)["health"] == "degraded", sink(d)


def dead_letters_cannot_be_written():
    """No place for the dead letters: the delivery is kept, and written when there is a place."""
    with Daemon(ROUTES, odd('fail: alerts, fail_until: "@/repaired"'), journal="{}") as d:
        os.makedirs(d.path("state"), exist_ok=True)
        with open(d.path("blocker"), "w"):
            os.rename(d.path("state/dead-letters"), d.path("away")) \
                if os.path.exists(d.path("state/dead-letters")) else None
            os.rename(d.path("blocker"), d.path("state/dead-letters"))
        d.say(alert(1), {"Soc": 5})
        wait_until("the log says so", lambda: "dead letters cannot be written" in d.log_text())
        wait_until("vehicle data goes on", lambda: len(d.records("odd")) == 1)
        assert sink(d)["dead_letters"] == 0 and sink(d)["lag"] >= 1
        os.unlink(d.path("state/dead-letters"))
        wait_until("it is a dead letter", lambda: sink(d)["dead_letters"] == 1 and
                   len(letters(d)) == 1)
        wait_until("nothing is left", lambda: sink(d)["lag"] == 0)


def windows_are_no_lag():
    """A value that waits for its window is neither lag nor a stalled sink; the cursor waits for it."""
    routes = "fields: [{field: Soc, to: odd, every: 10 min}, {field: VehicleSpeed, to: odd}]"
    sinks = '  odd: {plugin: fault, stall_timeout: 1 s, options: {path: "@/odd"}}'
    with Daemon(routes, sinks, journal="{}") as d:
        d.say({"Soc": 1}, {"Soc": 2})
        wait_until("it waits", lambda: sink(d)["waiting_values"] == 1)
        begun = time.monotonic()
        while time.monotonic() < begun + 2:  # longer than `stall_timeout`
            assert sink(d)["lag"] == 0 and sink(d)["health"] == "up", sink(d)
        d.say({"VehicleSpeed": 5})
        wait_until("the other is delivered", lambda: len(d.records("odd")) == 2 and sink(d)["lag"] == 0)
        assert sink(d)["cursor"] < d.status()["journal"]["next"]
        d.end()
        assert [r["value"] for r in d.records("odd")] == [1, 5, 2]
        d.start()


def windows_are_no_lag_without_a_journal():
    routes = 'fields: [{field: "*", to: odd, every: 10 min}]'
    sinks = '  odd: {plugin: fault, stall_timeout: 1 s, options: {path: "@/odd"}}'
    with Daemon(routes, sinks) as d:
        d.simulate("--vehicles", 1, "--rate", 10, "--duration", 1)
        wait_until("values wait, and all else is delivered",
                   lambda: sink(d)["waiting_values"] >= 1 and sink(d)["unfinished"] == 0)
        begun = time.monotonic()
        while time.monotonic() < begun + 2:  # longer than `stall_timeout`
            assert sink(d)["unfinished"] == 0 and sink(d)["health"] == "up", sink(d)
        assert ", lag 0, " in fleetroute("status", "-s", d.control).stdout


if __name__ == "__main__":
    run_parts(one_type_fails, order_is_kept, bounds, poisoned_vehicle,
              dead_letters_cannot_be_written, windows_are_no_lag, windows_are_no_lag_without_a_journal)
