"""The attacks of campaign.py. Each is a function that runs one round of one or two seconds against a
Target. attack_until() runs attacks in random order and is called in its own process."""
import json
import os
import random
import socket
import struct
import time

from hostile import Hostile, client_hello, envelope, field, frame, peer, text_value, vehicle_data
from messages import alerts, bare_errors, datum, location

PAUSE_S = 0.5  # after each round; attackers, Kafka and vehicles share the cores of the machine
VINS = [f"5YJ3E1EA7KFA{n:05d}" for n in range(8)]
FLAWS = ("expired", "foreign", "no-identity")
LOCATION, HEADING, SPEED, ODOMETER, ENERGY = 21, 23, 4, 5, 103


class Target:
    """The attacked daemon, with the random numbers and the transaction ids of one attacking process."""

    def __init__(self, daemon, seed):
        self.daemon, self.random, self.txid = daemon, random.Random(seed), 0
        self.hello = client_hello(daemon)

    def car(self, **more):
        car = Hostile(self.daemon, vin=more.pop("vin", None) or self.random.choice(VINS),
                      source=f"127.0.1.{self.random.randrange(1, 250)}", **more)
        car.socket.settimeout(5)
        return car

    def send(self, car, topic, payload, **more):
        self.txid += 1
        car.send(envelope(topic, payload, b"hostile-%d-%09d" % (os.getpid(), self.txid), **more))

    def records(self, topic, payloads):
        """Send the payloads from one vehicle and read one reply for each."""
        car = self.car()
        for payload in payloads:
            self.send(car, topic, payload)
        for _ in payloads:
            car.receive_reply()
        car.close()

    def bytes(self, max_size):
        """Fewer than `max_size` random bytes."""
        return self.random.randbytes(self.random.randrange(max_size))

    def mutated(self, octets):
        """`octets` with one to seven random changes: bytes changed, removed or repeated."""
        out = bytearray(octets)
        for _ in range(self.random.randrange(1, 8)):
            at = self.random.randrange(len(out)) if out else 0
            how = self.random.randrange(4)
            if how == 0 and out:
                out[at] = self.random.randrange(256)
            elif how == 1:
                del out[at:at + self.random.randrange(1, 16)]
            elif how == 2:
                out[at:at] = out[at:at + self.random.randrange(1, 64)]
            else:
                out[at:at + 4] = struct.pack("<I", self.random.choice((0, 1, 0x7fffffff, 0xffffffff)))
        return bytes(out)


# ---- WebSocket and connections ---------------------------------------------------------------

def garbage_frames(t):
    for _ in range(20):
        car = t.car()
        car.raw(frame(t.bytes(2000), opcode=t.random.randrange(16), final=t.random.random() < 0.5,
                      rsv=t.random.randrange(8), mask=t.random.choice((None, b"abcd")),
                      length=t.random.choice((None, 0, 1 << 31, (1 << 64) - 1))))
        car.close()


def huge_messages(t):
    car = t.car()
    for size in (1_000_000, 1_048_577, 16_000_000):
        car.raw(frame(bytes(size)))
        car.receive_reply()
    car.close()


def message_in_pieces(t):
    car = t.car()
    message = envelope(payload=vehicle_data(), txid=b"pieces-%d" % t.random.randrange(1 << 40))
    for i in range(len(message)):
        car.raw(frame(message[i:i + 1], opcode=0 if i else 2, final=i == len(message) - 1))
    car.receive_reply()
    car.raw(frame(b"", final=False) + frame(b"", opcode=0, final=False) * 10_000 + frame(b"", opcode=0))
    car.receive_reply()
    car.close()


def unread_replies(t):
    car = t.car(receive_buffer=4096)
    octets = t.random.choice((frame(b"") * 1000, frame(b"p" * 125, opcode=9) * 500,
                              frame(envelope(kind=9, txid=b"t" * 256)) * 200))
    car.flood(octets, 1, patience=0.3)
    car.close()


