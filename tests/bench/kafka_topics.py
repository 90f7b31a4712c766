#!/usr/bin/env python3
"""Measures the effect of three faulty Kafka topics on throughput and delay of another topic, which has the
vehicle data. Prints numbers only.

    FR_BUILD=build tests/bench/kafka_topics.py [ROUNDS [SECONDS]]

In each round the same load is sent twice: to topics without a fault (good_*), and to topics (faulty_*) of
which "connectivity" is missing, "alerts" is forbidden and "errors" has a limit of 1 kB. The load is as much
vehicle data as 20 vehicles can send, then 1,000 records a second, and at the same time 50 records a second of
each other type."""
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "scenario"), os.path.join(HERE, "..", "attack")]
from fr import Daemon, Kafka, wait_until  # noqa: E402
from messages import alerts, envelope, errors, field  # noqa: E402
from verifier import Histogram  # noqa: E402

ROUNDS, SECONDS = [*map(int, sys.argv[1:]), *(3, 10)[len(sys.argv) - 1:]]
ACLS = """authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ADMIN
"""
OTHER_VINS = [f"5YJ3E1EA7KG{n:06d}" for n in range(5)]


def prepare(kafka):
    for prefix in ("good", "faulty"):
        for record_type in ("V", "alerts", "errors", "connectivity"):
            if (prefix, record_type) != ("faulty", "connectivity"):
                kafka.admin("TopicCommand", "--create", "--topic", f"{prefix}_{record_type}",
                            "--partitions", "4")
    kafka.admin("AclCommand", "--add", "--deny-principal", "User:ANONYMOUS", "--operation", "Write",
                "--topic", "faulty_alerts")
    kafka.admin("ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", "faulty_errors",
                "--add-config", "max.message.bytes=1000")


def send_other_types(d, stop):
    """Send 50 records a second of each other type, from the vehicles OTHER_VINS."""
    cars = [(vin, d.car(vin=vin)) for vin in OTHER_VINS]
    due = time.monotonic()
    while not stop.is_set():
        for vin, car in cars:
            for topic, payload in (("alerts", alerts(["a"])), ("errors", errors(["e"], "x" * 2000)),
                                   ("connectivity", field(1, "id") + field(2, 1))):
                car.send(envelope(topic, payload, vin))
                car.receive_reply()
        due += len(OTHER_VINS) / 50
        time.sleep(max(0, due - time.monotonic()))
    for _, car in cars:
        car.close()


def measure(kafka, prefix, load):
    sinks = f'  kafka: {{plugin: kafka, retry: {{min: 100 ms, max: 1 s}}, options: {{brokers: ' \
            f'"{kafka.address}", topic: "{prefix}_%{{type}}", create_topics: false}}}}'
    routing = "records: [{type: [V, alerts, errors, connectivity], to: kafka}]"
    with Daemon(routing, sinks, journal="{}") as d:
        stop = threading.Event()
        thread = threading.Thread(target=send_other_types, args=(d, stop))
        thread.start()
        time.sleep(2)
        before = d.status()
        begun = time.monotonic()
        d.simulate(*load, "--duration", SECONDS, "--acknowledged", d.path("acknowledged"))
        sent = len(d.lines("acknowledged"))
        wait_until("vehicle data is delivered", lambda: d.status()["sinks"]["kafka"]["delivered"] -
                   before["sinks"]["kafka"]["delivered"] >= sent, 120)
        seconds = time.monotonic() - begun
        after = d.status()
        stop.set()
        thread.join()
        delays = Histogram(before["sinks"]["kafka"]["delay_ms"], after["sinks"]["kafka"]["delay_ms"])
        print(f"  {prefix}: {sent / seconds:8.0f} delivered a second, p50 {delays.percentile(0.5):.0f} ms, "
              f"p99 {delays.percentile(0.99):.0f} ms, {after['cpu_us'] - before['cpu_us']:9} us of CPU, "
              f"{after['sinks']['kafka']['dead_letters']} dead letters, {after['sinks']['kafka']['health']}",
              flush=True)


with Kafka(properties=ACLS) as broker:
    prepare(broker)
    for name, load in (("as fast as 20 vehicles can", ("--vehicles", 20, "--rate", 0, "--window", 64)),
                       ("1,000 a second", ("--vehicles", 100, "--rate", 10))):
        print(name)
        for n in range(ROUNDS):
            for topics in ("good", "faulty") if n % 2 == 0 else ("faulty", "good"):
                measure(broker, topics, load)
