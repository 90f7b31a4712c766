#!/usr/bin/env python3
"""Connections of the two plugins: https with a private CA, and refused without it; MQTT over TLS, with a
user, in versions 5 and 3.1.1, and to a broker without version 5; Tesla's topics; a peer that is not Home
Assistant or sends invalid data."""
import json
import re
import socket
import subprocess
import threading

from fr import Daemon, run_parts, vector, wait_until
from home import CAR, ENTITIES, Broker, HomeAssistant, Way
from mosquitto import OldBroker

ROUTING = CAR + "fields: [{field: [Soc, Gear], to: home}]"


def over_https():
    with Daemon(CAR, "  none: {plugin: file, options: {path: /dev/null}}") as pki:
        https = {"certificate": pki.path("server.pem"), "key": pki.path("server.key"),
                 "ca": pki.path("server-ca.pem")}
        with HomeAssistant(https=https) as home:
            way = Way("ha_websocket")
            sink = way.sink(home)
            with Daemon(ROUTING, sink, journal="{}") as d:
                d.say({"Soc": 60.0})
                home.wait("sensor.melan_y_battery", 60)
                d.sinks = sink.replace(f", ca: {home.ca}", "")
                d.reload()
                wait_until("the certificate is refused", lambda: "certificate is not accepted" in
                           d.status()["sinks"]["home"]["why"])
                d.say({"Soc": 59.0})
                d.sinks = sink.replace("https://localhost", "https://127.0.0.1")
                d.reload()  # the certificate also has that address
                home.wait("sensor.melan_y_battery", 59)


def broker_versions():
    """The MQTT version of a connection, from mosquitto's log."""
    with Daemon(CAR, "  none: {plugin: file, options: {path: /dev/null}}") as pki:
        lines = ("listener {port} 127.0.0.1", "allow_anonymous false", "password_file @/passwords",
                 "cafile " + pki.path("server-ca.pem"), "certfile @/server.pem", "keyfile @/server.key",
                 "log_type all", "log_dest file @/log", "user root")
        broker = Broker(*lines)
        broker.lines = [line.format(port=broker.port) for line in lines]
        for name in ("server.pem", "server.key"):
            subprocess.run(["cp", pki.path(name), broker.folder], check=True)
        subprocess.run(["mosquitto_passwd", "-c", "-b", f"{broker.folder}/passwords", "car", "secret"],
                       check=True)
        with broker:
            secure = f'host: localhost, port: {broker.port}, tls: true, ca: {pki.path("server-ca.pem")}, ' \
                     'username: car, password_file: "@/password"'
            for version, word in (("auto", "p5"), ("3.1.1", "p2"), ("5", "p5")):
                sink = f"  home: {{plugin: mqtt, options: {{{secure}, protocol: {version}}}}}"
                d = Daemon(ROUTING, sink, journal="{}")
                with open(d.path("password"), "w") as f:
                    f.write("secret\n")
                with d:
                    d.say({"Soc": 60.0})
                    wait_until("it is delivered", lambda: d.status()["sinks"]["home"]["delivered"] == 1)
                with open(f"{broker.folder}/log") as f:
                    assert re.search("as fleetroute-home-[0-9a-f]{8} [(]" + word, f.read()), (version, word)
            sink = f"  home: {{plugin: mqtt, options: {{{secure.replace('@/password', '@/c.sock')}}}}}"
            d = Daemon(ROUTING, sink.replace("@/c.sock", "@/wrong"), journal="{}")
            with open(d.path("wrong"), "w") as f:
                f.write("wrong\n")
            with d:
                wait_until("it is refused", lambda: "password_file" in d.status()["sinks"]["home"]["why"])


def old_broker():
    with Broker() as broker:
        old = OldBroker(broker.port)
        with Daemon(ROUTING, f"  home: {{plugin: mqtt, options: {{port: {old.port}}}}}", journal="{}") as d:
            d.say({"Soc": 60.0})
            wait_until("it is delivered", lambda: d.status()["sinks"]["home"]["delivered"] == 1)
        assert old.refused >= 1


def teslas_topics():
    with Broker() as broker:
        heard = subprocess.Popen(["mosquitto_sub", "-p", str(broker.port), "-t", "tesla/#", "-v"],
                                 stdout=subprocess.PIPE, text=True)
        lines = []
        threading.Thread(target=lambda: lines.extend(iter(heard.stdout.readline, "")), daemon=True).start()

        def probe():
            subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", "tesla/probe", "-m", "1"], check=True)
            return lines
        wait_until("the subscription exists", probe)
        routing = CAR + 'records: [{type: [alerts, errors, connectivity], to: home}]\n' \
                        'fields: [{field: [Gear, Location], to: home}]'
        with Daemon(routing, f"  home: {{plugin: mqtt, options: {{port: {broker.port}}}}}",
                    journal="{}") as d:
            car = d.car()
            for name in ("01_v_three_datums", "02_alerts", "03_errors"):
                car.send(vector(name))
                assert car.receive_reply()[0] == "ack"
            vin = "tesla/5YJ3E1EA7KF000001/"
            wait_until("all topics are published", lambda: {line.split(" ")[0] for line in lines} >= {
                vin + "v/Gear", vin + "v/Location", vin + "connectivity"} and
                any("exampleAlert/history " in line for line in lines) and
                any("/errors/" in line for line in lines))
            said = dict(line.rstrip("\n").split(" ", 1) for line in lines)
            current = json.loads(next(v for k, v in said.items() if k.endswith("exampleAlert/current")))
            history = json.loads(next(v for k, v in said.items() if k.endswith("exampleAlert/history")))
            assert set(current) == {"Audiences", "StartedAt", "EndedAt"} and current in history, said
            error = json.loads(next(v for k, v in said.items() if "/errors/" in k))
            assert set(error) == {"Body", "CreatedAt", "Tags"}, error
            connected = json.loads(said[vin + "connectivity"])
            assert connected["Status"] == "CONNECTED" and set(connected) == {
                "ConnectionId", "Status", "CreatedAt"}, connected
            car.close()
        heard.kill()


