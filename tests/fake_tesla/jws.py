"""Compact JWS with the algorithm Tesla.SS256: the reader that the fake cloud uses, and a writer for tests."""
import base64
import json
import re
import subprocess
import tempfile

from . import p256

HEADER = {"alg": "Tesla.SS256", "typ": "JWT"}
FLEET_AUDIENCE = "com.tesla.fleet.TelemetryClient"


def vehicle_audience(vin):
    return f"com.tesla.vehicle.{vin}.TelemetryClient"


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text):
    """Strict base64url without padding; ValueError for anything else."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text_of(value):
    """JSON as Go's encoder writes it: sorted keys, no spaces, the characters <, > and & escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def sign(scalar, claims, audience=FLEET_AUDIENCE, header=None):
    """The token of `claims` by a private scalar (an integer); sets iss and aud."""
    issuer = base64.b64encode(p256.public_key(scalar)).decode()
    payload = {**claims, "iss": issuer, "aud": audience}
    signed = ".".join(encode(text_of(part).encode()) for part in (header or HEADER, payload))
    return f"{signed}.{encode(p256.sign(scalar, signed.encode()))}"


def read(token):
    """(claims, 65 bytes of the issuer's key) of a token whose signature is right; ValueError with the reason."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        raise ValueError("token is not a compact JWS")
    try:
        header, claims = (json.loads(decode(part)) for part in parts[:2])
        signature = decode(parts[2])
    except ValueError as error:
        raise ValueError(f"token cannot be decoded: {error}") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("token cannot be decoded: no JSON object")
    if header != HEADER:
        raise ValueError(f"token has the header {json.dumps(header)}, not alg Tesla.SS256 and typ JWT")
    try:
        key = base64.b64decode(claims.get("iss"), validate=True)
        p256.decode(key)
    except (ValueError, TypeError):
        raise ValueError("iss is not a P-256 public key in base64") from None
    if not p256.verify(key, f"{parts[0]}.{parts[1]}".encode(), signature):
        raise ValueError("signature verification failed")
    return claims, key


def confirm(tesla_jws, token):
    """Verify a token with Tesla's own program `tesla-jws`; ValueError with its message."""
    with tempfile.NamedTemporaryFile("w", suffix=".jws") as file:
        file.write(token)
        file.flush()
        with open(file.name) as text:
            run = subprocess.run([tesla_jws, "verify"], stdin=text, capture_output=True, text=True)
    if run.returncode != 0:
        raise ValueError(f"tesla-jws: {(run.stderr or run.stdout).strip()}")
