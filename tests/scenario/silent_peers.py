#!/usr/bin/env python3
"""A vehicle whose TCP connection lives but which answers no ping is closed after limits.peer_timeout. One that
answers pings, or sends data and no pong, or waits for a sink that is down, stays connected."""
import os
import signal
import time

from fr import PATIENCE, Daemon, run_parts, vector, wait_until

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
# Half of a timeout is also what an honest vehicle may take for an answer, on a machine that runs other tests.
LIMITS = f"limits: {{peer_timeout: {int(4000 * min(PATIENCE, 2))} ms, connections_per_vin: 0}}"
SHORT = 2 * min(PATIENCE, 3)  # seconds
CLOSED = "connections_closed_as_silent"


def simulator(d):
    """A vehicle that sends one message and then nothing for minutes, but answers pings."""
    process = d.simulate_beside("--vehicles", 1, "--rate", 0.001, "--duration", 600)
    wait_until("it is connected", lambda: d.status()["connections"] == 1)
    return process


def close_code_of_silent(car):
    """Read without an answer to any ping."""
    while (frame := car.receive_frame()) == (9, b""):
        pass
    assert frame and frame[0] == 8, frame
    return int.from_bytes(frame[1], "big")


def statuses(d):
    return [record["status"] for record in d.records("connectivity.jsonl")]


def answers_pings():
    """Five pings take longer than peer_timeout."""
    with Daemon(ROUTING, SINKS, LIMITS) as d:
        process = simulator(d)
        car = d.car()
        while car.pings < 5:
            frame = car.receive_frame()
            assert frame == (9, b""), frame
            car.pings += 1
            car.send(frame[1], opcode=10)
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        assert d.count(CLOSED) == 0 and d.status()["connections"] == 2, d.log_text()
        car.close()
        process.kill()
        process.wait()


def is_stopped():
    """The kernel of a stopped process acknowledges TCP segments, so keepalive does not notice it."""
    with Daemon(ROUTING, SINKS, LIMITS) as d:
        process = simulator(d)
        process.send_signal(signal.SIGSTOP)
        d.wait_count(CLOSED, 1)
        wait_until("it is recorded", lambda: statuses(d) == ["CONNECTED", "DISCONNECTED"])
        assert "not even the answer to a ping" in d.log_text()
        process.kill()
        process.wait()


def gets_a_close_frame():
    with Daemon(ROUTING, SINKS, LIMITS) as d:
        car = d.car()
        assert car.receive_frame() == (9, b"")
        assert car.receive_frame() == (8, (1013).to_bytes(2, "big"))
        assert d.count(CLOSED) == 1
        # A part of a message counts as a sign of life; message_timeout limits the rest.
        car = d.car()
        assert car.receive_frame() == (9, b"")
        car.socket.sendall(b"\x82")
        assert car.receive_frame() == (9, b"")
        assert close_code_of_silent(car) == 1013
        assert d.count(CLOSED) == 2


def sends_data_and_no_pong():
    with Daemon(ROUTING, SINKS, LIMITS) as d:
        silent, car = d.car(), d.car()
        for _ in range(4):
            assert car.receive_frame() == (9, b"")
            car.send(vector("01_v_three_datums"))
            assert car.receive_reply()[0] == "ack"
        wait_until("the silent one is closed", lambda: d.count(CLOSED) == 1)
        assert d.status()["connections"] == 1
        silent.close()
        car.close()


def waits_for_a_sink():
    """The daemon does not read from a vehicle at max_unacknowledged, so it cannot see the pongs."""
    with Daemon(ROUTING, SINKS.replace("@", "@/gone").replace(
            "file,", "file, retry: {min: 20 ms, max: 100 ms},", 1), """limits:
  {peer_timeout: 2 s, max_unacknowledged: 1, connections_per_vin: 0}""") as d:
        open(d.path("gone"), "w").close()
        car = d.car()
        car.send(vector("01_v_three_datums"))
        wait_until("the sink fails", lambda: d.status()["sinks"]["archive"]["health"] == "down")
        for number in (1, 2):
            assert close_code_of_silent(d.car()) == 1013
            assert d.count(CLOSED) == number
        os.unlink(d.path("gone"))
        assert car.receive_reply()[0] == "ack"
        car.close()


def reload_applies_to_open_connections():
    with Daemon(ROUTING, SINKS, "limits: {peer_timeout: 1 h}") as d:
        car = d.car()
        d.extra = LIMITS
        d.reload()
        assert close_code_of_silent(car) == 1013
        assert d.count(CLOSED) == 1


def silence_before_a_reload():
    """A shorter peer_timeout does not close vehicles that had no ping to answer."""
    with Daemon(ROUTING, SINKS, "limits: {peer_timeout: 1 h}") as d:
        process = simulator(d)
        at = time.monotonic()
        wait_until("it is silent for long", lambda: time.monotonic() - at > 1.5 * SHORT)
        d.extra = f"limits: {{peer_timeout: {int(SHORT * 1000)} ms}}"
        d.reload()
        at = time.monotonic()
        wait_until("it answers pings", lambda: time.monotonic() - at > 1.5 * SHORT)
        assert d.count(CLOSED) == 0 and d.status()["connections"] == 1, d.log_text()
        process.kill()
        process.wait()


def daemon_is_stopped():
    """Time in which the daemon does not run does not count. The answers to pings wait in 300 sockets, more
    than one pass of an event loop reads."""
    limits = f"limits: {{peer_timeout: {int(SHORT * 1000)} ms, half_open: 400, half_open_per_source: 0}}"
    with Daemon(ROUTING, SINKS, limits) as d:
        process = d.simulate_beside("--vehicles", 300, "--rate", 0.001, "--duration", 600)
        wait_until("all are connected", lambda: d.status()["connections"] == 300, 60)
        for pause in (1.1, 1.25, 1.4, 1.55):
            d.process.send_signal(signal.SIGSTOP)
            time.sleep(pause * SHORT)
            d.process.send_signal(signal.SIGCONT)
            assert d.count(CLOSED) == 0 and d.status()["connections"] == 300, d.log_text()
        process.kill()
        process.wait()


run_parts(answers_pings, is_stopped, gets_a_close_frame, sends_data_and_no_pong, waits_for_a_sink,
          reload_applies_to_open_connections, silence_before_a_reload, daemon_is_stopped)
