#!/usr/bin/env python3
"""The admin listener as a server of HTTP: slow readers, the ends of bodies, streams that have ended, and a token and a
certificate that are replaced."""
import contextlib
import os
import pwd
import socket
import time

from admin_api import ALL, BEARER, SINKS, TOKEN, Client, Stream, with_token
from fr import PATIENCE, Daemon, fleetroute, free_port, run_parts, skip, wait_until, write_file

MANY = 60
CHART = "/usr/share/javascript/chart.js/chart.min.js"


def connect(port, receive_buffer=None):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(20 * PATIENCE)
    s.connect(("127.0.0.1", port))
    return s


def read_all(s):
    data = b""
    with contextlib.suppress(ConnectionError):
        while got := s.recv(65536):
            data += got
    return data


# ---- requests ----------------------------------------------------------------------------

def slow_reader():
    """A client that takes no byte of an answer for longer than an idle client may be silent gets the whole answer;
    the connection then serves the next request, and an idle one is still closed."""
    if not os.path.exists(CHART):
        skip("libjs-chart.js is needed")
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}"):
        with open(CHART, "rb") as f:
            expected = f.read()
        with contextlib.closing(connect(port, 4096)) as s:
            # Together more than the kernel's buffers hold.
            s.sendall(b"GET /lib/chart.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * MANY)
            data = s.recv(100)
            time.sleep(7)
            for i in range(MANY):
                while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < len(expected):
                    got = s.recv(1 << 20)
                    assert got, f"cut off after {len(data)} bytes of answer {i}"
                    data += got
                head, _, rest = data.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ") and rest[:len(expected)] == expected, head
                data = rest[len(expected):]
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            begin = time.monotonic()
            answer = read_all(s)  # until the idle connection is closed
            assert answer.endswith(b"ok\n") and 3 < time.monotonic() - begin < 15 * PATIENCE, answer


def bodies():
    """What follows a request whose end is ambiguous is never answered as a request of its own."""
    d, port = with_token()
    with d:
        inner = b"GET /api/session HTTP/1.1\r\nHost: localhost\r\nX-Inner: 1\r\n\r\n"
        length = f"Content-Length: {len(inner)}\r\n".encode()
        act = b"POST /api/acts/reload HTTP/1.1\r\nHost: localhost\r\nX-Fleetroute: 1\r\n" + \
            f"Authorization: Bearer {TOKEN}\r\n".encode()
        chunk = f"{len(inner):x}\r\n".encode() + inner + b"\r\n0\r\n\r\n"
        for begin, body in ((b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n" + length, inner),
                            (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + length, inner),
                            (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", chunk),
                            (act + length + b"Transfer-Encoding: chunked\r\n", chunk),
                            (act + length + b"Content-Length: 0\r\n", inner),
                            (b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", b""),
                            (b"GET /status HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
                             b"Origin: http://evil.example\r\n", b""),
                            (act + b"Content-Length: 0\r\n" + length, inner),
                            (act + b"Content-Length: +0\r\n", inner),
                            (act + b"Transfer-Encoding: gzip, chunked\r\n", chunk),
                            (act + b"Transfer-Encoding: identity\r\n" + length, inner)):
            with contextlib.closing(connect(port)) as s:
                s.sendall(begin + b"\r\n" + body)
                answer = read_all(s)
            assert answer.startswith(b"HTTP/1.1 400 "), (begin, answer)
            assert answer.count(b"HTTP/1.1 ") == 1 and b"token_required" not in answer, (begin, answer)
        assert "a reload begins" not in d.log_text()
        # Bodies that are in order, on one connection.
        with contextlib.closing(connect(port)) as s:
            s.sendall(act + b"Content-Length: 2\r\n\r\n{}" +
                      act + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" +
                      b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" +
                      b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = read_all(s)
        assert answer.count(b"HTTP/1.1 200 ") == 4 and answer.endswith(b"ok\n"), answer
        assert answer.count(b"ok\n") == 1  # HEAD has no body


def ended_streams():
    """A stream that has ended counts as open until its client has taken the rest or is closed."""
    d, port = with_token(routes=ALL, journal="{}")
    with d:
        me = Client(port)

        def streams():
            return int(me.ask("/metrics", headers=BEARER)[2].split("\nfleetroute_admin_streams ")[1].split("\n")[0])
        assert me.log_in()[0] == 200
        slow = Stream(me, receive_buffer=4096)
        quick = Stream(me)
        # More than the kernel's buffers between the two hold, so that the end of the stream waits for the client.
        for i in range(40):
            d.say(*({"VehicleName": f"{i} {k} " + "x" * 5000} for k in range(5)))
            for _ in range(5):
                quick.next_record()
        assert streams() == 2
        assert me.act("/api/logout")[0] == 200
        assert quick.ended()
        wait_until("one is left", lambda: streams() == 1)
        slow.ended()
        slow.close()
        wait_until("none is left", lambda: streams() == 0)
        quick.close()


# ---- what is replaced --------------------------------------------------------------------

def token():
    """A reload takes a replaced token, also one that only root can read; sessions of the former token end."""
    port = free_port()
    user = ", token_file: secret/token}\nuser: daemon" if os.geteuid() == 0 else ", token_file: secret/token}"
    d = Daemon(ALL, SINKS, f"admin: {{port: {port}{user}", journal="{}")
    os.mkdir(d.path("secret"))
    write_file(d.path("secret/token"), TOKEN + "\n")
    if os.geteuid() == 0:
        os.chmod(d.path("secret"), 0o700)
        os.chmod(d.path("secret/token"), 0o600)
        os.chown(d.folder, pwd.getpwnam("daemon").pw_uid, -1)
    with d:
        me, script = Client(port), Client(port)
        assert me.log_in()[0] == 200 and me.status("/status") == 200
        d.reload()
        assert me.status("/status") == 200, "the same token: sessions go on"
        write_file(d.path("secret/token"), "short\n")
        out = d.reload()
        assert "16 to 512" in out.stdout + out.stderr and "token in force stays" in out.stdout + out.stderr, out
        assert me.status("/status") == script.status("/status", **BEARER) == 200
        os.remove(d.path("secret/token"))
        assert d.reload(check=False).returncode != 0, "a missing file is an error of the configuration"
        assert script.status("/status", **BEARER) == 200
        stream = Stream(me)
        write_file(d.path("secret/token"), "another-token-of-28-letters\n")
        os.chmod(d.path("secret/token"), 0o600)
        d.reload()
        assert me.status("/status") == script.status("/status", **BEARER) == 401
        assert stream.ended()
        stream.close()
        assert script.status("/status", Authorization="Bearer another-token-of-28-letters") == 200
        assert me.log_in("another-token-of-28-letters")[0] == 200 and me.status("/status") == 200
        assert "another-token" not in d.log_text() and "the token was replaced" in d.log_text()
        # Without a token: only after a restart.
        d.extra = d.extra.replace(", token_file: secret/token", "")
        out = d.reload()
        assert "`admin:` has changed: it needs a restart" in out.stdout + out.stderr, out
        assert script.status("/status") == 401 and me.status("/status") == 200


def certificate():
    """Other files in `admin: tls:` are used after a reload, which does not ask for a restart; switching TLS off does."""
    d, port = with_token(admin=", tls: {certificate: server.pem, key: server.key}")
    with d:
        me = Client(port, d.path("server-ca.pem"))
        assert me.status("/status", **BEARER) == 200
        fleetroute("simulate", "--pki", d.path("other"), "--pki-only")
        d.extra = d.extra.replace("server.pem", "other/server.pem").replace("server.key", "other/server.key")
        out = d.reload()
        assert "restart" not in out.stdout + out.stderr, out
        me.ca = d.path("other/server-ca.pem")
        assert me.status("/status", **BEARER) == 200
        d.extra = d.extra.replace(", tls: {certificate: other/server.pem, key: other/server.key}", "")
        out = d.reload()
        assert "`admin:` has changed: it needs a restart" in out.stdout + out.stderr, out
        assert me.status("/status", **BEARER) == 200


if __name__ == "__main__":
    run_parts(bodies, ended_streams, token, certificate, slow_reader)
