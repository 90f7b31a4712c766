#!/usr/bin/env python3
"""No free file descriptors: connected vehicles, the admin port and the control socket work, new connections
wait, CPU use and log lines are bounded, the log has the remedy, and the daemon recovers by itself."""
import resource
import time

from hostile import (SLOWER, Daemon, Honest, Hostile, client_hello, free_port, peer,
                     run_parts, wait_until)

resource.setrlimit(resource.RLIMIT_NOFILE, (4000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
ROUTING = 'records: [{type: "*", to: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def daemon(nofile, limits, port):
    d = Daemon(ROUTING, SINKS, f"limits: {{{limits}}}\nadmin: {{port: {port}}}")
    d.prefix = ["prlimit", f"--nofile={nofile}"]
    return d


def get(port, path):
    s = peer(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while got := s.recv(65536):
        answer += got
    s.close()
    return int(answer[9:12]), answer


def cpu_share(d, seconds=2.0):
    begin = d.status()["cpu_us"]
    time.sleep(seconds)
    return (d.status()["cpu_us"] - begin) / 1e6 / seconds


def check_exhausted(name, connect, count, limits):
    port = free_port()
    d = daemon("200:200", limits, port)
    with d, Honest(d) as honest:
        assert "raise LimitNOFILE=" in d.log_text(), d.log_text()
        crowd = [connect(d) for _ in range(count)]
        wait_until("/readyz reports the missing descriptors", lambda: get(port, "/readyz")[0] == 503)
        assert b"connections: down: no file descriptor is free" in get(port, "/readyz")[1]
        assert get(port, "/healthz")[0] == 200
        lines = len(d.lines("log"))
        share = cpu_share(d)
        print(f"exhausted by {name}: {share * 100:.0f} % CPU, an honest vehicle's slowest "
              f"acknowledgement {honest.slowest * 1000:.0f} ms")
        assert share < 0.4 * SLOWER, share  # includes the honest vehicle and the status commands
        assert len(d.lines("log")) - lines <= 2, d.log_text()
        assert "all file descriptors for vehicles are in use" in d.log_text()
        assert d.reload().returncode == 0  # the daemon can still open its files
        for s in crowd:
            s.close()
        Hostile(d, vin="5YJ3E1EA7KF000009").close()
        wait_until("/readyz reports no problem", lambda: get(port, "/readyz")[0] == 200)
        assert 1 <= d.count("times_out_of_descriptors") < 60


def exhausted_by_vehicles():
    """Open WebSockets take all descriptors: a new vehicle waits until one is closed."""
    def connect(d):
        return Hostile(d) if d.status()["connections"] < 99 else peer(d.port, b"\x16")
    check_exhausted("vehicles", connect, 110, "connections: 150, connections_per_vin: 0, half_open: 50")


def exhausted_by_handshakes():
    """Unfinished handshakes take all descriptors: a vehicle can still connect."""
    hello = []

    def connect(d):
        hello.extend([client_hello(d)] if not hello else [])
        return peer(d.port, hello[0])
    # A half-open connection is closed for a new one only after 1 s.
    port = free_port()
    d = daemon("200:200", "half_open: 1000, half_open_per_source: 0, handshake_timeout: 60 s", port)
    with d, Honest(d):
        crowd = [connect(d) for _ in range(400)]
        # 300 of them are accepted before it, 100 a second at most.
        Hostile(d, vin="5YJ3E1EA7KF000009", timeout=60).close()
        assert get(port, "/healthz")[0] == 200
        assert d.status()["half_open"] <= 102, d.status()
        for s in crowd:
            s.close()


def exhausted_by_admin_peers():
    """Peers of the admin port take all free descriptors: the oldest of them are closed for new ones."""
    port = free_port()
    with daemon("80:80", "connections: 20, half_open: 10", port) as d:
        crowd = [peer(port, source=f"127.0.0.{2 + i % 20}") for i in range(120)]
        wait_until("no descriptor is free", lambda: "admin: cannot accept" in d.log_text())
        lines = len(d.lines("log"))
        assert get(port, "/healthz")[0] == 200
        share = cpu_share(d, 1.0)
        assert share < 0.3 * SLOWER, share
        assert len(d.lines("log")) - lines <= 3, d.log_text()
        for s in crowd:
            s.close()
        assert get(port, "/healthz")[0] == 200
        car = Hostile(d)
        car.message()
        assert car.receive_reply()[0] == "ack"
        car.close()


def soft_limit_is_raised():
    """The daemon raises its soft limit of descriptors to the hard limit."""
    port = free_port()
    with daemon("128:5000", "connections: 4000, half_open: 500", port) as d:
        assert b"\nprocess_max_fds 5000\n" in get(port, "/metrics")[1]
        assert "LimitNOFILE" not in d.log_text(), d.log_text()


if __name__ == "__main__":
    run_parts(exhausted_by_vehicles, exhausted_by_handshakes, exhausted_by_admin_peers,
              soft_limit_is_raised)
