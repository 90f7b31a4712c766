#!/usr/bin/env python3
"""Behind a load balancer that sends the PROXY protocol, version 2, the address of the vehicle counts for
limits, log and status. Peers in listen.proxy_protocol must send the header, other peers need none. HAProxy,
the daemon and TLS are real; HAProxy connects from 127.0.0.100, so that 127.0.0.1 is a direct peer."""
import json
import re
import resource
import shutil
import socket
import ssl
import struct
import time
import urllib.request

from fr import PATIENCE, SOURCE, VIN, Car, Daemon, fleetroute, free_port, run_parts, vector, wait_until
from haproxy import LOCAL, SIGNATURE, HAProxy, proxy_header

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
BALANCER = "127.0.0.100"
LISTED = f", proxy_protocol: [{BALANCER}, fd00::/8]"
WIDE = "connections_per_vin: 0"
UNSPECIFIED = SIGNATURE + b"\x21\0\0\0"
UNIX = SIGNATURE + b"\x21\x31\0\xd8" + bytes(216)


def server(limits=WIDE, listen=LISTED, more="", address="127.0.0.1"):
    d = Daemon(ROUTING, SINKS, f"limits: {{{limits}}}\n{more}", address=address)
    d.listen = listen
    return d


def balancer(d, port, options="send-proxy-v2 check inter 100ms"):
    return HAProxy(d, f"""
global
    log stdout format raw local0
defaults
    mode tcp
    log global
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout check 5s
listen vehicles
    bind 127.0.0.1:{port}
    bind [::1]:{port}
    source {BALANCER}
    server daemon 127.0.0.1:{d.port} {options}
""")


def peer(d, first=b"", source=BALANCER, to=None):
    """A TCP connection that sends `first` and then nothing."""
    s = socket.socket()
    s.settimeout(15 * PATIENCE)
    s.bind((source, 0))
    s.connect(to or ("127.0.0.1", d.port))
    if first:
        s.sendall(first)
    return s


