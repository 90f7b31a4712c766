"""Certificates of any content, written as DER and signed with openssl(1): faults that openssl(1) itself
refuses to make, such as an empty common name."""
import base64
import os
import subprocess
import time

OIDS = {
    "CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11",
    "subject_key": "2.5.29.14", "key_usage": "2.5.29.15", "alternative_names": "2.5.29.17",
    "basic_constraints": "2.5.29.19", "name_constraints": "2.5.29.30", "authority_key": "2.5.29.35",
    "policy_constraints": "2.5.29.36", "extended_usage": "2.5.29.37",
    "serverAuth": "1.3.6.1.5.5.7.3.1", "clientAuth": "1.3.6.1.5.5.7.3.2", "codeSigning": "1.3.6.1.5.5.7.3.3",
    "any": "2.5.29.37.0", "vehicle": "1.3.6.1.4.1.49279.2.5.1", "wifi": "1.3.6.1.4.1.49279.2.5.1.1",
}
UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP = 12, 19, 20, 22, 28, 30
DAY = 86400
# Name of a signature: the digest for openssl(1) and the AlgorithmIdentifier.
SIGNATURES = {
    "ec-sha256": ("sha256", "300a06082a8648ce3d040302"), "ec-sha1": ("sha1", "300906072a8648ce3d0401"),
    "rsa-sha256": ("sha256", "300d06092a864886f70d01010b0500"),
    "rsa-sha1": ("sha1", "300d06092a864886f70d0101050500"),
    "rsa-md5": ("md5", "300d06092a864886f70d0101040500"), "ed25519": (None, "300506032b6570"),
}


def der(tag, *contents):
    body = b"".join(contents)
    size = len(body)
    length = bytes([size]) if size < 128 else \
        bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + body


def sequence(*contents):
    return der(0x30, *contents)


def integer(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def bits(data, unused=0):
    return der(3, bytes([unused]) + data)


def oid(name):
    numbers = [int(n) for n in OIDS.get(name, name).split(".")]
    out = b""
    for n in [numbers[0] * 40 + numbers[1], *numbers[2:]]:
        part = bytes([n & 0x7f])
        while n := n >> 7:
            part = bytes([0x80 | n & 0x7f]) + part
        out += part
    return der(6, out)


def moment(seconds_from_now):
    return der(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds_from_now)).encode())


def name(*attributes):
    """A distinguished name of (type, text or bytes[, tag]); bytes are written as they are."""
    out = []
    for kind, value, *tag in attributes:
        value = value if isinstance(value, bytes) else value.encode()
        out.append(der(0x31, sequence(oid(kind), der(*(tag or [UTF8]), value))))
    return sequence(*out)


def extension(kind, value, critical=False):
    return sequence(oid(kind), der(1, b"\xff") if critical else b"", der(4, value))


def basic(authority=True, length=None, critical=True):
    return extension("basic_constraints", sequence(
        der(1, b"\xff") if authority else b"", integer(length) if length is not None else b""), critical)


def usage(value, unused=0, critical=True):
    return extension("key_usage", bits(bytes([value]), unused), critical)


def extended(*usages, critical=False):
    return extension("extended_usage", sequence(*map(oid, usages)), critical)


DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, CERT_SIGN = 0x80, 0x20, 0x04


class Key:
    def __init__(self, folder, kind="ec"):
        self.kind = "rsa" if kind.startswith("rsa") else kind
        self.path = os.path.join(folder, f"key-{len(os.listdir(folder))}.key")
        options = {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                   "p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
                   "ed25519": ["-algorithm", "ED25519"]}
        subprocess.run(["openssl", "genpkey", "-out", self.path, *options.get(
            kind, ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}"])],
            check=True, capture_output=True)
        self.kind = "ec" if kind == "p521" else self.kind
        self.public = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"],
                                     check=True, capture_output=True).stdout

    def sign(self, digest, data):
        if digest is None:
            with open(self.path + ".tbs", "wb") as f:
                f.write(data)
            command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", self.path + ".tbs"]
            return subprocess.run(command, check=True, capture_output=True).stdout
        return subprocess.run(["openssl", "dgst", f"-{digest}", "-sign", self.path], input=data,
                              check=True, capture_output=True).stdout


class Certificate:
    """A certificate and its key. `issuer`: None makes it self-signed. `extensions`: DER, as made above."""

    count = 1000

    def __init__(self, subject, key, issuer=None, extensions=(), begins=-DAY, ends=300 * DAY, signature=None,
                 version=3, serial=None):
        Certificate.count += 1
        self.subject, self.key = subject, key
        signer = issuer or self
        digest, algorithm = SIGNATURES[signature or {"ec": "ec-sha256", "rsa": "rsa-sha256"}.get(
            signer.key.kind, "ed25519")]
        self.body = sequence(
            der(0xa0, integer(version - 1)) if version > 1 else b"",
            integer(Certificate.count if serial is None else serial), bytes.fromhex(algorithm), signer.subject,
            sequence(moment(begins), moment(ends)), subject, key.public,
            der(0xa3, sequence(*extensions)) if extensions else b"")
        self.bytes = sequence(self.body, bytes.fromhex(algorithm), bits(signer.key.sign(digest, self.body)))

    def pem(self):
        text = base64.encodebytes(self.bytes).decode()
        return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
