#!/usr/bin/env python3
"""The API of the admin listener against clients and files that behave badly: files of dead letters that are no files, that
another process locks or truncates; a replaced token; clients that end their half of the connection; requests that
wait in a connection."""
import fcntl
import json
import os
import signal
import socket
import threading
import time

from hostile import PATIENCE, SLOWER, Daemon, hung_up, wait_until  # noqa: F401 (sets the path of the scenarios)
from admin_api import BEARER, TOKEN, Client, Stream, with_token
from api_dead_letters import FILE, dead, refusing, wait_dead
from fr import VIN, run_parts, write_file
from isolation import alert

FOLDER = "state/dead-letters"
EVERY = {"sink": "odd", "all": True}


def raw(port, octets, source="127.0.0.1", end=False, timeout=30):
    """Open a connection and send octets; `end`: then end this half of it."""
    s = socket.socket()
    s.settimeout(timeout * PATIENCE)
    s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    s.sendall(octets)
    if end:
        s.shutdown(socket.SHUT_WR)
    return s


def rest(s):
    """All that the peer sends until it closes the connection."""
    got = b""
    while part := s.recv(65536):
        got += part
    s.close()
    return got


def request(path, method="GET", body="", close=False, **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


# ---- files of dead letters ---------------------------------------------------------------

def files_that_are_no_files():
    """A folder, a FIFO and a dangling link in the place of a file hide no other dead letters, and block nothing."""
    with refusing() as (d, me):
        d.say(*(alert(n) for n in range(3)))
        wait_dead(me, 3)
        os.mkdir(d.path(f"{FOLDER}/folder.jsonl"))
        os.mkfifo(d.path(f"{FOLDER}/fifo.jsonl"))
        os.symlink("nothing", d.path(f"{FOLDER}/link.jsonl"))
        answer = dead(me)
        assert answer["found"] == 3, answer
        sinks = {s["name"]: s for s in answer["sinks"]}
        assert sinks["odd"] == {"name": "odd", "dead_letters": 3}, sinks
        for name in ("folder", "fifo"):
            assert sinks[name]["dead_letters"] is None and f"{name}.jsonl" in sinks[name]["error"], sinks
            assert me.status(f"/api/dead-letters?sink={name}") == 503
            assert me.act("/api/dead-letters/drop", {"sink": name, "all": True})[0] == 503
        assert dead(me, "sink=odd")["found"] == 3
        # The file of the sink itself becomes a FIFO: the sink reports it, and its delivery waits.
        os.rename(d.path(FILE), d.path("kept"))
        os.mkfifo(d.path(FILE))
        d.say(*({"VehicleName": "x" * 60000} for _ in range(5)))
        wait_until("it is reported", lambda: "is not a file" in d.status()["sinks"]["odd"]["why"], 10)
        assert me.status("/api/dead-letters?sink=odd") == 503
        os.rename(d.path("kept"), d.path(FILE))
        wait_dead(me, 8)


def file_is_locked():
    """Another process locks the file: the sink and the threads of the jobs go on without it."""
    with refusing() as (d, me):
        d.say(alert(1))
        wait_dead(me, 1)
        with open(d.path(FILE)) as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            begun = time.monotonic()
            crowd = [raw(me.port, request("/api/dead-letters", Authorization=f"Bearer {TOKEN}"), f"127.0.0.{n}")
                     for n in (2, 3, 4)]
            status, answer = me.act("/api/dead-letters/drop", EVERY)
            assert status == 503 and "locked" in answer["message"], answer
            assert all(b" 200 " in s.recv(100) for s in crowd)
            assert me.status("/api/vehicles") == 200
            d.say(alert(2))
            wait_until("it is reported", lambda: "locked" in d.status()["sinks"]["odd"]["why"], 20)
            assert time.monotonic() - begun < 25 * PATIENCE
            assert d.end() == 0
        d.start()
        me.log_in()
        wait_dead(me, 2)


def file_is_truncated():
    """A page of dead letters beside a process that truncates and extends the file."""
    with refusing() as (d, me):
        d.say(*(alert(n) for n in range(200)))
        wait_dead(me, 200)
        with open(d.path(FILE)) as f:
            text = f.read()
        end = threading.Event()

        def change():
            while not end.is_set():
                with open(d.path(FILE), "r+") as f:
                    f.truncate(0)
                    f.write(text * 200)
                time.sleep(0.01)
        thread = threading.Thread(target=change)
        thread.start()
        try:
            for n in range(100):
                status, _, body = me.ask("/api/dead-letters?limit=200")
                assert status == 200, body
        finally:
            end.set()
            thread.join()


def lines_are_hostile():
    """Garbage, long lines and hostile names are text or are refused; a line costs bounded memory."""
    with refusing() as (d, me):
        d.say(alert(1))
        wait_dead(me, 1)
        letter = json.loads(d.lines(FILE)[0])
        cases = [{**letter, "reason": "\x1b[31m</script>‮" + "\n"}, {**letter, "record": []}, {**letter, "payload": "%%%"},
                 {**letter, "seq": 1 << 62, "attempts": -1}, {**letter, "failed_at": "x" * 1000},
                 {**letter, "record": {**letter["record"], "vin": "a/b\n\x7f", "type": "V\n"}},
                 {**letter, "record": {**letter["record"], "received_at": "9999-99-99T99:99:99Z"}}]
        with open(d.path(FILE), "ab") as f:
            for case in cases:
                f.write(json.dumps(case).encode() + b"\n")
            f.write(b'{"sink":"\xff\xfe\x80"}\n' + b"{" * 100000 + b"\n" + b'{"a":' * 5000 + b"\n" + b"\0" * 99 + b"\n")
            f.write(b"{" + b"\0" * 40 + b"\n{\"dropped\":tru\n{\"unended\":")
        os.link(d.path(FILE), d.path(f"{FOLDER}/" + os.fsdecode(b"\xff\x1b\n<b>") + ".jsonl"))
        os.link(d.path(FILE), d.path(f"{FOLDER}/" + "n" * 200 + ".jsonl"))
        status, headers, body = me.ask("/api/dead-letters?limit=200")
        answer = json.loads(body)
        assert status == 200 and not any(ord(c) < 32 or ord(c) == 127 for c in body), body[:3000]
        assert answer["found"] >= 30, answer["found"]
        name = "a\nforged line\x1b[31m"
        me.act("/api/dead-letters/drop", {"sink": name, "all": True})
        assert "\nforged" not in d.log_text() and "\x1b" not in d.log_text()
        with open(d.path(f"{FOLDER}/huge.jsonl"), "wb") as f:
            f.write(b"{")
            f.truncate(700 << 20)
            f.seek(0, 2)
            f.write(b"\n")
        before = d.status()["resident_kb"]
        me.ask("/api/dead-letters?sink=huge")
        me.ask("/api/dead-letters")
        me.act("/api/dead-letters/drop", {"sink": "huge", "all": True})
        d.status()
        with open(f"/proc/{d.process.pid}/status") as f:
            peak = int([x for x in f.read().split("\n") if x.startswith("VmHWM")][0].split()[1])
        print(f"peak: {peak - before} kB more")
        assert peak - before < 150000 * (3 if SLOWER > 1 else 1), (before, peak)


# ---- the token ---------------------------------------------------------------------------

def token_is_replaced():
    """A replaced token ends the sessions, and the streams that it or its sessions opened."""
    d, port = with_token()
    with d:
        me = Client(port)
        assert me.log_in()[0] == 200
        by_session = Stream(me)
        bearer = Client(port)
        bearer.cookie = f"x=1\r\nAuthorization: Bearer {TOKEN}"
        by_token = Stream(bearer)
        assert " 200 " in by_session.head and " 200 " in by_token.head
        os.unlink(d.path("token"))
        os.mkfifo(d.path("token"))
        d.reload()
        assert me.status("/status") == 200 and me.status("/healthz") == 200
        os.unlink(d.path("token"))
        write_file(d.path("token"), "another-token-0123456789\n")
        d.reload()
        assert me.status("/status") == 401 and me.status("/status", **BEARER) == 401
        assert me.status("/status", Authorization="Bearer another-token-0123456789") == 200
        for s in (by_session, by_token):
            s.socket.settimeout(20 * PATIENCE)
            assert s.ended()


# ---- connections -------------------------------------------------------------------------

def half_of_the_connection_ends():
    """A client that ends its half after the request gets the whole answer."""
    with refusing() as (d, me):
        d.say(*({"VehicleName": "x" * 30000} for _ in range(60)))
        wait_dead(me, 60)
        for path in ("/api/session", "/healthz", "/metrics", "/status", "/api/overview", "/lib/chart.js"):
            got = rest(raw(me.port, request(path, Authorization=f"Bearer {TOKEN}"), end=True))
            head, body = got.split(b"\r\n\r\n", 1)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert length == len(body), (path, length, len(body))
        # A slow request is cancelled: the end of a half looks like the end of the connection.
        got = rest(raw(me.port, request("/api/dead-letters?limit=200", Authorization=f"Bearer {TOKEN}"), end=True))
        assert got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")) and got.endswith(b"}"), got[:500]


