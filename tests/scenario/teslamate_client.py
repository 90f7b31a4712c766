"""A raw client of teslamate.so, which can misbehave in HTTP and in the WebSocket protocol."""
import contextlib
import json
import socket
import ssl
import struct
import time

from fr import PATIENCE

COLUMNS = "speed,odometer,soc,elevation,est_heading,est_lat,est_lng,power,shift_state,range,est_range,heading"


def mask(payload, first=0x81):
    """A masked frame; `first` is its first byte."""
    key = b"\x11\x22\x33\x44"
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xfe]) + struct.pack(">H", len(payload))
    return bytes([first]) + size + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def half_closed(port, octets, ca=""):
    """Send, end the direction to the server, and return all that the server answers."""
    with socket.create_connection(("127.0.0.1", port), 25 * PATIENCE) as raw:
        if ca:
            return _half_closed_tls(raw, octets, ca)
        raw.sendall(octets)
        raw.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: raw.recv(65536), b""))


def _half_closed_tls(raw, octets, ca):
    """With TLS in memory, so that close_notify is sent without a look at what the server has sent meanwhile."""
    incoming, outgoing, answer = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
    tls = ssl.create_default_context(cafile=ca).wrap_bio(incoming, outgoing, server_hostname="localhost")
    act = tls.do_handshake
    while True:
        try:
            got = act()
        except ssl.SSLWantReadError:
            raw.sendall(outgoing.read())
            came = raw.recv(65536)
            if not came:
                return answer
            incoming.write(came)
            continue
        except ssl.SSLZeroReturnError:
            return answer
        if act == tls.do_handshake:
            act = lambda: tls.read(65536)  # noqa: E731
            tls.write(octets)
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.unwrap()
        elif got:
            answer += got
        else:
            return answer


class Raw:
    def __init__(self, port, ca="", source=None, receive_buffer=None):
        raw = socket.socket()
        raw.settimeout(25 * PATIENCE)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            raw.bind((source, 0))
        raw.connect(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = raw if not ca else ssl.create_default_context(cafile=ca).wrap_socket(
            raw, server_hostname="localhost")
        self.buffer, self.texts = b"", []

    def put(self, octets):
        self.socket.sendall(octets)

    def close(self):
        self.socket.close()

    def request(self, path, upgrade=False):
        more = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") if upgrade else ""
        self.put(f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            got = self.socket.recv(65536)
            assert got, f"the connection ended after {self.buffer!r}"
            self.buffer += got
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head

    def until_end(self):
        """All that comes until the server closes the connection."""
        try:
            while got := self.socket.recv(65536):
                self.buffer += got
        except ConnectionError:
            pass
        return self.buffer

    def upgrade(self, path="/streaming/"):
        self.request(path, upgrade=True)
        head = self.head()
        assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
        return self

    def subscribe(self, tag, token, columns=COLUMNS):
        self.put(mask(json.dumps({"msg_type": "data:subscribe_oauth", "token": token, "value": columns,
                                  "tag": tag}).encode()))

    # ---- frames ----

    def frame(self):
        """(opcode, payload) of the next frame, or None at the end of the connection."""
        while True:
            if len(self.buffer) >= 4:
                size, at = self.buffer[1], 2
                assert size < 127, "frames of the server are short and not masked"
                if size == 126:
                    size, at = struct.unpack(">H", self.buffer[2:4])[0], 4
                if len(self.buffer) >= at + size:
                    frame = self.buffer[0] & 0x0f, self.buffer[at:at + size]
                    self.buffer = self.buffer[at + size:]
                    return frame
            elif len(self.buffer) >= 2 and self.buffer[1] == 0:
                frame, self.buffer = (self.buffer[0] & 0x0f, b""), self.buffer[2:]
                return frame
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not got:
                return None
            self.buffer += got

    def text(self):
        frame = self.frame()
        assert frame and frame[0] == 1, frame
        self.texts.append(json.loads(frame[1]))
        return self.texts[-1]

    def any_row(self):
        """The value of the next data:update."""
        end = time.monotonic() + 30 * PATIENCE
        while True:
            frame = self.frame()
            assert frame, "the connection has ended"
            assert time.monotonic() < end, f"no row; the last texts are {self.texts[-5:]}"
            if frame[0] == 1:
                self.texts.append(json.loads(frame[1]))
                if self.texts[-1]["msg_type"] == "data:update":
                    return self.texts[-1]["value"]

    def row(self):
        """The time and the columns of the next data:update."""
        at, *columns = self.any_row().split(",")
        return int(at), dict(zip(COLUMNS.split(","), columns))

    def error(self):
        """The type of the next data:error."""
        end = time.monotonic() + 30 * PATIENCE
        while (text := self.text())["msg_type"] != "data:error":
            assert time.monotonic() < end, f"no error; the last texts are {self.texts[-5:]}"
        return text["error_type"]

    def read_texts(self):
        """Read what has arrived, and return the texts so far."""
        before = self.socket.gettimeout()
        self.socket.settimeout(0.05)
        try:
            while True:
                frame = self.frame()
                if frame is None:
                    break
                if frame[0] == 1:
                    self.texts.append(json.loads(frame[1]))
        except TimeoutError:
            pass
        self.socket.settimeout(before)
        return self.texts[-200:]

    def pending_rows(self):
        return [t for t in self.read_texts() if t["msg_type"] == "data:update"][1:]

    def pong(self):
        while (frame := self.frame()) is not None:
            if frame[0] == 10:
                return True
        return False

    def close_code(self):
        """The close code; 1006: the connection ended without one."""
        end = time.monotonic() + 60 * PATIENCE
        while time.monotonic() < end:
            frame = self.frame()
            if frame is None:
                return 1006
            if frame[0] == 8:
                return struct.unpack(">H", frame[1][:2])[0]
        raise AssertionError("no close")
