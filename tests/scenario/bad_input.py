#!/usr/bin/env python3
"""Every kind of invalid input gets its defined answer, is counted, and does not disturb other vehicles."""
import os
import random
import signal
import socket
import ssl

from fr import PATIENCE, VIN, Daemon, fleetroute, vector, wait_until

SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
ROUTING = """vehicles: [{vin: 5YJ3E1EA7KF000001, name: Melan Y}, 5YJ3E1EA7KF000000]
records: [{type: "*", to: archive, ack: archive}]
"""
# A timeout is also what an honest vehicle may take, on a machine that runs other tests.
TIMEOUT_MS = int(1000 * PATIENCE)
LIMITS = f"limits: {{handshake_timeout: {TIMEOUT_MS} ms, message_timeout: {TIMEOUT_MS} ms}}"


def accepts_good_message(car, txid="c6609a336d7f4d7bb571-000000001"):
    """The connection is still usable: a valid message is acknowledged."""
    car.send(vector("01_v_three_datums"))
    assert car.receive_reply() == ("ack", txid)


def refused_handshake(d, **car):
    try:
        c = d.car(**car)
        c.close()
    except (ssl.SSLError, ConnectionError, AssertionError):
        return
    raise AssertionError(f"the handshake is not refused: {car}")


def garbage(d):
    car = d.car()
    generator = random.Random(1)
    for size in (0, 1, 3, 4, 7, 30, 300, 3000):
        car.send(generator.randbytes(size))
        assert car.receive_reply()[0] == "error"
    whole = vector("01_v_three_datums")
    for cut in range(4, len(whole), 13):
        car.send(whole[:cut])
        car.receive_reply()
    car.send(vector("12_text_garbage"))
    assert car.receive_reply() == ("error", "")
    assert d.count("envelopes_malformed") > 8
    # A stream whose message points to the envelope's own table: one answer, no endless loop.
    cyclic = bytearray(whole)
    cyclic[28:32] = (2**32 - 8).to_bytes(4, "little")
    car.send(bytes(cyclic))
    assert car.receive_reply()[0] == "error"
    car.send(vector("11_v_bad_protobuf"))
    assert car.receive_reply() == ("error", "c6609a336d7f4d7bb571-000000011")
    d.wait_count("payloads_malformed", 1)
    # The reference server acknowledges these two messages. fleetroute answers with an error and logs it once.
    car.send(vector("13_ack_from_peer"))
    assert car.receive_reply() == ("error", "c6609a336d7f4d7bb571-000000001")
    d.wait_count("envelopes_of_unknown_kind", 1)
    accepts_good_message(car)


def senders(d):
    car = d.car()
    car.send(vector("09_unknown_topic_right_sender"))
    assert car.receive_reply()[0] == "ack"
    accepts_good_message(car)


def oversized_messages(d):
    car = d.car()
    car.send(b"x" * 2_000_000)
    assert car.receive_reply() == ("error", "")
    d.wait_count("messages_too_big", 1)
    accepts_good_message(car)
    car.send(b"x" * 1_000_001)
    assert car.receive_reply() == ("error", "")
    accepts_good_message(car)


def websocket(d):
    car = d.car()
    car.send(b"hello", opcode=1)
    assert car.receive_close() == 1003
    d.wait_count("websocket_text_refused", 1)
    car = d.car()
    car.send(vector("01_v_three_datums"), masked=False)
    assert car.receive_close() == 1002
    d.wait_count("websocket_protocol_errors", 1)
    car = d.car()
    whole = vector("01_v_three_datums")
    car.send(whole[:100], final=False)
    car.send(b"ping", opcode=9)
    car.send(whole[100:], opcode=0)
    assert car.receive() == (10, b"ping")
    assert car.receive_reply()[0] == "ack"
    car.send((1000).to_bytes(2, "big"), opcode=8)
    assert car.receive_close() == 1000


def slow_clients(d):
    before = d.count("handshakes_timed_out")
    silent = socket.create_connection(("127.0.0.1", d.port))
    silent.send(b"\x16")
    halfway = d.car(upgrade=False)
    halfway.socket.sendall(b"GET / HT")
    d.wait_count("handshakes_timed_out", before + 2)
    assert silent.recv(100) == b""
    # A message that is never completed.
    car = d.car()
    car.socket.sendall(b"\x82\xfe\x10\x00\x00\x00\x00\x00half")
    assert car.receive_close() == 1013


