#!/usr/bin/env python3
"""Kafka topics that are missing, forbidden, too small or deleted: only their own records wait or become
dead letters, health names the topic and the remedy, and nothing is lost."""
import json
import os
import re
import signal

from fr import PATIENCE, VIN, Daemon, Kafka, fleetroute, run_parts, wait_until

ROUTING = 'records: [{type: "*", to: kafka}]'
ACLS = """authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ADMIN
"""
VEHICLES = 20


def sinks(kafka, more="", attempts=4):
    return f"  kafka: {{plugin: kafka, retry: {{min: 100 ms, max: 1 s, attempts: {attempts}}}, " \
           f"options: {{brokers: \"{kafka.address}\"{more}}}}}"


def sink(d):
    return d.status()["sinks"]["kafka"]


def letters(d):
    path = "state/dead-letters/kafka.jsonl"
    return [r["record"] for r in d.records(path)] if os.path.exists(d.path(path)) else []


def delivered(kafka, topic):
    return kafka.read(topic, "%h\n").decode().count("txtype=")


def drive(d, seconds=3):
    """Vehicle data of some vehicles, each of which makes connectivity records too."""
    d.simulate("--vehicles", VEHICLES, "--rate", 20, "--duration", seconds, "--acknowledged",
               d.path("acknowledged"))
    return len(d.lines("acknowledged"))


def create(kafka, topic, *more):
    kafka.admin("TopicCommand", "--create", "--topic", topic, "--partitions", "4", *more)


def missing_topic(kafka):
    """tesla_connectivity and tesla_presence do not exist, and may not be created."""
    create(kafka, "tesla_V")
    # The attempts last for longer than librdkafka may take for a topic to become known that was missing.
    with Daemon(ROUTING, sinks(kafka, ", create_topics: false", attempts=12), "limits: {presence_grace: 500 ms}",
                journal="{}") as d:
        load = d.simulate_beside("--vehicles", VEHICLES, "--rate", 20, "--duration", 600,
                                 "--acknowledged", d.path("acknowledged"))
        wait_until("it is degraded, with topic and remedy", lambda: sink(d)["health"] == "degraded" and
                   "tesla_" in sink(d)["why"] and "create_topics: true" in sink(d)["why"], 10)
        assert load.poll() is None, "the load ended before"
        load.send_signal(signal.SIGINT)  # as if its duration was over
        load.communicate()
        sent = len(d.lines("acknowledged"))
        wait_until("vehicle data is all there", lambda: delivered(kafka, "tesla_V") == sent)
        # Two records of each kind for each vehicle: when it comes, and when it goes.
        wait_until("the rest is dead letters", lambda: len(letters(d)) == 4 * VEHICLES and
                   sink(d)["lag"] == 0, 60)
        dead = letters(d)
        assert {r["type"] for r in dead} <= {"connectivity", "presence"}, {r["type"] for r in dead}
        assert sink(d)["dead_letters"] == len(dead), len(dead)
        slow = sum(n for ms, n in sink(d)["delay_ms"].items() if ms == "more" or int(ms) > 2000 * PATIENCE)
        assert slow == 0, sink(d)["delay_ms"]  # of what was delivered
        # Repaired: the dead letters are sent again.
        create(kafka, "tesla_connectivity")
        create(kafka, "tesla_presence")
        out = fleetroute("replay", "-s", d.control, d.path("state/dead-letters/kafka.jsonl")).stdout
        assert f"{len(dead)} stored" in out, out
        wait_until("they are delivered", lambda: sum(
            delivered(kafka, t) for t in ("tesla_connectivity", "tesla_presence")) == len(dead), 60)


def forbidden_topic(kafka):
    """No right to write to tesla_alerts."""
    create(kafka, "tesla_alerts")
    kafka.admin("AclCommand", "--add", "--deny-principal", "User:ANONYMOUS", "--operation", "Write",
                "--topic", "tesla_alerts")
    with Daemon(ROUTING, sinks(kafka), journal="{}") as d:
        before = delivered(kafka, "tesla_V")
        d.say(json.dumps({"type": "alerts", "vin": VIN, "txid": "forbidden-1", "alerts": [],
                          "created_at": "2026-11-24T00:00:00.000Z",
                          "received_at": "2026-11-24T00:00:00.000Z"}))
        wait_until("it is degraded", lambda: "tesla_alerts" in sink(d)["why"] and
                   "right to write" in sink(d)["why"] and sink(d)["health"] == "degraded", 10)
        sent = drive(d)
        wait_until("vehicle data goes on", lambda: delivered(kafka, "tesla_V") == before + sent)
        wait_until("the alert is a dead letter", lambda: [r["txid"] for r in letters(d)] == ["forbidden-1"])


