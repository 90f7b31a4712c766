#!/usr/bin/env python3
"""More silent and slow peers than the admin port permits: /healthz, /metrics and /readyz answer at once,
for local clients and for clients of the same addresses as the silent peers."""
import threading
import time

from hostile import PATIENCE, SLOWER, VIN, Daemon, free_port, hung_up, peer, wait_until

port = free_port()


def request_seconds(path, source=None):
    """Request a path; seconds until the whole response is received."""
    begin = time.monotonic()
    s = peer(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(),
             source)
    answer = b""
    while got := s.recv(65536):
        answer += got
    s.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return time.monotonic() - begin


with Daemon("records: [{type: V, to: archive}]",
            '  archive: {plugin: file, options: {path: "@/V.jsonl"}}',
            f"admin: {{port: {port}}}") as d:
    request = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for name, first in (("silent", b""), ("half a request", b"GET /heal"), ("keep-alive", request),
                        ("never reading", request * 200)):
        crowd = [peer(port, first, source=f"127.0.0.{2 + i % 3}") for i in range(420)]
        slowest = max(request_seconds(path, source) for path in ("/healthz", "/metrics", "/readyz")
                      for source in (None, "127.0.0.2", "127.0.0.9") for _ in range(3))
        print(f"{name}: the slowest response took {slowest * 1000:.0f} ms")
        assert slowest < 3 * PATIENCE * SLOWER, slowest  # TCP retransmits a lost SYN after 1 s
        wait_until("the oldest connections are closed", lambda: all(hung_up(s) for s in crowd[:200]))
        for s in crowd:
            s.close()
    assert d.count("admin_connections_closed_for_others") > 4 * 300
    assert d.log_text().count("closed for a new one") == 1, d.log_text()

    # A flood of connections that send one byte and close at once.
    end = threading.Event()

    def flood():
        while not end.is_set():
            try:
                peer(port, b"G", source="127.0.0.5").close()
            except OSError:
                time.sleep(0.01)

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        slowest = max(request_seconds("/healthz") for _ in range(50))
    finally:
        end.set()
        for thread in threads:
            thread.join()
    print(f"flood: the slowest response took {slowest * 1000:.0f} ms")
    assert slowest < 3 * PATIENCE * SLOWER, slowest  # TCP retransmits a lost SYN after 1 s
    # A silent connection is closed even below the maximum number of connections.
    s, begin = peer(port), time.monotonic()
    wait_until("the silent connection is closed", lambda: hung_up(s, 0.2), 10)
    assert time.monotonic() - begin > 3
    car = d.car(vin=VIN)
    car.close()
