#!/usr/bin/env python3
"""zmq.so with pyzmq as TeslaLogger and as other subscribers of Tesla's server: a trip, restarts, CURVE, a port in use;
subscribers that do not read, that flood, or that do not speak ZeroMQ delay no other one and take no memory."""
import json
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import BUILD, PATIENCE, VIN, Daemon, free_port, run_parts, vector, wait_until, write_file  # noqa: E402
from messages import alerts, datum, envelope, field, vehicle_data  # noqa: E402
from zeromq_subscriber import Subscriber, zmq  # noqa: E402

ROUTING = 'records: [{type: "*", to: zmq}]'
ARCHIVED = """records:
  - {type: [V, alerts], to: [zmq, archive], format: tesla-json}
  - {type: [connectivity, errors], to: zmq}"""
ARCHIVE = '\n  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
SPEED = 4


class Peer:
    """A TCP connection that speaks ZMTP 3.0 by hand, or anything else."""

    def __init__(self, port, greeting=True, receive_buffer=4096):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20 * PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        if greeting:
            self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
            self.receive(64)
            self.send(b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB", flags=4)
            head = self.receive(2)
            self.receive(head[1])

    def receive(self, size):
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            assert more, "the connection was closed"
            got += more
        return got

    @staticmethod
    def frame(body, flags=0):
        if len(body) < 256:
            return bytes([flags, len(body)]) + body
        return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body

    def send(self, body, flags=0):
        self.socket.sendall(self.frame(body, flags))

    def subscribe(self, topic=b""):
        self.send(b"\1" + topic)

    def is_closed(self):
        """Read what there is. True at the end of the connection."""
        try:
            self.socket.settimeout(0.01)
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self):
        self.socket.close()


def sinks(port, options="", more=""):
    return f'  zmq: {{plugin: zmq, options: {{bind: "tcp://127.0.0.1:{port}"{options}}}}}' + more


def health(d, sink="zmq"):
    return d.status()["sinks"][sink]


def wait_subscribed(d, count, sink="zmq"):
    wait_until(f"{count} subscribers", lambda: f"{count} subscriber{'' if count == 1 else 's'} at" in health(d, sink)["why"])


def wait_sequence(subscriber, numbers):
    wait_until("all values", lambda: len(subscriber.messages) >= len(numbers), 60)
    assert odometers(subscriber) == numbers, (odometers(subscriber), numbers)


def odometers(subscriber):
    """The values of Odometer, in the order of arrival."""
    return [round(next(iter(r["data"][0]["value"].values()))) for r in subscriber.records() if r["data"]]


def say(d, numbers, more=None):
    d.say(*({"Odometer": number, **(more or {})} for number in numbers))


def assert_memory(d, kb):
    """Builds with a sanitizer keep freed memory: FR_MOST_KB is their limit."""
    assert d.status()["resident_kb"] < int(os.environ.get("FR_MOST_KB", kb)), (kb, d.status()["resident_kb"])


def trip():
    """TeslaLogger gets V and alerts of a whole trip as Tesla's JSON, in two frames, and nothing else."""
    port = free_port()
    options = ", layout: teslalogger, wait_for_subscriber: true"
    with Daemon(ARCHIVED, sinks(port, options, ARCHIVE), journal="{}") as d:
        logger = Subscriber(port)
        messages = int(d.simulate("--speed", 40).stdout.split()[0])
        wait_until("the trip", lambda: len(logger.messages) >= messages, 60)
        car = d.car()
        for name in ("02_alerts", "03_errors"):
            car.send(vector(name))
            assert car.receive_reply()[0] == "ack"
        car.close()
        wait_until("the alert", lambda: "tesla_alerts" in logger.topics())
        wait_until("the last record is archived", lambda: len(d.lines("alerts.jsonl")) == 1)
        assert set(logger.topics()) == {"tesla_V", "tesla_alerts"}, set(logger.topics())
        assert all(len(m) == 2 for m in logger.messages)
        payloads = [m[1].decode() for m in logger.messages if m[0] == b"tesla_V"]
        assert payloads == d.lines("V.jsonl"), "other payloads than in the file"
        assert len(payloads) == messages
        locations = [v["value"]["locationValue"] for r in map(json.loads, payloads) for v in r["data"]
                     if v["key"] == "Location"]
        assert abs(locations[-1]["latitude"] - 37.4) < 1e-3 and abs(locations[-1]["longitude"] + 122.1) < 1e-3
        assert all(r["vin"] == VIN and r["createdAt"] for r in map(json.loads, payloads))
        assert "layout teslalogger publishes records of V and alerts only" in d.log_text()
        logger.close()