def requests_wait():
    """Requests behind one that is answered late, or whose answer is not read, are answered in their order."""
    with refusing() as (d, me):
        d.say(*({"VehicleName": "x" * 30000} for _ in range(20)))
        wait_dead(me, 20)
        auth = {"Authorization": f"Bearer {TOKEN}"}
        act = {**auth, "X_Fleetroute": "1"}
        body = json.dumps({"sink": "odd", "ids": ["1-2-3"]})
        s = raw(me.port, request("/api/dead-letters", "HEAD", **auth) + request("/api/dead-letters/drop", "POST", body, **act) +
                request("/api/acts/reload", "POST", **act) + request("/healthz") +
                request("/api/dead-letters", **auth) + request("/api/session", close=True))
        got = rest(s)
        states = [int(x[9:12]) for x in got.split(b"\r\n") if x.startswith(b"HTTP/1.1 ")]
        states += [int(x[x.index(b"HTTP/1.1 ") + 9:][:3]) for x in got.split(b"\r\n") if b"HTTP/1.1 " in x[1:]]
        assert sorted(states) == [200] * 5 + [409], states
        slow = [raw(me.port, request("/api/dead-letters", **auth) * 40, f"127.0.0.{2 + n % 5}") for n in range(100)]
        assert all(me.status(path) == 200 for path in ("/healthz", "/api/session"))
        for s in slow:
            s.close()
        assert me.status("/api/vehicles") in (200, 503)


