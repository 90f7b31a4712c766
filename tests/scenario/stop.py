#!/usr/bin/env python3
"""SIGTERM drains: what was acknowledged is there, open windows are delivered, vehicles get a close frame,
and the stop takes less than 10 s even when a sink cannot deliver. Also tests -d, -t and
the pid file."""
import os
import re
import signal
import subprocess
import time

from fr import BUILD, PATIENCE, Daemon, fleetroute, run_parts, vector, wait_until

SINK = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def everything_acknowledged_is_written():
    with Daemon('records: [{type: "*", to: archive, ack: archive}]', SINK) as d:
        load = d.simulate_beside("--vehicles", 20, "--rate", 0, "--window", 16, "--duration", 600,
                                 "--patience", 1, "--acknowledged", d.path("acknowledged"))
        d.wait_count("acknowledged", 2000)
        assert d.end() == 0, d.log_text()
        load.send_signal(signal.SIGINT)  # as if its duration was over
        load.communicate(timeout=60 * PATIENCE)
        assert load.returncode == 0, load.returncode
        written = {r["txid"] for r in d.records("V.jsonl")}
        acknowledged = d.lines("acknowledged")
        assert len(acknowledged) >= 2000 and set(acknowledged) <= written, len(set(acknowledged) - written)
        gone = [r for r in d.records("connectivity.jsonl") if r["status"] == "DISCONNECTED"]
        assert len(gone) == 20, len(gone)


def open_windows_are_delivered():
    with Daemon("fields: [{field: VehicleSpeed, to: archive, every: 1 h}]", SINK) as d:
        d.simulate("--speed", 100)
        assert d.end() == 0, d.log_text()
        speeds = [r["value"] for r in d.records("fields.jsonl")]
        assert speeds == [0, 0] or len(speeds) == 2 and speeds[1] == 0, speeds


def a_stuck_sink_without_a_journal():
    sink = SINK + '\n  stuck: {plugin: kafka, options: {brokers: "127.0.0.1:1"}}'
    with Daemon("records: [{type: V, to: [archive, stuck], ack: stuck}]", sink) as d:
        car = d.car()
        car.send(vector("01_v_three_datums"))
        wait_until("it waits for Kafka", lambda: d.status()["sinks"]["stuck"]["unfinished"] == 1)
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 10 * PATIENCE
        assert "stops with 1 record undelivered" in d.log_text(), d.log_text()
        assert car.receive_close() == 1001
        car.close()


def a_stuck_sink_with_a_journal():
    sink = SINK + '\n  stuck: {plugin: kafka, options: {brokers: "127.0.0.1:1"}}'
    with Daemon("records: [{type: V, to: [archive, stuck]}]", sink, journal="{}") as d:
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 10 * PATIENCE
        assert re.search(r"sink stuck stops with a lag of \d+ records?, which stays? in the journal",
                         d.log_text()), d.log_text()
        assert len(d.lines("V.jsonl")) == 1 and car.receive_close() == 1001
        car.close()


def background():
    d = Daemon("records: [{type: V, to: archive}]", SINK)
    d.write()
    program, config = f"{BUILD}/fleetrouted", d.path("fleetroute.yaml")
    assert subprocess.run([program, "-t", "-c", config]).returncode == 0
    pidfile = d.path("pid")
    assert subprocess.run([program, "-d", "-p", pidfile, "-c", config]).returncode == 0
    with open(pidfile) as f:
        pid = int(f.read())
    assert d.status()["connections"] == 0
    second = subprocess.run([program, "-d", "-c", config], capture_output=True, text=True)
    assert second.returncode == 1 and "another fleetrouted answers" in second.stderr, second
    os.kill(pid, signal.SIGTERM)
    wait_until("it has ended", lambda: not os.path.exists(pidfile))
    with open(d.path("routing.yaml"), "w") as f:
        f.write("records: [{type: V, to: nowhere}]")
    bad = subprocess.run([program, "-t", "-c", config], capture_output=True, text=True)
    assert bad.returncode == 1 and "routing.yaml:1:25:" in bad.stderr, bad


def failed_start():
    """libevent has no mechanism: the daemon reports it and exits. LeakSanitizer finds what is not freed."""
    with Daemon("records: [{type: V, to: archive}]", '  archive: {plugin: file, options: {path: "@/V"}}') as d:
        d.end()
        started = subprocess.run([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")], text=True,
                                 capture_output=True, timeout=20 * PATIENCE, env={
                                     **os.environ, **{f"EVENT_NO{m}": "1" for m in ("EPOLL", "POLL", "SELECT")}})
        assert started.returncode == 1 and "cannot create the event loop" in started.stderr, started
        assert "LeakSanitizer" not in started.stderr, started.stderr


if __name__ == "__main__":
    run_parts(everything_acknowledged_is_written, open_windows_are_delivered,
              a_stuck_sink_without_a_journal, a_stuck_sink_with_a_journal, background, failed_start)
