"""What a hostile vehicle can send: any envelope and any protobuf payload, written by hand so that
no encoder corrects it. Used by scenarios; sent with fr.Car.send()."""
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
    """bytes and str length-delimited, int as varint, float as fixed64."""
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
    """`value` is the message Value."""
    return field(1, field(1, key) + field(2, value))


def location(latitude, longitude):
    return field(7, field(1, float(latitude)) + field(2, float(longitude)))


def vehicle_data(*data, created=None):
    return b"".join(data) + field(2, moment(created))


def alerts(names, started=1700000000, audiences=(1,)):
    """Names may be bytes that are not UTF-8."""
    return b"".join(field(1, field(1, name) + b"".join(field(2, a) for a in audiences) +
                          field(3, moment(started + i))) for i, name in enumerate(names)) + \
        field(2, moment())


def errors(names, body="body"):
    return b"".join(field(1, field(1, moment()) + field(2, name) + field(4, body))
                    for name in names) + field(2, moment())


def bare_errors(*names):
    """As many errors as a message can hold: nothing but names."""
    return b"".join(field(1, field(2, name)) for name in names) + field(2, moment())


# ---- the envelope ---------------------------------------------------------------------

def _table(out, count):
    """Append a vtable and a table of `count` slots of four bytes; the table and its slots."""
    out.extend(bytes(-len(out) % 4))
    vtable = len(out)
    out.extend(struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + 4 * count,
                           *(4 + 4 * i for i in range(count))))
    out.extend(bytes(-len(out) % 4))
    table = len(out)
    out.extend(struct.pack("<i", table - vtable) + bytes(4 * count))
    return table, [table + 4 + 4 * i for i in range(count)]


def _vector(out, slot, data):
    """Append bytes and let a slot point to them."""
    out.extend(bytes(-len(out) % 4))
    struct.pack_into("<I", out, slot, len(out) - slot)
    out.extend(struct.pack("<I", len(data)) + data + b"\0")


def envelope(topic, payload, vin, txid=None):
    """A FlatbuffersEnvelope around a FlatbuffersStream, as vehicles send it."""
    def raw(text):
        return text if isinstance(text, bytes) else text.encode()

    out = bytearray(4)
    root, outer = _table(out, 5)
    struct.pack_into("<I", out, 0, root)
    stream, inner = _table(out, 5)
    out[outer[2]] = 4  # the kind of the message: FlatbuffersStream
    struct.pack_into("<I", out, outer[3], stream - outer[3])
    struct.pack_into("<I", out, inner[0], int(time.time()))
    _vector(out, outer[0], raw(txid or f"attack-{next(_txid):09d}"))
    _vector(out, outer[1], raw(topic))
    _vector(out, inner[1], raw(f"vehicle_device.{vin}"))
    _vector(out, inner[2], payload)
    _vector(out, inner[3], b"vehicle_device")
    _vector(out, inner[4], raw(vin))
    return bytes(out)
