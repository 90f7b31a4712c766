#!/usr/bin/env python3
"""Measures what clients without a certificate cost vehicles: the time to an acknowledgement before and during
10,000 TLS connections that fetch the public key. Prints numbers and checks nothing.

    tests/bench/without_certificate.py [CLIENTS [RATE]]      from the build folder

CLIENTS connections (10000) are begun at RATE a second (1200) by 8 processes, from 1600 addresses.
They share the machine with the daemon and the vehicles, so the rate that is reached is printed, too."""
import multiprocessing
import os
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from fr import Daemon, fleetroute, wait_until  # noqa: E402

CLIENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
RATE = float(sys.argv[2]) if len(sys.argv) > 2 else 1200
PROCESSES = 8
VEHICLES, MESSAGES = 100, 10  # vehicles, and messages of each a second
REQUEST = b"GET /.well-known/appspecific/com.tesla.3p.public-key.pem HTTP/1.1\r\nHost: x\r\n\r\n"


def fetch(port, count, rate, number, results):
    """Fetch the key `count` times, begun at `rate` a second at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    os.nice(10)  # the clients of the real world have processors of their own
    begun, served = time.monotonic(), 0
    for i in range(count):
        time.sleep(max(0, begun + i / rate - time.monotonic()))
        try:
            with socket.socket() as raw:
                raw.settimeout(10)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                raw.bind((f"127.0.{7 + number}.{1 + i % 200}", 0))
                raw.connect(("127.0.0.1", port))
                with context.wrap_socket(raw) as tls:
                    tls.sendall(REQUEST)
                    served += tls.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            pass
    results.put((served, time.monotonic() - begun))


def vehicles(daemon, seconds):
    return daemon.simulate("--vehicles", VEHICLES, "--rate", MESSAGES, "--duration", seconds).stdout.strip()


def cpu_seconds(daemon):
    return daemon.status()["cpu_us"] / 1e6


with Daemon('records: [{type: "*", to: archive}]', '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}',
            "limits: {half_open_per_source: 0}", journal="{}") as d:
    fleetroute("key", "-c", d.path("fleetroute.yaml"))
    d.reload()
    print(f"{VEHICLES} vehicles, {MESSAGES} messages a second each")
    print("  before:", vehicles(d, 10))
    idle = cpu_seconds(d)
    print("  before:", vehicles(d, 10))
    alone = (cpu_seconds(d) - idle) / 10
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=fetch, args=(d.port, CLIENTS // PROCESSES, RATE / PROCESSES, n, results))
               for n in range(PROCESSES)]
    duration = max(5, CLIENTS / RATE)
    before = cpu_seconds(d)
    fleet = d.simulate_beside("--vehicles", VEHICLES, "--rate", MESSAGES, "--duration", duration)
    wait_until("the vehicles are connected", lambda: d.status()["connections"] == VEHICLES)
    for worker in workers:
        worker.start()
    print("  during:", fleet.communicate()[0].strip())
    for worker in workers:
        worker.join()
    done = [results.get() for _ in workers]
    seconds = max(took for _, took in done)
    cpu = cpu_seconds(d) - before - alone * duration
    counters = d.status()["counters"]
    print(f"{CLIENTS} clients without a certificate in {seconds:.1f} s, {CLIENTS / seconds:.0f} a second: "
          f"{sum(served for served, _ in done)} got the key, "
          f"{counters['without_certificate_refused']} refused after the handshake, "
          f"{1000 * cpu / CLIENTS:.2f} ms of the daemon's CPU time each")
    print("  after: ", vehicles(d, 10))
