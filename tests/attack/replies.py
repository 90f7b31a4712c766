#!/usr/bin/env python3
"""Vehicles that send and never read their replies: the memory of each is bounded, the daemon closes their
connections, and an honest vehicle still gets its acknowledgements."""
from hostile import PATIENCE, SLOWER, Daemon, Honest, Hostile, envelope, frame

ROUTING = 'records: [{type: "*", to: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
COUNT = 8
FLOODS = {
    "garbage": frame(b"") * 10000,  # each causes an error reply of 30 times its size
    "pings": frame(b"p" * 125, opcode=9) * 2000,
    "over the limit": frame(b"x" * 3000) * 100,
    "long txids": frame(envelope(kind=9, txid=b"t" * 256)) * 300,
}

for name, octets in FLOODS.items():
    with Daemon(ROUTING, SINKS, "limits: {message_size: 1 kB, connections_per_vin: 0}") as d:
        with Honest(d) as honest:
            cars = [Hostile(d, receive_buffer=4096) for _ in range(COUNT)]
            before_kb, max_kb = d.status()["resident_kb"], 0
            for car in cars:
                car.flood(octets, 1, patience=0.2)
                max_kb = max(max_kb, d.status()["resident_kb"])
            each = (max_kb - before_kb) / COUNT
            closed = d.count("connections_closed_with_replies_unread")
            print(f"{name}: {each:.0f} kB for each vehicle, {closed} closed; an honest vehicle's "
                  f"slowest acknowledgement {honest.slowest * 1000:.0f} ms")
            if SLOWER == 1:
                assert each < 1200, each
            # After a read that ends between 256 and 512 kB of replies a vehicle is paused, not closed.
            while name == "garbage" and d.count("connections_closed_with_replies_unread") == 0:
                assert len(cars) < 60, "no vehicle is disconnected"
                cars.append(Hostile(d, receive_buffer=4096))
                cars[-1].flood(octets, 2, patience=0.2)
            assert honest.slowest < 2 * PATIENCE * SLOWER, honest.slowest
            for car in cars:
                car.close()

# A vehicle that reads its replies stays connected at any rate of messages.
with Daemon(ROUTING, SINKS) as d:
    car = Hostile(d)
    car.socket.setblocking(True)
    for _ in range(20):
        car.raw(frame(b"") * 1000)
        for _ in range(1000):
            assert car.receive_reply()[0] == "error"
    assert d.count("connections_closed_with_replies_unread") == 0
    car.close()
