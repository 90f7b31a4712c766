#!/usr/bin/env python3
"""Records of unknown topics are written to one file. With `unknown_topics: pass` the number of topics is
bounded for each vehicle and in total. Acknowledgements have the topic of the message; routed topics keep
their names."""
import os

from hostile import VIN, Daemon, Hostile, wait_until

SINKS = '  archive: {plugin: file, options: {path: "@/topics/%{type}.jsonl"}}'
ROUTING = 'records: [{type: "*", to: archive}, {type: my.custom, to: archive}]'
INVALID = [b"a+b", b"a/b", b"..", b"../../x", b".hidden", b"#", b"V.jsonl.2026-01-01.gz", b"v", b"%{vin}",
       b"x" * 64, b"unknown"]


def files(d):
    return sorted(os.listdir(d.path("topics"))) if os.path.isdir(d.path("topics")) else []


def send(car, topic):
    car.message(topic=topic, sender=f"vehicle_device.{car.vin}")
    answer = car.receive()
    assert answer[0] == 2 and answer[1][35] == 5, (topic, answer)  # an acknowledgement
    assert topic in answer[1], (topic, answer)  # of this topic


def vehicle(d, vin=VIN):
    car = Hostile(d, vin=vin)
    car.vin = vin
    return car


for journal in ("off", "{}"):
    with Daemon(ROUTING, SINKS, journal=journal) as d:
        car = vehicle(d)
        for topic in [b"topic%d" % n for n in range(300)] + INVALID:
            send(car, topic)
        send(car, b"presence")  # a vehicle cannot send records of type presence
        send(car, b"my.custom")
        send(car, b"V")
        expected = ["V.jsonl", "connectivity.jsonl", "my.custom.jsonl", "presence.jsonl", "unknown.jsonl"]
        wait_until("the files exist", lambda: files(d) == expected)
        wait_until("all records are delivered", lambda:
                   len(d.records("topics/unknown.jsonl")) == 301 + len(INVALID))
        assert [r["status"] for r in d.records("topics/presence.jsonl")] == ["CONNECTED"]
        assert {r["type"] for r in d.records("topics/unknown.jsonl")} == {"unknown"}
        assert d.count("records_of_unknown_topics") == 301 + len(INVALID)
        assert d.log_text().count('get the topic "unknown"') == 1
        # An empty, too long or unprintable topic is refused.
        for bad in (b"", b"a b", b"a\nb", b"x" * 65):
            car.message(topic=bad)
            assert car.receive_reply()[0] == "error"
        car.close()

# `pass` permits 8 unknown topics of a vehicle and 64 in total, with valid names only.
with Daemon(ROUTING, SINKS, "limits: {unknown_topics: pass}", journal="{}") as d:
    cars = [vehicle(d, f"5YJ3E1EA7KF00{n:04d}") for n in range(12)]
    for n, car in enumerate(cars):
        for topic in INVALID[:6]:
            send(car, topic)
        for k in range(20):
            send(car, b"t%d_%d" % (n, k))
        send(car, b"t%d_3" % n)  # the same topic again
    own = {f"t{n}_{k}.jsonl" for n in range(8) for k in range(8)}
    expected = own | {"connectivity.jsonl", "presence.jsonl", "unknown.jsonl"}
    wait_until("the files exist", lambda: set(files(d)) == expected)
    wait_until("all records are delivered", lambda: sum(len(d.records("topics/" + f)) for f in files(d)
                                              if f[0] in "tu") == 12 * 27)
    assert len(d.records("topics/t3_3.jsonl")) == 2
    assert d.count("records_of_unknown_topics") == 12 * 6 + 8 * 12 + 4 * 21
    # A reload with the default `bucket` applies to topics that were passed before.
    d.extra = ""
    d.reload()
    send(cars[0], b"t0_0")
    wait_until("the record is in the bucket", lambda: len(d.records("topics/t0_0.jsonl")) == 1 and
               d.count("records_of_unknown_topics") == 12 * 6 + 8 * 12 + 4 * 21 + 1)
    for car in cars:
        car.close()
