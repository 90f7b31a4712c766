"""Encoders for any envelope and any protobuf payload, also invalid ones, which the usual encoders refuse.
Used by scenarios and by hostile.py; sent with fr.Car.send()."""
import itertools
import struct
import time

_txid = itertools.count(1)


# ---- protobuf -------------------------------------------------------------------------

def varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A protobuf field: bytes and str are length-delimited, int is a varint, float is a fixed64."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def moment(seconds=None):
    return field(1, int(time.time() if seconds is None else seconds))


def datum(key, value):
    """A Datum; `value` has the encoded fields of its Value."""
    return field(1, field(1, key) + field(2, value))


def location(latitude, longitude):
    return field(7, field(1, float(latitude)) + field(2, float(longitude)))


def vehicle_data(*data, created=None):
    return b"".join(data) + field(2, moment(created))


def alerts(names, started=1700000000, audiences=(1,)):
    """The payload of a message of alerts; a name may be bytes that are not UTF-8."""
    return b"".join(field(1, field(1, name) + b"".join(field(2, a) for a in audiences) +
                          field(3, moment(started + i))) for i, name in enumerate(names)) + \
        field(2, moment())


def errors(names, body="body"):
    return b"".join(field(1, field(1, moment()) + field(2, name) + field(4, body))
                    for name in names) + field(2, moment())


def bare_errors(*names):
    """Errors with a name only, so that a message can contain the maximum number."""
    return b"".join(field(1, field(2, name)) for name in names) + field(2, moment())


# ---- the envelope ---------------------------------------------------------------------

class Vector(bytes):
    """A field that is a vector of bytes."""


class Table(dict):
    """A field that is a table."""


def table(fields):
    """A FlatBuffers table of {slot: value}; returns (bytes, offset of the table in them). A value is a
    Vector, a Table, or bytes that are stored in the table."""
    slots = max(fields, default=-1) + 1
    inline, positions = b"", {}
    for slot, value in fields.items():
        positions[slot] = 4 + len(inline)
        inline += bytes(4) if isinstance(value, (Vector, Table)) else bytes(value)
        inline += bytes(-len(inline) % 4)
    head = struct.pack("<HH", 4 + 2 * slots, 4 + len(inline))
    head += b"".join(struct.pack("<H", positions.get(s, 0)) for s in range(slots))
    at = len(head)
    out = bytearray(head + struct.pack("<i", at) + inline)
    for slot, value in fields.items():
        where = at + positions[slot]
        if isinstance(value, Vector):
            struct.pack_into("<I", out, where, len(out) - where)
            out += struct.pack("<I", len(value)) + value + b"\0"
        elif isinstance(value, Table):
            child, start = table(value)
            struct.pack_into("<I", out, where, len(out) + start - where)
            out += child
    return bytes(out), at


def stream_envelope(topic, payload, txid, sender, kind=4, root=(), stream=()):
    """A FlatbuffersEnvelope around a FlatbuffersStream; `root` and `stream` replace whole slots."""
    inner = {1: Vector(sender), 2: Vector(payload), **dict(stream)}
    outer = {0: Vector(txid), 1: Vector(topic), 2: bytes([kind]), 3: Table(inner), **dict(root)}
    body, at = table(outer)
    return struct.pack("<I", at + 4) + body


def envelope(topic, payload, vin, txid=None):
    """An envelope with every field that vehicles send; the arguments are str or bytes."""
    def raw(text):
        return text if isinstance(text, bytes) else text.encode()

    return stream_envelope(raw(topic), payload, raw(txid or f"attack-{next(_txid):09d}"),
                           raw(f"vehicle_device.{vin}"),
                           stream={0: struct.pack("<I", int(time.time())),
                                   3: Vector(b"vehicle_device"), 4: Vector(raw(vin))})