def disconnected_car():
    """A car disconnects: its entities stay available or become unavailable, as configured."""
    with Broker() as broker:
        def kept(topic):
            return subprocess.run(["mosquitto_sub", "-p", str(broker.port), "-C", "1", "-W", "1", "-t",
                                   topic], capture_output=True, text=True).stdout.strip()

        for way, after in (("keep", "online"), ("unavailable", "offline")):
            sink = f"  home: {{plugin: mqtt, options: {{layout: homeassistant, topic: {way}, " \
                   f"port: {broker.port}, when_away: {way}, entities: {ENTITIES}}}}}"
            with Daemon(ROUTING + "\nrecords: [{type: presence, to: home}]", sink,
                        "limits: {presence_grace: 200 ms}", journal="{}") as d:
                car = d.car()
                d.say({"Soc": 60.0})
                about = f"{way}/5YJ3E1EA7KF000001"
                wait_until("the state is published", lambda: kept(f"{about}/battery") == "60" and
                           kept(f"{about}/connected") == "on" and kept(f"{about}/status") == "online")
                car.close()
                wait_until("the car is disconnected", lambda: kept(f"{about}/connected") == "off")
                wait_until(f"the status is {after}", lambda: kept(f"{about}/status") == after)
                wait_until("the daemon is online", lambda: kept(f"{way}/status") == "online")
            wait_until("the daemon is offline", lambda: kept(f"{way}/status") == "offline")


def frame(text, opcode=1):
    text = text.encode() if isinstance(text, str) else text
    head = bytes([0x80 | opcode])
    return head + (bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")) + text


class InvalidServer:
    """A server that sends the given answers."""

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        import base64
        import hashlib
        while True:
            client = self.socket.accept()[0]
            head = b""
            while b"\r\n\r\n" not in head and (got := client.recv(4096)):
                head += got
            answer = self.answers[self.seen % len(self.answers)]
            self.seen += 1
            if isinstance(answer, list):
                key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
                accept = base64.b64encode(hashlib.sha1(
                    key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
                client.sendall(f"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
                client.sendall(b"".join(answer))
                client.settimeout(0.3)
                try:
                    while client.recv(4096):
                        pass
                except OSError:
                    pass
            else:
                client.sendall(answer)
            client.close()


def invalid_answers():
    """No answer of a peer crashes the daemon; each is reported, and the connection is retried."""
    ok = frame('{"type":"auth_required","ha_version":"1"}') + frame('{"type":"auth_ok"}')
    strange = ["[]", "null", '{"type":5}', '{"type":"result"}', '{"id":1,"type":"result"}',
               '{"id":1,"type":"result","success":false}', '{"id":1,"type":"result","success":true}',
               '{"id":1,"type":"result","success":true,"result":{"a":[1]}}', '[{"id":1,"type":"result"},7]',
               '{"id":-1,"type":"pong"}', "{", '{"type":"event"}',
               '{"id":1,"type":"result","success":true,"result":[5,{"platform":"mobile_app"},'
               '{"platform":"mobile_app","entity_id":"device_tracker.x","unique_id":"5YJ3E1EA7KF000001"}]}']
    server = InvalidServer(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 20000, b"",
                      b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
                      [b"\xff" * 50], [frame("\xff", 1)], [frame(b"\xff\xfe", 1)], [frame("", 8)],
                      [b"\x81\x7f" + b"\x7f" + b"\xff" * 7],  # a frame of 2^63 bytes
                      *[[ok, frame(text)] for text in strange],
                      [ok, frame('{"id":1,"type":"result","success":true,"result":[]}'),
                       frame('{"id":2,"type":"result","success":true,"result":[{"entity_id":5}]}')])
    sink = f'  home: {{plugin: ha_websocket, options: {{url: "http://127.0.0.1:{server.port}", ' \
           f'token_file: "@/token", entities: {ENTITIES}}}}}'
    d = Daemon(ROUTING, sink, journal="{}")
    with open(d.path("token"), "w") as f:
        f.write("token\n")
    with d:
        d.say({"Soc": 60.0})
        wait_until("all answers were sent twice", lambda: server.seen >= 2 * len(server.answers), 120)
        assert d.status()["sinks"]["home"]["lag"] == 1
        assert "instead of a WebSocket" in d.log_text() or "is not HTTP" in d.log_text()


if __name__ == "__main__":
    run_parts(invalid_answers, teslas_topics, disconnected_car, old_broker, broker_versions, over_https)
