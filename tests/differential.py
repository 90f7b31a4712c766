#!/usr/bin/env python3
"""The same vehicle sends the same messages to fleetroute and to Tesla's server; consumers of a
real Kafka, Redis, mosquitto and ZeroMQ get the same from both, except what fleetroute-compat(7) names.

    FR_TESLA_SERVER=PATH tests/differential.py      in the build folder

PATH is the program of Tesla's server. About two minutes. Not part of `make check`, which has no such program."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

SOURCE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
os.environ.setdefault("top_srcdir", SOURCE)
sys.path[:0] = [f"{SOURCE}/tests/scenario", f"{SOURCE}/tests/attack"]
from fr import Daemon, free_port, wait_until  # noqa: E402
from messages import alerts, datum, errors, field, vehicle_data  # noqa: E402
from tesla_outputs import TYPES, Brokers, Sender, between, canonical, mark, payload_vectors, record_vectors, value_vectors  # noqa: E402

BEGIN, END = "begin_mark", "end_mark"
ALL, PLAIN = ("kafka", "redis", "zmq", "mqtt"), ("kafka", "redis", "zmq")

# What differs on purpose: words of the format, the sink and the message, and where it is written down.
EXPECTED = (
    (r"^protobuf .* tags? ", "fleetroute-compat(7): the tags of an error are sorted"),
    (r"^the reply to 'a datum without a value'", "fleetroute-compat(7): with MQTT, Tesla's server drops the connection"),
    (r"^tesla-json .* CabinPortKeepOnState ", "the fields 270 and 271 are newer than this version of Tesla's server"),
)


class TeslasServer:
    """fleet-telemetry with the certificates of a Daemon, and all its dispatchers that have a broker here."""

    def __init__(self, d, brokers, prefix, form, sinks):
        self.program, self.folder = os.environ["FR_TESLA_SERVER"], tempfile.mkdtemp(prefix="fr-tesla.")
        self.port, self.status = free_port(), free_port()
        settings = {
            "host": "127.0.0.1", "port": self.port, "status_port": self.status, "log_level": "info",
            "json_log_enable": True, "namespace": prefix, "transmit_decoded_records": form == "tesla-json",
            "tls": {"server_cert": d.path("server.pem"), "server_key": d.path("server.key"),
                    "ca_file": d.path("vehicle-ca.pem")},
            "kafka": {"bootstrap.servers": brokers.kafka.address, "linger.ms": 5},
            "redis": {"addrs": [f"127.0.0.1:{brokers.redis.port}"], "publish_vin_topics": True},
            "zmq": {"addr": f"tcp://127.0.0.1:{brokers.subscribe(prefix)}"},
            "mqtt": {"broker": f"127.0.0.1:{brokers.mqtt.port}", "client_id": prefix, "topic_base": prefix, "qos": 1},
            "records": {kind: sinks for kind in TYPES},
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


def payloads():
    """(name, topic, payload) for the sinks that pass records on, also hostile ones."""
    found = [(name, topic, payload) for name, topic, payload, _, _ in payload_vectors() if topic != "connectivity"]
    return found + value_vectors() + [("alerts: several, one without end", "alerts", alerts(["one", "two", "one"], audiences=(1, 2))),
              ("errors: two", "errors", errors(["one", "two"])),
              ("unknown field", "V", vehicle_data(datum(4000, field(3, 7)))),
              ("no data", "V", vehicle_data()),
              ("alerts without alerts", "alerts", field(2, field(1, 1767225600)))]


def values():
    """The same for MQTT: no names that a broker refuses, because Tesla's server then is disconnected again and again."""
    no_value = ("a datum without a value", "V", vehicle_data(field(1, field(1, 4)), created=1767225600))
    return value_vectors() + [no_value] + [case for case in record_vectors() if not re.search("[/+#]", case[0])]


def receive(brokers, prefix):
    """{(sink, type or topic): payloads between the marks}. MQTT's topics have no common order."""
    got = {}
    for kind in ("V", "alerts", "errors"):
        wait_until(f"the last record of {prefix}_{kind}", lambda: any(
            END.encode() in payload for _, _, payload in brokers.produced(prefix, kind)))
        got["kafka", kind] = between(brokers.produced(prefix, kind), BEGIN, END, of=lambda row: row[2])
        got["redis", kind] = between(brokers.published(prefix)[kind], BEGIN, END)
        got["zmq", kind] = between(brokers.zmq(prefix)[kind], BEGIN, END)
    for topic, payloads in brokers.topics(prefix).items():
        if "_mark" not in topic and topic != "v/VehicleName":
            got["mqtt", topic] = payloads
    return got


