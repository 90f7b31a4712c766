"""A fake Home Assistant with the needed part of the WebSocket API. Its behaviour can be changed."""
import base64
import hashlib
import json
import struct
import threading

from fake_peer import FakePeer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FakeHome(FakePeer):
    """Appends received commands to `commands`. Attributes that change the behaviour:
    answer   called with each command; returns the result, or None for no response
    accept   called with each token; returns whether it is valid
    flood    two byte strings: the first is sent once after the upgrade, the second in a loop
    """

    def __init__(self, answer=None, flood=None):
        self.answer, self.flood = answer or (lambda command: {}), flood
        self.accept = lambda token: True
        self.commands, self.connections, self.flooded = [], 0, 0
        self.lock = threading.Lock()
        self.listen()

    def of_type(self, kind):
        return [c for c in list(self.commands) if c.get("type") == kind]

    BUFFER = 1 << 16
    ENDS = (*FakePeer.ENDS, KeyError)

    def _one(self, client, stream):
        self._serve(client, stream)

    def _serve(self, client, stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                raise EOFError
            head += line
        if b"/api/websocket" not in head:
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        key = [line.split(b":")[1].strip() for line in head.split(b"\r\n")
               if line.lower().startswith(b"sec-websocket-key:")][0]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.client, self.connections = client, self.connections + 1
        flood = self.flood
        if flood:
            client.sendall(flood[0])
            while self.flood:
                client.sendall(flood[1])
                self.flooded += len(flood[1])
            return
        self.say({"type": "auth_required", "ha_version": "2026.2.0"})
        while True:
            message = self._message(stream)
            if message["type"] == "auth":
                if not self.accept(message["access_token"]):
                    self.say({"type": "auth_invalid", "message": "Invalid access token"})
                    raise EOFError
                self.say({"type": "auth_ok", "ha_version": "2026.2.0"})
                continue
            self.commands.append(message)
            self.confirm(message)

    def confirm(self, command):
        result = self.answer(command)
        if result is not None:
            self.say({"id": command["id"], "type": "pong" if command["type"] == "ping" else "result",
                      "success": True, "result": result})

    def say(self, message):
        data = json.dumps(message).encode()
        head = b"\x81" + (bytes([len(data)]) if len(data) < 126 else
                          b"\x7e" + struct.pack(">H", len(data)))
        with self.lock:
            self.client.sendall(head + data)

    @staticmethod
    def _read(stream, size):
        data = stream.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _message(self, stream):
        while True:
            kind, size = self._read(stream, 2)
            masked, size = size & 0x80, size & 0x7f
            if size == 126:
                size = struct.unpack(">H", self._read(stream, 2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._read(stream, 8))[0]
            mask = self._read(stream, 4) if masked else bytes(4)
            data = self._read(stream, size)
            if kind & 0x0f == 8:
                raise EOFError
            if kind & 0x0f == 1:
                wide = (mask * (size // 4 + 1))[:size]
                return json.loads((int.from_bytes(data, "big") ^ int.from_bytes(wide, "big")
                                   ).to_bytes(size, "big"))