def protobuf_and_topics():
    """Tesla's own consumers: protobuf, all record types, filters by topic; values of field routes as JSON."""
    port = free_port()
    routing = """records: [{type: "*", to: zmq, format: protobuf}]
fields: [{field: VehicleSpeed, to: zmq, unit: km/h}]"""
    with Daemon(routing, sinks(port, ', topic: "fleet_%{type}", wait_for_subscriber: true'), journal="{}") as d:
        everything, some = Subscriber(port), Subscriber(port, topics=("fleet_alerts", "tesla_fields"))
        wait_subscribed(d, 2)
        car = d.car()
        car.send(envelope("V", vehicle_data(datum(SPEED, field(5, 65.5)), created=1767225600), VIN))
        assert car.receive_reply()[0] == "ack"
        car.send(envelope("alerts", alerts(["an_alert"]), VIN))
        assert car.receive_reply()[0] == "ack"
        car.close()
        wait_until("both records and the value", lambda: {"fleet_V", "fleet_alerts", "tesla_fields"} <=
                   set(everything.topics()))
        vehicle = next(p for t, p in everything.messages if t == b"fleet_V")
        assert vehicle.startswith(datum(SPEED, field(5, 65.5))) and VIN.encode() in vehicle, vehicle
        wait_until("the subscriptions of the other", lambda: len(some.messages) == 2)
        assert sorted(some.topics()) == ["fleet_alerts", "tesla_fields"]
        value = json.loads(next(p for t, p in some.messages if t == b"tesla_fields"))
        assert abs(value["value"] - 65.5 * 1.609344) < 0.01 and value["unit"] == "km/h", value
        everything.close()
        some.close()


def restart():
    """Records wait while no subscriber is there, and for one whose queue is full: none is lost."""
    port = free_port()
    with Daemon(ROUTING, sinks(port, ", wait_for_subscriber: true, send_hwm: 10"), journal="{}") as d:
        say(d, range(5))
        wait_until("down", lambda: health(d)["health"] == "down" and "no subscriber at tcp" in health(d)["why"])
        first = Subscriber(port)
        wait_sequence(first, list(range(5)))
        first.close()
        wait_until("its end is seen", lambda: health(d)["health"] == "down")
        say(d, range(5, 2000))
        second = Subscriber(port)
        wait_sequence(second, list(range(5, 2000)))
        wait_subscribed(d, 1)
        second.close()


def without_waiting():
    """By default records are done without a subscriber, as with Tesla's server."""
    port = free_port()
    with Daemon(ROUTING, sinks(port), journal="{}") as d:
        say(d, range(3))
        wait_until("all are done", lambda: health(d)["delivered"] >= 3)
        assert health(d)["health"] == "up", health(d)
        late = Subscriber(port)
        wait_subscribed(d, 1)
        say(d, range(3, 6))
        wait_sequence(late, [3, 4, 5])
        late.close()


def slow():
    """A subscriber that does not read loses messages, and the other one none; with large messages it is
    disconnected, and memory stays bounded."""
    port = free_port()
    options = ", send_hwm: 5000, queue_bytes: 2 MiB"
    with Daemon(ROUTING, sinks(port, options), journal="{}") as d:
        stuck = Peer(port)
        stuck.subscribe()
        reader = Subscriber(port)
        wait_subscribed(d, 2)
        before, text = d.status()["resident_kb"], "x" * 20000
        for start in range(0, 2000, 100):
            say(d, range(start, start + 100), {"VehicleName": text})
            wait_until("the other one has all", lambda: len(reader.messages) == start + 100)
        assert odometers(reader) == list(range(2000))
        wait_until("it was disconnected", lambda: "1 disconnected" in health(d)["why"])
        assert "queue_bytes" in health(d)["why"], health(d)
        assert_memory(d, before + 40000)
        stuck.close()
        stuck = Peer(port)
        stuck.subscribe()
        wait_subscribed(d, 2)
        reader.messages.clear()
        for start in range(0, 20000, 1000):
            say(d, range(start, start + 1000))
            wait_until("the other one has all", lambda: len(reader.messages) == start + 1000)
        assert odometers(reader) == list(range(20000))
        wait_until("it is reported", lambda: health(d)["health"] == "degraded" and
                   "a slow subscriber lost messages" in health(d)["why"])
        stuck.close()
        reader.close()


