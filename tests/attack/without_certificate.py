#!/usr/bin/env python3
"""Clients without a certificate on the vehicles' listener: they get the public key under its path and 401 for
everything else, in bounded time and number, and vehicles do not notice them."""
import os
import re
import ssl
import stat
import time

from hostile import (SLOWER, VIN, Daemon, Honest, Hostile, client_hello, fleetroute, hung_up, peer, run_parts,
                     wait_until, write_file)

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"
GET = f"GET {PATH} HTTP/1.1\r\nHost: car.example.com\r\n\r\n".encode()
WIDE = "limits: {half_open: 1000, half_open_per_source: 0}"


class Client:
    """A TLS client without a certificate; its request is written when the test wants it."""

    def __init__(self, daemon, request=b"", source=None, version=None, timeout=20):
        context = ssl.create_default_context(cafile=daemon.path("server-ca.pem"))
        if version:
            context.minimum_version = context.maximum_version = version
        self.socket = context.wrap_socket(peer(daemon.port, source=source, seconds=timeout),
                                          server_hostname="localhost")
        if request:
            self.socket.sendall(request)

    def response(self):
        """All bytes until the end of the connection."""
        got = b""
        try:
            while more := self.socket.recv(65536):
                got += more
        except (ssl.SSLError, ConnectionError):
            pass  # the connection was reset, after the response or instead of it
        self.socket.close()
        return got

    def ended(self):
        return hung_up(self.socket)


def get(daemon, request=GET, **more):
    """The status, the headers and the body; None: the connection ended without a response."""
    try:
        response = Client(daemon, request, **more).response()
    except (ssl.SSLError, ConnectionError):
        return None
    if not response:
        return None
    head, body = response.decode().split("\r\n\r\n", 1)
    status, *headers = head.split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in headers), body


def make_key(daemon):
    """The public key that `fleetroute key` writes for the daemon."""
    public = fleetroute("key", "-c", daemon.path("fleetroute.yaml")).stdout
    path = daemon.path("keys/command-key.pub.pem")
    with open(path) as f:
        assert f.read() == public
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    return public


def nothing_left(daemon):
    wait_until("no client without a certificate is left", lambda: daemon.status()["without_certificate"] == 0)


def key():
    """GET and HEAD of the exact path give the key, with TLS 1.2 and 1.3; the connection closes. Without a file
    the status is 404."""
    with Daemon(ROUTING, SINKS) as d:
        status = d.status()
        assert status["public_key_sha256"] is None and status["without_certificate"] == 0, status
        code, headers, text = get(d)
        assert code == 404 and "no public key" in text, (code, text)
        assert "run `fleetroute key`" in d.log_text()
        public = make_key(d)
        d.reload()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            code, headers, body = get(d, version=version)
            assert (code, body) == (200, public), (code, body)
            assert headers["Connection"] == "close" and headers["Content-Length"] == str(len(public)), headers
            code, headers, body = get(d, GET.replace(b"GET", b"HEAD"), version=version)
            assert (code, body) == (200, "") and headers["Content-Length"] == str(len(public)), (code, body)
        printed = re.search("SHA-256 ([0-9a-f]{64})",
                            fleetroute("key", "-c", d.path("fleetroute.yaml")).stderr)[1]
        assert d.status()["public_key_sha256"] == printed, d.status()
        nothing_left(d)
        counters = d.status()["counters"]
        assert counters["without_certificate_served"] == 4 and counters["without_certificate_refused"] == 1, counters
        assert counters["tls_handshakes_failed"] == 0, counters
        # A vehicle's certificate opens nothing here: its request is judged as ever.
        car = d.car(upgrade=False)
        car.socket.sendall(GET)
        assert car.head().startswith(b"HTTP/1.1 426 ")


