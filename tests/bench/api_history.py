#!/usr/bin/env python3
"""Times of the calls of a vehicle's page over HTTP: the daemon has a week of one car, alone and beside a fleet that
sends; then beside a client that floods the listener with slow calls. Measures; asserts nothing.

    FR_BUILD=build FR_SOURCE=. tests/bench/api_history.py [VEHICLES [RATE [SECONDS]]]"""
import http.client
import math
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from fr import VIN, Daemon, free_port, wait_until  # noqa: E402
from history import ALL, DAY, FILE, signals  # noqa: E402

VEHICLES, RATE, SECONDS = [float(a) for a in sys.argv[1:]] + [2000, 0.5, 20][len(sys.argv) - 1:]
WEEK = -7 * DAY * 1000
CALLS = {
    "4 fields, week, 500": f"history?fields=Soc,VehicleSpeed,Odometer,InsideTemp&from={WEEK}",
    "8 fields, week, 2000": "history?fields=Soc,VehicleSpeed,Odometer,InsideTemp,OutsideTemp,PackVoltage,PackCurrent,"
                            f"Gear&from={WEEK}&points=2000",
    "4 fields, hour, 500": "history?fields=Soc,VehicleSpeed,Odometer,InsideTemp&from=-3600000",
    "track of the week": f"track?from={WEEK}&points=2000",
    "last drive": "track", "sessions": "sessions", "alerts": "alerts", "connections": "connections",
    "signals": "signals",
}


def week():
    """Two drives of an hour each day, a value a second while driving, one a minute while parked."""
    age = 7 * DAY
    while age > 0:
        hour = age % DAY / 3600
        driving = 8 <= hour < 9 or 17 <= hour < 18
        at = {"age": age, "InsideTemp": 20 + math.sin(age / 5000), "OutsideTemp": 10 + math.sin(age / 9000)}
        if driving:
            at |= {"VehicleSpeed": 30 + 20 * math.sin(age / 60), "Odometer": 10000 + (7 * DAY - age) / 100,
                   "PackVoltage": 380 + age % 7, "PackCurrent": 50 * math.sin(age / 20), "Gear": "D",
                   "Location": {"latitude": 37 + math.sin(age / 3000) / 10, "longitude": -122 + age / 1e7}}
        else:
            at |= {"Soc": 50 + 30 * math.sin(age / 20000), "Gear": "P"}
        yield at
        age -= 1 if driving else 60


def ask(port, path):
    """Return (seconds, status, bytes)."""
    begun = time.monotonic()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", f"/api/vehicles/{VIN}/{path}")
    answer = c.getresponse()
    size = len(answer.read())
    c.close()
    return time.monotonic() - begun, answer.status, size


def table(port, title, times=15):
    print(f"--- {title}")
    for name, path in CALLS.items():
        results = [ask(port, path) for _ in range(times)]
        seconds = sorted(r[0] for r in results)
        print(f"{name:22} median {seconds[times // 2] * 1e3:6.1f} ms, max {seconds[-1] * 1e3:6.1f} ms, "
              f"{results[-1][2] / 1e3:7.1f} kB, status {sorted({r[1] for r in results})}", flush=True)


def page(port):
    """All calls at once, as a page does."""
    threads = [threading.Thread(target=ask, args=(port, path)) for path in CALLS.values()]
    begun = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return time.monotonic() - begun


def flood(port, end):
    """Connections from another address that request the slowest call again and again, and do not read."""
    request = f"GET /api/vehicles/{VIN}/{CALLS['8 fields, week, 2000']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    while not end.is_set():
        crowd = []
        for _ in range(20):
            s = socket.socket()
            s.bind(("127.0.0.9", 0))
            s.connect(("127.0.0.1", port))
            s.sendall(request)
            crowd.append(s)
        end.wait(0.3)
        for s in crowd:
            s.close()


def main():
    port = free_port()
    extra = f"admin: {{port: {port}}}\nhistory: {{}}\nlimits: {{connections_per_source: 0}}"
    with Daemon(ALL, FILE, journal="{size: 2 GB}", extra=extra) as d:
        lines = list(week())
        d.say(*lines)
        expected = sum(len(line) - 1 for line in lines)
        wait_until("the week is written", lambda: signals(d) == expected, 120)
        print(f"{len(lines)} records, {expected} signals, {d.status()['history']['bytes'] / 1e6:.1f} MB")
        table(port, "alone")
        print(f"all calls at once: {sorted(page(port) for _ in range(5))[2] * 1e3:.0f} ms")
        end = threading.Event()
        thread = threading.Thread(target=flood, args=(port, end))
        thread.start()
        table(port, "beside a client that floods", 5)
        end.set()
        thread.join()
        if VEHICLES > 0:
            process = d.simulate_beside("--vehicles", int(VEHICLES), "--rate", RATE, "--duration", SECONDS)
            time.sleep(5)
            table(port, f"beside {VEHICLES:.0f} vehicles x {RATE}/s", 5)
            print(process.communicate()[0].strip().splitlines()[-1])


main()
