#!/usr/bin/env python3
"""The same vehicle sends the same messages to fleetroute and to Tesla's server (tests/tesla_server.sh); consumers of a
real Kafka, Redis, mosquitto and ZeroMQ get the same from both, except what fleetroute-compat(7) names.

    tests/differential.py [-v]      in the build folder; -v prints the differences that are expected, too

About two minutes. Not part of `make check`: it needs Go and Tesla's module."""
import os
import re
import subprocess
import sys
import tempfile

SOURCE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
os.environ.setdefault("top_srcdir", SOURCE)
sys.path[:0] = [f"{SOURCE}/tests/scenario", f"{SOURCE}/tests/attack"]
import json  # noqa: E402
from fr import VIN, Daemon, free_port, vector, wait_until  # noqa: E402
from messages import alerts, datum, errors, field, vehicle_data  # noqa: E402
from tesla_outputs import TYPES, Brokers, Sender, between, canonical, mark, payload_vectors, value_vectors  # noqa: E402

BEGIN, END = "begin_mark", "end_mark"
FORMATS = {"protobuf": False, "tesla-json": True}  # the latter is transmit_decoded_records
# What differs on purpose: the sink, words of the message's name or of the topic, and the heading in
# fleetroute-compat(7).
EXPECTED = (
    ("mqtt", r"no value|empty value|value with another wire type", "Datum without a value"),
    ("mqtt", r"nan|inf", "NaN and infinite numbers"),
)


class TeslasServer:
    """fleet-telemetry with the certificates of a Daemon, and all its dispatchers that have a broker here."""

    def __init__(self, d, brokers, prefix, decoded):
        program = subprocess.run([f"{SOURCE}/tests/tesla_server.sh"], stdout=subprocess.PIPE, text=True)
        if program.returncode:
            sys.exit(program.returncode)
        self.program, self.folder = program.stdout.split()[-1], tempfile.mkdtemp(prefix="fr-tesla.")
        self.port, self.status = free_port(), free_port()
        everywhere = ["kafka", "redis", "zmq", "mqtt"]
        settings = {
            "host": "127.0.0.1", "port": self.port, "status_port": self.status, "log_level": "info",
            "json_log_enable": True, "namespace": prefix, "transmit_decoded_records": decoded,
            "tls": {"server_cert": d.path("server.pem"), "server_key": d.path("server.key"),
                    "ca_file": d.path("vehicle-ca.pem")},
            "kafka": {"bootstrap.servers": brokers.kafka.address, "linger.ms": 5},
            "redis": {"addrs": [f"127.0.0.1:{brokers.redis.port}"], "publish_vin_topics": True},
            "zmq": {"addr": f"tcp://127.0.0.1:{brokers.subscribe(prefix)}"},
            "mqtt": {"broker": f"127.0.0.1:{brokers.mqtt.port}", "client_id": prefix, "topic_base": prefix, "qos": 1},
            "records": {kind: everywhere for kind in TYPES},
        }
        with open(f"{self.folder}/config.json", "w") as f:
            json.dump(settings, f)

    def __enter__(self):
        with open(f"{self.folder}/log", "w") as log:
            self.process = subprocess.Popen([self.program, "-config", f"{self.folder}/config.json"], stdout=log,
                                            stderr=log, cwd=self.folder)
        try:
            wait_until("Tesla's server listens", self.listens, 30)
        except AssertionError:
            with open(f"{self.folder}/log") as f:
                print(f.read()[-3000:])
            self.__exit__(None)
            raise
        return self

    def listens(self):
        assert self.process.poll() is None, "Tesla's server has ended"
        import socket
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, kind, *_):
        self.process.kill()
        self.process.wait()
        if kind is None:
            subprocess.run(["rm", "-r", self.folder], check=True)
        else:
            print("the log of Tesla's server:", f"{self.folder}/log")


def ours(brokers, prefix, form):
    everywhere = "[kafka, redis, zmq]"
    sinks = f"""  kafka: {{plugin: kafka, options: {{brokers: "{brokers.kafka.address}", topic: "{prefix}_%{{type}}"}}}}
  redis: {{plugin: redis, options: {{port: {brokers.redis.port}, topic: "{prefix}_%{{type}}_{{%{{vin}}}}"}}}}
  zmq: {{plugin: zmq, options: {{bind: "tcp://127.0.0.1:{brokers.subscribe(prefix)}", topic: "{prefix}_%{{type}}"}}}}
  mqtt: {{plugin: mqtt, delivery: log, options: {{port: {brokers.mqtt.port}, topic: {prefix}, layout: tesla,
    retain: false}}}}"""
    routing = f"""records:
  - {{type: [{", ".join(TYPES)}], to: {everywhere}, format: {form}}}
  - {{type: [alerts, errors, connectivity], to: mqtt}}
fields: [{{field: "*", to: mqtt}}]"""
    return Daemon(routing, sinks, journal="{}")