def reload():
    """The key follows its file and `tls: public_key:`; a private key or another curve is never served."""
    with Daemon(ROUTING, SINKS) as d:
        first = make_key(d)
        d.reload()
        assert get(d)[2] == first
        os.unlink(d.path("keys/command-key.pem"))
        second = make_key(d)
        assert second != first
        d.reload()
        assert get(d)[2] == second
        os.rename(d.path("keys/command-key.pub.pem"), d.path("elsewhere.pem"))
        d.reload()
        assert get(d)[0] == 404
        sections = "tls: {certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem"
        config = d.path("fleetroute.yaml")

        def use(name):
            with open(config) as f:
                text = f.read()
            write_file(config, re.sub(r"tls: \{.*", f"{sections}, public_key: {name}}}", text))
            return fleetroute("reload", "-s", d.control)

        use("elsewhere.pem")
        assert get(d)[2] == second
        for wrong in ("keys/command-key.pem", "server.key", "server.pem", "routing.yaml"):
            assert "is not the public half" in use(wrong).stdout, wrong
            code, _, text = get(d)
            assert code == 404 and "-----" not in text, (wrong, text)
        assert "there is no file" in use("absent.pem").stdout
        assert get(d)[0] == 404
        use("elsewhere.pem")
        assert get(d)[2] == second


