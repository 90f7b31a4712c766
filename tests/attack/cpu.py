#!/usr/bin/env python3
"""The CPU time that a vehicle costs is bounded for each 100 kB that it sends: requests and messages in pieces
of one byte, many small frames, many small headers, and large records."""
from hostile import SLOWER, Daemon, Hostile, envelope, field, frame, text_value, \
    vehicle_data, wait_until

ROUTING = 'records: [{type: "*", to: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'


def cpu_cost(d, name, attack):
    """Milliseconds of CPU of the daemon for each 100 kB that attack() sends; it returns the bytes sent."""
    before = d.status()["cpu_us"]
    sent = attack()
    wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["unfinished"] == 0)
    each = (d.status()["cpu_us"] - before) / 1000 / (sent / 100_000)
    print(f"{name}: {each:.0f} ms of CPU for 100 kB")
    return each


def request_in_bytes(d):
    def attack():
        sent = 0
        for _ in range(3):
            car = Hostile(d, upgrade=False)
            head = b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 1600
            for i in range(len(head)):
                car.raw(head[i:i + 1])
            car.close()
            sent += len(head) * 23  # each byte is one TLS record of 23 bytes
        return sent
    return attack


def message_in_frames_of_a_byte(d):
    def attack():
        car = Hostile(d)
        message = envelope(payload=vehicle_data(extra=b"\x7a\xff\x7f" + b"x" * 16383))
        octets = b"".join(frame(message[i:i + 1], opcode=0 if i else 2, final=i == len(message) - 1)
                          for i in range(len(message)))
        for _ in range(6):
            car.raw(octets)
            assert car.receive_reply()[0] == "ack"
        car.close()
        return 6 * len(octets)
    return attack


def empty_fragments(d):
    def attack():
        car = Hostile(d)
        car.raw(frame(b"", final=False) + frame(b"", opcode=0, final=False) * 100_000)
        car.raw(frame(b"", opcode=0))
        assert car.receive_reply()[0] == "error"
        car.close()
        return 600_000
    return attack


def frame_heads_in_bytes(d):
    def attack():
        car = Hostile(d)
        octets = frame(b"x" * 200, opcode=2) * 20
        for i in range(len(octets)):
            car.raw(octets[i:i + 1])
        for _ in range(20):
            assert car.receive_reply()[0] == "error"
        car.close()
        return len(octets) * 23
    return attack


def big_records(topic, payload, count=4):
    def attack(d):
        def send():
            car = Hostile(d)
            for _ in range(count):
                car.message(topic=topic, payload=payload)
                car.receive_reply()
            car.close()
            return count * len(payload)
        return send
    return attack


datum = field(1, field(1, 4) + field(2, field(5, 1.0)))
RECORDS = {
    "data": (b"V", vehicle_data(extra=datum * 60_000)),
    "4,096 data": (b"V", vehicle_data(extra=datum * 4_000)),
    "data out of order": (b"V", vehicle_data(extra=(field(3, b"x") + datum) * 4_000)),
    "VINs": (b"V", vehicle_data(extra=field(3, b"x") * 100_000)),
    "empty data": (b"V", vehicle_data(extra=field(1, b"") * 4_000)),
    "unknown fields": (b"V", vehicle_data(extra=field(99, 1) * 200_000)),
    "long texts": (b"V", vehicle_data([(4, text_value("9" * 900_000))])),
    "digits": (b"V", vehicle_data([(4, text_value("1" + "0" * 200))] * 4_000)),
    "alerts": (b"alerts", field(1, b"") * 4_000),
    "more alerts": (b"alerts", field(1, b"") * 400_000),
    "named alerts": (b"alerts", field(1, field(1, b"n")) * 4_000),
    "audiences": (b"alerts", field(1, field(4, b"\1" * 900_000))),
    "errors": (b"errors", field(1, b"") * 4_000),
    "tags": (b"errors", field(1, field(3, b"") * 30_000)),
    "more tags": (b"errors", field(1, field(3, b"") * 400_000)),
    "more errors": (b"errors", field(1, b"") * 400_000),
    "connectivity": (b"connectivity", field(1, b"x") * 100_000),
}

with Daemon(ROUTING, SINKS) as d:
    for attack, max_ms in ((request_in_bytes, 20), (message_in_frames_of_a_byte, 10),
                         (empty_fragments, 10), (frame_heads_in_bytes, 20)):
        each = cpu_cost(d, attack.__name__.replace("_", " "), attack(d))
        assert each < max_ms * SLOWER, (attack.__name__, each)
    for name, (topic, payload) in RECORDS.items():
        each = cpu_cost(d, name, big_records(topic, payload)(d))
        assert each < 60 * SLOWER, (name, each)
    # The peak of the resident memory is below 100 times the largest record of 1 MB.
    with open(f"/proc/{d.process.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(f"peak resident memory: {peak // 1024} MB")
    assert SLOWER > 1 or peak < 100_000, peak
