#!/usr/bin/env python3
"""Connections are bounded: those of one vehicle, those without a WebSocket in total and of one source
address, and the memory that each takes. An honest vehicle notices none of it and gets in at any time."""
import time

from hostile import SLOWER, VIN, Daemon, Honest, Hostile, client_hello, hung_up, peer, wait_until

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def vehicle_with_many_connections():
    """A fifth connection closes the first. The others and the vehicle's presence stay."""
    with Daemon(ROUTING, SINKS) as d:
        with Honest(d):
            cars = [Hostile(d) for _ in range(4)]
            wait_until("five are open", lambda: d.status()["connections"] == 5)
            for i in range(8):
                cars.append(Hostile(d))
                assert cars[i].receive_close() == 1008, i
            for car in cars[-4:]:
                car.message()
                assert car.receive_reply()[0] == "ack"
            assert d.count("connections_over_limit_of_vin") == 8
            wait_until("five are left", lambda: d.status()["connections"] == 5)
            assert "limits.connections_per_vin" in d.log_text()
            assert [r["vin"] for r in d.records("presence.jsonl")].count(VIN) == 1
            for car in cars:
                car.close()


def crowd_of_silent_peers():
    """Half-open connections do not use up limits.connections. When their own limit is reached the
    oldest gives way, and a vehicle gets in within a second or two."""
    limits = "limits: {connections: 3, half_open: 200, half_open_per_source: 0, handshake_timeout: 60 s}"
    with Daemon(ROUTING, SINKS, limits) as d, Honest(d):
        hello = client_hello(d)
        crowd = [peer(d.port, (b"", b"\x16", hello[:-1], hello)[i % 4], source=f"127.0.0.{2 + i % 9}")
                 for i in range(700)]
        wait_until("the pool is full", lambda: d.status()["half_open"] >= 190)
        for _ in range(3):
            begin = time.monotonic()
            car = Hostile(d)
            assert time.monotonic() - begin < 6, "an honest vehicle waits behind silent peers"
            car.message()
            assert car.receive_reply()[0] == "ack"
            car.close()
        wait_until("all of the crowd were accepted", lambda: d.count("connections_accepted") > 700)
        wait_until("the oldest are hung up on", lambda: hung_up(crowd[1]) and hung_up(crowd[101]))
        status = d.status()
        assert status["half_open"] <= 202 and status["connections"] <= 3, status
        assert status["counters"]["half_open_connections_closed_for_others"] > 400, status
        assert status["counters"]["handshakes_timed_out"] == 0, status
        assert d.log_text().count("it was the oldest of as many") == 1
        for s in crowd:
            s.close()
        wait_until("they are gone", lambda: d.status()["half_open"] == 0)


def one_source_address():
    """One address has half_open_per_source; another one gets in at once."""
    limits = "limits: {half_open: 100, half_open_per_source: 10, handshake_timeout: 60 s}"
    with Daemon(ROUTING, SINKS, limits) as d:
        crowd = [peer(d.port, b"\x16", source="127.0.0.77") for _ in range(60)]
        wait_until("most are refused", lambda:
                   d.count("half_open_connections_over_limit_of_source") >= 40)
        assert d.status()["half_open"] <= 11, d.status()
        begin = time.monotonic()
        car = Hostile(d, source="127.0.0.78")
        assert time.monotonic() - begin < 20
        car.close()
        # From the crowd's own address a vehicle gets in too, once the oldest is a second old.
        time.sleep(1.1)
        Hostile(d, source="127.0.0.77").close()
        assert "limits.half_open_per_source" in d.log_text()
        for s in crowd:
            s.close()


def vehicles_over_the_limit():
    """Over limits.connections a vehicle is told so, and those that are connected stay."""
    with Daemon(ROUTING, SINKS, "limits: {connections: 2}") as d:
        first, second = Hostile(d), Hostile(d, vin="5YJ3E1EA7KF000002")
        try:
            Hostile(d, vin="5YJ3E1EA7KF000003")
            raise AssertionError("a third one is let in")
        except OSError:
            pass
        d.wait_count("connections_over_limit", 1)
        for car in (first, second):
            car.message(sender="vehicle_device.x")
            assert car.receive_reply()[0] == "ack"
        d.extra = "limits: {connections: 20, connections_per_source: 2}"
        d.reload()
        try:
            Hostile(d, vin="5YJ3E1EA7KF000004")
            raise AssertionError("a third one of this address is let in")
        except AssertionError as refusal:
            assert "503" in str(refusal) and "connections_per_source" in str(refusal), refusal
        Hostile(d, vin="5YJ3E1EA7KF000004", source="127.0.0.9").close()
        first.close()
        wait_until("there is a place", lambda: d.status()["connections"] == 1)
        Hostile(d, vin="5YJ3E1EA7KF000003").close()
        second.close()


def slow_and_long_handshakes():
    """A handshake that is not finished in time ends, whatever state it is in; a first message of
    128 kB is refused, and a certificate chain of more than 32 kB."""
    with Daemon(ROUTING, SINKS, "limits: {handshake_timeout: 2 s}") as d:
        hello = client_hello(d)
        halfway = Hostile(d, upgrade=False)
        halfway.raw(b"GET / HT")
        slow = [peer(d.port, first) for first in (b"\x16", hello[:20], hello)] + [halfway.socket]
        begin = time.monotonic()
        for s in slow:
            wait_until("it is hung up on", lambda: hung_up(s, 0.2), 5)
        assert time.monotonic() - begin < 15
        assert d.count("handshakes_timed_out") == 4
        for first in (b"\x16\x03\x01\x40\x00\x01\x01\xff\xf0", b"\x16\x03\x01\x00\x03\x01\x00\x01\x16"):
            before = d.count("tls_handshakes_failed")
            s = peer(d.port, first + b"x" * 5000)
            wait_until("it is hung up on", lambda: hung_up(s, 0.2), 1)
            assert d.count("tls_handshakes_failed") == before + 1


def memory_of_half_open_connections():
    limits = "limits: {half_open: 5000, half_open_per_source: 0, handshake_timeout: 60 s}"
    for state, most_kb in (("half", 4), ("whole", 60)):
        with Daemon(ROUTING, SINKS, limits) as d:
            hello = client_hello(d)
            first = hello if state == "whole" else hello[:-1]
            crowd = [peer(d.port, first) for _ in range(20)]
            wait_until("warm", lambda: d.status()["half_open"] == 20)
            before = d.status()["resident_kb"]
            crowd += [peer(d.port, first) for _ in range(400)]
            wait_until("all are there", lambda: d.status()["half_open"] == 420)
            time.sleep(0.5)  # for the last handshakes to be answered
            each = (d.status()["resident_kb"] - before) / 400
            print(f"a connection with {state} a ClientHello takes {each:.1f} kB")
            assert each < most_kb * SLOWER, each
            for s in crowd:
                s.close()


vehicle_with_many_connections()
crowd_of_silent_peers()
one_source_address()
vehicles_over_the_limit()
slow_and_long_handshakes()
memory_of_half_open_connections()