def newcomers_are_answered():
    """Two clients send more slow requests than may wait; one of a third client is answered."""
    with refusing() as (d, me):
        d.say(*({"VehicleName": "x" * 30000} for _ in range(50)))
        wait_dead(me, 50)
        d.freeze()  # so that all requests arrive at once
        slow = request("/api/dead-letters?limit=200", Authorization=f"Bearer {TOKEN}")
        crowd = [raw(me.port, slow, f"127.0.0.{9 + n % 2}") for n in range(40)]
        newcomer = raw(me.port, request("/api/vehicles", close=True, Authorization=f"Bearer {TOKEN}"), "127.0.0.44")
        os.kill(d.process.pid, signal.SIGCONT)
        got = rest(newcomer)
        assert got.startswith(b"HTTP/1.1 200 "), got
        states = [s.recv(100)[9:12] for s in crowd]
        assert set(states) == {b"200", b"503"}, states
        for s in crowd:
            s.close()


def clients_leave():
    """Clients that leave during jobs, acts and reloads cost no memory and no descriptors."""
    with refusing() as (d, me):
        d.say(*({"VehicleName": "x" * 30000} for _ in range(20)))
        wait_dead(me, 20)
        act = {"Authorization": f"Bearer {TOKEN}", "X_Fleetroute": "1"}
        body = json.dumps({"sink": "odd", "ids": ["1-2-3"]})
        kinds = [request("/api/dead-letters?limit=200", **act), request("/api/dead-letters/drop", "POST", body, **act),
                 request("/api/vehicles", **act), request("/api/overview", **act) * 5, request("/api/records", **act),
                 request("/api/dead-letters/resend", "POST", body, **act), b"POST /api/login HTTP/1.1\r\nX-Fleetroute: 1\r\n"
                 b"Content-Length: 999\r\n\r\n{", request("/api/acts/reload", "POST", **act)]
        count = int(os.environ.get("FR_REPEATS", "300"))

        def rounds(n):
            for i in range(n):
                raw(me.port, kinds[i % len(kinds)], f"127.0.0.{2 + i % 9}").close()
                if i % 50 == 0:
                    me.status("/healthz")
        rounds(count)
        wait_until("all is quiet", lambda: "fleetroute_admin_streams 0\n" in me.ask("/metrics", headers=BEARER)[2])
        first, files = d.status()["resident_kb"], len(os.listdir(f"/proc/{d.process.pid}/fd"))
        for _ in range(3):
            rounds(count)
        wait_until("all is quiet", lambda: "fleetroute_admin_streams 0\n" in me.ask("/metrics", headers=BEARER)[2])
        wait_until("descriptors are closed", lambda: len(os.listdir(f"/proc/{d.process.pid}/fd")) <= files + 2)
        last = d.status()["resident_kb"]
        print(f"resident: {first} kB, then {last} kB")
        assert last - first < 20000 * SLOWER, (first, last)


if __name__ == "__main__":
    run_parts(files_that_are_no_files, file_is_locked, file_is_truncated, lines_are_hostile, token_is_replaced,
              half_of_the_connection_ends, requests_wait, newcomers_are_answered, clients_leave)
