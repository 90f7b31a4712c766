#!/usr/bin/env python3
"""Hostile vehicles and a hostile Home Assistant: the memory of ha_websocket is bounded, and it continues."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import PATIENCE, Daemon, SOURCE, VIN, run_parts, wait_until  # noqa: E402
from home_assistant import FakeHome  # noqa: E402
from messages import alerts, bare_errors, datum, envelope, errors, field, vehicle_data  # noqa: E402

ODOMETER = 5
MOST_KB = int(os.environ.get("FR_MOST_KB", 150_000))  # a build with sanitizers needs more


def daemon(home, routing, **settings):
    d = Daemon(routing, f'  home: {{plugin: ha_websocket, delivery: log, retry: {{min: 20 ms, max: 100 ms}}, '
                        f'options: {{url: "http://127.0.0.1:{home.port}", token_file: "@/token", '
                        f'entities: {os.path.join(SOURCE, "etc/entities.yaml")}}}}}\n', **settings)
    with open(d.path("token"), "w") as f:
        f.write("secret\n")
    return d


def many_alerts():
    """A record with more alerts than commands may be in flight: each alert is sent once, in order, and the
    record is delivered; also a record with a name that is not UTF-8."""
    routing = "records: [{type: alerts, to: home, as: notification, ack: home}, {type: errors, to: home, ack: home}]"
    with FakeHome() as home, daemon(home, routing) as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["home"]["health"] == "up")
        car = d.car()
        car.send(envelope("alerts", alerts([f"a{i}" for i in range(300)]), VIN))
        assert car.receive_reply()[0] == "ack"
        assert [c["event_data"]["name"] for c in home.of_type("fire_event")] == [f"a{i}" for i in range(300)]
        assert len(home.of_type("call_service")) == 300
        home.commands.clear()
        car.send(envelope("errors", bare_errors(*(f"e{i}" for i in range(4_000))), VIN))
        car.send(envelope("errors", errors(["later"]), VIN))
        assert car.receive_reply()[0] == car.receive_reply()[0] == "ack"
        names = [c["event_data"]["name"] for c in home.of_type("fire_event")]
        assert names == [f"e{i}" for i in range(4_000)] + ["later"], (len(names), names[:3], names[-3:])
        home.commands.clear()
        car.send(envelope("alerts", alerts(["long" * 60 + "ä" * 50]), VIN))
        assert car.receive_reply()[0] == "ack"
        assert home.of_type("call_service")[0]["service_data"]["message"].startswith("longlong")
        home.commands.clear()
        car.send(envelope("alerts", alerts([b"a\xff\xc3"]), VIN))
        assert car.receive_reply()[0] == "error", "a text that is not UTF-8, as in Tesla's server"
        car.close()


def silent_home():
    """Home Assistant answers no command: the commands in flight are bounded. All are sent
    when it answers again."""
    unanswered = []
    with FakeHome(answer=unanswered.append) as home, daemon(home, "records: [{type: errors, to: home, ack: home}]") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["home"]["health"] == "up")
        car = d.car()
        car.send(envelope("errors", bare_errors(*["e"] * 4000), VIN))
        wait_until("50 commands are sent", lambda: len(home.of_type("fire_event")) >= 50)
        time.sleep(0.3)  # more commands would be sent in this time
        assert len(unanswered) < 130, len(unanswered)
        home.answer = lambda c: {}
        for command in unanswered:  # also those that arrive meanwhile
            home.confirm(command)
        assert car.receive_reply()[0] == "ack"
        assert len(home.of_type("fire_event")) == 4000
        car.close()


class Devices:
    """Answers like a Home Assistant with these vehicles registered, except to the commands `silent`."""

    def __init__(self, d, *vins):
        self.vins, self.silent, self.unanswered = vins, lambda command: False, []
        os.makedirs(d.path("state/sinks/home"))
        for vin in vins:
            with open(d.path(f"state/sinks/home/{vin}.json"), "w") as f:
                json.dump({"webhook": f"hook-{vin}", "device_name": vin, "sensors": {}}, f)

    def __call__(self, command):
        if self.silent(command):
            self.unanswered.append(command)
            return None
        if command["type"] == "config/entity_registry/list":
            return [{"platform": "mobile_app", "entity_id": f"device_tracker.{vin.lower()}", "unique_id": vin}
                    for vin in self.vins]
        if command["type"] == "get_states":
            return [{"entity_id": f"device_tracker.{vin.lower()}", "state": "home", "attributes": {}}
                    for vin in self.vins]
        return {"status": 200, "body": json.dumps({"success": True})} if command["type"] == "webhook/handle" else {}


def one_late_answer():
    """One command of a vehicle is answered late: the commands of another vehicle do not wait for it, no state
    is lost, and the connection stays open."""
    other = VIN[:-1] + "2"
    with FakeHome() as home:
        d = daemon(home, "fields: [{field: Odometer, to: home}]")
        home.answer = devices = Devices(d, VIN, other)
        with d:
            wait_until("the sink is connected", lambda: d.status()["sinks"]["home"]["health"] == "up")
            cars = {vin: d.car(vin=vin) for vin in (VIN, other)}

            def drive(vin, km):
                cars[vin].send(envelope("V", vehicle_data(datum(ODOMETER, field(5, float(km)))), vin))
                assert cars[vin].receive_reply()[0] == "ack"

            def published(vin, km):
                return any(c["webhook_id"] == f"hook-{vin}" and f'"state":{km},' in c["body"]
                           for c in home.of_type("webhook/handle")[-20:])

            for vin in cars:
                drive(vin, 1)
                wait_until(f"{vin} has its states", lambda: published(vin, 1))
            devices.silent = lambda c: c.get("webhook_id") == f"hook-{VIN}"
            drive(VIN, 20)
            wait_until("a command is not answered", lambda: devices.unanswered)
            for i in range(300):
                drive(other, 1000 + i)
                wait_until(f"state {i} arrives", lambda: published(other, 1000 + i), 5)
            devices.silent = lambda c: False
            for command in devices.unanswered:
                home.confirm(command)
            assert home.connections == 1, f"{home.connections} connections"
            for car in cars.values():
                car.close()


def command_without_answer():
    """Home Assistant does not answer one command: after 20 s the sink reconnects, and states arrive."""
    with FakeHome() as home:
        d = daemon(home, "fields: [{field: Odometer, to: home}]\nrecords: [{type: errors, to: home, ack: home}]")
        home.answer = devices = Devices(d, VIN)
        devices.silent = lambda c: c["type"] == "get_states"
        with d:
            wait_until("the sink asks for the devices", lambda: home.of_type("get_states"))
            devices.silent = lambda c: False
            begun, car = time.monotonic(), d.car()
            car.send(envelope("V", vehicle_data(datum(ODOMETER, field(5, 7.0))), VIN))
            assert car.receive_reply()[0] == "ack"
            while home.connections == 1:  # other commands are answered
                assert time.monotonic() - begun < 30 * PATIENCE, "the sink does not reconnect"
                car.send(envelope("errors", errors(["e"]), VIN))
                assert car.receive_reply()[0] == "ack"
                time.sleep(0.1)
            wait_until("the state arrives", lambda: '"state":7,' in "".join(
                c["body"] for c in home.of_type("webhook/handle")))
            assert "no answer to a command" in d.log_text()
            car.close()


def unknown_entity():
    """Home Assistant accepts the registration of an entity, but not its states: its values become dead
    letters with the reason, other values are delivered, and the retries have pauses."""
    with FakeHome() as home:
        d = daemon(home, "fields: [{field: Odometer, to: home}, {field: Soc, to: home}]", journal="{}")
        devices = Devices(d, VIN)
        forgets = True

        def answer(command):
            body = json.loads(command.get("body", "{}"))
            if command["type"] == "webhook/handle" and body["type"] == "update_sensor_states" and forgets:
                return {"status": 200, "body": json.dumps(
                    {u["unique_id"]: {"success": False, "error": {"code": "not_registered"}}
                     if u["unique_id"] == "odometer" else {"success": True} for u in body["data"]})}
            return devices(command)

        def published(unique_id):
            return [u["state"] for c in home.of_type("webhook/handle") for b in [json.loads(c["body"])]
                    if b["type"] == "update_sensor_states" for u in b["data"] if u["unique_id"] == unique_id]

        home.answer = answer
        with d:
            wait_until("the sink is connected", lambda: d.status()["sinks"]["home"]["health"] == "up")
            d.say({"Odometer": 7}, {"Soc": 50})
            sink = wait_until("the value is dead-lettered", lambda: (
                lambda s: s["dead_letters"] == 1 and s["health"] == "degraded" and s)(d.status()["sinks"]["home"]))
            assert "has no entity odometer" in sink["why"], sink
            assert "delete the device" in sink["why"], sink
            wait_until("the other value is delivered", lambda: d.status()["sinks"]["home"]["delivered"] == 1)
            with open(d.path("state/dead-letters/home.jsonl")) as f:
                letters = [json.loads(line) for line in f]
            assert [letter["record"]["data"] for letter in letters] == [{"Odometer": 7}], letters
            asked = len(published("odometer"))
            assert 10 < asked < 60, asked
            time.sleep(1.5)  # longer than the retry of the state of a new entity
            assert len(published("odometer")) <= asked + 3, "the retries have no pause"
            forgets = False
            d.say({"Odometer": 8})
            wait_until("the next value is delivered", lambda: d.status()["sinks"]["home"]["delivered"] == 2)
            assert published("odometer")[-1] == 8 and published("battery")[-1] == 50


def new_token():
    """A token that is written while Home Assistant checks the old one is used at once."""
    with FakeHome() as home, daemon(home, "records: [{type: errors, to: home}]") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["home"]["health"] == "up")

        def accept(token):
            if token == "new":
                return True
            with open(d.path("token.new"), "w") as f:
                f.write("new\n")
            os.rename(d.path("token.new"), d.path("token"))
            return False

        home.accept = accept
        home.hang_up()
        wait_until("the token is refused", lambda: "refuses the token" in d.log_text())
        wait_until("the new token is used", lambda: d.status()["sinks"]["home"]["health"] == "up")


def oversized_frames():
    """Frames that are too large and messages of endless frames: the sink closes the connection at once."""
    routing = "records: [{type: errors, to: home}]"
    for what, flood, words in (
            ("one frame of 64 MiB", [b"\x81\x7f" + (64 << 20).to_bytes(8, "big"), bytes(1 << 20)], "more than 32 MiB"),
            ("frames of 1 MiB", [b"\x01\x01a", b"\x00\x7f" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)],
             "more than 32 MiB"),
            ("frames of a byte", [b"\x01\x01a", b"\x00\x01a" * 10_000], "more than 4096 frames"),
            ("masked frames", [b"", b"\x81\x81aaaaa" * 1000], "WebSocket protocol error"),
            ("no WebSocket", [b"", b"\xff" * (1 << 20)], "WebSocket protocol error")):
        with FakeHome(flood=flood) as home, daemon(home, routing) as d:
            wait_until(f"{what}: it is closed", lambda: words in d.status()["sinks"]["home"]["last_error"])
            wait_until(f"{what}: the sink reconnects", lambda: home.connections >= 2, 60)
            assert home.flooded / home.connections < 60 << 20, (what, home.flooded)
            assert d.status()["resident_kb"] < MOST_KB, (what, d.status()["resident_kb"])
            home.flood = None
            wait_until(f"{what}: the sink is up", lambda: d.status()["sinks"]["home"]["health"] == "up")


if __name__ == "__main__":
    run_parts(many_alerts, silent_home, one_late_answer, command_without_answer, unknown_entity,
              new_token, oversized_frames)