def slow_peers(t):
    """Vehicles that read replies, send a message, and send the upgrade request, each slowly."""
    reader, writer, upgrade = t.car(receive_buffer=4096), t.car(), t.car(upgrade=False)
    message = frame(envelope(payload=vehicle_data(), txid=b"slow-%d" % t.random.randrange(1 << 40)))
    for _ in range(100):
        t.send(reader, b"V", vehicle_data())
    for i in range(20):
        writer.raw(message[i:i + 1])
        upgrade.raw(b"GET / HTTP/1.1\r\n"[i % 16:i % 16 + 1])
        reader.socket.recv(1)
        time.sleep(0.05)
    for car in (reader, writer, upgrade):
        car.close()


def connections_of_one_vin(t):
    vin = t.random.choice(VINS)
    cars = [t.car(vin=vin) for _ in range(20)]
    for car in cars:
        car.close()


def reconnect_storm(t):
    for _ in range(30):
        car = t.car()
        if t.random.random() < 0.5:  # close with a TCP reset
            car.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if t.random.random() < 0.5:
            t.send(car, b"V", vehicle_data())
        car.close()


def half_open_flood(t):
    prefixes = (b"", b"\x16", t.hello[:-1], t.hello)
    crowd = [peer(t.daemon.port, prefixes[n % 4], source=f"127.0.2.{1 + n % 200}") for n in range(300)]
    time.sleep(1)
    for s in crowd:
        s.close()


def garbage_instead_of_tls(t):
    for _ in range(40):
        s = peer(t.daemon.port, t.mutated(t.hello) if t.random.random() < 0.5 else t.bytes(4000) + b"x",
                 source="127.0.3.1")
        s.close()


def bad_certificates(t):
    for flaw in (*FLAWS, None):
        try:
            t.car(vin=VINS[0], **({"flaw": flaw} if flaw else {"certificate": False})).close()
        except OSError:
            continue
        except AssertionError as refusal:
            assert "101" not in str(refusal), refusal
            continue
        raise RuntimeError(f"a bad certificate is accepted: {flaw}")


def bad_upgrades(t):
    for head in (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000 + b"\r\n", t.bytes(3000) + b"\r\n\r\n"):
        car = t.car(upgrade=False)
        car.raw(head)
        car.receive()
        car.close()


# ---- records -----------------------------------------------------------------------------

def many_values(t):
    value = field(8, 61.0)
    t.records(b"V", [vehicle_data([(1 + n % 250, value) for n in range(4096)])] * 4)


def too_many_values(t):
    t.records(b"V", [vehicle_data([(4, field(8, 1.0))] * 60_000)])


def invalid_topics(t):
    car = t.car()
    for topic in (b"a+b", b"a/b", b"..", b"../../x", b"#", b"", b"a b", b"x" * 65, b"$SYS", b"%{vin}",
                  b"V.jsonl.2026-01-01.gz", b"t%d" % t.random.randrange(1 << 40), b"presence"):
        t.send(car, topic, vehicle_data())
        car.receive()
    car.close()


def alert_flood(t):
    t.records(b"alerts", [alerts([f"a{t.random.randrange(1 << 30)}-{n}" for n in range(300)]),
                          alerts(["same"] * 1000)])


def error_flood(t):
    t.records(b"errors", [bare_errors(*[f"e{n}" for n in range(1000)])])


def invalid_names(t):
    names = ["a/b+c#d", "\x01\x7f", "\ufffe\ufdd0", "ä" * 100, b"a\xffb", b"\xc0\xaf", "%n%s", "\u202e", ""]
    t.records(b"alerts", [alerts(names)])
    t.records(b"errors", [bare_errors(*names)])


