#!/usr/bin/env python3
"""The admin listener: the health follows a failing sink, promtool accepts the metrics, a token protects a
port that other hosts can reach, and misbehaving HTTP clients do not disturb others."""
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import threading
import time

from fr import BUILD, PATIENCE, Daemon, VIN, fleetroute, free_port, run_parts, skip, vector, wait_until

if not shutil.which("promtool"):
    skip("promtool is needed (Debian's package prometheus)")
ROUTES = "records: [{type: V, to: archive}]"
SINKS = '  archive: {plugin: file, options: {path: "@/V.jsonl"}}'


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=15 * PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def get(port, path, method="GET", **headers):
    """Return (status, body) of a page. `port` is a TCP port or the path of a Unix socket."""
    c = Unix(port) if isinstance(port, str) else \
        http.client.HTTPConnection("127.0.0.1", port, timeout=15 * PATIENCE)
    c.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = c.getresponse()
    body = answer.read().decode()
    c.close()
    return answer.status, body


def promtool(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True)


def value(metrics, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.M)
    assert found, (name, metrics)
    return float(found[1])


def health_and_metrics():
    port = free_port()
    sinks = SINKS + '\n  broken: {plugin: file, retry: {min: 20 ms, max: 50 ms}, ' \
                    'options: {path: "@/blocked/V.jsonl"}}'
    routes = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" + ROUTES.replace("archive", "[archive, broken]")
    with Daemon(routes, sinks,
                f"admin: {{port: {port}}}", journal="{}") as d:
        open(d.path("blocked"), "w").close()  # a file where the folder should be
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/readyz")[0] == 200
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        wait_until("the failing sink is reported", lambda: get(port, "/readyz")[0] == 503)
        wait_until("the other sink has delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
        ready = get(port, "/readyz")[1]
        assert "sink archive: up" in ready and re.search(r"sink broken: down: .*blocked", ready), ready
        assert "certificate: up" in ready and "journal: up" in ready, ready
        assert get(port, "/healthz")[0] == 200  # a restart would not help
        def differences():
            """Between the status of the page and of the control socket, except what changes at any time."""
            status, other = json.loads(get(port, "/status")[1]), d.status()
            return {k: (status.get(k), other.get(k)) for k in status.keys() | other.keys()
                    if status.get(k) != other.get(k) and
                    k not in ("now_ms", "uptime_ms", "cpu_us", "resident_kb", "sinks")}

        # The journal may be deleting or syncing between the two.
        wait_until("both are the same", lambda: not differences())
        status = json.loads(get(port, "/status")[1])
        assert status["vehicles_connected"] == 1 and "blocked" in status["sinks"]["broken"]["last_error"]
        assert 0 < status["certificate_expires"] - time.time() < 400 * 86400 * 10
        assert status["deferred_certificate"] is None
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(d.control)
            s.sendall(b"certificate\n")
            with s.makefile() as reply, open(d.path("server.pem")) as file:
                assert json.loads(reply.read()) == {"pem": file.read()}
        listed = json.loads(get(port, f"/vehicles?find={VIN[3:9]}&limit=5")[1])
        assert listed["vehicles"][0]["name"] == "Melan Y", listed
        assert listed["found"] == 1 and listed["vehicles"][0]["vin"] == VIN, listed
        assert listed["vehicles"][0]["connected"] and listed["vehicles"][0]["records"] == 1
        assert abs(listed["vehicles"][0]["last_ms"] - time.time() * 1000) < 60000
        other = json.loads(get(port, "/vehicles?find=NOBODY")[1])
        assert (other["found"], other["vehicles"]) == (0, []), other
        check_metrics(get(port, "/metrics")[1])
        car.close()
        os.unlink(d.path("blocked"))
        wait_until("the sink is up again", lambda: get(port, "/readyz")[0] == 200)
        sink = d.status()["sinks"]["broken"]
        assert sink["health"] == "up" and "blocked" in sink["last_error"], sink
        assert get(port, "/nothing")[0] == 404
        assert get(port, "/healthz", "HEAD") == (200, "")
        assert get(port, "/healthz", "POST")[0] in (405, 501)
        # A Host header with another name, as a DNS rebinding attack sends it.
        assert get(port, "/status", Host=f"evil.example:{port}")[0] == 403
        assert get(port, "/status", Host=f"localhost:{port}")[0] == 200
        assert get(port, "/status", Host=f"[::1]:{port}")[0] == 200


def check_metrics(metrics):
    assert value(metrics, 'record_total{record_type="V"}') == 1
    assert value(metrics, 'fleetroute_acknowledged_total') == 1
    assert value(metrics, 'fleetroute_sink_up{sink="archive",plugin="file"}') == 1
    assert value(metrics, 'fleetroute_sink_health{sink="broken",plugin="file"}') == 2
    assert value(metrics, 'fleetroute_sink_lag_records{sink="broken",plugin="file"}') >= 1
    assert value(metrics, 'num_connections') == 1
    assert value(metrics, 'fleetroute_sink_delay_seconds_count{sink="archive"}') >= 1
    answer = promtool(metrics)
    complaints = (answer.stdout + answer.stderr).splitlines()
    # The one name against Prometheus's naming guide is the reference server's.
    assert all(line.startswith("uptime_sec ") for line in complaints), complaints
    assert answer.returncode in (0, 3), answer


def load_balancers():
    """The status port answers `ok` as Tesla's server does, and nothing else; also without `admin`."""
    port = free_port()
    with Daemon(ROUTES, SINKS, f"status: {{address: 127.0.0.1, port: {port}}}", journal="{}") as d:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=15 * PATIENCE)
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            c.request(method, "/status", headers={"Host": "telemetry.example.com"})
            answer = c.getresponse()
            assert answer.status == 200 and answer.getheader("Content-Length") == "2"
            assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
            assert answer.read() == (b"" if method == "HEAD" else b"ok")
        c.close()
        assert get(port, "/status?x=y") == (200, "ok")
        for path in ("/", "/metrics", "/healthz", "/vehicles", "/status/", "/statusx"):
            assert get(port, path) == (404, "404 page not found\n")
        with socket.create_connection(("127.0.0.1", port)) as s:  # the form of old load balancers
            s.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            s.settimeout(15 * PATIENCE)
            received = b""
            while got := s.recv(4096):
                received += got
            assert received.startswith(b"HTTP/1.0 200 ") and received.endswith(b"\r\n\r\nok"), received
        # The bounds are those of the admin port.
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
        wait_until("the oldest connections are closed", lambda: d.count("admin_connections_closed_for_others"))
        assert get(port, "/status") == (200, "ok")
        for s in crowd:
            s.close()
        d.extra = ""
        assert "`status:` has changed: it needs a restart" in d.reload().stdout


