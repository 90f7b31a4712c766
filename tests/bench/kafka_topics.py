#!/usr/bin/env python3
"""What three sick Kafka topics cost the good one: throughput and delay of vehicle data, numbers only.

    FR_BUILD=build tests/bench/kafka_topics.py [ROUNDS [SECONDS]]

In each round the same records are sent twice: to topics that are all well, and to topics of which
tesla_connectivity is missing, tesla_alerts is forbidden and tesla_errors takes 1 kB. First with as much
vehicle data as 20 vehicles can send, then with 1,000 records a second; beside them, 50 records of each
of the other types a second."""
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
BESIDE = [f"5YJ3E1EA7KG{n:06d}" for n in range(5)]


def prepare(kafka):
    for prefix in ("well", "sick"):
        for record_type in ("V", "alerts", "errors", "connectivity"):
            if (prefix, record_type) != ("sick", "connectivity"):
                kafka.admin("TopicCommand", "--create", "--topic", f"{prefix}_{record_type}",
                            "--partitions", "4")
    kafka.admin("AclCommand", "--add", "--deny-principal", "User:ANONYMOUS", "--operation", "Write",
                "--topic", "sick_alerts")
    kafka.admin("ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", "sick_errors",
                "--add-config", "max.message.bytes=1000")


def beside(d, stop):
    """50 records a second of each of the other types, from a few vehicles."""
    cars = [(vin, d.car(vin=vin)) for vin in BESIDE]
    due = time.monotonic()
    while not stop.is_set():
        for vin, car in cars:
            for topic, payload in (("alerts", alerts(["a"])), ("errors", errors(["e"], "x" * 2000)),
                                   ("connectivity", field(1, "id") + field(2, 1))):
                car.send(envelope(topic, payload, vin))
                car.receive_reply()
        due += len(BESIDE) / 50
        time.sleep(max(0, due - time.monotonic()))
    for _, car in cars:
        car.close()


def measure(kafka, prefix, load):
    sinks = f'  kafka: {{plugin: kafka, retry: {{least: 100 ms, most: 1 s}}, options: {{brokers: ' \
            f'"{kafka.address}", topic: "{prefix}_%{{type}}", create_topics: false}}}}'
    routing = "records: [{type: [V, alerts, errors, connectivity], to: kafka}]"
    with Daemon(routing, sinks, journal="{}") as d:
        stop = threading.Event()
        thread = threading.Thread(target=beside, args=(d, stop))
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
            for topics in ("well", "sick") if n % 2 == 0 else ("sick", "well"):
                measure(broker, topics, load)
