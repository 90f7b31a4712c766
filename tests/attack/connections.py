#!/usr/bin/env python3
"""Limits of connections: of one vehicle, of half-open connections in total and of one source address, and
the memory of each. An honest vehicle is not affected and can connect at any time."""
import time

from hostile import (PATIENCE, SLOWER, VIN, Daemon, Honest, Hostile, client_hello, hung_up, peer,
                     run_parts, wait_until)
from haproxy import proxy_header

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def vehicle_with_many_connections():
    """The fifth connection of a vehicle closes its first. The others and its presence are not affected."""
    with Daemon(ROUTING, SINKS) as d:
        with Honest(d):
            cars = [Hostile(d) for _ in range(4)]
            wait_until("five connections are open", lambda: d.status()["connections"] == 5)
            for i in range(8):
                cars.append(Hostile(d))
                assert cars[i].receive_close() == 1008, i
            for car in cars[-4:]:
                car.message()
                assert car.receive_reply()[0] == "ack"
            assert d.count("connections_over_limit_of_vin") == 8
            wait_until("five connections remain", lambda: d.status()["connections"] == 5)
            assert "limits.connections_per_vin" in d.log_text()
            assert [r["vin"] for r in d.records("presence.jsonl")].count(VIN) == 1
            for car in cars:
                car.close()


def crowd_of_silent_peers():
    """Half-open connections do not count towards limits.connections. At limits.half_open the oldest is
    closed, and a vehicle can connect within seconds."""
    limits = "limits: {connections: 3, half_open: 200, half_open_per_source: 0, handshake_timeout: 60 s}"
    with Daemon(ROUTING, SINKS, limits) as d, Honest(d):
        hello = client_hello(d)
        crowd = [peer(d.port, (b"", b"\x16", hello[:-1], hello)[i % 4], source=f"127.0.0.{2 + i % 9}")
                 for i in range(700)]
        wait_until("limits.half_open is almost reached", lambda: d.status()["half_open"] >= 190)
        for _ in range(3):
            begin = time.monotonic()
            car = Hostile(d)
            assert time.monotonic() - begin < 6 * PATIENCE, "an honest vehicle waits because of silent peers"
            car.message()
            assert car.receive_reply()[0] == "ack"
            car.close()
        wait_until("all silent peers were accepted", lambda: d.count("connections_accepted") > 700)
        wait_until("the oldest are closed", lambda: hung_up(crowd[1]) and hung_up(crowd[101]))
        status = d.status()
        assert status["half_open"] <= 202 and status["connections"] <= 3, status
        assert status["counters"]["half_open_connections_closed_for_others"] > 400, status
        assert status["counters"]["handshakes_timed_out"] == 0, status
        assert d.log_text().count("it was the oldest of as many") == 1
        for s in crowd:
            s.close()
        wait_until("no connection is half-open", lambda: d.status()["half_open"] == 0)


def one_source_address():
    """limits.half_open_per_source bounds one address; a vehicle of another address connects at once."""
    limits = "limits: {half_open: 100, half_open_per_source: 10, handshake_timeout: 60 s}"
    with Daemon(ROUTING, SINKS, limits) as d:
        crowd = [peer(d.port, b"\x16", source="127.0.0.77") for _ in range(60)]
        wait_until("most are refused", lambda:
                   d.count("half_open_connections_over_limit_of_source") >= 40)
        assert d.status()["half_open"] <= 11, d.status()
        begin = time.monotonic()
        car = Hostile(d, source="127.0.0.78")
        assert time.monotonic() - begin < 20 * PATIENCE
        car.close()
        # A vehicle of the same address can connect too, once the oldest half-open one is 1 s old.
        time.sleep(1.1)
        Hostile(d, source="127.0.0.77").close()
        assert "limits.half_open_per_source" in d.log_text()
        for s in crowd:
            s.close()


def vehicles_over_the_limit():
    """Above limits.connections a vehicle is refused with the reason; connected vehicles stay connected."""
    with Daemon(ROUTING, SINKS, "limits: {connections: 2}") as d:
        first, second = Hostile(d), Hostile(d, vin="5YJ3E1EA7KF000002")
        try:
            Hostile(d, vin="5YJ3E1EA7KF000003")
            raise AssertionError("a third vehicle is accepted")
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
            raise AssertionError("a third connection of this address is accepted")
        except AssertionError as refusal:
            assert "503" in str(refusal) and "connections_per_source" in str(refusal), refusal
        Hostile(d, vin="5YJ3E1EA7KF000004", source="127.0.0.9").close()
        first.close()
        wait_until("a connection is free", lambda: d.status()["connections"] == 1)
        Hostile(d, vin="5YJ3E1EA7KF000003").close()
        second.close()


