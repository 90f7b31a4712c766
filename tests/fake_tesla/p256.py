"""Tesla.SS256: Schnorr signatures over the curve P-256, in plain integers.

Written from the description of the scheme, not from the C code: the two check each other. Not in constant time: for
tests, never for a real key.

A signature is V.x, V.y, r, each of 32 bytes, big-endian. V = k·G with the nonce k of RFC 6979, A = d·G is the public
key, c = SHA-256 of G, V, A and the message, each preceded by its length in 4 bytes, r = (k − d·c) mod ORDER. A
verifier checks r·G + c·A = V. Points are encoded as 04, x, y.
"""
import hashlib
import hmac

PRIME = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
INFINITY = (1, 1, 0)  # Jacobian coordinates: x/z², y/z³


def _double(p):
    x, y, z = p
    if z == 0 or y == 0:
        return INFINITY
    zz = z * z % PRIME
    yy = y * y % PRIME
    beta = x * yy % PRIME
    alpha = 3 * (x - zz) * (x + zz) % PRIME
    x3 = (alpha * alpha - 8 * beta) % PRIME
    return x3, (alpha * (4 * beta - x3) - 8 * yy * yy) % PRIME, 2 * y * z % PRIME


def _add(p, q):
    if p[2] == 0:
        return q
    if q[2] == 0:
        return p
    pzz, qzz = p[2] * p[2] % PRIME, q[2] * q[2] % PRIME
    u, v = p[0] * qzz % PRIME, q[0] * pzz % PRIME
    s, t = p[1] * qzz * q[2] % PRIME, q[1] * pzz * p[2] % PRIME
    h, r = (v - u) % PRIME, (t - s) % PRIME
    if h == 0:
        return _double(p) if r == 0 else INFINITY
    hh = h * h % PRIME
    hhh, uhh = h * hh % PRIME, u * hh % PRIME
    x3 = (r * r - hhh - 2 * uhh) % PRIME
    return x3, (r * (uhh - x3) - s * hhh) % PRIME, h * p[2] * q[2] % PRIME


def _multiples(point):
    """0, 1, … 15 times a point."""
    table = [INFINITY, point]
    for _ in range(14):
        table.append(_add(table[-1], point))
    return table


def _sum_of_products(pairs):
    """k·P + … of (k, multiples of P), four bits at a time."""
    total = INFINITY
    for shift in range(252, -4, -4):
        if total[2]:
            for _ in range(4):
                total = _double(total)
        for k, multiples in pairs:
            digit = k >> shift & 15
            if digit:
                total = _add(total, multiples[digit])
    return total


def _affine(p):
    """(x, y), or None for the point at infinity."""
    if p[2] == 0:
        return None
    inverse = pow(p[2], -1, PRIME)
    square = inverse * inverse % PRIME
    return p[0] * square % PRIME, p[1] * square * inverse % PRIME


G_MULTIPLES = _multiples((*G, 1))


def encode(point):
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decode(octets):
    """The point of 65 bytes; ValueError if they are no uncompressed point of the curve."""
    if len(octets) != 65 or octets[0] != 4:
        raise ValueError("no uncompressed P-256 point")
    x, y = int.from_bytes(octets[1:33], "big"), int.from_bytes(octets[33:], "big")
    if x >= PRIME or y >= PRIME or (y * y - x * x * x + 3 * x - B) % PRIME:
        raise ValueError("the point is not on the curve P-256")
    return x, y


def public_key(scalar):
    """The 65 bytes of the public half of a private scalar (an integer)."""
    return encode(_affine(_sum_of_products([(scalar, G_MULTIPLES)])))


def _challenge(v, a, message):
    digest = hashlib.sha256()
    for part in (encode(G), v, a, message):
        digest.update(len(part).to_bytes(4, "big") + part)
    return int.from_bytes(digest.digest(), "big")


def _nonce(scalar, message):
    """RFC 6979, section 3.2, with SHA-256."""
    def mac(key, *parts):
        return hmac.new(key, b"".join(parts), hashlib.sha256).digest()

    seed = scalar.to_bytes(32, "big")
    seed += (int.from_bytes(hashlib.sha256(message).digest(), "big") % ORDER).to_bytes(32, "big")
    key, value = bytes(32), b"\x01" * 32
    for separator in (b"\x00", b"\x01"):
        key = mac(key, value, separator, seed)
        value = mac(key, value)
    while True:
        value = mac(key, value)
        if 0 < int.from_bytes(value, "big") < ORDER:
            return int.from_bytes(value, "big")
        key = mac(key, value, b"\x00")
        value = mac(key, value)


def sign(scalar, message):
    """The 96 bytes of a signature by a private scalar (an integer)."""
    k = _nonce(scalar, message)
    v = public_key(k)
    c = _challenge(v, public_key(scalar), message)
    return v[1:] + ((k - scalar * c) % ORDER).to_bytes(32, "big")


def verify(key, message, signature):
    """Whether `signature` is one of `message` by the public key `key` (65 bytes)."""
    if len(signature) != 96:
        return False
    try:
        a = decode(key)
    except ValueError:
        return False
    c = _challenge(b"\x04" + signature[:64], key, message)
    r = int.from_bytes(signature[64:], "big")
    v = _affine(_sum_of_products([(r % ORDER, G_MULTIPLES), (c % ORDER, _multiples((*a, 1)))]))
    return v is not None and encode(v)[1:] == signature[:64]
