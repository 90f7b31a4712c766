#!/usr/bin/env python3
"""A creation time far in the future has no effect on later records: they are not flagged `late`, they update
the last values, and edge_only delivers the next edge. For records of a vehicle and of a replay."""
import json
import time

from hostile import VIN, Daemon, Hostile, field, fleetroute, vehicle_data, wait_until

SINKS = """  archive: {plugin: file, options: {path: "@/V.jsonl"}}
  door: {plugin: file, options: {path: "@/door.jsonl"}}"""
ROUTING = """fields: [{field: VehicleSpeed, to: door, edge_only: true}]
records: [{type: V, to: archive}]
"""
SPEED = 4


def speed(kilometres):
    return [(SPEED, field(5, float(kilometres)))]


def last_speed(d):
    out = fleetroute("values", "-s", d.control, VIN, "--json", check=False)
    return out.stdout + out.stderr


def send(car, kilometres, created):
    car.message(payload=vehicle_data(speed(kilometres), created=created))
    assert car.receive_reply()[0] == "ack"


with Daemon(ROUTING, SINKS, journal="{values_every: 100 ms}") as d:
    car = Hostile(d)
    send(car, 10, time.time())
    for ahead in (301, 3600, 10 * 365 * 86400, 9_000_000_000, 2**62, 2**63 - 1):
        send(car, 66, time.time() + ahead if ahead < 2**60 else ahead)
    send(car, 30, time.time() + 290)  # up to 5 minutes ahead is accepted
    send(car, 50, time.time() + 295)
    wait_until("all records are delivered", lambda: len(d.records("V.jsonl")) == 9)
    records = d.records("V.jsonl")
    assert ["created_at" in r for r in records] == [True] + 6 * [False] + 2 * [True], records
    assert not any(r.get("late") for r in (records[0], *records[-2:])), records
    assert d.count("records_created_in_the_future") in (4, 5, 6), d.status()
    # Edges of the sink `door`: a record from the future is no edge, a later one is.
    wait_until("the last edge is delivered",
               lambda: [r["value"] for r in d.records("door.jsonl")][-1:] == [50])
    values = [r["value"] for r in d.records("door.jsonl")]
    assert values[-2:] == [30, 50] and values[0] == 10, values
    wait_until("the last value is updated", lambda: "50" in last_speed(d))
    car.close()
    # A replayed record whose received_at is in the future as well.
    before = d.count("records_created_in_the_future")
    line = {"type": "V", "vin": VIN, "txid": "r-1", "created_at": "2099-01-01T00:00:00.000Z",
            "received_at": "2099-01-01T00:00:00.000Z", "data": {"VehicleSpeed": 99}}
    d.say(json.dumps(line))
    wait_until("the replayed record is delivered", lambda: len(d.records("V.jsonl")) == 10)
    assert d.count("records_created_in_the_future") == before + 1
    assert "created_at" not in d.records("V.jsonl")[-1]
    assert d.records("V.jsonl")[-1]["received_at"] < "2098"
