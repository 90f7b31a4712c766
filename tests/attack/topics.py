#!/usr/bin/env python3
"""A vehicle that invents topics gets one file for all of them; with `pass` its share and the total are
bounded. Acknowledgements carry the topic that the vehicle gave, and routed topics keep their names."""
import os

from hostile import VIN, Daemon, Hostile, wait_until

SINKS = '  archive: {plugin: file, options: {path: "@/topics/%{type}.jsonl"}}'
ROUTING = 'records: [{type: "*", to: archive}, {type: my.custom, to: archive}]'
ODD = [b"a+b", b"a/b", b"..", b"../../x", b".hidden", b"#", b"V.jsonl.2026-01-01.gz", b"v", b"%{vin}",
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
        for topic in [b"topic%d" % n for n in range(300)] + ODD:
            send(car, topic)
        send(car, b"presence")  # it cannot say of itself that it is gone
        send(car, b"my.custom")
        send(car, b"V")
        expected = ["V.jsonl", "connectivity.jsonl", "my.custom.jsonl", "presence.jsonl", "unknown.jsonl"]
        wait_until("the files are there", lambda: files(d) == expected)
        wait_until("nothing is lost", lambda:
                   len(d.records("topics/unknown.jsonl")) == 301 + len(ODD))
        assert [r["status"] for r in d.records("topics/presence.jsonl")] == ["CONNECTED"]
        assert {r["type"] for r in d.records("topics/unknown.jsonl")} == {"unknown"}
        assert d.count("records_of_unknown_topics") == 301 + len(ODD)
        assert d.log_text().count('get the topic "unknown"') == 1
        # A topic with control characters or without a name is refused as before.
        for bad in (b"", b"a b", b"a\nb", b"x" * 65):
            car.message(topic=bad)
            assert car.receive_reply()[0] == "error"
        car.close()

# Let through: 8 of a vehicle, 64 in all, and only valid names.
with Daemon(ROUTING, SINKS, "limits: {unknown_topics: pass}", journal="{}") as d:
    cars = [vehicle(d, f"5YJ3E1EA7KF00{n:04d}") for n in range(12)]
    for n, car in enumerate(cars):
        for topic in ODD[:6]:
            send(car, topic)
        for k in range(20):
            send(car, b"t%d_%d" % (n, k))
        send(car, b"t%d_3" % n)  # one of its own, again
    own = {f"t{n}_{k}.jsonl" for n in range(8) for k in range(8)}
    expected = own | {"connectivity.jsonl", "presence.jsonl", "unknown.jsonl"}
    wait_until("the files are there", lambda: set(files(d)) == expected)
    wait_until("nothing is lost", lambda: sum(len(d.records("topics/" + f)) for f in files(d)
                                              if f[0] in "tu") == 12 * 27)
    assert len(d.records("topics/t3_3.jsonl")) == 2
    assert d.count("records_of_unknown_topics") == 12 * 6 + 8 * 12 + 4 * 21
    # A source is bound by the same total; a reload to `bucket` ends it.
    d.extra = ""
    d.reload()
    send(cars[0], b"t0_0")
    wait_until("it is in the bucket", lambda: len(d.records("topics/t0_0.jsonl")) == 1 and
               d.count("records_of_unknown_topics") == 12 * 6 + 8 * 12 + 4 * 21 + 1)
    for car in cars:
        car.close()