def connectivity(brokers, prefix):
    """The last connectivity record, with what differs between two connections replaced. A ZeroMQ subscriber may miss
    the first one."""
    def same(text):
        return re.sub(r'"[0-9a-f-]{36}"', '"ID"', re.sub(r'"\d{4}-[^"]*Z"', '"TIME"', text))

    got = {("mqtt", "connectivity"): [same(canonical(p)) for p in brokers.topics(prefix).get("connectivity", [])[-1:]]}
    for sink, kinds in (("redis", brokers.published(prefix)), ("zmq", brokers.zmq(prefix))):
        got[sink, "connectivity"] = [same(canonical(p)) if p[:1] == b"{" else "a protobuf message"
                                     for p in kinds.get("connectivity", [])[-1:]]
    return got


def run_one(sender, brokers, prefix, cases, mqtt):
    mark(sender, brokers, prefix, BEGIN, mqtt)
    sender.send_all([(topic, payload) for _, topic, payload in cases])
    mark(sender, brokers, prefix, END, mqtt)
    sender.close()
    return receive(brokers, prefix)


def plain(item):
    """A payload without random spaces."""
    if isinstance(item, tuple):
        headers = [h for h in item[1] if not h.startswith("timestamp=")]
        return item[0], tuple(headers), plain(item[2])
    return canonical(item)


def compare_records(form, cases, replies, theirs, mine, sinks):
    """Differences of the sinks that pass a record on, by the names of the messages."""
    found = []
    for (sink, kind), payloads in sorted(theirs.items()):
        if sink == "mqtt" or sink not in sinks or kind == "connectivity":
            continue
        names = [name for (name, topic, _), reply in zip(cases, replies) if topic == kind and reply == "ack"]
        if not len(names) == len(payloads) == len(mine[sink, kind]):
            found.append(f"{form} {sink} {kind}: {len(names)} acknowledged, {len(payloads)} payloads from Tesla's server, "
                         f"{len(mine[sink, kind])} from fleetroute")
        found += [f"{form} {sink} {kind} {name}: {plain(a)} and {plain(b)}"
                  for name, a, b in zip(names, payloads, mine[sink, kind]) if plain(a) != plain(b)]
    return found


def compare_topics(theirs, mine):
    """Differences of MQTT and of connectivity. A null of fleetroute alone is on purpose: fleetroute-compat(7)."""
    found = []
    for key in sorted(key for key in theirs.keys() | mine.keys() if key[0] == "mqtt" or key[1] == "connectivity"):
        a, b = ([plain(p) for p in got.get(key, [])] for got in (theirs, mine))
        if a != b and [p for p in a if p != "null"] != [p for p in b if p != "null"]:
            found.append(f"{' '.join(key)}: {a} and {b}")
    return found


def run(brokers, number, form, sinks, cases):
    """Send the cases to both servers; returns the number of differences, which are printed."""
    theirs, mine, mqtt = f"theirs{number}", f"mine{number}", "mqtt" in sinks
    with ours(brokers, mine, form) as d:
        sender = Sender(d, (d.peer, d.port))
        got = run_one(sender, brokers, mine, cases, mqtt)
        with TeslasServer(d, brokers, theirs, form, sinks) as server:
            other = Sender(d, ("127.0.0.1", server.port))
            wanted = run_one(other, brokers, theirs, cases, mqtt)
            wait_until("the disconnections", lambda: all(
                len(brokers.published(prefix).get("connectivity", [])) > 1 and "connectivity" in brokers.zmq(prefix)
                for prefix in (theirs, mine)))
    got.update(connectivity(brokers, mine))
    wanted.update(connectivity(brokers, theirs))
    different = [f"the reply to {name!r} ({topic}): {a} from Tesla's server, {b} from fleetroute"
                 for (name, topic, _), a, b in zip(cases, other.replies, sender.replies, strict=True) if a != b]
    different += compare_records(form, cases, sender.replies, wanted, got, sinks)
    if mqtt:
        different += compare_topics(wanted, got)
    expected = [text for text in different if any(re.search(words, text) for words, _ in EXPECTED)]
    different = [text for text in different if text not in expected]
    print(f"{form}, {', '.join(sinks)}: {len(cases)} messages, {sum(map(len, wanted.values()))} payloads from Tesla's "
          f"server, {len(expected)} expected differences, {len(different)} others", *different, sep="\n    ", flush=True)
    return len(different)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are stopped
    with Brokers() as brokers:
        different = (run(brokers, 0, "protobuf", PLAIN, payloads()) + run(brokers, 1, "tesla-json", PLAIN, payloads()) +
                     run(brokers, 2, "tesla-json", ALL, values()))
    sys.exit(different != 0)


if __name__ == "__main__":
    main()