def http(d):
    assert b" 403 " not in d.car(upgrade=False).request()
    car = d.car(upgrade=False)
    car.socket.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
    assert car.head().endswith(b"mtls ok")
    for text, status in ((b"nonsense\r\n\r\n", b" 400 "), (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b" 426 "),
                         (b"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", b" 405 "),
                         (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2000 + b"\r\n", b" 431 ")):
        car = d.car(upgrade=False)
        car.socket.sendall(text)
        assert status in car.head(), text


def refused_identities(d):
    refused_handshake(d, flaw="expired")
    refused_handshake(d, flaw="foreign")
    refused_handshake(d, flaw="server-only")
    d.wait_count("tls_handshakes_failed", 3)
    without = d.car(certificate=False, upgrade=False)
    assert without.request().startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert d.car(certificate=False, upgrade=False).request("/status").startswith(b"HTTP/1.1 401 ")
    d.wait_count("without_certificate_refused", 2)
    assert "the peer sent no client certificate and asked for a WebSocket" in d.log_text()
    assert d.count("tls_handshakes_failed") == 3
    with socket.create_connection(("127.0.0.1", d.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.recv(1000)
    assert b" 403 " in d.car(flaw="no-identity", upgrade=False).request()
    d.wait_count("identities_refused", 1)
    answer = d.car(vin="5YJ3E1EA7KF999999", upgrade=False).request()
    assert b" 403 " in answer and b"list of vehicles" in answer
    d.wait_count("vins_not_listed", 1)


with Daemon(ROUTING, SINKS, LIMITS) as d:
    # Another vehicle sends the whole time and must not be affected.
    beside = d.simulate_beside("--vehicles", 1, "--rate", 50, "--duration", 600)
    d.wait_count("acknowledged", 1)
    garbage(d)
    senders(d)
    oversized_messages(d)
    websocket(d)
    slow_clients(d)
    http(d)
    refused_identities(d)
    beside.send_signal(signal.SIGINT)  # as if its duration was over
    output = beside.communicate(timeout=60 * PATIENCE)[0]
    assert beside.returncode == 0 and " 0 refused, 0 unanswered" in output, output
    assert " 0 disconnects" in output, output
    # A thousand invalid messages cause at most 3 log lines.
    car = d.car()
    for _ in range(1000):
        car.send(b"rubbish")
    for _ in range(1000):
        assert car.receive_reply()[0] == "error"
    assert d.log_text().count("not a FlatBuffers envelope") <= 3, d.log_text()
    car.close()

# A message of a topic without a route is acknowledged only if its sender is the certificate's VIN.
with Daemon('records: [{type: V, to: archive, ack: archive}]', SINKS) as d:
    car = d.car()
    car.send(vector("09_unknown_topic_right_sender"))
    assert car.receive_reply()[0] == "ack"
    car.send(vector("10_unknown_topic_wrong_sender"))
    assert car.receive_reply() == ("error", "c6609a336d7f4d7bb571-000000010")
    d.wait_count("senders_mismatched", 1)
    accepts_good_message(car)
    car.close()

# message_timeout does not apply to a paused vehicle: the daemon does not read its half-sent message while
# an earlier record waits for the sink.
with Daemon(ROUTING, SINKS.replace("@", "@/gone").replace("file,", "file, retry: {min: 20 ms, max: 100 ms},", 1),
            f"limits: {{message_timeout: {TIMEOUT_MS} ms, max_unacknowledged: 1}}") as d:
    open(d.path("gone"), "w").close()
    car = d.car()
    whole = vector("01_v_three_datums")
    frame = b"\x82\xfe" + len(whole).to_bytes(2, "big") + bytes(4) + whole
    car.socket.sendall(frame + frame[:100])
    wait_until("the sink fails", lambda: d.status()["sinks"]["archive"]["health"] == "down")
    car.socket.settimeout(3 * PATIENCE)
    try:
        raise AssertionError(f"the vehicle is not paused: {car.receive()}")
    except TimeoutError:
        car.socket.settimeout(15 * PATIENCE)
    os.unlink(d.path("gone"))
    car.socket.sendall(frame[100:])
    assert car.receive_reply()[0] == car.receive_reply()[0] == "ack"
    car.close()
