"""What a server sends to Kafka, Redis, MQTT and ZeroMQ, as real consumers receive it, and the messages that Tesla's
server's output is known for."""
import json
import os
import re
import shutil
import sys
import tempfile

from fr import SOURCE, VIN, Car, Kafka, free_port, wait_until
from mosquitto import Mosquitto
from redis_server import Redis
from zeromq_subscriber import Subscriber

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from messages import alerts, datum, envelope, errors, field, vehicle_data  # noqa: E402

TYPES = ("V", "alerts", "errors", "connectivity")
ENDS = {"V": lambda text: vehicle_data(datum(64, field(1, text))), "alerts": lambda text: alerts([text]),
        "errors": lambda text: errors([text])}


def payload_vectors():
    """(name, topic, payload, payload passed on or None, JSON or None) of tests/vectors/payloads.tsv."""
    with open(f"{SOURCE}/tests/vectors/payloads.tsv", encoding="utf-8", newline="\n") as f:
        rows = [line.split("\t") for line in f.read().split("\n")[:-1] if not line.startswith("#")]
    return [(name, topic, bytes.fromhex(sent), None if passed == "error" else bytes.fromhex(passed),
             None if text == "error" else text) for name, topic, sent, passed, text in rows]


def value_vectors():
    """The same of what mqtt_values.tsv sends: one datum in each encoding that vehicles use."""
    with open(f"{SOURCE}/tests/vectors/mqtt_values.tsv", encoding="utf-8", newline="\n") as f:
        return [(f"{name}: {what}", "V", field(1, bytes.fromhex(sent)) + field(2, field(1, 1767225600)))
                for name, what, sent, _ in (line.split("\t") for line in f.read().split("\n")[:-1])]


def record_vectors():
    """The same of mqtt_records.tsv; the name contains the topics that are expected."""
    with open(f"{SOURCE}/tests/vectors/mqtt_records.tsv", encoding="utf-8", newline="\n") as f:
        blocks = re.findall(r"^([^\t#\n][^\n]*)\n((?:\t[^\n]*\n)*)", f.read(), re.M)
    rows = [head.split("\t") + [below] for head, below in blocks]
    return [(f"{row[1]} {row[3]}", row[0], bytes.fromhex(row[2])) for row in rows if row[0] in ("alerts", "errors")]


class Brokers:
    """Real servers, each for the consumers of one or several prefixes: PREFIX_TYPE, PREFIX/VIN/…."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="fr-mosquitto.")
        self.mqtt = Mosquitto(self.folder, "subscriber", "-V", "5", "-t", "#", "-F", "%t\t%p")
        self.kafka = Kafka(properties="auto.create.topics.enable=true\n")
        self.redis = Redis()
        self.mqtt.start()
        self.redis.start()
        self.kafka.start()
        self.channels = self.redis.subscriber()
        self.subscribers = {}
        return self

    def __exit__(self, *_):
        for subscriber in self.subscribers.values():
            subscriber.close()
        self.channels.close()
        self.redis.__exit__()
        self.mqtt.stop()
        self.mqtt.subscriber.kill()
        self.mqtt.subscriber.wait()
        self.kafka.__exit__()
        shutil.rmtree(self.folder)

    def subscribe(self, prefix):
        """Connect a ZeroMQ subscriber to a port that the server is to bind; returns the port."""
        port = free_port()
        self.subscribers[prefix] = Subscriber(port)
        return port

    def zmq(self, prefix):
        """{type: payloads}"""
        got = {}
        for topic, payload in list(self.subscribers[prefix].messages):
            assert topic.decode().startswith(prefix + "_"), topic
            got.setdefault(topic.decode().removeprefix(prefix + "_"), []).append(payload)
        return got

    def published(self, prefix):
        """{type: payloads} of Redis."""
        got = {}
        for channel, payload in list(self.channels.messages):
            named = re.fullmatch(rf"{prefix}_(\w+)_\{{{VIN}\}}", channel)
            if named:
                got.setdefault(named[1], []).append(payload)
        return got

    def produced(self, prefix, kind):
        """[(key, headers, payload)] of a topic of Kafka, without the time of receipt."""
        rest, got = self.kafka.read(f"{prefix}_{kind}", "%k|%S|%h|%s"), []
        while rest:
            key, size, rest = rest.split(b"|", 2)
            headers, rest = rest.split(b"|", 1)
            names = sorted(h for h in headers.decode().split(",") if not h.startswith("receivedat="))
            got.append((key.decode(), tuple(names), rest[:int(size)]))
            rest = rest[int(size):]
        return got

    def topics(self, prefix):
        """{topic below PREFIX/VIN/: payloads} of MQTT."""
        got = {}
        with open(self.mqtt.received, encoding="utf-8", errors="surrogateescape", newline="\n") as f:
            for line in f.read().split("\n")[:-1]:
                topic, _, payload = line.partition("\t")
                if topic.startswith(f"{prefix}/{VIN}/"):
                    got.setdefault(topic.removeprefix(f"{prefix}/{VIN}/"), []).append(payload)
        return got


class Sender:
    """A vehicle that sends messages one by one and keeps the replies. It connects again when it is disconnected."""

    def __init__(self, daemon, to):
        self.daemon, self.to, self.replies = daemon, to, []
        self.car, self.number = None, 0

    def send(self, topic, payload, txid=None):
        """Return "ack", "error" or "closed"."""
        self.number += 1
        if self.car is None:
            self.car = Car(self.daemon, to=self.to)
        try:
            self.car.send(envelope(topic, payload, VIN, txid=txid or f"mark-{self.number:09d}"))
            reply = self.car.receive_reply()[0]
        except (OSError, AssertionError):
            reply = "closed"
            self.close()
        return reply

    def send_all(self, messages):
        self.replies = [self.send(topic, payload, f"message-{number:09d}")
                        for number, (topic, payload) in enumerate(messages)]

    def close(self):
        if self.car is not None:
            self.car.close()
        self.car = None


def mark(sender, brokers, prefix, text, mqtt=True):
    """Send a record of each type with this text, repeatedly until every consumer has one."""
    word = text.encode()

    def arrived():
        for kind, payload in ENDS.items():
            assert sender.send(kind, payload(text)) == "ack", kind
        zmq, published = brokers.zmq(prefix), brokers.published(prefix)
        return (all(any(word in p for p in got.get(kind, [])) for got in (zmq, published) for kind in ENDS) and
                (not mqtt or {f"alerts/{text}/current", f"errors/{text}"} <= brokers.topics(prefix).keys()))

    wait_until(f"{prefix}: {text} arrives everywhere", arrived, 60)


def between(payloads, begin, end, of=lambda item: item):
    """The items behind the last one that has `begin`, up to the first one that has `end`."""
    first = max(i for i, item in enumerate(payloads) if begin.encode() in of(item)) + 1
    last = min(i for i, item in enumerate(payloads) if end.encode() in of(item))
    return payloads[first:last]


def canonical(payload):
    """JSON without the spaces that Tesla's server adds at random, with its numbers as they are written; the payload as
    it is if it is no JSON."""
    try:
        return json.dumps(json.loads(payload, parse_float=str, parse_int=str), separators=(",", ":"))
    except ValueError:
        return payload