def everything_else():
    """Any other request gets 401, or no response, before any more work."""
    path = PATH.encode()
    requests = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n",
        GET.replace(b"GET", b"get"), GET.replace(b"GET", b"POST"), GET.replace(b"GET", b"OPTIONS"),
        GET.replace(path, path + b"?x"), GET.replace(path, path + b"/"), GET.replace(path, b"/" + path),
        GET.replace(path, path.replace(b"com", b"%63om")), GET.replace(path, path.upper()),
        GET.replace(path, b"https://car.example.com" + path), GET.replace(path, b"/x/.." + path),
        GET.replace(path, path.replace(b"/com", b"/./com")), GET.replace(path, path[:-1]),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"), GET.replace(b"HTTP/1.1", b"HTTP/2.0"),
        GET.replace(b"Host: car.example.com\r\n", b""), GET.replace(b"Host", b"Ho st"),
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
        GET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        GET.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 4096 + b"\r\n\r\n"),
        b"x" * 4096, b"\0" * 5000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n\r\n",
    ]
    with Daemon(ROUTING, SINKS) as d, Honest(d):
        public = make_key(d)
        d.reload()
        for request in requests:
            begun = time.monotonic()
            answer = get(d, request)
            assert answer is not None and answer[0] == 401, (request[:80], answer)
            assert "KEY" not in answer[2] and answer[1]["Connection"] == "close", answer
            assert time.monotonic() - begun < 2 * SLOWER, request[:80]
        # One response for each connection: a pipelined request is not answered.
        response = Client(d, GET + GET + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").response().decode()
        assert response.count("HTTP/1.1 ") == 1 and response.endswith(public), response
        # A head of exactly 4096 bytes is read; it may come in pieces.
        padded = GET.replace(b"\r\n\r\n", b"\r\nX: ") + b"y" * (4096 - len(GET) - 5) + b"\r\n\r\n"
        assert len(padded) == 4096 and get(d, padded)[0] == 200
        slow = Client(d)
        for i in range(0, len(GET), 20):
            slow.socket.sendall(GET[i:i + 20])
        assert slow.response().decode().endswith(public)
        assert get(d, b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")[0] == 401
        log = d.log_text()
        assert "the peer sent no client certificate and asked for a WebSocket" in log
        assert log.count("401: ") == 2, log  # one line of each kind a minute
        nothing_left(d)
        counters = d.status()["counters"]
        assert counters["without_certificate_refused"] == len(requests) + 1, counters
        assert counters["without_certificate_served"] == 3, counters
        assert counters["http_upgrades_refused"] == 0 and counters["handshakes_timed_out"] == 0, counters


def slow_and_endless():
    """A client that sends nothing, too little, or too much, and one that does not read, is closed within 5 s, or
    2 s after its response."""
    with Daemon(ROUTING, SINKS, WIDE) as d, Honest(d):
        make_key(d)
        d.reload()
        begun = time.monotonic()
        clients = [Client(d, first) for first in (b"", b"G", GET[:-1], GET, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")]
        endless = Client(d, b"x" * 3000, source="127.0.0.2")
        endless.socket.settimeout(5)
        try:
            for _ in range(2000):
                endless.socket.sendall(b"x" * 65536)
            raise AssertionError("an endless request is read")
        except OSError:
            pass
        wait_until("all are closed", lambda: all(c.ended() for c in clients), 10)
        assert time.monotonic() - begun < 9 * SLOWER, "clients are not closed in time"
        nothing_left(d)
        assert d.count("handshakes_timed_out") == 0 and d.count("without_certificate_served") == 1


def crowd():
    """At most 64 clients have a place, and 8 of an address and worker. The others are closed. 200 clients that send
    nothing do not stop a vehicle, a new one, or the owner's fetch of the key."""
    with Daemon(ROUTING, SINKS, WIDE) as d, Honest(d):
        public = make_key(d)
        d.reload()
        clients = []

        def connect(count, source):
            for i in range(count):
                try:
                    clients.append(Client(d, source=source(i)))
                except OSError:
                    pass  # closed at once

        connect(60, lambda i: "127.0.0.66")
        most = d.status()["without_certificate"]
        assert 0 < most <= 8 * os.cpu_count(), d.status()
        connect(200, lambda i: f"127.0.1.{1 + i % 50}")
        status = d.status()
        assert 32 < status["without_certificate"] <= 64, status
        assert status["half_open"] <= 8, status  # none of them has a vehicle's place
        begun = time.monotonic()
        car = Hostile(d, vin="5YJ3E1EA7KF000002")
        car.message(sender="vehicle_device.5YJ3E1EA7KF000002")
        assert car.receive_reply()[0] == "ack"
        assert time.monotonic() - begun < 3 * SLOWER
        car.close()
        # The oldest gives its place to a new client after a second.
        wait_until("the key is served", lambda: (get(d, source="127.0.0.99") or (0, 0, ""))[2] == public, 5)
        wait_until("all are closed", lambda: all(c.ended() for c in clients), 15)
        nothing_left(d)
        assert d.count("without_certificate_refused") >= 200
        assert "too many clients without a certificate" in d.log_text()


def half_open_limits():
    """Until the end of its handshake a client is half-open as any other; after it, it has no vehicle's place."""
    with Daemon(ROUTING, SINKS, "limits: {half_open: 20, half_open_per_source: 0, handshake_timeout: 60 s}") as d:
        make_key(d)
        d.reload()
        hello = client_hello(d)
        silent = [peer(d.port, hello, source="127.0.0.5") for _ in range(10)]
        wait_until("the handshakes have begun", lambda: d.status()["half_open"] == 10)
        clients = [Client(d, source=f"127.0.2.{i}") for i in range(1, 30)]
        status = d.status()
        assert status["half_open"] == 10 and status["without_certificate"] == 29, status
        with Honest(d):
            assert get(d, source="127.0.3.1")[0] == 200
        for s in silent + [c.socket for c in clients]:
            s.close()
        nothing_left(d)


def descriptors():
    """With few file descriptors the places are fewer. They are not those of vehicles: with all places taken, as
    many vehicles connect as without."""
    d = Daemon(ROUTING, SINKS, "limits: {connections: 95, connections_per_vin: 0, half_open: 50, "
               "half_open_per_source: 0}")
    d.prefix = ["prlimit", "--nofile=200:200"]
    with d:
        make_key(d)
        d.reload()
        clients, cars = [], []
        for i in range(60):
            try:
                clients.append(Client(d, source=f"127.0.4.{1 + i}"))
            except OSError:
                pass  # closed at once
        assert 10 <= d.status()["without_certificate"] <= 20, d.status()
        for i in range(90):
            cars.append(Hostile(d, source=f"127.0.5.{1 + i}"))
        status = d.status()
        assert status["connections"] == 90, status
        assert status["counters"]["times_out_of_descriptors"] == 0, status
        wait_until("all are closed", lambda: all(c.ended() for c in clients), 15)
        assert get(d, source="127.0.6.1")[0] == 200
        for car in cars:
            car.close()


def metrics():
    """The counters are in the status; the certificate request is that of a daemon without a public key."""
    with Daemon(ROUTING, SINKS) as d:
        def requested():
            done = os.popen(f"openssl s_client -connect 127.0.0.1:{d.port} -tls1_2 </dev/null 2>/dev/null").read()
            return re.search(r"Acceptable client certificate CA names.*?(?=---\nSSL handshake)", done, re.S)[0]

        before = re.sub(r"(Peer|Server) .*", "", requested())
        assert "CN" in before, before
        make_key(d)
        d.reload()
        assert re.sub(r"(Peer|Server) .*", "", requested()) == before
        with Hostile(d, vin=VIN).socket:
            assert get(d)[0] == 200
        wait_until("it is counted", lambda: d.count("without_certificate_served") == 1)


if __name__ == "__main__":
    run_parts(key, reload, everything_else, slow_and_endless, crowd, half_open_limits, descriptors, metrics)
