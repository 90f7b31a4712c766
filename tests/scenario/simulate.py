#!/usr/bin/env python3
"""fleetroute simulate: messages have real fields with values of their types, and a server that makes a mistake
in the WebSocket handshake gets a message that names the mistake. The trip has the fields of the shipped dashboard;
a test CA that is not the daemon's is reported on both sides."""
import re
import shutil
import socket
import ssl
import subprocess
import struct
import tempfile
import threading

from fr import BUILD, PATIENCE, SOURCE, Daemon, fleetroute, free_port, run_parts, wait_until
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


def lines_for_the_daemon():
    """--pki-only prints the section `tls:` that makes the daemon use the test CA."""
    folder = tempfile.mkdtemp(prefix="fr-scenario.")
    lines = fleetroute("simulate", "--pki", folder, "--pki-only").stdout
    with open(f"{folder}/fleetroute.yaml", "w") as f:
        f.write(f"{lines}listen: {{address: 127.0.0.1}}\nstate: {folder}\nrouting: routing.yaml\n")
    with open(f"{folder}/routing.yaml", "w") as f:
        f.write("records: []\n")
    fleetroute("check", "-c", f"{folder}/fleetroute.yaml")
    again = fleetroute("simulate", "--pki", folder, "--pki-only").stdout
    assert again == lines and lines.count(f": {folder}/") == 3, (lines, again)


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


def shipped_fields():
    """The trip sends each field that the shipped routing for Home Assistant names; with etc/entities.yaml these
    fields make each entity of the shipped dashboard."""
    shipped = f"{SOURCE}/etc/home-assistant"
    with open(f"{shipped}/routing.yaml") as f:
        routing = f.read()
    routed = {name for names in re.findall(r"^  - {field: (?:\[([^]]*)|(\w+))", routing, re.M)
              for name in re.split(r",\s*", "".join(names))}
    assert len(routed) > 30 and {"Location", "RpWindow", "MinutesToArrival"} <= routed, routed
    with Daemon(routing, '  home: {plugin: file, options: {path: "@/home.jsonl"}}') as d:
        d.simulate("--speed", 40)
        sent = wait_until("all fields", lambda: (names := {
            record.get("field") for record in d.records("home.jsonl")}) >= routed and names)
    with open(f"{SOURCE}/etc/entities.yaml") as f:
        rows = re.findall(r"^  - {(?:field: (\w+), )?name: ([^,]*), (?:(?:from|any|max): \[([^]]*)\], )?platform: (\w+)",
                          f.read(), re.M)
    entities = {f"{platform}.melan_y_{name.lower().replace(' ', '_')}": re.split(r",\s*", field or sources)
                for field, name, sources, platform in rows}
    with open(f"{shipped}/dashboard.yaml") as f:
        displayed = re.findall(r"\w+\.melan_y_\w+", f.read())
    assert len(displayed) > 20, displayed
    for entity in displayed:
        assert sent & set(entities[entity]) or entities[entity] == ["presence"], (entity, entities.get(entity))


def other_ca():
    """A test CA that is not the daemon's: the vehicle and the daemon name the cause and the remedy."""
    with Daemon(ROUTING, SINKS) as d, tempfile.TemporaryDirectory() as other:
        fleetroute("simulate", "--pki", other, "--pki-only")

        def error(pki):
            car = subprocess.Popen([f"{BUILD}/fleetroute", "simulate", "--pki", pki, "--connect",
                                    f"127.0.0.1:{d.port}"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            with car.stderr:
                line = next(line for line in car.stderr if "not connected: " in line)
            car.kill()
            car.wait()
            return line

        assert "tls.certificate of the daemon must be server.pem in the folder that --pki names" in error(other)
        wait_until("the log names the server's certificate", lambda:
                   "tls.certificate must be server.pem in its --pki folder" in d.log_text())
        shutil.copy(d.path("server-ca.pem"), other)  # the vehicle trusts the server, not the server the vehicle
        shutil.copy(d.path("server-ca.key"), other)
        assert "tls.vehicle_ca of the daemon must be vehicle-ca.pem in the folder that --pki names" in error(other)
        wait_until("the log names the vehicles' CA", lambda:
                   "tls.vehicle_ca lacks its CA (for `fleetroute simulate`: vehicle-ca.pem in its --pki folder)"
                   in d.log_text())


if __name__ == "__main__":
    run_parts(data, lines_for_the_daemon, compression, shipped_fields, other_ca)