def impatient():
    """wait_for_subscriber: one subscriber that does not read delays the others for slow_after, and no more."""
    port = free_port()
    with Daemon(ROUTING, sinks(port, ", wait_for_subscriber: true, slow_after: 1 s, send_hwm: 100"),
                journal="{}") as d:
        stuck = Peer(port)
        stuck.subscribe()
        reader = Subscriber(port)
        wait_subscribed(d, 2)
        for start in range(0, 20000, 1000):
            say(d, range(start, start + 1000))
        wait_until("the other one has all", lambda: len(reader.messages) == 20000, 30)
        assert odometers(reader) == list(range(20000))
        assert "a slow subscriber lost messages" in health(d)["why"], health(d)
        stuck.close()
        reader.close()


def hostile():
    """Garbage, messages that are no subscriptions, floods of subscriptions and of connections."""
    port = free_port()
    with Daemon(ROUTING, sinks(port, ", max_subscribers: 8"), journal="{}") as d:
        reader = Subscriber(port)
        wait_subscribed(d, 1)
        before = d.status()["resident_kb"]
        garbage = [Peer(port, greeting=False) for _ in range(2)]
        garbage[0].socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
        garbage[1].socket.sendall(os.urandom(20000))
        many = Peer(port)
        flood = b"".join(Peer.frame(b"\1" + str(n).encode()) for n in range(20000))
        try:
            for _ in range(50):  # a million topics
                many.socket.sendall(flood)
        except OSError:
            pass
        # The end of a subscription that there is not does not permit another one.
        posing = Peer(port)
        flood = b"".join(Peer.frame(b"\1" + str(n).encode()) + Peer.frame(b"\0none" + str(n).encode())
                         for n in range(1000))
        try:
            posing.socket.sendall(flood)
        except OSError:
            pass
        long, message, huge = Peer(port), Peer(port), Peer(port)
        long.subscribe(b"t" * 300)
        message.send(b"hello")
        huge.socket.sendall(b"\2" + (1 << 40).to_bytes(8, "big"))
        for peer in (many, posing, long, message, huge, *garbage):
            wait_until("the connection is closed", peer.is_closed)
            peer.close()
        say(d, range(10))
        wait_sequence(reader, list(range(10)))
        for why in ("more than 64 subscriptions", "longer than any topic", "no subscription"):
            wait_until(why, lambda: why in d.log_text())
        assert_memory(d, before + 10000)
        crowd = [Peer(port, greeting=False) for _ in range(7)]
        wait_until("no more are accepted", lambda: "raise max_subscribers" in health(d)["why"])
        assert health(d)["health"] == "degraded"
        for _ in range(100):
            more = Peer(port, greeting=False)
            wait_until("one more is closed", more.is_closed)
            more.close()
        wait_until("the reason is logged", lambda: "there are max_subscribers connections" in d.log_text())
        say(d, range(10, 20))
        wait_sequence(reader, list(range(20)))
        for peer in crowd:  # without a handshake they are closed after 5 s
            wait_until("it is closed", peer.is_closed, 30)
            peer.close()
        other = Subscriber(port)
        wait_subscribed(d, 2)
        other.close()
        reader.close()


def many_subscriptions():
    """The largest number of subscriptions that the bounds allow, all different and as long as allowed: memory is
    bounded, comes back, and does not grow when they are replaced all the time."""
    port = free_port()
    with Daemon(ROUTING, sinks(port), journal="{}") as d:
        reader = Subscriber(port)
        wait_subscribed(d, 1)
        before = d.status()["resident_kb"]
        for round_ in range(3):
            peers = [Peer(port) for _ in range(63)]  # with the reader, max_subscribers
            for peer in peers:
                peer.socket.sendall(b"".join(Peer.frame(b"\1" + os.urandom(64)) for _ in range(64)))
            wait_subscribed(d, 64)
            say(d, range(round_ * 100, round_ * 100 + 100))
            wait_sequence(reader, list(range(round_ * 100 + 100)))
            assert not any(peer.is_closed() for peer in peers)
            print(f"{63 * 64} subscriptions of 64 bytes: {d.status()['resident_kb'] - before} kB")
            assert_memory(d, before + 30000)
            for peer in peers:
                peer.close()
            wait_subscribed(d, 1)
        changing = Peer(port)
        for _ in range(200):  # 12,800 topics, never more than 64 at a time
            some = [os.urandom(63) for _ in range(64)]
            changing.socket.sendall(b"".join(Peer.frame(b"\1" + topic) for topic in some) +
                                    b"".join(Peer.frame(b"\0" + topic) for topic in some))
        changing.subscribe(b"tesla")
        wait_subscribed(d, 2)
        assert not changing.is_closed()
        for size in (250, 255):
            for _ in range(8):
                changing.subscribe(os.urandom(size))
        wait_subscribed(d, 2)
        assert not changing.is_closed()
        changing.subscribe(os.urandom(100))
        wait_until("it is closed", changing.is_closed)
        wait_until("the reason is logged", lambda: "have more than 4096 bytes" in d.log_text())
        assert_memory(d, before + 30000)
        changing.close()
        say(d, [1000])
        wait_until("the reader has it", lambda: odometers(reader)[-1] == 1000)
        reader.close()