def extreme_numbers(t):
    numbers = (1e300, -1e308, float("inf"), float("nan"), 90.0001, -0.0, 5e-324)
    t.records(b"V", [datum(LOCATION, location(n, n)) + datum(HEADING, field(5, n)) +
                     datum(SPEED, field(5, n)) + datum(ENERGY, field(5, n)) + vehicle_data()
                     for n in numbers])


def invalid_texts(t):
    texts = (b"9" * 60_000, b"1e999", b"-", b"0x10", b"\xff\xfe", b"(1e300, 1e300)", b"\0", b"NaN")
    t.records(b"V", [vehicle_data([(n, text_value(text)) for n in (LOCATION, SPEED, ODOMETER, 10)])
                     for text in texts])


def huge_fields(t):
    t.records(b"V", [vehicle_data([(t.random.randrange(1000, 1 << 29), text_value(b"x" * 8000))
                                   for _ in range(16)]) for _ in range(4)])


def extreme_times(t):
    now = time.time()
    t.records(b"V", [vehicle_data([(ODOMETER, field(5, 1.0))], created=created)
                     for created in (now + 299, now + 301, now + 1e9, 1 << 40, -(1 << 40), 0, -1)])


def repeated_txid(t):
    car = t.car()
    for n in range(200):  # the same txid; every payload is sent twice
        car.send(envelope(b"V", vehicle_data([(4, field(5, float(n // 2)))], created=1.8e9),
                          b"again", sender="vehicle_device.x"))
        car.receive_reply()
    car.close()


def mutated_payloads(t):
    valid = {b"V": vehicle_data([(4, text_value("12.5")), (LOCATION, location(1, 2)),
                                 (10, field(9, 5)), (8, field(8, 53.0))]),
             b"alerts": alerts(["one", "two"]), b"errors": bare_errors("one", "two"),
             b"connectivity": field(1, b"id") + field(2, 1)}
    topic = t.random.choice(list(valid))
    t.records(topic, [t.mutated(valid[topic]) for _ in range(100)])


def mutated_envelopes(t):
    valid = envelope(payload=vehicle_data([(4, text_value("12.5"))]))
    car = t.car()
    for _ in range(100):
        car.raw(frame(t.mutated(valid)))
    for _ in range(50):
        car.receive()
    car.close()


ATTACKS = (garbage_frames, huge_messages, message_in_pieces, unread_replies, slow_peers,
           connections_of_one_vin, reconnect_storm, half_open_flood, garbage_instead_of_tls,
           bad_certificates, bad_upgrades, many_values, too_many_values, invalid_topics, alert_flood,
           error_flood, invalid_names, extreme_numbers, invalid_texts, huge_fields, extreme_times,
           repeated_txid, mutated_payloads, mutated_envelopes)


def prepare(daemon):
    """Create the certificates before the attacking processes start."""
    for vin in VINS:
        daemon.certificate(vin)
    for flaw in FLAWS:
        daemon.certificate(VINS[0], flaw)


def attack_until(daemon, number, attacks, begin, end, report):
    """Run the attacks from `begin` to `end` (monotonic clock, s). Write {attack: [rounds, rounds that the
    daemon ended, seconds, errors in the attack's own code]} as JSON to the file `report`."""
    os.nice(10)  # real attackers do not use CPU time of this machine
    target = Target(daemon, number)
    done = {attack.__name__: [0, 0, 0.0, []] for attack in attacks}
    time.sleep(max(0, begin - time.monotonic()))
    while time.monotonic() < end:
        for attack in target.random.sample(attacks, len(attacks)):
            if time.monotonic() >= end:
                break
            row, begun = done[attack.__name__], time.monotonic()
            row[0] += 1
            try:
                attack(target)
            except (OSError, AssertionError):  # the daemon may close or refuse the connection
                row[1] += 1
            except Exception as error:
                row[3].append(repr(error))
            row[2] += time.monotonic() - begun
            time.sleep(PAUSE_S)
    with open(report, "w") as f:
        json.dump(done, f)
