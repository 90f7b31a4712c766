"""A fake MQTT broker (3.1.1 and 5) for one client at a time, with changeable behaviour."""
import struct
import threading

from fake_peer import FakePeer


class Publish:
    def __init__(self, topic, payload, qos, retain, mid, size):
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain
        self.mid, self.size = mid, size


class FakeBroker(FakePeer):
    """Appends received messages to `published`. Attributes that change the behaviour:
    ack      called with each Publish; returns whether to confirm it
    limit    maximum bytes of a packet; a longer one closes the connection
    """

    def __init__(self, limit=None, ack=None, properties=b""):
        self.limit, self.ack, self.properties = limit, ack or (lambda publish: True), properties
        self.published, self.subscribed, self.connections, self.client_ids = [], [], 0, []
        self.lock = threading.Lock()
        self.version = 4
        self.listen()

    def topics(self):
        return [p.topic for p in list(self.published)]

    def last(self, topic):
        """The last payload published to a topic, or None."""
        for p in reversed(list(self.published)):
            if p.topic == topic:
                return p.payload
        return None

    def send(self, data):
        with self.lock:
            self.client.sendall(data)

    def publish(self, topic, payload=b"", retain=False):
        """Send a message to the client, regardless of its subscriptions."""
        topic = topic if isinstance(topic, bytes) else topic.encode()
        body = struct.pack(">H", len(topic)) + topic + (b"\0" if self.version == 5 else b"") + payload
        self.send(bytes([0x30 | (1 if retain else 0)]) + self._length(len(body)) + body)

    # ---- the protocol -----------------------------------------------------------------

    @staticmethod
    def _length(size):
        out = b""
        while True:
            size, digit = size >> 7, size & 0x7f
            out += bytes([digit | (0x80 if size else 0)])
            if not size:
                return out

    def _one(self, client, stream):
        self.client = client
        self.connections += 1
        self._serve(stream)

    @staticmethod
    def _read(stream, size):
        data = stream.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _packet(self, stream):
        kind, size, shift, head = self._read(stream, 1)[0], 0, 0, 1
        while True:
            digit = self._read(stream, 1)[0]
            head += 1
            size |= (digit & 0x7f) << shift
            shift += 7
            if digit < 0x80:
                break
        if self.limit and size + head > self.limit:
            raise EOFError
        return kind, self._read(stream, size), size + head

    @staticmethod
    def _skip_properties(body, at):
        size, shift = 0, 0
        while True:
            digit = body[at]
            at += 1
            size |= (digit & 0x7f) << shift
            shift += 7
            if digit < 0x80:
                return at + size

    def _serve(self, stream):
        while True:
            kind, body, size = self._packet(stream)
            if kind >> 4 == 1:
                self.version = body[6]
                at = self._skip_properties(body, 10) if self.version == 5 else 10
                length = struct.unpack(">H", body[at:at + 2])[0]
                self.client_ids.append(body[at + 2:at + 2 + length].decode())
                tail = self._length(len(self.properties)) + self.properties \
                    if self.version == 5 else b""
                self.send(b"\x20" + self._length(2 + len(tail)) + b"\0\0" + tail)
            elif kind >> 4 == 3:
                self._receive_publish(kind, body, size)
            elif kind >> 4 == 8:
                self.subscribed.append(body)
                tail = b"\0" if self.version == 5 else b""
                self.send(b"\x90" + self._length(3 + len(tail)) + body[:2] + tail + b"\x01")
            elif kind >> 4 == 12:
                self.send(b"\xd0\0")
            elif kind >> 4 == 14:
                raise EOFError

    def _receive_publish(self, kind, body, size):
        length = struct.unpack(">H", body[:2])[0]
        topic, at, qos, mid = body[2:2 + length].decode(), 2 + length, kind >> 1 & 3, 0
        if qos:
            mid, at = struct.unpack(">H", body[at:at + 2])[0], at + 2
        if self.version == 5:
            at = self._skip_properties(body, at)
        publish = Publish(topic, body[at:], qos, kind & 1, mid, size)
        self.published.append(publish)
        if qos and self.ack(publish):
            self.confirm(publish)

    def confirm(self, publish):
        self.send(b"\x40\x02" + struct.pack(">H", publish.mid))