def names_of_teslas_server():
    """The metrics with the names, types and labels of Tesla's server."""
    port = free_port()
    with Daemon(ROUTES, SINKS, f"admin: {{port: {port}}}") as d:
        assert not re.search(r"^unknown_message_type_error_total", get(port, "/metrics")[1], re.M)
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        for _ in range(2):
            car.send(vector("13_ack_from_peer"))
            assert car.receive_reply()[0] == "error"
        car.send(vector("11_v_bad_protobuf"))
        assert car.receive_reply()[0] == "error"
        car.send(b"x" * 1_000_001)
        assert car.receive_reply()[0] == "error"
        d.wait_count("messages_too_big", 1)
        metrics = get(port, "/metrics")[1]
        for name, kind, labels, expected in (
                ("record_total", "counter", '{record_type="V"}', 1),
                ("record_size_bytes_total", "counter", '{record_type="V"}', None),
                ("dispatch_total", "counter", '{record_type="V"}', 1),
                ("record_too_big_total", "counter", "", 1),
                ("unknown_message_type_error_total", "counter", '{msg_type="5"}', 2),
                ("unexpected_record_err_total", "counter", "", 4), ("socket_err_total", "counter", "", 0),
                ("uptime_sec", "gauge", "", None), ("num_connections", "gauge", "", 1)):
            assert f"# TYPE {name} {kind}\n" in metrics, name
            number = value(metrics, name + labels)
            assert number == expected if expected is not None else number > 0, (name, number)
        answer = promtool(metrics)
        assert answer.returncode in (0, 3), answer