def is_closed(s):
    s.settimeout(0.05)
    try:
        return s.recv(4096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def await_closed(s):
    wait_until("the connection is closed", lambda: is_closed(s))
    s.close()


def await_log(d, text):
    wait_until(f"the log has {text!r}", lambda: text in d.log_text())


def acknowledged(car):
    car.send(vector("01_v_three_datums"))
    assert car.receive_reply()[0] == "ack"


def refusal(*arguments, **more):
    """The reason for which a vehicle cannot connect."""
    try:
        Car(*arguments, **more).close()
    except (OSError, AssertionError) as problem:
        return str(problem)
    raise AssertionError("the vehicle connected")


def vehicles(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/vehicles", timeout=15 * PATIENCE) as answer:
        return {v["vin"]: v for v in json.load(answer)["vehicles"]}


def client_hello(d):
    out = ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=d.path("server-ca.pem"))
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


# ---- parts --------------------------------------------------------------------------------

def behind_haproxy():
    """Log and status have the address of the vehicle, and the log that of HAProxy. HAProxy's health checks
    cause no line."""
    port, admin = free_port(), free_port()
    six = "5YJ3E1EA7KF000006"
    with server(more=f"admin: {{port: {admin}}}") as d, balancer(d, port) as h:
        h.wait_listening(port)
        car = Car(d, source="127.0.0.2", to=("127.0.0.1", port))
        other = Car(d, vin=six, source="::1", to=("::1", port))
        acknowledged(other)
        for _ in range(400):
            car.send(vector("01_v_three_datums"))
        for _ in range(400):
            assert car.receive_reply()[0] == "ack"
        four, v6 = (f"127.0.0.2:{car.socket.getsockname()[1]}", f"[::1]:{other.socket.getsockname()[1]}")
        known = vehicles(admin)
        assert known[VIN]["address"] == four and known[six]["address"] == v6, known
        d.wait_count("connections_with_proxy_header", 12)  # ten health checks
        log = d.log_text()
        for vin, address in ((VIN, four), (six, v6)):
            assert re.search(rf"{vin}\)? connected from {re.escape(address)} through {BALANCER}:\d+", log), log
        assert log.count(BALANCER) == 2, log
        assert d.count("proxy_headers_refused") == 0
        car.close()
        await_log(d, f"{VIN} disconnected from {four}")
        assert "address" not in vehicles(admin)[VIN]
        other.close()


def limits_count_vehicles():
    """limits.connections_per_source and limits.half_open_per_source count the address in the header, not that
    of HAProxy."""
    port = free_port()
    to = "127.0.0.1", port
    with server(f"{WIDE}, connections_per_source: 2, half_open_per_source: 10, handshake_timeout: 60 s") as d, \
            balancer(d, port) as h:
        h.wait_listening(port)
        cars = [Car(d, source=f"127.0.0.{n}", to=to) for n in range(2, 32) for _ in range(2)]
        assert d.status()["connections"] == 60
        problem = refusal(d, source="127.0.0.2", to=to)
        assert "503" in problem and "connections_per_source" in problem, problem
        Car(d, source="127.0.0.40", to=to).close()
        crowd = [peer(d, b"\x16", "127.0.0.77", to) for _ in range(60)]
        d.wait_count("half_open_connections_over_limit_of_source", 40)
        assert "127.0.0.77:" in d.log_text() and "limits.half_open_per_source" in d.log_text()
        assert d.status()["half_open"] <= 12, d.status()
        Car(d, source="127.0.0.78", to=to).close()
        for s in crowd:
            s.close()
        for car in cars:
            acknowledged(car)
            car.close()


def direct_peers():
    """A peer that is not listed connects as without the list. If it sends a header, the log has the remedy."""
    with server() as d:
        car = Car(d)
        acknowledged(car)
        log = d.log_text()
        assert "connected from 127.0.0.1:" in log and " through " not in log, log
        for first in (proxy_header("203.0.113.7"), b"PROXY TCP4 203.0.113.7 10.0.0.5 50000 443\r\n"):
            await_closed(peer(d, first, source="127.0.0.3"))
        d.wait_count("tls_handshakes_failed", 2)
        await_log(d, "listen.proxy_protocol lacks its address")
        assert d.count("connections_with_proxy_header") == 0 and d.count("proxy_headers_refused") == 0
        acknowledged(car)
        car.close()


def header_in_pieces():
    """The header may arrive byte by byte, together with TLS, and with TLVs up to 536 bytes."""
    def slowly(octets):
        for i in range(len(octets)):
            yield octets[i:i + 1]
            time.sleep(0.01)

    with server() as d:
        hello = client_hello(d)
        for first, rest in ((proxy_header("203.0.113.5") + hello, b""),
                            (proxy_header("203.0.113.5") + hello[:7], hello[7:]),
                            (proxy_header("203.0.113.5")[:20], proxy_header("203.0.113.5")[20:] + hello)):
            s = peer(d, first)
            if rest:
                time.sleep(0.05)
                s.sendall(rest)
            assert s.recv(1) == b"\x16", first  # ServerHello
            s.close()
        longest = proxy_header("203.0.113.8", tlvs=b"\x04\x01\xf9" + bytes(505))
        assert len(longest) == 536
        for first, address in ((slowly(proxy_header("203.0.113.6", 4711)), "203.0.113.6:4711"),
                               ([proxy_header("203.0.113.7", tlvs=b"\x03\0\x04abcd\x04\0\0")], "203.0.113.7:50000"),
                               ([longest], "203.0.113.8:50000"),
                               ([proxy_header("2001:db8::7")], "[2001:db8::7]:50000")):
            before = d.log_text().count(f"connected from {address} through {BALANCER}:")
            car = Car(d, source=BALANCER, first=first)
            acknowledged(car)
            assert d.log_text().count(f"connected from {address} through {BALANCER}:") == before + 1, d.log_text()
            car.close()
        assert d.count("connections_with_proxy_header") == 7 and d.count("proxy_headers_refused") == 0


def header_without_address():
    """LOCAL, an unknown family and Unix sockets: the peer's own address is displayed, and the limits for each
    address do not refuse it, because it is the load balancer's."""
    with server(f"{WIDE}, connections_per_source: 1, half_open_per_source: 1") as d:
        cars = [Car(d, source=BALANCER, first=[first]) for first in (LOCAL, UNSPECIFIED, UNIX) for _ in range(3)]
        for car in cars:
            acknowledged(car)
            assert f"connected from {BALANCER}:{car.socket.getsockname()[1]}\n" in d.log_text(), d.log_text()
        car = Car(d, source=BALANCER, first=[proxy_header(BALANCER)])
        assert "503" in refusal(d, source=BALANCER, first=[proxy_header(BALANCER)])
        for car in [*cars, car]:
            car.close()


def refused_headers():
    """TLS without a header, version 1 and broken headers are closed; the log has the remedy of each kind once
    a minute."""
    v4 = proxy_header("203.0.113.7")
    kinds = ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "begins with TLS; set `send-proxy-v2`"),
             (b"PROXY TCP4 203.0.113.7 10.0.0.5 50000 443\r\n", "write `send-proxy-v2` instead of `send-proxy`"),
             (b"PROXY UNKNOWN\r\n", "write `send-proxy-v2` instead of `send-proxy`"),
             (b"GET / HTTP/1.1\r\n\r\n", "begins with other bytes"),
             (v4[:12] + b"\x31" + v4[13:], "another version than 2"),
             (v4[:12] + b"\x22" + v4[13:], "an unknown command"),
             (v4[:14] + b"\xff\xff", "longer than 536 bytes"),
             (v4[:14] + b"\x02\x09", "longer than 536 bytes"),
             (v4[:13] + b"\x12" + v4[14:], "another protocol than TCP"),
             (v4[:14] + b"\0\x0b" + v4[16:], "too short for its addresses"),
             (proxy_header("203.0.113.7", tlvs=b"\x04\x01\xff"), "ends within a TLV"))
    with server() as d:
        for n, (first, text) in enumerate(kinds):
            await_closed(peer(d, first))
            d.wait_count("proxy_headers_refused", n + 1)
            await_log(d, text)
            assert d.log_text().count(text) == 1, d.log_text()
        refusal(d, source=BALANCER)
        d.wait_count("proxy_headers_refused", len(kinds) + 1)
        assert d.log_text().count("begins with TLS") == 1, d.log_text()
        await_closed(peer(d, v4 + v4))
        await_log(d, "203.0.113.7:50000: closed: a second PROXY header")
        car = Car(d, source=BALANCER, first=[v4])
        acknowledged(car)
        car.close()