def topic_that_may_not_be_created(kafka):
    """The broker refuses to create tesla_errors: its records fail at once, with topic and remedy, and the
    broker is not asked again and again."""
    kafka.admin("AclCommand", "--add", "--deny-principal", "User:ANONYMOUS", "--operation", "Create",
                "--topic", "tesla_errors")
    with Daemon(ROUTING, sinks(kafka), journal="{}") as d:
        before = delivered(kafka, "tesla_V")
        for n in range(3):
            d.say(json.dumps({"type": "errors", "vin": VIN, "txid": f"refused-{n}", "errors": [],
                              "created_at": "2026-11-24T00:00:00.000Z",
                              "received_at": "2026-11-24T00:00:00.000Z"}))
        wait_until("it is degraded", lambda: "tesla_errors" in sink(d)["why"] and
                   sink(d)["health"] == "degraded", 20)
        sent = drive(d, 1)
        wait_until("vehicle data goes on", lambda: delivered(kafka, "tesla_V") == before + sent)
        wait_until("the errors are dead letters in their order", lambda: [r["txid"] for r in letters(d)] ==
                   [f"refused-{n}" for n in range(3)], 40)
        assert d.log_text().count("tesla_errors was not created") <= 2, d.log_text()


def small_topic(kafka):
    """A topic takes less than a batch of the producer: no ordinary record is blamed for it."""
    kafka.admin("ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", "tesla_V",
                "--add-config", "max.message.bytes=3000")
    with Daemon(ROUTING, sinks(kafka), journal="{}") as d:
        before = delivered(kafka, "tesla_V")
        d.simulate("--vehicles", VEHICLES, "--rate", 0, "--window", 20, "--duration", 0.1, "--acknowledged",
                   d.path("acknowledged"))
        d.say({"VehicleName": "x" * 20000})
        sent = len(d.lines("acknowledged"))
        wait_until("all is finished", lambda: sink(d)["lag"] == 0, 60)
        assert delivered(kafka, "tesla_V") >= before + sent, (before, sent, delivered(kafka, "tesla_V"))
        dead = letters(d)
        assert len(dead) == 1 and len(dead[0]["data"]["VehicleName"]) == 20000, len(dead)
        assert "max.message.bytes" in sink(d)["why"], sink(d)
    kafka.admin("ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", "tesla_V",
                "--delete-config", "max.message.bytes")


def deleted_topic(kafka):
    """A topic that is deleted while records are written to it is created again."""
    with Daemon(ROUTING, sinks(kafka), journal="{}") as d:
        drive(d, 1)
        wait_until("it is written", lambda: sink(d)["lag"] == 0)
        kafka.admin("TopicCommand", "--delete", "--topic", "tesla_V")
        # A broker may confirm records, and delete them with the topic.
        wait_until("it is deleted", lambda: "tesla_V" not in kafka.admin("TopicCommand", "--list").split())
        for n in range(10):
            d.say(json.dumps({"type": "V", "vin": VIN, "txid": f"again-{n}", "data": {"Soc": n},
                              "created_at": "2026-11-24T00:00:00.000Z",
                              "received_at": "2026-11-24T00:00:00.000Z"}))
        wait_until("it is there again", lambda: "created topic tesla_V" in d.log_text() and
                   sink(d)["lag"] == 0, 60)
        assert delivered(kafka, "tesla_V") + len(letters(d)) == 10
        order = re.findall(r"txid=again-(\d+)", kafka.read("tesla_V", "%h\n").decode())
        assert order == sorted(order), order
        d.say({"Soc": 11})
        wait_until("and is written", lambda: sink(d)["lag"] == 0)
        assert delivered(kafka, "tesla_V") + len(letters(d)) == 11


def empty_broker(kafka):
    """The brokers go away and come back without any topic; nothing is sent meanwhile."""
    with Daemon(ROUTING, sinks(kafka), journal="{}") as d:
        d.say({"Soc": 1})
        wait_until("it is written", lambda: sink(d)["lag"] == 0)
        kafka.stop()
        wait_until("it is down", lambda: sink(d)["health"] == "down", 30)
        os.rename(f"{kafka.folder}/data", f"{kafka.folder}/old-data")
        kafka.start()
        wait_until("it is up", lambda: sink(d)["health"] == "up", 30)
        d.say({"Soc": 2})
        wait_until("it is written to a new topic", lambda: sink(d)["lag"] == 0, 60)
        assert delivered(kafka, "tesla_V") == 1


if __name__ == "__main__":
    run_parts(missing_topic, forbidden_topic, topic_that_may_not_be_created, small_topic, deleted_topic,
              empty_broker, context=lambda: Kafka(properties=ACLS))