def token_is_required():
    port = free_port()
    d = Daemon(ROUTES, SINKS, f"admin: {{address: 0.0.0.0, port: {port}}}")
    d.write()
    out = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
    assert out.returncode == 1 and "token_file" in out.stdout + out.stderr, out
    d.extra = f"admin: {{address: 0.0.0.0, port: {port}, token_file: token, tls: off, socket: admin.sock}}"
    with open(d.path("token"), "w") as f:
        f.write("short\n")
    d.write()
    assert subprocess.run([f"{os.environ.get('FR_BUILD', '.')}/fleetrouted", "-c",
                           d.path("fleetroute.yaml")], capture_output=True).returncode == 1
    token = "0123456789abcdef-secret"
    with open(d.path("token"), "w") as f:
        f.write(token + "\n")
    with d:
        for path in ("/status", "/vehicles", "/metrics", "/readyz"):
            assert get(port, path)[0] == 401
            assert get(port, path, Authorization=f"Bearer {token}x")[0] == 401
            assert get(port, path, Authorization=f"Bearer {token[:-1]}")[0] == 401
            assert get(port, path, Authorization=f"Bearer {token}")[0] == 200
            assert get(d.path("admin.sock"), path)[0] == 200  # the mode of the socket file protects it
        assert get(port, "/healthz")[0] == 200 and get(port, "/")[0] == 200
        assert os.stat(d.path("admin.sock")).st_mode & 0o777 == 0o660
        d.extra = d.extra.replace("token_file: token, ", "")
        d.extra = d.extra.replace("0.0.0.0", "127.0.0.1")
        assert "`admin:` has changed: it needs a restart" in d.reload().stdout
        assert token not in d.log_text()


def misbehaving_clients():
    port = free_port()
    with Daemon(ROUTES, SINKS, f"admin: {{port: {port}}}") as d:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        for line in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
                     b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 20000 + b"\r\n\r\n",
                     b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
                     b"GET /status HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"GET\r\n\r\n",
                     b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"GET //vehicles?find=%00%ff&limit=99999999999999999999 HTTP/1.0\r\n\r\n",
                     b"GET /vehicles?find=%00%ff&limit=99999999999999999999 HTTP/1.0\r\n\r\n",
                     b"GET / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.settimeout(15 * PATIENCE)
                try:
                    s.sendall(line)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass
            assert get(port, "/healthz") == (200, "ok\n"), line
        # More connections than the listener serves at once: the oldest are closed.
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
        wait_until("the closed connections are logged", lambda: "closed for a new one" in d.log_text())
        assert d.count("messages") == 0
        for s in crowd:
            s.close()
        assert get(port, "/healthz") == (200, "ok\n")
        for s in silent:  # closed by the request timeout
            s.settimeout(30 * PATIENCE)
            try:
                assert s.recv(1) == b""
            except ConnectionError:
                pass
            s.close()
        assert d.count("messages") == 0


def log_formats():
    with Daemon(ROUTES, SINKS, "log: {format: json}") as d:
        car = d.car()
        car.send(b"nonsense")
        car.receive()
        car.close()
        d.wait_count("envelopes_malformed", 1)
        entries = [json.loads(line) for line in d.lines("log")]
        assert any(e["level"] == "notice" and "listens on" in e["message"] for e in entries), entries
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) for e in entries)


def slow_tail_skips_records():
    """`tail --json` whose output is not read: the daemon skips records for it and reports their number as
    JSON; `reload --json` answers JSON too."""
    big = "x" * 4000
    with Daemon(ROUTES, SINKS, journal="{}") as d:
        tail = subprocess.Popen([f"{BUILD}/fleetroute", "tail", "--json", "-s", d.control],
                                stdout=subprocess.PIPE, text=True)
        try:
            while not select.select([tail.stdout], [], [], 0.1)[0]:
                d.say({"Soc": 1})  # until the daemon has accepted the client
            d.say(*({"VehicleName": big} for _ in range(3000)))
            d.wait_count("records_skipped_by_tail", 1)
            lines = []
            reader = threading.Thread(target=lambda: lines.extend(map(json.loads, tail.stdout)))
            reader.start()

            def report():
                d.say({"Soc": 2})  # the number is reported before the next record
                return any("skipped" in line for line in list(lines))
            wait_until("the number is reported", report)
        finally:
            tail.terminate()
            tail.wait(30 * PATIENCE)
        reader.join()
        skipped = sum(line.get("skipped", 0) for line in lines)
        received = sum(line.get("data", {}).get("VehicleName") == big for line in lines)
        assert skipped == d.count("records_skipped_by_tail") and skipped + received >= 3000, (skipped, received)
        assert json.loads(fleetroute("reload", "--json", "-s", d.control).stdout) == {
            "reloaded": True, "complete": True, "report": ""}


if __name__ == "__main__":
    run_parts(health_and_metrics, load_balancers, names_of_teslas_server, token_is_required, misbehaving_clients,
              log_formats, slow_tail_skips_records)
