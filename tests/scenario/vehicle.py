"""A car made in Python: it sends any values over a real connection, when the test wants it."""
import random
import secrets
import struct
import time

from fr import SOURCE, VIN, Car

# Members of the message Value; an enum has one of its own.
STRING, INT, DOUBLE, BOOLEAN, LOCATION, DOORS, TIRES = 1, 2, 5, 6, 7, 21, 39
NAMES = {"doors": ("DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"),
         "tires": ("front_left", "front_right", "rear_left", "rear_right")}


def catalogue():
    """Of each field its number and kind, and for each enum field the member and its names' numbers."""
    numbers, kinds, enums, choices = {}, {}, {}, {}
    with open(f"{SOURCE}/proto/enums.tsv") as f:
        for line in f:
            if not line.startswith("#") and line.strip():
                enum, member, number, _, name = line.rstrip("\n").split("\t")[:5]
                enums.setdefault(enum, (int(member), {}))[1][name] = int(number)
    with open(f"{SOURCE}/proto/fields.tsv") as f:
        for line in f:
            if not line.startswith("#"):
                number, name, kind, enum = line.split("\t")[:4]
                numbers[name], kinds[name] = int(number), kind
                if kind == "enum" and enum in enums:
                    choices[name] = enums[enum]
    return numbers, kinds, choices


NUMBERS, KINDS, CHOICES = catalogue()


# ---- protobuf --------------------------------------------------------------------------------

def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def tagged(number, content):
    """A field: an int as a varint, a float as a double, text or bytes with its length."""
    if isinstance(content, float):
        return varint(number << 3 | 1) + struct.pack("<d", content)
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def value(field, content):
    """The message Value: content has the JSON form that fleetroute gives the field."""
    kind = KINDS[field]
    if kind == "enum":
        member, names = CHOICES[field]
        return tagged(member, names[content])
    if kind == "location":
        return tagged(LOCATION, tagged(1, float(content["latitude"])) + tagged(2, float(content["longitude"])))
    if kind in NAMES:
        bits = b"".join(tagged(n + 1, 1) for n, name in enumerate(NAMES[kind]) if content.get(name))
        return tagged(DOORS if kind == "doors" else TIRES, bits)
    if kind == "boolean":
        return tagged(BOOLEAN, int(content))
    if kind == "real":
        return tagged(DOUBLE, float(content))
    return tagged(STRING, content) if kind == "text" else tagged(INT, content)


def any_value(field):
    """A random valid value."""
    kind = KINDS[field]
    if kind == "enum":
        return random.choice([n for n in CHOICES[field][1] if n not in ("Unknown", "Invalid", "SNA")])
    if kind == "location":
        return {"latitude": random.uniform(37, 38), "longitude": random.uniform(-123, -122)}
    if kind in NAMES:
        return {name: random.random() < 0.5 for name in NAMES[kind]}
    if kind == "text":
        return random.choice(["2026.32.1", "2026.36", "Home", "Work"])
    return {"boolean": random.random() < 0.5, "real": random.uniform(0, 100)}.get(kind, random.randint(0, 100))


def payload(vin, values):
    """A vehicle_data.Payload of these values, made now."""
    now = time.time_ns()
    data = b"".join(tagged(1, tagged(1, NUMBERS[field]) + tagged(2, value(field, content)))
                    for field, content in values.items())
    return data + tagged(2, tagged(1, now // 10**9) + tagged(2, now % 10**9)) + tagged(3, vin)


# ---- the envelope ----------------------------------------------------------------------------

def vector(content):
    """FlatBuffers: length, content, a NUL, padding to four bytes."""
    return struct.pack("<I", len(content)) + content + bytes((len(content) + 4) // 4 * 4 - len(content))


def envelope(txid, vin, content):
    """A vehicle's message of topic V, laid out as core/ingest/envelope.c writes it."""
    txid, vin, kind, stream = txid.encode(), vin.encode(), b"vehicle_device", 4
    message_id, topic = vector(b""), vector(b"V")
    topic_at = 44 + len(message_id)
    txid_at = topic_at + len(topic)
    end = txid_at + 4 + len(txid) + 1
    message = (end + 14 + 3) // 4 * 4  # the stream's table, behind its vtable of 14 bytes
    head = struct.pack("<IH7H", 20, 0, 14, 24, 20, 16, 15, 8, 4) + \
        struct.pack("<iII3xBII", 14, 44 - 24, message - 28, stream, topic_at - 36, txid_at - 40) + \
        message_id + topic + struct.pack("<I", len(txid)) + txid + bytes(message - 14 - end + 1)
    parts = [vector(vin), vector(kind), vector(content), vector(kind + b"." + vin)]
    at = [24 + sum(map(len, parts[:n])) for n in range(4)]
    table = struct.pack("<7H", 14, 24, 20, 16, 12, 8, 4) + \
        struct.pack("<iIIIII", 14, at[0] - 4, at[1] - 8, at[2] - 12, at[3] - 16, int(time.time()))
    return head + table + b"".join(parts)


class Vehicle(Car):
    """A connected car. It is used by one thread."""

    def __init__(self, daemon, vin=VIN):
        super().__init__(daemon, vin)
        self.vin, self.number, self.prefix = vin, 0, secrets.token_hex(6)

    def say(self, values):
        """Send one message; the time at which it was sent, when it has been acknowledged."""
        self.number += 1
        txid = f"{self.prefix}-{self.number:09d}"
        message = envelope(txid, self.vin, payload(self.vin, values))
        begun = time.monotonic()
        self.send(message)
        reply = self.receive_reply()
        assert reply == ("ack", txid), reply
        return begun
