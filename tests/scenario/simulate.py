#!/usr/bin/env python3
"""fleetroute simulate: messages have real fields with values of their types, and a server that makes a mistake
in the WebSocket handshake gets a message that names the mistake."""
import re
import shutil
import socket
import ssl
import subprocess
import struct
import tempfile
import threading

from fr import BUILD, PATIENCE, Daemon, fleetroute, free_port, run_parts
from vehicle import KINDS, NUMBERS

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
WRITABLE = ("real", "integer", "boolean", "text", "enum", "location")


def data():
    """Each datum is a field of the catalogue, in ascending order, with a value of the field's kind."""
    refused = fleetroute("simulate", "--data", 100000, check=False)
    limit = int(re.search(r"from 0 to (\d+)", refused.stderr)[1])
    assert refused.returncode == 1 and 150 < limit <= sum(kind in WRITABLE for kind in KINDS.values()), refused
    for wrong in ("-1", "x", "8x", "", str(limit + 1)):
        assert fleetroute("simulate", "--data", wrong, check=False).returncode == 1, wrong
    types = {"real": (int, float), "integer": (int,), "boolean": (bool,), "text": (str,), "enum": (str,),
             "location": (dict,)}
    with Daemon(ROUTING, SINKS) as d:
        for count in (1, 8, 9, 64, limit):
            out = d.simulate("--vehicles", 1, "--rate", 10, "--duration", 1, "--data", count, "--sequence", 0)
            assert " 0 refused, 0 unanswered" in out.stdout, out
            sent = d.records("V.jsonl")[-1]["data"]
            assert len(sent) == count, (count, len(sent))
            numbers = [NUMBERS[name] for name in sent]
            assert numbers == sorted(numbers)
            for name, value in sent.items():
                assert isinstance(value, types[KINDS[name]]), (name, KINDS[name], value)
                assert KINDS[name] != "enum" or not value.startswith("unknown("), (name, value)
        assert d.count("values_without_their_canonical_type") == 0


class Server:
    """A server that answers one upgrade with these header lines and then sends these bytes."""

    def __init__(self, folder, lines, after=b""):
        self.lines, self.after, self.opened = lines, after, threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
        self.socket = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.socket.accept()
                with self.context.wrap_socket(raw, server_side=True) as tls:
                    request = b""
                    while b"\r\n\r\n" not in request and (got := tls.recv(4096)):
                        request += got
                    tls.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                b"Connection: Upgrade\r\n" + self.lines + b"\r\n" + self.after)
                    if tls.recv(4096) and b"\r\n\r\n" in request:
                        self.opened.set()  # the vehicle sends its first frame
            except OSError:
                if self.socket.fileno() < 0:
                    return


def compression():
    """A server that accepts compression, whatever the parameters and the case of the header."""
    folder = tempfile.mkdtemp(prefix="fr-scenario.")
    fleetroute("simulate", "--pki", folder, "--pki-only")
    compressed = b"\xc2\x05\x00\x01\x02\x03\x04"  # binary, RSV1
    text = struct.pack(">BB", 0x81, 28) + b"sec-websocket-extensions: x\n"
    for lines, after, message in (
            (b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"", "accepted a WebSocket extension"),
            (b"sec-websocket-extensions:permessage-deflate; server_no_context_takeover\r\n", b"",
             "accepted a WebSocket extension"),
            (b"Sec-WebSocket-Extensions: another\r\n", compressed, "accepted a WebSocket extension"),
            (b"", compressed, "frame that violates RFC 6455, such as a compressed one"),
            (b"Sec-WebSocket-Extensions: \r\n", text, None), (b"", text, None)):
        server = Server(folder, lines, after)
        car = subprocess.Popen([f"{BUILD}/fleetroute", "simulate", "--pki", folder, "--connect",
                                f"127.0.0.1:{server.port}"], stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL)
        if message:
            for line in car.stderr:
                if b"not connected: " in line:
                    break
            assert message in line.decode(), (lines, line)
        else:
            assert server.opened.wait(20 * PATIENCE), lines
        car.kill()
        car.wait()
        car.stderr.close()
        server.socket.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    run_parts(data, compression)