def header_then_silence():
    """limits.handshake_timeout counts from the TCP connection, also after a header."""
    with server(f"handshake_timeout: {int(3000 * PATIENCE)} ms") as d:
        begin = time.monotonic()
        slow = [peer(d, first) for first in (b"", SIGNATURE, proxy_header("203.0.113.7"),
                                             proxy_header("203.0.113.7") + client_hello(d)[:20])]
        trickle = peer(d)  # one byte every 200 ms: each one arrives within the timeout
        for octet in proxy_header("203.0.113.8"):
            try:
                trickle.sendall(bytes([octet]))
            except OSError:
                break
            time.sleep(0.2 * PATIENCE)
        for s in [*slow, trickle]:
            await_closed(s)
        assert time.monotonic() - begin < 20 * PATIENCE
        d.wait_count("handshakes_timed_out", 5)
        log = d.log_text()
        assert "no PROXY header was complete within limits.handshake_timeout" in log, log
        assert "203.0.113.7:50000: no WebSocket was opened within limits.handshake_timeout" in log, log


def many_half_headers():
    """1,000 connections with a part of a header: vehicles through the load balancer and beside it connect,
    and those that are connected are not affected."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    header = proxy_header("203.0.113.7")
    with server(f"{WIDE}, handshake_timeout: 60 s") as d:
        beside = Car(d)
        crowd = [peer(d, header[:1 + n % 27]) for n in range(1000)]
        wait_until("most wait for the rest", lambda: d.status()["half_open"] >= 900)
        for n in range(4):
            begin = time.monotonic()
            car = Car(d, source=BALANCER, first=[header]) if n % 2 else Car(d)
            assert time.monotonic() - begin < 6 * PATIENCE, "a vehicle waits because of half headers"
            acknowledged(car)
            acknowledged(beside)
            car.close()
        assert d.status()["half_open"] <= 1002, d.status()
        assert d.count("half_open_connections_over_limit_of_source") == 0
        for s in crowd:
            s.close()
        wait_until("no connection is half-open", lambda: d.status()["half_open"] == 0)
        beside.close()


def reload_of_the_list():
    """A changed list counts for new connections; open ones stay."""
    port = free_port()
    to = "127.0.0.1", port
    with server(listen="") as d, balancer(d, port) as h:
        h.wait_listening(port)
        direct = Car(d)
        refusal(d, to=to)
        await_log(d, "listen.proxy_protocol lacks its address")
        d.listen = f", proxy_protocol: [127.0.0.1, {BALANCER}]"
        d.reload()
        behind = Car(d, source="127.0.0.2", to=to)
        refusal(d)
        Car(d, source="127.0.0.3").close()
        d.listen = ", proxy_protocol: [localhost]"
        answer = d.reload(check=False)
        assert answer.returncode != 0 and "is not an IP address or network" in answer.stdout + answer.stderr, answer
        Car(d, source="127.0.0.2", to=to).close()
        d.listen = ", proxy_protocol: []"
        d.reload()
        refusal(d, to=to)
        Car(d).close()
        for car in (direct, behind):
            acknowledged(car)
            car.close()


def check_reports_mistakes():
    """`fleetroute check` names file, line and column, and the nearest key."""
    d = server(listen=", proxy_protocl: 10.0.0.5, proxy_protocol: 10.1.2.3/16")
    d.write()
    answer = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
    text = answer.stdout + answer.stderr
    assert answer.returncode == 1, text
    assert re.search(r'fleetroute\.yaml:1:\d+: .*did you mean "proxy_protocol"', text), text
    assert re.search(r"fleetroute\.yaml:1:\d+: .*write 10\.1\.0\.0/16", text), text
    shutil.rmtree(d.folder)


def doctor_at_the_listener():
    """`fleetroute doctor` looks at the listener also if its own address is listed."""
    tesla = ("tesla: {domain: vehicles.invalid, client_id: x, base_url: 'https://localhost:1', "
             "auth_url: 'https://localhost:1'}")
    with server(listen=", proxy_protocol: 127.0.0.1", more=tesla) as d:
        answer = fleetroute("doctor", "-c", d.path("fleetroute.yaml"), "--json", check=False)
        links = {link["id"]: link for link in json.loads(answer.stdout)["links"]}
        for name in ("tls", "expiry", "proxy", "client_certificate"):
            assert links[name]["level"] == "ok" and "listener" in links["tls"]["text"], links[name]
        assert d.count("connections_with_proxy_header") > 0 and d.count("proxy_headers_refused") == 0


def health_checks():
    """Connections without a byte, with LOCAL alone, and HAProxy's checks with and without TLS cause no line and no
    error, and HAProxy considers the daemon up."""
    with server() as d:
        before = d.log_text()
        for n in range(20):
            s = peer(d, LOCAL if n % 2 else b"")
            if n % 4 > 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST
            s.close()
        for options in ("check no-check-send-proxy", "check", "check check-ssl verify none"):
            port, seen = free_port(), d.count("connections_with_proxy_header")
            with balancer(d, port, f"send-proxy-v2 inter 50ms {options}") as h:
                h.wait_listening(port)
                if options.startswith("check no"):
                    time.sleep(1)  # checks without a byte may end in the kernel
                else:
                    d.wait_count("connections_with_proxy_header", seen + 20)
                assert "DOWN" not in h.log_text(), h.log_text()
        wait_until("no connection is half-open", lambda: d.status()["half_open"] == 0)
        assert d.log_text() == before, d.log_text()
        counters = d.status()["counters"]
        assert counters["proxy_headers_refused"] == counters["tls_handshakes_failed"] == 0, counters
        assert counters["handshakes_timed_out"] == 0, counters


def ipv6():
    """A listener of "::" sees IPv4 peers as IPv4-mapped addresses; the list has IPv4 and IPv6 for it. An IPv6
    network of 64 bits is one source."""
    with server(f"{WIDE}, connections_per_source: 1", f', proxy_protocol: [{BALANCER}, "::1"]', address="::") as d:
        six = "::1", d.port
        cars = [Car(d, source=BALANCER, first=[proxy_header("203.0.113.7")]),
                Car(d, to=six, first=[proxy_header("2001:db8:0:1::7")]),
                Car(d, to=six, first=[proxy_header("2001:db8:0:2::7")]),
                Car(d, to=six, first=[proxy_header("203.0.113.8")]),
                Car(d)]  # 127.0.0.1, which is not listed
        assert "503" in refusal(d, to=six, first=[proxy_header("2001:db8:0:1::8")])
        refusal(d, to=six)
        d.wait_count("proxy_headers_refused", 1)
        log = d.log_text()
        assert "connected from [2001:db8:0:1::7]:50000 through [::1]:" in log, log
        assert f"connected from 203.0.113.7:50000 through [::ffff:{BALANCER}]:" in log, log
        assert "connected from [::ffff:127.0.0.1]:" in log, log
        for car in cars:
            acknowledged(car)
            car.close()


def example():
    """etc/haproxy.cfg.example with two hosts: each gets a part of the vehicles, and when one stops, its
    vehicles connect to the other."""
    with open(f"{SOURCE}/etc/haproxy.cfg.example") as f:
        text = f.read()
    port, front, status = free_port(), free_port(), free_port()
    hosts = []
    for n in (11, 12):
        d = server(more=f"status: {{address: 127.0.0.{n}, port: {status}}}", address=f"127.0.0.{n}",
                   listen=f", proxy_protocol: [127.0.0.1]")
        d.port, d.peer = port, d.address
        text = text.replace(f" 10.0.0.{n}:443 ", f" 127.0.0.{n}:{port} ")
        if hosts:
            for name in ("server.pem", "server.key", "server-ca.pem", "vehicle-ca.pem"):
                shutil.copy(hosts[0].path(name), d.path(name))
        hosts.append(d)
    text = text.replace("bind :443", f"bind 127.0.0.1:{front}").replace("bind [::]:443 v6only", "")
    text = text.replace("check port 8443", f"check port {status}").replace("maxconn 40000", "maxconn 400")
    for part in (f"host-a 127.0.0.11:{port} ", f"host-b 127.0.0.12:{port} ", f"127.0.0.1:{front}\n", f"port {status} "):
        assert part in text, text
    to = "127.0.0.1", front
    a, b = hosts
    with a, b, HAProxy(a, text) as h:
        h.wait_listening(front)
        cars = [Car(a, source=f"127.0.0.{n}", to=to) for n in range(20, 30)]
        for car in cars:
            acknowledged(car)
        assert [d.status()["connections"] for d in hosts] == [5, 5]
        assert "connected from 127.0.0.20:" in a.log_text() + b.log_text()
        assert a.end() == 0
        h.wait_log("host-a is DOWN")
        again = [Car(a, source=f"127.0.0.{n}", to=to) for n in range(30, 35)]
        wait_until("all are connected to the other", lambda: b.status()["connections"] == 10)
        for car in again:
            acknowledged(car)
        for car in [*cars, *again]:
            car.close()
        a.start()
        h.wait_log("host-a is UP")


if __name__ == "__main__":
    run_parts(behind_haproxy, limits_count_vehicles, direct_peers, header_in_pieces, header_without_address,
              refused_headers, header_then_silence, many_half_headers, reload_of_the_list, check_reports_mistakes,
              doctor_at_the_listener, health_checks, ipv6, example)
