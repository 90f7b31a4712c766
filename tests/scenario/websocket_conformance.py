#!/usr/bin/env python3
"""What vehicles and strangers may send as an HTTP request and as WebSocket frames, over real TLS, and the answer
to each. A case is a name, the bytes, and the answer. fleetroute-compat(7) lists where Tesla's server differs."""
import struct
from uuid import uuid4

from fr import Daemon, run_parts, vector, wait_until

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
LIMITS = "limits: {connections_per_vin: 0, half_open_per_source: 0}\nlog: {level: debug}"

# ---- HTTP ------------------------------------------------------------------------------------

UPGRADE, CONNECTION = b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n"
VERSION, KEY = b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ALL = UPGRADE + CONNECTION + VERSION + KEY
UUID = b"11111111-2222-3333-4444-555555555555"


def request(line=b"GET / HTTP/1.1", host=b"Host: x\r\n", upgrade=ALL, more=b""):
    return line + b"\r\n" + host + upgrade + more + b"\r\n"


LINES = {  # request lines, with all headers of an upgrade
    101: [b"GET /a/b?x=1 HTTP/1.1", b"GET //x HTTP/1.1", b"GET /a/../b HTTP/1.1", b"GET /%41%00 HTTP/1.1",
          b"GET /\xc3\xa9 HTTP/1.1", b"GET /#f HTTP/1.1", b"GET /? HTTP/1.1", b"GET /%41?%zz HTTP/1.1",
          b"GET /status/ HTTP/1.1", b"GET /Status HTTP/1.1", b"GET /" + b"a" * 5000 + b" HTTP/1.1", b"GET / HTTP/1.2",
          b"GET https://x/path HTTP/1.1", b"GET https://x HTTP/1.1", b"GET https://x?y HTTP/1.1",
          b"GET HTTP://x:443/ HTTP/1.1", b"GET https:///p HTTP/1.1", b"GET https://[::1]:8/ HTTP/1.1",
          b"GET https://u:p@x/ HTTP/1.1", b"GET https://a@b%41@c/ HTTP/1.1", b"GET https://<\xc3\xa9>:1/ HTTP/1.1",
          b"GET https://[::ffff:1.2.3.4]/ HTTP/1.1", b"GET https:/p HTTP/1.1"],
    200: [b"GET /status HTTP/1.1", b"POST /status HTTP/1.1", b"GET /%73tatus HTTP/1.1", b"GET /status?x HTTP/1.1",
          b"GET https://x/status HTTP/1.1", b"GET /status HTTP/1.0"],
    400: [b"", b"GET", b"GET /", b"GET / ", b"GET foo HTTP/1.1", b"GET x:y HTTP/1.1", b"GET * HTTP/1.1",
          b"GET ? HTTP/1.1", b"GET ://x/ HTTP/1.1", b"GET 1a://x/ HTTP/1.1", b"GET https://x:abc/ HTTP/1.1",
          b"GET https://[::1/ HTTP/1.1", b"GET https://[x]/ HTTP/1.1", b"GET https://[1.2.3.4]/ HTTP/1.1",
          b"GET https://[::1]x/ HTTP/1.1", b"GET https://x[/ HTTP/1.1", b"GET https://a\"b@x/ HTTP/1.1",
          b"GET https://a%zz@x/ HTTP/1.1", b"GET https://%41/ HTTP/1.1", b"GET /%zz HTTP/1.1", b"GET /%4 HTTP/1.1",
          b"GET /\0 HTTP/1.1", b"GET /\x01 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"GET /\rx HTTP/1.1",
          b"GET / http/1.1", b"GET / HTTP/1.1x", b"GET / HTTP/11", b"GET / HTTP/1.1 ", b"GET  / HTTP/1.1",
          b"GET /  HTTP/1.1", b"GET\t/ HTTP/1.1", b" GET / HTTP/1.1", b"G(T / HTTP/1.1", b"G\0T / HTTP/1.1",
          b"PRI * HTTP/2.0", b"CONNECT x:443 HTTP/1.1", b"GET / HTTP/1.0"],
    405: [b"get / HTTP/1.1", b"Get / HTTP/1.1", b"POST / HTTP/1.1", b"HEAD / HTTP/1.1", b"CONNECT / HTTP/1.1",
          b"OPTIONS / HTTP/1.1", b"GETT / HTTP/1.1", b"GE / HTTP/1.1"],
    505: [b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET / HTTP/3.0"],
}
HEADERS = {  # headers beside those of an upgrade
    101: [b"X:\r\n", b"X:y\r\n", b"X: a\x80\xff\r\n", b"X: a\r\n b\r\n", b"X: a\r\n\t\r\n", b"X: y\n", b"X_y: z\r\n",
          b"!#$%&'*+-.^_`|~: z\r\n", b"Origin: https://elsewhere\r\n", b"Sec-WebSocket-Protocol: chat\r\n",
          b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
          b"Sec-WebSocket-Extensions: ;;;\r\n", b"Content-Length: 0\r\n", b"Content-Length: 0\r\n" * 2,
          b"Content-Length: 5\r\n", b"Content-Length: 9223372036854775807\r\n", b"Transfer-Encoding: Chunked\r\n", b"Expect: 100-continue\r\n",
          b"X: " + b"a" * 7500 + b"\r\n", b"X: y\r\n" * 1000],
    400: [b"X : y\r\n", b"Version : 1\r\n", b"X\t: y\r\n", b"X: a\0b\r\n", b"X\0: a\r\n", b"X: a\x01\r\n",
          b"X: a\x7f\r\n", b"X: a\rb\r\n", b"X(: y\r\n", b"X@: y\r\n", b"X\x80: y\r\n", b": y\r\n", b"no colon\r\n",
          b"X\r\n : y\r\n", b"Host: x\r\n", b"Host: y\r\n", b"Content-Length: -1\r\n", b"Content-Length: +1\r\n",
          b"Content-Length: x\r\n", b"Content-Length:\r\n", b"Content-Length: 0, 0\r\n",
          b"Content-Length: 9223372036854775808\r\n", b"Content-Length: 0\r\nContent-Length: 1\r\n"],
    417: [b"Expect: something\r\n"],
    431: [b"X: " + b"a" * 9000 + b"\r\n", b"X: y\r\n" * 2000],
    501: [b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding:\r\n",
          b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: chunked\r\n" * 2],
}
UPGRADES = {  # the four headers of an upgrade
    101: [b"upgrade: WebSocket\r\nconnection: uPGRADE\r\n" + VERSION + KEY,
          b"Upgrade: h2c , websocket\r\n" + CONNECTION + VERSION + KEY,
          b"Upgrade: ,, websocket,\r\n" + CONNECTION + VERSION + KEY,
          b"Upgrade: h2c\r\n" + ALL, ALL + b"Upgrade: h2c\r\n",
          UPGRADE + b"Connection: keep-alive\t,\tUPGRADE\r\n" + VERSION + KEY,
          UPGRADE + b"Connection: close\r\n" + CONNECTION + VERSION + KEY,
          UPGRADE + b"Connection: close, upgrade\r\n" + VERSION + KEY,
          UPGRADE + b"Connection: keep-alive,\r\n upgrade\r\n" + VERSION + KEY,
          UPGRADE + CONNECTION + b"Sec-WebSocket-Version: 8, 13\r\n" + KEY,
          UPGRADE + CONNECTION + b"Sec-WebSocket-Version: 8\r\n" + VERSION + KEY, ALL + VERSION,
          UPGRADE + CONNECTION + VERSION + b"sec-websocket-key: \t dGhlIHNhbXBsZSBub25jZR== \t\r\n",
          ALL + b"Sec-WebSocket-Key: bad\r\n"],
    400: [UPGRADE + CONNECTION + VERSION, *(UPGRADE + CONNECTION + VERSION + b"Sec-WebSocket-Key: " + key + b"\r\n" for key in (
        b"", b"bad", b"AAAAAAAAAAAAAAAAAAAA", b"AAAAAAAAAAAAAAAAAAAAAAA=", b"dGhlIHNhbXBsZSBub25jZQ",
        b"-_hlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZQ==x", b"dGhlIHNh bXBsZSBub25jZQ==",
        b"dGhlIHNhbXBsZSBub25jZ===", b"bad\r\n" + KEY.strip()))],
    426: [b"", CONNECTION + VERSION + KEY, UPGRADE + VERSION + KEY, UPGRADE + CONNECTION + KEY,
          b"Upgrade: websocket/13\r\n" + CONNECTION + VERSION + KEY, b"Upgrade: a b, websocket\r\n" + CONNECTION + VERSION + KEY,
          b'Upgrade: "websocket"\r\n' + CONNECTION + VERSION + KEY, UPGRADE + b"Connection: keep-alive\r\n" + VERSION + KEY,
          *(UPGRADE + CONNECTION + b"Sec-WebSocket-Version: " + version + b"\r\n" + KEY
            for version in (b"8", b"14", b"013", b"", b"13 8"))],
}
WHOLE = {  # whole requests
    101: [request(), request(host=b"Host:\r\n"), request().replace(b"\r\n", b"\n"), request() + b"\x8a\x80\0\0\0\0"],
    200: [request(b"GET /status HTTP/1.0", host=b"", upgrade=b""), request(b"HEAD /status HTTP/1.1", upgrade=b"")],
    400: [b"nonsense\r\n\r\n", b"\r\n" + request(), b"\r\n\r\n", b"\x16\x03\x01\n\n", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
          request(host=b""), request(host=b"Host: a b\r\n"), request(host=b"Host: a/b\r\n"),
          request(host=b"Host: a@b\r\n"), request(more=b"Content-Length: 5\r\n") + b"hello",
          request(more=b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n"],
    405: [request(b"POST / HTTP/1.1", upgrade=b"")],
}


def status(d, octets):
    car = d.car(upgrade=False)
    car.socket.sendall(octets)
    head = car.head()
    car.close()
    number = int(head.split(b" ", 2)[1])
    if number != 101:
        assert b"\r\nConnection: close" in head, head
    if number == 426:
        assert b"\r\nSec-WebSocket-Version: 13\r\n" in head, head
    if number == 405:
        assert b"\r\nAllow: GET\r\n" in head, head
    if octets.startswith(b"HEAD "):
        assert head.endswith(b"Connection: close\n"), head
    for header in (b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Protocol"):
        assert header not in head, head
    return number


def check_table(d, table, make):
    bad = [(expected, got, octets) for expected, cases in table.items() for octets in cases
           if (got := status(d, make(octets))) != expected]
    assert not bad, bad


def request_lines(d):
    check_table(d, LINES, request)


def headers(d):
    check_table(d, HEADERS, lambda header: request(more=header))


def upgrades(d):
    check_table(d, UPGRADES, lambda lines: request(upgrade=lines))


def whole_requests(d):
    check_table(d, WHOLE, lambda octets: octets)


def split_request(d):
    """A request in two pieces, cut at each byte, and one byte at a time."""
    octets = request(more=b"X: a\r\n b\r\n")
    for cut in range(1, len(octets), 3):
        car = d.car(upgrade=False)
        car.socket.sendall(octets[:cut])
        car.socket.sendall(octets[cut:])
        assert car.head().startswith(b"HTTP/1.1 101 "), cut
        car.close()
    car = d.car(upgrade=False)
    for at in range(len(octets)):
        car.socket.sendall(octets[at:at + 1])
    assert car.head().startswith(b"HTTP/1.1 101 ")
    car.close()


def identity_headers(d):
    """The first value counts, of any length; a UUID in each of its forms becomes the connection's id."""
    def seen(*lines):
        """The record of a connection with these headers, and with one more that identifies it."""
        if any(line.lower().startswith("x-network-interface:") for line in lines):
            key, header = "connectionId", "X-TXID"
        else:
            key, header = "networkInterface", "X-Network-Interface"
        mark = str(uuid4())
        car = d.car(upgrade=False)
        headers = "".join(line + "\r\n" for line in [*lines, f"{header}: {mark}"])
        assert car.request(headers=headers).startswith(b"HTTP/1.1 101 ")
        records = wait_until("it is recorded", lambda: [
            record for record in d.records("connectivity.jsonl") if record[key] == mark])
        car.close()
        return records[0]

    uuid = UUID.decode()
    for text in (uuid, f"urn:uuid:{uuid}", f"URN:UUID:{uuid}", "{" + uuid + "}", f"({uuid})", uuid.replace("-", "")):
        assert seen(f"X-TXID: {text}")["connectionId"] == uuid, text
    assert seen(f"X-TXID: {uuid.replace('1', 'A')}")["connectionId"] == uuid.replace("1", "a")
    for lines in ([], ["X-TXID:"], [f"X-TXID: {uuid}x"], [f"X-TXID: g{uuid[1:]}"], ["X-TXID: x", f"X-TXID: {uuid}"]):
        made = seen(*lines)["connectionId"]
        assert len(made) == 36 and made != uuid and made[14] == "4", lines
    assert seen("X-Network-Interface: " + "n" * 4000)["networkInterface"] == "n" * 4000
    assert seen("X-Network-Interface: caf\u00e9\t1")["networkInterface"] == "caf\u00e9\t1"
    assert seen("X-Network-Interface: a", "x-network-interface: b")["networkInterface"] == "a"
    seen("Version: " + "1.2" * 200, "Version: 2")
    assert "client version " + "1.2" * 200 in d.log_text()


# ---- WebSocket -------------------------------------------------------------------------------

MASK = b"\x11\x22\x33\x44"
MESSAGE = vector("01_v_three_datums")
PING = b"\x89\x80" + MASK


def frame(payload=b"", opcode=2, final=True, reserved=0, masked=True, form=None):
    """`form`: the bytes of the extended length; None: the shortest."""
    size = len(payload)
    form = form if form is not None else 0 if size < 126 else 2 if size < 65536 else 8
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode,
                  (0x80 if masked else 0) | {0: size, 2: 126, 8: 127}[form]])
    head += b"" if form == 0 else struct.pack(">H" if form == 2 else ">Q", size)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[n & 3] for n, byte in enumerate(payload))


def close(code, reason=b""):
    return frame(struct.pack(">H", code) + reason, 8)


# The answer is a list of: "ack", "error", ("pong", payload), the code of a close frame, or "close" for one
# without a code. After an answer that does not end the connection, a ping must be answered.
FRAMES = {
    "empty message": (frame(), ["error"]),
    "empty fragments": (frame(final=False) + frame(opcode=0), ["error"]),
    "message": (frame(MESSAGE), ["ack"]),
    "two messages": (frame(MESSAGE) * 2, ["ack", "ack"]),
    "three fragments": (frame(MESSAGE[:9], final=False) + frame(MESSAGE[9:99], 0, final=False) + frame(MESSAGE[99:], 0),
                        ["ack"]),
    "fragments of one byte": (frame(MESSAGE[:1], final=False) + b"".join(
        frame(MESSAGE[n:n + 1], 0, final=n == len(MESSAGE) - 1) for n in range(1, len(MESSAGE))), ["ack"]),
    "ping and pong between fragments": (frame(MESSAGE[:9], final=False) + frame(b"hi", 9) + frame(b"x", 10) +
                                        frame(MESSAGE[9:], 0), [("pong", b"hi"), "ack"]),
    "empty ping": (frame(b"", 9), [("pong", b"")]),
    "ping of 125": (frame(b"p" * 125, 9), [("pong", b"p" * 125)]),
    "ping of 126": (frame(b"p" * 126, 9), [1002]),
    "pong of 125": (frame(b"p" * 125, 10), []),
    "pong of 126": (frame(b"p" * 126, 10), [1002]),
    "ping not final": (frame(b"", 9, final=False), [1002]),
    "pong not final": (frame(b"", 10, final=False), [1002]),
    "close not final": (frame(b"", 8, final=False), [1002]),
    "RSV1": (frame(MESSAGE, reserved=4), [1002]),
    "RSV2": (frame(MESSAGE, reserved=2), [1002]),
    "RSV3": (frame(MESSAGE, reserved=1), [1002]),
    "RSV1 on a ping": (frame(b"", 9, reserved=4), [1002]),
    "not masked": (frame(MESSAGE, masked=False), [1002]),
    "ping not masked": (frame(b"", 9, masked=False), [1002]),
    "close not masked": (frame(b"", 8, masked=False), [1002]),
    **{f"opcode {n}": (frame(opcode=n), [1002]) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "continuation of nothing": (frame(MESSAGE, 0), [1002]),
    "continuation after the end": (frame(MESSAGE) + frame(MESSAGE, 0), [1002]),
    "message within a message": (frame(MESSAGE[:9], final=False) + frame(MESSAGE), [1002]),
    "text within a message": (frame(MESSAGE[:9], final=False) + frame(b"x", 1), [1002]),
    "text": (frame(b"hello", 1), [1003]),
    "empty text": (frame(b"", 1), [1003]),
    "text that is not UTF-8": (frame(b"\xff", 1), [1003]),
    "text fragments that are not UTF-8": (frame(b"\xc3", 1, final=False) + frame(b"x", 0), [1003]),
    "length in 2 bytes": (frame(MESSAGE[:126]), ["error"]),
    "length in 2 bytes, not shortest": (frame(MESSAGE[:125], form=2), [1002]),
    "length in 8 bytes": (frame(b"x" * 65536), ["error"]),
    "length in 8 bytes, not shortest": (frame(b"x" * 65535, form=8), [1002]),
    "ping with its length in 2 bytes": (frame(b"x", 9, form=2), [1002]),
    "length with the top bit": (b"\x82\xff\x80" + bytes(7) + MASK, [1002]),
    "length of 2^63 - 1": (b"\x82\xff\x7f" + b"\xff" * 7 + MASK + b"x", [1009]),
    "over message_size": (frame(bytes(1_000_001)) + frame(MESSAGE), ["error", "ack"]),
    "close": (frame(b"", 8), ["close"]),
    "close of one byte": (frame(b"\x03", 8), [1002]),
    "close of 125": (close(1000, b"x" * 123), [1000]),
    "close of 126": (close(1000, b"x" * 124), [1002]),
    "close with a reason": (close(1001, "au\u00dfer Haus \U0001f697".encode()), [1001]),
    "close with a bad reason": (close(1000, b"\xff"), [1007]),
    "close with a reason cut short": (close(1000, b"ok \xe2\x82"), [1007]),
    "close with a surrogate": (close(1000, b"\xed\xa0\x80"), [1007]),
    "close with an overlong form": (close(1000, b"\xc0\xaf"), [1007]),
    "close between fragments": (frame(MESSAGE[:9], final=False) + close(1000), [1000]),
    "data after close": (close(1000) + frame(MESSAGE) + frame(b"", 9), [1000]),
    "data before close": (frame(MESSAGE) + close(1000), [1000]),
    "close twice": (close(1000) + close(1001), [1000]),
    "frames after a violation": (frame(opcode=3) + frame(MESSAGE), [1002]),
    **{f"close {n}": (close(n), [n]) for n in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
                                               3000, 3999, 4000, 4999)},
    **{f"close {n}": (close(n), [1002]) for n in (0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 1100, 2000, 2999, 5000,
                                                  65535)},
}


def answer_of(car):
    got = car.receive_frame()
    if got is None:
        return "end"
    opcode, payload = got
    if opcode == 8:
        return int.from_bytes(payload, "big") if payload else "close"
    if opcode == 10:
        return "pong", payload
    assert opcode == 2, got
    return {4: "error", 5: "ack"}[payload[35]]


def answers(d, octets, expected, pieces):
    """The answers to the octets, which are sent at once or byte by byte, and those to expect. An ack comes when
    the sink has confirmed the record: after later answers, and not at all if the connection ends before."""
    ends = bool(expected) and (expected[-1] == "close" or isinstance(expected[-1], int))
    if not ends:
        octets, expected = octets + frame(b"still open", 9), expected + [("pong", b"still open")]
    car = d.car()
    try:
        for at in range(0, len(octets), pieces):
            car.socket.sendall(octets[at:at + pieces])
    except OSError:
        pass  # the daemon has closed the connection before the last piece
    if ends:
        got = [answer for answer in iter(lambda: answer_of(car), "end") if answer != "ack"]
    else:
        got = [answer_of(car) for _ in expected]
    car.close()
    return got, expected


def check_frames(d, pieces):
    bad = []
    for name, (octets, expected) in FRAMES.items():
        if len(octets) > 2000 and pieces == 1:
            continue
        try:
            got, expected = answers(d, octets, expected, pieces)
        except TimeoutError:
            got = ["no answer"]
        if sorted(map(str, got)) != sorted(map(str, expected)):
            bad.append((name, expected, got))
    assert not bad, bad


def frames(d):
    check_frames(d, 1 << 30)


def split_frames(d):
    check_frames(d, 1)


run_parts(request_lines, headers, upgrades, whole_requests, split_request, identity_headers, frames, split_frames,
          context=lambda: Daemon(ROUTING, SINKS, LIMITS))
