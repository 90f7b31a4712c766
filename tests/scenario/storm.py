#!/usr/bin/env python3
"""All vehicles connect at once, as after a restart of the daemon: each comes back with its first connection, none
is closed or timed out, none is reported as disconnected, and vehicles that are connected are served meanwhile.

    tests/scenario/storm.py [VEHICLES] [PART...]      from the build folder; more vehicles than by default

The simulators share the machine with the daemon. The numbers that are printed are no assertions."""
import contextlib
import re
import signal
import socket
import ssl
import sys
import time

from fr import PATIENCE, Daemon, run_parts, wait_until

VEHICLES = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else int(600 / PATIENCE)
BESIDE = 20  # vehicles that are connected before the others
EACH = 2500  # vehicles of one simulator at most
SILENT = 1000
ROUTING = 'records: [{type: "*", to: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def client_hello():
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


def peer(d, first=b""):
    s = socket.create_connection(("127.0.0.1", d.port), 15 * PATIENCE)
    if first:
        s.sendall(first)
    return s


def fleets(d):
    """Simulators of all VEHICLES, which send a message every 20 s."""
    return [d.simulate_beside("--first", 1000 + first, "--vehicles", min(EACH, VEHICLES - first), "--rate", 0.05,
                              "--data", 1, "--duration", 3600) for first in range(0, VEHICLES, EACH)]


def finish(simulator):
    """End a simulator as if its duration was over. Return its numbers by their names."""
    simulator.send_signal(signal.SIGINT)
    output = simulator.communicate(timeout=60 * PATIENCE)[0]
    numbers = {name: int(n) for n, name in re.findall(r"(\d+) (sent|acknowledged|refused|unanswered|dropped|disconnects)",
                                                      output)}
    numbers.update({name: float(ms) for name, ms in re.findall(r"(p50|p99|max) ([\d.]+) ms", output)})
    assert "sent" in numbers, output
    return numbers


def connected(d, count):
    wait_until(f"{count} vehicles are connected", lambda: d.status()["connections"] == count, 60 + VEHICLES / 100)


def beside(d):
    simulator = d.simulate_beside("--vehicles", BESIDE, "--rate", 10, "--duration", 3600)
    connected(d, BESIDE)
    return simulator


def storm(d, silent):
    """Restart the daemon while the vehicles do not run, and let all of them run at once. Return what the vehicles
    that are connected before measured, and the silent peers."""
    simulators = fleets(d)
    connected(d, VEHICLES)
    for simulator in simulators:
        simulator.send_signal(signal.SIGSTOP)
    d.kill()
    d.start()
    if VEHICLES > 2000:
        before = beside(d)
        time.sleep(10)
        print(f"vehicles beside, before: {finish(before)}")
        wait_until("they have left", lambda: d.status()["connections"] == 0)
    accepted = d.count("connections_accepted")
    served = beside(d)
    crowd = [peer(d) for _ in range(silent)]
    cpu, begun, waits = d.status()["cpu_us"], time.monotonic(), []
    for simulator in simulators:
        simulator.send_signal(signal.SIGCONT)

    def back():
        status = d.status()
        waits.append((status["handshakes"]["waiting"] + status["handshakes"]["waiting_in_kernel"],
                      status["handshakes"]["longest_wait_ms"]))
        return status["connections"] == VEHICLES + BESIDE
    wait_until("all vehicles are back", back, 60 + VEHICLES / 50)
    seconds = time.monotonic() - begun
    cpu = d.status()["cpu_us"] - cpu
    measured = finish(served)
    lost = sum(finish(simulator)["disconnects"] for simulator in simulators)
    print(f"{VEHICLES} vehicles and {silent} silent peers: all back after {seconds:.1f} s, "
          f"{cpu / VEHICLES:.0f} us of the daemon's CPU time each, at most {max(w[0] for w in waits)} waited, "
          f"the longest {max(w[1] for w in waits)} ms; vehicles beside: {measured}")
    assert lost == VEHICLES, f"{lost} connections were lost; each vehicle loses one when the daemon is killed"
    assert measured["disconnects"] == 0 and measured["unanswered"] == 0, measured
    assert measured["max"] < 5000 * PATIENCE, f"connected vehicles wait for their acknowledgements: {measured}"
    counters = d.status()["counters"]
    assert counters["handshakes_timed_out"] == 0, counters
    assert counters["tls_handshakes_failed"] == 0, counters
    assert counters["connections_over_limit"] == 0, counters
    # Each vehicle connects once. Some of the silent peers may still wait to be accepted.
    attempts = counters["connections_accepted"] - accepted
    assert VEHICLES + BESIDE <= attempts <= VEHICLES + BESIDE + silent, attempts
    check_presence(d)
    return counters, crowd


