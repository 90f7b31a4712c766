#!/usr/bin/env python3
"""CPU time of http.so for a message, at 10,000 messages a second, with a server that only reads (run in the build folder).
The first row has no records for the sink: the others minus this row are the cost of the sink.
    http_sink.py [SECONDS]"""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from fr import Daemon, free_port, wait_until  # noqa: E402

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
VEHICLES, RATE = 100, 100
HZ = os.sysconf("SC_CLK_TCK")


def cpu(process):
    with open(f"/proc/{process.pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / HZ


def p99(delays):
    total, seen = sum(delays.values()), 0
    for bound, n in delays.items():
        seen += n
        if total and seen >= 0.99 * total:
            return bound
    return "-"


class Sink:
    """Answers 204 to every request."""

    def __init__(self):
        self.port, self.requests = free_port(), 0
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        stream = client.makefile("rb", buffering=1 << 20)
        while line := stream.readline():
            size = 0
            while line not in (b"\r\n", b""):
                if line[:15].lower() == b"content-length:":
                    size = int(line[15:])
                line = stream.readline()
            stream.read(size)
            self.requests += 1
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def measure(what, records, options):
    server = Sink()
    with Daemon(f"records: [{{type: {records}, to: http}}]",
                f"  http: {{plugin: http, options: {{url: 'http://127.0.0.1:{server.port}/', {options}}}}}",
                journal="{}") as d:
        wait_until("the sink is up", lambda: d.status()["sinks"]["http"]["health"] == "up")
        before, begun = cpu(d.process), time.monotonic()
        d.simulate("--vehicles", VEHICLES, "--rate", RATE, "--duration", SECONDS)
        wait_until("all are delivered", lambda: d.status()["sinks"]["http"]["lag"] == 0, 60)
        took, after = time.monotonic() - begun, cpu(d.process)
        status = d.status()
        count = status["counters"]["acknowledged"]
        print(f"{what:12} {count / took:7.0f} messages/s, CPU for a message: {1e6 * (after - before) / count:6.2f} us; "
              f"{status['sinks']['http']['delivered']} delivered in {server.requests} requests, "
              f"delay p99 {p99(status['sinks']['http']['delay_ms'])} ms, {d.max_kb} kB", flush=True)


measure("none", "alerts", "format: json")
measure("json", "V", "format: json")
measure("json gzip", "V", "format: json, compress: gzip")
measure("json zstd", "V", "format: json, compress: zstd")
measure("influx", "V", "format: influx")
