"""Library of the attack scenarios: hostile vehicles and peers, and an honest vehicle that measures delays.

A hostile vehicle has a valid certificate and can send any envelope, payload and WebSocket frame at any rate.
A hostile peer has no certificate. All addresses are in 127.0.0.0/8.
"""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from fr import *  # noqa: E402,F401,F403 (the scenarios use its names)
from fr import BUILD, PATIENCE, VIN, Car  # noqa: E402
from messages import Table, Vector, field, stream_envelope, table, varint  # noqa: E402,F401


def sanitized():
    """Whether the daemon is built with a sanitizer, which slows it down and delays freeing of memory."""
    with open(f"{BUILD}/fleetrouted", "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


SLOWER = 10 if sanitized() else 1  # factor of all bounds of time and memory


# ---- envelopes and payloads --------------------------------------------------------------

def envelope(topic=b"V", payload=b"", txid=b"attack-000000001", sender=f"vehicle_device.{VIN}",
             kind=4, **fields):
    """A Tesla envelope; `fields` replaces whole slots: root={0: …}, stream={2: …}."""
    return stream_envelope(topic, payload, txid, sender.encode(), kind, **fields)


def text_value(text):
    return field(1, text if isinstance(text, bytes) else text.encode())


def vehicle_data(data=(), created=None, vin=VIN, resend=False, extra=b""):
    """The payload of a V message; `data` is (field number, bytes of a Value), `created` in s since 1970."""
    out = b"".join(field(1, field(1, key) + field(2, value)) for key, value in data)
    created = time.time() if created is None else created
    out += field(2, field(1, int(created)) + field(2, int(created % 1 * 1e9)))
    out += field(3, vin.encode())
    return out + (field(4, 1) if resend else b"") + extra


# ---- peers -------------------------------------------------------------------------------

def frame(payload, opcode=2, final=True, rsv=0, mask=b"\0\0\0\0", length=None):
    """A WebSocket frame; `length` replaces the length in its header; mask=None: the frame is not masked."""
    length = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)) \
        if any(mask) else head + mask + payload


class Hostile(Car):
    """A vehicle with a valid certificate that can violate every protocol."""

    def raw(self, octets):
        self.socket.sendall(octets)

    def message(self, topic=b"V", payload=None, **more):
        """Send one message. The default txid has a number that increases with each message."""
        self.sent = getattr(self, "sent", 0) + 1
        more.setdefault("txid", b"attack-%09d" % self.sent)
        self.send(envelope(topic, vehicle_data() if payload is None else payload, **more))

    def flood(self, octets, seconds, patience=0.5):
        """Send the bytes in a loop for `seconds` without reading; returns the number of bytes sent. Ends
        early when the daemon receives nothing for `patience` seconds or closes the connection."""
        until, sent = time.monotonic() + seconds, 0
        self.socket.settimeout(patience)
        while time.monotonic() < until:
            try:
                self.socket.sendall(octets)
                sent += len(octets)
            except OSError:
                break
        return sent


def peer(port, first=b"", source=None, seconds=15):
    """A TCP connection that sends `first` and then nothing."""
    s = socket.socket()
    s.settimeout(seconds)
    if source:
        s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    if first:
        s.sendall(first)
    return s


def hung_up(s, seconds=0.01):
    """Whether the other side has closed the connection; received bytes are discarded."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True


def client_hello(daemon):
    """The ClientHello of a TLS client, which is the first message of a handshake."""
    import ssl
    out = ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=daemon.path("server-ca.pem"))
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Honest:
    """Context manager: a vehicle that sends a message every 20 ms and measures the time to its
    acknowledgement. The block fails if the connection ends or a reply is not the acknowledgement."""

    def __init__(self, daemon, vin="5YJ3E1EA7KF000000"):
        self.car = Hostile(daemon, vin=vin)
        self.vin, self.slowest, self.count, self.problem = vin, 0.0, 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self.stop.wait(0.02):
                begin = time.monotonic()
                self.car.message(payload=vehicle_data([(4, field(8, 1.0))], vin=self.vin),
                                 sender=f"vehicle_device.{self.vin}",
                                 txid=b"honest-%09d" % self.count)
                answer = self.car.receive_reply()
                assert answer == ("ack", f"honest-{self.count:09d}"), answer
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.count += 1
        except Exception as problem:  # __exit__() raises it
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.thread.join()
        self.car.close()
        if kind is None:
            assert self.problem is None, f"the honest vehicle: {self.problem!r}"
            assert self.count > 0
