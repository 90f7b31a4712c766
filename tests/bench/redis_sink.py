#!/usr/bin/env python3
"""CPU time of redis.so and of redis-server for a message, at 10,000 messages a second (run in the build folder).
The first row has no records for the sink: the others minus this row are the cost of the sink.
    redis_sink.py [SECONDS]"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from fr import Daemon, wait_until  # noqa: E402
from redis_server import Redis  # noqa: E402

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


def measure(what, records, mode):
    with Redis("appendfsync everysec") as redis, \
            Daemon(f"records: [{{type: {records}, to: redis}}]",
                   f"  redis: {{plugin: redis, options: {{port: {redis.port}, mode: {mode}}}}}", journal="{}") as d:
        wait_until("the sink is up", lambda: d.status()["sinks"]["redis"]["health"] == "up")
        before, begun = (cpu(d.process), cpu(redis.process)), time.monotonic()
        d.simulate("--vehicles", VEHICLES, "--rate", RATE, "--duration", SECONDS)
        wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["lag"] == 0, 60)
        took, after = time.monotonic() - begun, (cpu(d.process), cpu(redis.process))
        status = d.status()
        count = status["counters"]["acknowledged"]
        own, server = (1e6 * (b - a) / count for a, b in zip(before, after))
        print(f"{what:8} {count / took:7.0f} messages/s, CPU for a message: fleetrouted {own:5.2f} us, redis-server "
              f"{server:5.2f} us; {status['sinks']['redis']['delivered']} delivered, "
              f"delay p99 {p99(status['sinks']['redis']['delay_ms'])} ms, {d.max_kb} kB", flush=True)


measure("none", "alerts", "publish")
measure("publish", "V", "publish")
measure("stream", "V", "stream")
