#!/usr/bin/env python3
"""The tokens that fleetroute signs: those of the vectors byte for byte; random keys and payloads, verified by the
verifier of tests/fake_tesla and by the library tesla-fleet-api, which other authors wrote.

FR_JWS_TOKENS (1000) is the number of random tokens, FR_JWS_LIBRARY (100) how many of them the slower library reads.
"""
import base64
import concurrent.futures
import json
import os
import random
import subprocess
import sys

from fr import BUILD, SOURCE, run_parts

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import jws, p256  # noqa: E402
from fake_tesla.jws import encode, text_of  # noqa: E402
from tesla_library import Library  # noqa: E402

TOKENS = int(os.environ.get("FR_JWS_TOKENS", "1000"))
IN_LIBRARY = int(os.environ.get("FR_JWS_LIBRARY", "100"))
SEED = int(os.environ.get("FR_SEED") or random.SystemRandom().randrange(1 << 32))
# Scalars at the limits, with leading zeros, and whose products meet special cases of the addition.
EDGES = [1, 2, 3, 15, 16, 255, 1 << 128, 1 << 248, p256.ORDER - 1, p256.ORDER - 2, p256.ORDER // 2]


def signed(cases):
    """[(scalar, payload)] → lines "public key, tab, token" by fleetroute."""
    text = "".join(f"{scalar:064x}\t{payload.hex()}\n" for scalar, payload in cases)
    out = subprocess.run([f"{BUILD}/tests/jws/sign_tokens"], input=text, text=True, stdout=subprocess.PIPE, check=True)
    lines = out.stdout.splitlines()
    assert len(lines) == len(cases), (len(lines), len(cases))
    return lines


def random_value(chance, depth=0):
    kind = chance.randrange(7 if depth < 3 else 5)
    if kind == 0:
        return chance.choice([True, False, None])
    if kind == 1:
        return chance.randrange(-1 << 53, 1 << 53)
    if kind == 2:
        return chance.uniform(-1e6, 1e6)
    if kind < 5:
        return "".join(chr(chance.choice([chance.randrange(32, 127), chance.randrange(0xa0, 0xd800), 60, 38, 34, 92, 9]))
                       for _ in range(chance.randrange(40)))
    if kind == 5:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(5))]
    return {f"k{chance.randrange(1000)}": random_value(chance, depth + 1) for _ in range(chance.randrange(6))}


def random_cases(count):
    chance = random.Random(SEED)
    scalars = EDGES + [chance.randrange(1, p256.ORDER) for _ in range(count - len(EDGES))]
    return [(scalar, text_of({"aud": jws.FLEET_AUDIENCE, "x": random_value(chance)}).encode()) for scalar in scalars]


def is_right(case):
    """Whether a line has the right key, the payload as it was, and a signature that the fake's verifier accepts.
    Every tenth token is also signed there: the nonce is not random, so all bytes are equal."""
    number, (scalar, payload), line = case
    key, token = line.split("\t")
    point = p256.public_key(scalar)
    header, body, signature = token.split(".")
    message = f"{header}.{body}".encode()
    return base64.b64decode(key, validate=True) == point and body == encode(payload) and \
        json.loads(jws.decode(header)) == jws.HEADER and p256.verify(point, message, jws.decode(signature)) and \
        (number % 10 != 0 or p256.sign(scalar, message) == jws.decode(signature))


def vectors():
    """The tokens of the vectors are written byte for byte."""
    with open(os.path.join(SOURCE, "tests/vectors/jws/vectors.json")) as file:
        rows = json.load(file)
    lines = signed([(int(row["private_scalar_hex"], 16), row["claims_json"].encode()) for row in rows])
    for row, line in zip(rows, lines):
        assert line.split("\t")[1] == row["token"], row["name"]


def random_tokens():
    """Tokens of random keys and configurations verify."""
    cases = random_cases(TOKENS)
    lines = signed(cases)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        rows = [(number, case, line) for number, (case, line) in enumerate(zip(cases, lines))]
        wrong = [n for n, right in enumerate(pool.map(is_right, rows, chunksize=50)) if not right]
    assert not wrong, f"FR_SEED={SEED}: the tokens {wrong[:10]} of {len(lines)} are wrong"
    print(f"{len(lines)} tokens verified by tests/fake_tesla")


def by_the_library():
    """The last line is damaged: the verifier can refuse."""
    lines = signed(random_cases(max(IN_LIBRARY, len(EDGES))))
    key, token = lines[0].split("\t")
    damaged = f"{key}\t{token[:-8]}{'A' * 8}"
    with Library() as library:
        result = library.run("jws", "\n".join([*lines, damaged]))
    assert result == {"verified": len(lines), "wrong": [len(lines)]}, f"FR_SEED={SEED}: {result}"
    print(f"{len(lines)} tokens verified by tesla-fleet-api")


run_parts(vectors, random_tokens, by_the_library)