def messages():
    """(name, topic, payload)"""
    found = [(name, topic, payload) for name, topic, payload, _, _ in payload_vectors() if topic != "connectivity"]
    found += value_vectors()
    found += [("alerts: several, one without end", "alerts", alerts(["one", "two", "one"], audiences=(1, 2))),
              ("errors: two", "errors", errors(["one", "two"])),
              ("unknown field", "V", vehicle_data(datum(4000, field(3, 7)))),
              ("no data", "V", vehicle_data()),
              ("alerts without alerts", "alerts", field(2, field(1, 1767225600)))]
    return found


def receive(brokers, prefix):
    """{(sink, type or topic): payloads between the marks}. MQTT's topics have no common order."""
    got = {}
    for kind in ("V", "alerts", "errors"):
        got["kafka", kind] = [(key, headers, payload) for key, headers, payload in between(
            brokers.produced(prefix, kind), BEGIN, END, of=lambda row: row[2])]
        got["redis", kind] = between(brokers.published(prefix)[kind], BEGIN, END)
        got["zmq", kind] = between(brokers.zmq(prefix)[kind], BEGIN, END)
    for topic, payloads in brokers.topics(prefix).items():
        if "_mark" not in topic and topic != "v/VehicleName":
            got["mqtt", topic] = payloads
    return got


def connectivity(brokers, prefix):
    """The connectivity records, with what differs between two connections replaced."""
    def plain(text):
        return re.sub(r'"[0-9a-f-]{36}"', '"ID"', re.sub(r'"\d{4}-[^"]*Z"', '"TIME"', text))

    got = {("mqtt", "connectivity"): [plain(canonical(p)) for p in brokers.topics(prefix).get("connectivity", [])[:1]]}
    for sink, kinds in (("redis", brokers.published(prefix)), ("zmq", brokers.zmq(prefix))):
        got[sink, "connectivity"] = [plain(canonical(p)) if p[:1] == b"{" else len(p) > 60
                                     for p in kinds.get("connectivity", [])[:1]]
    return got


def run_one(sender, brokers, prefix, cases):
    mark(sender, brokers, prefix, BEGIN)
    sender.send_all([(topic, payload) for _, topic, payload in cases])
    mark(sender, brokers, prefix, END)
    sender.close()
    return receive(brokers, prefix)


def plain(item):
    """A payload without random spaces."""
    if isinstance(item, tuple):
        headers = [h for h in item[1] if not h.startswith("timestamp=")]
        return item[0], tuple(headers), plain(item[2])
    return canonical(item)


def compare(form, theirs, mine):
    """Differences as (sink, topic, text)."""
    found = []
    for key in sorted(theirs.keys() | mine.keys()):
        a, b = [plain(p) for p in theirs.get(key, [])], [plain(p) for p in mine.get(key, [])]
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            found.append((*key, f"{len(a)} from Tesla's server, {len(b)} from fleetroute; number {at}: "
                          f"{a[at:at + 1]} and {b[at:at + 1]}"))
    return found


def main():
    cases, unexpected = messages(), 0
    with Brokers() as brokers:
        for number, (form, decoded) in enumerate(FORMATS.items()):
            theirs, mine = f"theirs{number}", f"mine{number}"
            with ours(brokers, mine, form) as d:
                sender = Sender(d, (d.peer, d.port))
                got = run_one(sender, brokers, mine, cases)
                with TeslasServer(d, brokers, theirs, decoded) as server:
                    other = Sender(d, ("127.0.0.1", server.port))
                    wanted = run_one(other, brokers, theirs, cases)
                    wait_until("the disconnection", lambda: len(brokers.zmq(theirs).get("connectivity", [])) > 1)
                got.update(connectivity(brokers, mine))
                wanted.update(connectivity(brokers, theirs))
            for (name, topic, _), a, b in zip(cases, other.replies, sender.replies, strict=True):
                if a != b:
                    unexpected += 1
                    print(f"{form}: reply to {name!r} ({topic}): {a} from Tesla's server, {b} from fleetroute")
            for sink, topic, text in compare(form, wanted, got):
                unexpected += 1
                print(f"{form}: {sink} {topic}: {text}")
            print(f"{form}: {len(cases)} messages, {sum(map(len, wanted.values()))} payloads from Tesla's server")
    sys.exit(unexpected != 0)


if __name__ == "__main__":
    main()
