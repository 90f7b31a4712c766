#!/usr/bin/env python3
"""One car into all sinks at once: starts the real server of every sink plugin that is built, drives a simulated car for
SECONDS, prints memory and CPU time of the daemon each minute and, at the end, what became of the records of each sink.
Exit status 1: a sink lost records, has dead letters or is not up, or the daemon ended.

    all_sinks.py SECONDS [--speed X] [--only NAME,...] [--without NAME,...]      in the build folder

The car drives one trip after the other, SPEED (1) times as fast as in real time. Servers that cannot be started are named and skipped. Output is one line for each event: it can be kept for
hours."""
import argparse
import contextlib
import signal
import sys
import time

import sink_peers
from fr import VIN, Daemon, wait_until

UP_S = 120     # until all sinks are connected
DRAIN_S = 120  # from the end of the last trip until all is delivered
SAMPLE_S = 60


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def start_servers(stack, names):
    """{name: Sink} of those that start."""
    found = {}
    for name in names:
        own = contextlib.ExitStack()
        try:
            found[name] = sink_peers.KINDS[name][2](own, None)
        except (Exception, SystemExit) as error:
            own.close()
            say(f"{name} is skipped: {type(error).__name__}: {error}")
            continue
        stack.push(own)
        say(f"{name}: its server runs")
    return found


class Watch:
    """Prints a line about the daemon: memory, CPU time since the last line, lags, sinks that are not up."""

    def __init__(self, d):
        self.d, self.last, self.first, self.at = d, d.status(), None, time.monotonic()
        self.first = self.last
        self.cpu = sink_peers.sink_cpu(d.process.pid)

    def look(self):
        now, cpu, at = self.d.status(), sink_peers.sink_cpu(self.d.process.pid), time.monotonic()
        seconds = at - self.at
        busy = sorted(((cpu[n] - self.cpu.get(n, 0)) / seconds * 100, n) for n in cpu)[::-1][:3]
        bad = [f"{name} is {s['health']}: {s['why']}" for name, s in now["sinks"].items() if s["health"] != "up"]
        say(f"{now['resident_kb'] / 1024:.1f} MB, {(now['cpu_us'] - self.last['cpu_us']) / seconds / 1e4:.2f} % of a core "
            f"(most: {', '.join(f'{n} {p:.2f} %' for p, n in busy)}), "
            f"{now['counters']['acknowledged'] - self.first['counters']['acknowledged']} messages acknowledged, lag "
            f"{sum(s['lag'] for s in now['sinks'].values())}" + "".join(f"\n         {line}" for line in bad))
        self.last, self.cpu, self.at = now, cpu, at


def drive(d, seconds, speed, watch):
    """Drive until the time is over. A trip that ends early is followed by the next one."""
    end, trips = time.monotonic() + seconds, 0
    next_look = time.monotonic() + SAMPLE_S
    while time.monotonic() < end:
        trip = d.simulate_beside("--speed", speed, "--vin", VIN)
        while trip.poll() is None:
            if d.ended():
                trip.kill()
                raise AssertionError("the daemon ended")
            if time.monotonic() >= next_look:
                watch.look()
                next_look += SAMPLE_S
            if time.monotonic() >= end:
                trip.terminate()
            time.sleep(0.2)
        trip.stdout.close()
        trips += 1
        if trip.returncode not in (0, -15) and time.monotonic() < end:
            say(f"the car ended with {trip.returncode}")
            time.sleep(1)
    return trips


def report(d, sinks):
    """Print a line for each sink; returns the names of those with a fault."""
    faults = []
    for name, state in d.status()["sinks"].items():
        lost = state["lag"] + state["dropped"] + state["dead_letters"]
        if lost or state["health"] != "up":
            faults.append(name)
        received = sinks[name].received() if sinks[name].received else None
        say(f"{name:16} delivered {state['delivered']:7}, dead-lettered {state['dead_letters']}, dropped "
            f"{state['dropped']}, lag {state['lag']}" + (f", {received} at its consumer" if received is not None else "") +
            f"; {state['health']}: {state['why']}")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--speed", type=float, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--without", default="")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are stopped
    without = arguments.without.split(",")
    names = [n for n in (arguments.only.split(",") if arguments.only else sink_peers.KINDS) if n not in without]
    with contextlib.ExitStack() as stack:
        sinks = start_servers(stack, sink_peers.available(names))
        if not sinks:
            sys.exit("no sink can be started")
        routing = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" + sink_peers.routing(sinks)
        d = stack.enter_context(Daemon(routing, "".join(s.yaml(n) for n, s in sinks.items()), journal="{}"))
        with contextlib.suppress(AssertionError):
            wait_until("all sinks are up", lambda: all(s["health"] == "up" for s in d.status()["sinks"].values()), UP_S)
        watch = Watch(d)
        watch.look()
        trips = drive(d, arguments.seconds, arguments.speed, watch)
        with contextlib.suppress(AssertionError):
            wait_until("all is delivered", lambda: all(
                s["lag"] == 0 for s in d.status()["sinks"].values()), DRAIN_S)
        watch.look()
        say(f"{trips} trips, at most {d.max_kb / 1024:.1f} MB, "
            f"{sink_peers.cpu_of(d.process.pid):.1f} s of CPU time in {arguments.seconds:.0f} s")
        faults = report(d, sinks)
    if faults:
        say("faults: " + ", ".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
