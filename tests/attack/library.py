#!/usr/bin/env python3
"""hostile.py creates valid messages by default. So the daemon refuses an attack because of the attack, not
because of a mistake in the library."""
from hostile import Daemon, Honest, Hostile, Table, Vector, envelope, field, frame, text_value, \
    vehicle_data, vector, wait_until

with Daemon('records: [{type: "*", to: archive, ack: archive}]',
            '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}') as d:
    car = Hostile(d)
    car.message(payload=vehicle_data([(4, text_value("12.5")), (8, field(8, 53.0))]))
    assert car.receive_reply() == ("ack", "attack-000000001")
    car.raw(frame(envelope(payload=vehicle_data(), txid=b"raw", root={4: Vector(b"id")}),
                  mask=b"abcd"))
    assert car.receive_reply() == ("ack", "raw")
    wait_until("both records are delivered", lambda: len(d.records("V.jsonl")) == 2)
    assert len(d.records("V.jsonl")[0]["data"]) == 2, d.records("V.jsonl")
    # The same library creates invalid messages.
    for bad in (envelope(kind=9), envelope(topic=b""), envelope(payload=b"\xff"),
                envelope(root={3: Table()}), vector("12_text_garbage")):
        car.send(bad)
        answer = car.receive_reply()
        assert answer[0] == ("ack" if bad == envelope(root={3: Table()}) else "error"), (answer, bad)
    with Honest(d) as honest:
        wait_until("an honest vehicle is answered", lambda: honest.count > 5)
    car.raw(frame(b"", rsv=4))
    assert car.receive_close() == 1002
    car.close()