def slow_and_long_handshakes():
    """A connection is closed at the handshake timeout, in each state of the handshake. A first handshake
    message that is too long or broken is refused at once."""
    with Daemon(ROUTING, SINKS, f"limits: {{handshake_timeout: {int(2000 * PATIENCE)} ms}}") as d:
        hello = client_hello(d)
        halfway = Hostile(d, upgrade=False)
        halfway.raw(b"GET / HT")
        slow = [peer(d.port, first) for first in (b"\x16", hello[:20], hello)] + [halfway.socket]
        begin = time.monotonic()
        for s in slow:
            wait_until("the connection is closed", lambda: hung_up(s, 0.2), 5)
        assert time.monotonic() - begin < 15 * PATIENCE
        wait_until("all four are counted", lambda: d.count("handshakes_timed_out") == 4)
        for first in (b"\x16\x03\x01\x40\x00\x01\x01\xff\xf0", b"\x16\x03\x01\x00\x03\x01\x00\x01\x16"):
            before = d.count("tls_handshakes_failed")
            s = peer(d.port, first + b"x" * 5000)
            wait_until("the connection is closed", lambda: hung_up(s, 0.2), 5)
            wait_until("it is counted", lambda: d.count("tls_handshakes_failed") == before + 1)


def memory_of_half_open_connections():
    limits = "limits: {half_open: 5000, half_open_per_source: 0, handshake_timeout: 60 s}"
    for state, max_kb in (("half", 4), ("whole", 60)):
        with Daemon(ROUTING, SINKS, limits) as d:
            hello = client_hello(d)
            first = hello if state == "whole" else hello[:-1]
            crowd = [peer(d.port, first) for _ in range(20)]
            wait_until("the first 20 are open", lambda: d.status()["half_open"] == 20)
            before = d.status()["resident_kb"]
            crowd += [peer(d.port, first) for _ in range(400)]
            wait_until("all are open", lambda: d.status()["half_open"] == 420)
            time.sleep(0.5)  # until the last handshakes are answered
            each = (d.status()["resident_kb"] - before) / 400
            print(f"a connection with {state} a ClientHello takes {each:.1f} kB")
            assert each < max_kb * SLOWER, each
            for s in crowd:
                s.close()


def crowd_behind_a_load_balancer():
    """Peers of other addresses, and many of one address, behind a load balancer: the limits for half-open
    connections hold for the addresses in the PROXY headers, and honest vehicles behind the same load balancer
    connect and are not affected."""
    balancer = "127.0.0.100"
    d = Daemon(ROUTING, SINKS, "limits: {half_open: 200, half_open_per_source: 10, handshake_timeout: 60 s}")
    d.listen = f", proxy_protocol: {balancer}"
    with d:
        hello = client_hello(d)
        honest = Hostile(d, source=balancer, first=[proxy_header("198.51.100.1")])
        one = [peer(d.port, proxy_header("203.0.113.77", 1000 + i) + hello[:-1], source=balancer) for i in range(100)]
        d.wait_count("half_open_connections_over_limit_of_source", 80)
        assert d.status()["half_open"] <= 12, d.status()
        assert "203.0.113.77:" in d.log_text()
        crowd = [peer(d.port, (b"", proxy_header(f"203.0.{i % 200}.{i % 250}") + (b"", b"\x16", hello[:-1], hello)[i % 4])[i % 8 != 0],
                      source=balancer) for i in range(700)]
        wait_until("limits.half_open is almost reached", lambda: d.status()["half_open"] >= 190)
        for i in range(3):
            begin = time.monotonic()
            car = Hostile(d, source=balancer, first=[proxy_header(f"198.51.100.{2 + i}")])
            assert time.monotonic() - begin < 6 * PATIENCE, "an honest vehicle waits because of silent peers"
            for honest_one in (car, honest):
                honest_one.message()
                assert honest_one.receive_reply()[0] == "ack"
            car.close()
        assert d.status()["half_open"] <= 202, d.status()
        honest.close()
        for s in one + crowd:
            s.close()
        wait_until("no connection is half-open", lambda: d.status()["half_open"] == 0)


if __name__ == "__main__":
    run_parts(vehicle_with_many_connections, crowd_of_silent_peers, one_source_address, crowd_behind_a_load_balancer,
              vehicles_over_the_limit, slow_and_long_handshakes, memory_of_half_open_connections)