def check_presence(d):
    """No vehicle of the storm is reported as disconnected before it leaves at the end, and none twice as connected."""
    seen = {}
    for record in d.records("presence.jsonl"):
        if int(record["vin"][-6:]) >= 1000:
            seen.setdefault(record["vin"], set()).add(record["status"])
    assert len(seen) == VEHICLES, len(seen)
    assert all(states == {"CONNECTED"} for states in seen.values()), seen


def settings(half_open, timeout="10 s"):
    return (f"limits: {{half_open: {half_open}, half_open_per_source: 0, handshake_timeout: {timeout}, "
            f"connections: {max(20000, 2 * VEHICLES)}, presence_grace: 60 s}}")


def restart():
    """The bound on handshakes in progress is lower than the number of vehicles: the others wait."""
    with Daemon(ROUTING, SINKS, settings(200 if VEHICLES <= 2000 else 1000), journal="{}") as d:
        counters, _ = storm(d, 0)
        assert counters["half_open_connections_closed_for_others"] == 0, counters


def silent_peers():
    """Peers that send nothing hold all places of handshakes: they are closed for vehicles, and no vehicle is."""
    with Daemon(ROUTING, SINKS, settings(200 if VEHICLES <= 2000 else 1000, "600 s"), journal="{}") as d:
        counters, crowd = storm(d, SILENT)
        assert counters["half_open_connections_closed_for_others"] <= SILENT, counters
        for s in crowd:
            s.close()


def waiting():
    """Waiting handshakes are reported. Peers that leave before their turn cost no handshake."""
    with Daemon(ROUTING, SINKS, settings(200)) as d:
        hello = client_hello()
        assert d.status()["handshakes"]["waiting"] == 0
        d.freeze()  # the daemon gets no CPU time
        for _ in range(30):
            peer(d, hello).close()
        patient = [peer(d, hello) for _ in range(10)]
        time.sleep(1.5)  # longer than handshakes may wait without a report
        d.process.send_signal(signal.SIGCONT)
        d.wait_count("handshakes_left_while_waiting", 30)
        for s in patient:
            s.settimeout(15 * PATIENCE)
            assert s.recv(1) == b"\x16", "no answer to the ClientHello"
        wait_until("it is reported", lambda: "handshakes: " in d.log_text() and "wait, the oldest for" in d.log_text())
        wait_until("its end is reported", lambda: "handshakes: none waits" in d.log_text())
        end = re.search(r"handshakes: none waits.*", d.log_text()).group()
        # The line has those since the last tick before the period was seen; the counter has all.
        assert 0 <= int(re.search(r"(\d+) peers left before their turn", end).group(1)) <= 30, end
        wait_until("no handshake waits", lambda: d.status()["handshakes"]["longest_wait_ms"] == 0)
        assert d.log_text().count("handshakes: ") == 2, d.log_text()
        assert d.count("handshakes_left_while_waiting") == 30
        d.car().close()


if __name__ == "__main__":
    run_parts(restart, silent_peers, waiting)
