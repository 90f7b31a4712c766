#!/usr/bin/env python3
"""`format: tesla-json`: unusual messages are delivered as Tesla's server delivers them, and none is lost."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import VIN, Daemon, fleetroute, run_parts, wait_until  # noqa: E402
from messages import alerts, datum, envelope, field, vehicle_data  # noqa: E402

SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}\n' \
        '  raw: {plugin: file, options: {path: "@/%{type}.pb"}}'
SPEED, SHIFT_STATE = 4, 9
BAD_NANOS = field(2, field(1, 1767225600) + field(2, -1))


def send(car, topic, payload):
    car.send(envelope(topic, payload, VIN))
    return car.receive_reply()[0]


def unusual():
    """A known field with another wire type, a group and text with NUL do not cost the rest of the record."""
    with Daemon("records: [{type: V, to: archive, ack: archive, format: tesla-json}]", SINKS) as d:
        car = d.car()
        group = bytes([9 << 3 | 3]) + field(1, 5) + bytes([9 << 3 | 4])
        payload = datum(SPEED, field(1, 7) + field(1, "a\0b")) + group + field(2, 5) + \
            datum(SPEED, field(SHIFT_STATE, 99))
        assert send(car, "V", payload) == "ack"
        wait_until("the record is written", lambda: len(d.lines("V.jsonl")) == 1)
        assert d.lines("V.jsonl")[0] == (
            '{"data":[{"key":"VehicleSpeed","value":{"stringValue":"a\\u0000b"}},'
            '{"key":"VehicleSpeed","value":{"shiftStateValue":99}}],'
            f'"createdAt":null,"vin":"{VIN}","isResend":false}}'), d.lines("V.jsonl")
        car.close()


def error_reply():
    """A time that RFC 3339 cannot express gets the error reply, but only for a type with this format."""
    routing = """records:
      - {type: V, to: archive, ack: archive, format: tesla-json}
      - {type: alerts, to: archive, ack: archive}"""
    with Daemon(routing, SINKS) as d:
        car = d.car()
        assert send(car, "V", datum(SPEED, field(5, 65.5)) + BAD_NANOS) == "error"
        assert send(car, "V", vehicle_data(datum(SPEED, field(5, 65.5)), created=253402300800)) == "error"
        d.wait_count("payloads_malformed", 2)
        assert send(car, "alerts", alerts(["a"], started=253402300800)) == "ack"
        assert send(car, "V", vehicle_data(datum(SPEED, field(5, 65.5)), created=253402300799)) == "ack"
        wait_until("both are written", lambda: len(d.lines("V.jsonl")) == len(d.lines("alerts.jsonl")) == 1)
        assert json.loads(d.lines("V.jsonl")[0])["createdAt"] == "9999-12-31T23:59:59Z"
        car.close()


def dead_letter():
    """A record that did not come from a vehicle becomes a dead letter, never {}."""
    with Daemon("records: [{type: V, to: raw, ack: raw, format: protobuf}]", SINKS) as d:
        car = d.car()
        assert send(car, "V", datum(SPEED, field(5, 65.5)) + BAD_NANOS) == "ack"
        car.close()
        d.end()
        with Daemon("records: [{type: V, to: archive, format: tesla-json}]", SINKS, journal="{}") as other:
            fleetroute("replay", "-s", other.control, d.path("V.pb"))
            wait_until("it is a dead letter",
                       lambda: other.status()["sinks"]["archive"]["dead_letters"] == 1)
            assert other.lines("V.jsonl") == []
            assert "tesla-json cannot express" in other.log_text()


run_parts(unusual, error_reply, dead_letter)
