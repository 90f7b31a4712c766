#!/usr/bin/env python3
"""Kafka, Redis and ZeroMQ consumers get from us what Tesla's server sends, byte for byte: each case of
tests/vectors/payloads.tsv from a vehicle, as protobuf and as Tesla's JSON."""
from fr import VIN, Daemon, run_parts, wait_until
from tesla_outputs import Brokers, Sender, between, mark, payload_vectors

FORMATS = ("protobuf", "tesla-json")
BEGIN, END = "begin_mark", "end_mark"


def sinks(brokers, form, port):
    return f"""  kafka: {{plugin: kafka, options: {{brokers: "{brokers.kafka.address}", topic: "{form}_%{{type}}"}}}}
  redis: {{plugin: redis, options: {{port: {brokers.redis.port}, topic: "{form}_%{{type}}_{{%{{vin}}}}"}}}}
  zmq: {{plugin: zmq, options: {{bind: "tcp://127.0.0.1:{port}", topic: "{form}_%{{type}}"}}}}"""


def deliver(brokers, form, cases):
    """Send the cases; returns the replies and, of each sink, {type: payloads}."""
    routing = f"records: [{{type: [V, alerts, errors], to: [kafka, redis, zmq], format: {form}}}]"
    with Daemon(routing, sinks(brokers, form, brokers.subscribe(form)), journal="{}") as d:
        wait_until("all sinks are connected", lambda: all(
            s["why"].startswith("connected") or "1 subscriber at" in s["why"] or name == "kafka"
            for name, s in d.status()["sinks"].items()))
        sender = Sender(d, (d.peer, d.port))
        mark(sender, brokers, form, BEGIN, mqtt=False)
        sender.send_all([(topic, payload) for _, topic, payload, _, _ in cases])
        mark(sender, brokers, form, END, mqtt=False)
        sender.close()
        wait_until("all are delivered", lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()), 60)
    kafka = {kind: brokers.produced(form, kind) for kind in ("V", "alerts", "errors")}
    for rows in kafka.values():
        for key, headers, _ in rows:
            names = dict(h.split("=", 1) for h in headers)
            assert key == VIN and names["vin"] == VIN and names["txid"][:5] in ("messa", "mark-"), (key, headers)
    return sender.replies, {"kafka": {kind: [payload for _, _, payload in rows] for kind, rows in kafka.items()},
                            "redis": brokers.published(form), "zmq": brokers.zmq(form)}


def vectors():
    cases = [case for case in payload_vectors() if case[1] in ("V", "alerts", "errors")]
    assert len(cases) > 180, len(cases)
    with Brokers() as brokers:
        for form in FORMATS:
            replies, received = deliver(brokers, form, cases)
            wanted = {}
            for (name, kind, _, passed, text), reply in zip(cases, replies, strict=True):
                result = passed if form == "protobuf" or passed is None else text and text.encode()
                assert reply == ("error" if result is None else "ack"), (form, name, reply)
                if result is not None:
                    wanted.setdefault(kind, []).append((name, result))
            for sink, kinds in received.items():
                for kind, rows in wanted.items():
                    got = between(kinds[kind], BEGIN, END)
                    different = [(name, result, payload) for (name, result), payload in zip(rows, got)
                                 if result != payload]
                    assert not different and len(got) == len(rows), (form, sink, kind, len(got), len(rows), different[:3])
            print(f"{form}: {sum(map(len, wanted.values()))} payloads of {len(cases)} messages, equal in "
                  f"{', '.join(received)}")


run_parts(vectors)
