#!/usr/bin/env python3
"""Rows of `bench --only sinks`: 10,000 messages of 8 values a second through each sink plugin, to its real local server.
Prints a JSON object for each row, which bench prints and stores. The row `none` has no records for any sink.

    sinks.py [--seconds N] [--kafka HOST:PORT] [NAME...]        in the build folder

ha_websocket is no default row: Home Assistant takes some thousand states a second, and the sink keeps only the latest
values; tests/bench/home_assistant.py measures it with 100 vehicles that send every second."""
import argparse
import contextlib
import json
import signal
import sys
import time

import sink_peers
from fr import Daemon, wait_until

VEHICLES, RATE = 100, 100
DRAIN_S = 60


def measure(name, seconds, kafka):
    with contextlib.ExitStack() as stack:
        sinks = {} if name == "none" else {name: sink_peers.KINDS[name][2](stack, kafka)}
        nothing = sink_peers.Sink("file", f'path: "{sink_peers.folder(stack, "none")}/%{{type}}"')
        text = "".join(sink.yaml(n) for n, sink in (sinks or {"none": nothing}).items())
        routing = sink_peers.routing(sinks) or "records: [{type: alerts, to: none}]"
        d = stack.enter_context(Daemon(routing, text, journal="{size: 4 GB}"))
        wait_until("the sink is up", lambda: all(s["health"] == "up" for s in d.status()["sinks"].values()), 60)
        return drive(d, name, next(iter(sinks.values()), nothing), seconds)


def drive(d, name, sink, seconds):
    # librdkafka's and libzmq's threads are found by their names.
    own = sink.plugin if sink.plugin in ("kafka", "zmq") else name

    def used():
        by_sink = sink_peers.sink_cpu(d.process.pid)
        return (sink_peers.cpu_of(d.process.pid), sum(by_sink.get(n, 0) for n in {own, name[:10]}),
                sink_peers.cpu_of(sink.process) if sink.process else 0)

    before, begun = used(), time.monotonic()
    d.simulate("--vehicles", VEHICLES, "--rate", RATE, "--duration", seconds)
    took, status = time.monotonic() - begun, d.status()
    lag = max(s["lag"] for s in status["sinks"].values())
    end = time.monotonic() + DRAIN_S
    while lag and time.monotonic() < end and any(s["lag"] for s in d.status()["sinks"].values()):
        time.sleep(0.05)
    drained, after, last = time.monotonic() - begun - took, used(), d.status()
    count = last["counters"]["acknowledged"]
    per_message = [1e6 * (b - a) / count for a, b in zip(before, after)]
    state = next(iter(last["sinks"].values()))
    return {"load": f"{VEHICLES} x {RATE}/s", "name": name, "seconds": took, "messages_s": count / took,
            "cpu_us": per_message[0], "sink_cpu_us": per_message[1], "server_cpu_us": per_message[2],
            "max_mb": d.max_kb / 1024, "lag": lag, "lag_left": state["lag"], "drain_s": drained,
            "delivered": state["delivered"], "dead_letters": state["dead_letters"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--kafka")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are stopped
    names = [n for n in arguments.names or sink_peers.KINDS if n != "none" and (arguments.names or n != "ha_websocket")]
    for name in ["none", *sink_peers.available(names)]:
        try:
            print(json.dumps(measure(name, arguments.seconds, arguments.kafka)), flush=True)
        except Exception as error:  # the other rows are measured all the same
            print(json.dumps({"load": "", "name": name, "error": f"{type(error).__name__}: {error}"[:300]}), flush=True)


if __name__ == "__main__":
    main()
