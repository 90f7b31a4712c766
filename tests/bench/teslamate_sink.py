#!/usr/bin/env python3
"""CPU time of teslamate.so for a message at 10,000 messages a second, without and with clients, and the memory of 100
clients (run in the build folder). The first row has no values for the sink: the others minus this row are its cost.
    teslamate_sink.py [SECONDS]"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from fr import VIN, wait_until  # noqa: E402
from teslamate import TOKEN, Mate  # noqa: E402

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
VEHICLES, RATE, CLIENTS = 100, 100, 100
LIMITS = "max_connections: 1000, max_connections_per_address: 1000"
FIELDS = 'records: [{type: presence, to: mate}]\nfields: [{field: "*", to: mate}]'
HZ = os.sysconf("SC_CLK_TCK")


def cpu(process):
    with open(f"/proc/{process.pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / HZ


def drain(client):
    try:
        while client.socket.recv(1 << 20):
            pass
    except OSError:
        pass


def measure(what, routing, clients=0):
    with Mate(options=LIMITS, routing=routing) as m:
        m.d.simulate("--vehicles", VEHICLES, "--rate", 1, "--duration", 6)
        vins = [p["vin"] for p in m.get("/api/1/products")[1]["response"]]
        streams = [m.raw().upgrade() for _ in range(clients)]
        for i, stream in enumerate(streams):
            stream.subscribe(vins[i % len(vins)], TOKEN)
            threading.Thread(target=drain, args=(stream,), daemon=True).start()
        before, begun = cpu(m.d.process), time.monotonic()
        m.d.simulate("--vehicles", VEHICLES, "--rate", RATE, "--duration", SECONDS)
        wait_until("all are delivered", lambda: m.d.status()["sinks"]["mate"]["lag"] == 0, 60)
        took, after, status = time.monotonic() - begun, cpu(m.d.process), m.d.status()
        count = status["counters"]["acknowledged"] - 6 * VEHICLES
        print(f"{what:14} {count / took:7.0f} messages/s, CPU for a message {1e6 * (after - before) / count:5.2f} us; "
              f"{status['sinks']['mate']['delivered']} values delivered; {m.health()[1]}", flush=True)
        for stream in streams:
            stream.close()


def memory(tls):
    with Mate(options=LIMITS, tls=tls) as m:
        m.raw().close()
        before = m.d.status()["resident_kb"]
        streams = [m.raw().upgrade() for _ in range(CLIENTS)]
        for stream in streams:
            stream.subscribe(VIN, TOKEN)
        wait_until("all are subscribed", lambda: f"{CLIENTS} subscriptions" in m.health()[1])
        used = m.d.status()["resident_kb"] - before
        print(f"{CLIENTS} clients {'with' if tls else 'without'} TLS: {used} kB, {used / CLIENTS:.1f} kB each", flush=True)
        for stream in streams:
            stream.close()


memory(False)
memory(True)
measure("no values", "records: [{type: presence, to: mate}]")
measure("no client", FIELDS)
measure(f"{CLIENTS} clients", FIELDS, CLIENTS)