def curve():
    """Only clients with the right keys are served; a key that is removed from the file is refused."""
    port = free_port()
    server, mine, other = zmq.curve_keypair(), zmq.curve_keypair(), zmq.curve_keypair()
    keys = server[0], *mine
    d = Daemon(ROUTING, sinks(port, ", curve_secret_key: @/secret, curve_clients: @/clients"), journal="{}")
    write_file(d.path("secret"), "no key")
    refused = subprocess.run([f"{BUILD}/fleetrouted", "-c", d.write() or d.path("fleetroute.yaml")], capture_output=True,
                             text=True, timeout=20 * PATIENCE)
    assert refused.returncode != 0 and "no key of 40 characters of Z85" in refused.stderr, refused
    write_file(d.path("secret"), server[1].decode())
    write_file(d.path("clients"), "")
    with d:
        d.end()
        files = {"plain": server[1] + b"\n",
                 "json": json.dumps({"secret": server[1].decode(), "public": server[0].decode()}).encode(),
                 "certificate": b'metadata\ncurve\n    public-key = "%s"\n    secret-key = "%s"\n' % server}
        for kind, content in files.items():
            write_file(d.path("secret"), content.decode())
            write_file(d.path("clients"), f"# TeslaLogger\n{mine[0].decode()} # mine\n")
            d.start()
            right = Subscriber(port, keys=keys)
            wait_subscribed(d, 1)
            say(d, [1])
            wait_sequence(right, [1])
            right.close()
            wait_subscribed(d, 0)
            if kind != "certificate":
                d.end()
        strangers = [Subscriber(port, keys=(server[0], *other)), Subscriber(port, keys=(other[0], *mine)),
                     Subscriber(port)]
        wait_until("the key is reported", lambda: f"its public key {other[0].decode()} is not in" in d.log_text())
        right = Subscriber(port, keys=keys)
        wait_subscribed(d, 1)
        say(d, [2])
        wait_sequence(right, [2])
        right.close()
        write_file(d.path("clients"), "# " + 253 * "x" + f" {mine[0].decode()}\n")  # a key in a comment
        removed = Subscriber(port, keys=keys)
        wait_until("the removed key is refused", lambda: f"key {mine[0].decode()} is not in" in d.log_text())
        say(d, [3])
        wait_until("all are done", lambda: health(d)["delivered"] >= 3)
        for stranger in (*strangers, removed):
            stranger.close()
            assert not stranger.messages, stranger.messages


def port_in_use():
    """The health names the cause and the remedy, and the sink recovers without a restart; a reload binds again."""
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with Daemon(ROUTING, sinks(port), journal="{}") as d:
            say(d, [1])
            wait_until("down", lambda: "Address already in use (stop the program" in health(d)["why"])
            assert health(d)["health"] == "down"
            assert "5284" not in d.log_text()
            other.close()
            wait_until("up", lambda: health(d)["health"] == "up")
            reader = Subscriber(port)
            wait_subscribed(d, 1)
            stuck = Peer(port)
            stuck.subscribe()
            wait_subscribed(d, 2)
            say(d, range(2000))
            d.sinks = sinks(port, ", send_hwm: 50")
            d.reload()
            wait_subscribed(d, 1)  # pyzmq connects again
            reader.messages.clear()
            say(d, [7])
            wait_sequence(reader, [7])
            d.sinks = sinks(80, "").replace("127.0.0.1", "192.0.2.1")
            d.reload()
            wait_until("another machine's address", lambda: "use an address or interface of this machine" in
                       health(d)["why"])
            begun = time.monotonic()
            assert d.end() == 0
            assert time.monotonic() - begun < 10 * PATIENCE
            reader.close()
            stuck.close()


run_parts(trip, protobuf_and_topics, restart, without_waiting, slow, impatient, hostile, many_subscriptions, curve, port_in_use)
