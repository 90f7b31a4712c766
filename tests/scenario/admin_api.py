#!/usr/bin/env python3
"""The admin listener for pages and scripts: TLS, sessions, what pages of other sites send, acts, the list of
vehicles, streams of records."""
import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
import time
from urllib.parse import quote

from fr import PATIENCE, VIN, Daemon, fleetroute, free_port, run_parts, vector, wait_until, write_file

TOKEN = "0123456789abcdef-token"
ROUTES = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\nrecords: [{{type: V, to: archive}}]"
ALL = "records: [{type: V, to: archive}]"
SINKS = '  archive: {plugin: file, options: {path: "@/V.jsonl"}}'
ACT = {"X-Fleetroute": "1", "Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Client:
    """Requests to one admin port; keeps the cookie of a session."""

    def __init__(self, port, ca=None, name="localhost"):
        self.port, self.ca, self.name, self.cookie = port, ca, name, None

    def connect(self):
        if self.ca is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        context = ssl.create_default_context(cafile=self.ca)
        c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20 * PATIENCE, context=context)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20 * PATIENCE)
        c.sock = context.wrap_socket(raw, server_hostname=self.name)
        return c

    def ask(self, path, method="GET", body=None, headers=None):
        """Return (status, headers, body)."""
        c = self.connect()
        headers = {"Host": f"{self.name}:{self.port}", **(headers or {})}
        if self.cookie:
            headers["Cookie"] = self.cookie
        c.request(method, path, body=body, headers=headers)
        answer = c.getresponse()
        result = answer.status, answer.headers, answer.read().decode()
        c.close()
        return result

    def status(self, path, method="GET", body=None, **headers):
        return self.ask(path, method, body, {k.replace("_", "-"): v for k, v in headers.items()})[0]

    def json(self, path, **headers):
        status, _, body = self.ask(path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert status == 200, (path, status, body)
        return json.loads(body)

    def act(self, path, data=None, headers=None):
        """Return (status, answer) of an act."""
        status, _, body = self.ask(path, "POST", json.dumps(data) if data is not None else "",
                                   {**ACT, **(headers or {})})
        return status, json.loads(body)

    def log_in(self, token=TOKEN):
        status, headers, body = self.ask("/api/login", "POST", json.dumps({"token": token}), ACT)
        if status == 200:
            self.cookie = headers["Set-Cookie"].split(";")[0]
        return status, headers["Set-Cookie"], json.loads(body)


def with_token(routes=ROUTES, admin="", journal="{}"):
    port = free_port()
    d = Daemon(routes, SINKS, f"admin: {{port: {port}, token_file: token{admin}}}", journal=journal)
    write_file(d.path("token"), TOKEN + "\n")
    return d, port


def own_address():
    """An address of this machine that is not a loopback address; None: there is none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = s.getsockname()[0]
    return None if address.startswith("127.") else address


# ---- pages of other sites ----------------------------------------------------------------

def other_sites():
    """A page of another site reads nothing and changes nothing, with a session in the browser and without a
    token; Prometheus, curl and load balancers are answered."""
    d, port = with_token(admin=", hosts: [cars.example.com]")
    with d:
        me = Client(port)
        assert me.log_in()[0] == 200
        here = f"http://localhost:{port}"
        rebound = {"Host": f"evil.example:{port}"}
        foreign = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"http://localhost:{port + 1}"},
                   {"Origin": f"http://127.0.0.1:{port}"}, {"Sec-Fetch-Site": "cross-site"},
                   {"Sec-Fetch-Site": "same-site"}, rebound, {**rebound, "Origin": f"http://evil.example:{port}"},
                   {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}]
        paths = ("/status", "/vehicles", "/metrics", "/readyz", "/api/vehicles", f"/api/vehicles/{VIN}",
                 "/api/records", "/api/session")
        for headers in foreign:
            for path in paths + ("/", "/web/base.js", "/api/openapi.json"):
                status, _, body = me.ask(path, headers=headers)
                assert status == 403 and VIN not in body, (headers, path, status)
            for path in ("/api/acts/reload", "/api/sinks/archive/pause", "/api/login", "/api/logout"):
                assert me.act(path, {"token": TOKEN}, headers)[0] == 403, (headers, path)
        # A form or a simple request: no header X-Fleetroute, with the cookie.
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json"):
            for origin in ({}, {"Origin": here}):
                status, _, _ = me.ask("/api/acts/reload", "POST", "{}", {"Content-Type": kind, **origin})
                assert status == 403, (kind, origin)
        assert me.status("/api/acts/reload", "OPTIONS", Origin="http://evil.example") in (405, 501)
        assert me.status("/api/acts/reload") == 405 and me.status("/status", "POST", X_Fleetroute="1") == 405
        for status, headers, _ in (me.ask("/"), me.ask("/status"), me.ask("/nothing"), me.ask("/api/vehicles")):
            assert not [h for h in headers if h.lower().startswith("access-control")]
            policy = headers["Content-Security-Policy"]
            assert policy == ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                              "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
            assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "reload" not in d.log_text() and d.status()["sinks"]["archive"]["health"] == "up"
        assert d.count("admin_requests_of_other_sites") > 50
        # What is allowed: the page itself, a link on another site, a listed name, clients that are no browsers.
        assert me.status("/status", Origin=here) == me.status("/status", Sec_Fetch_Site="same-origin") == 200
        assert me.status("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate",
                         Sec_Fetch_Dest="document") == 200
        assert me.status("/status", Host="cars.example.com") == me.status("/status", Host="192.0.2.1:80") == 200
        assert me.status("/status", Host=socket.gethostname()) == 200
        anyone = Client(port)
        assert anyone.status("/metrics", Host="prometheus.lan", **BEARER) == 200
        assert anyone.status("/healthz", Host="balancer.lan") == 200
        assert anyone.status("/metrics", Host="prometheus.lan") == 403
    port = free_port()
    with Daemon(ROUTES, SINKS, f"admin: {{port: {port}}}") as d:  # without a token
        anyone = Client(port)
        for headers in foreign:
            if headers != {"Origin": f"http://localhost:{port + 1}"}:
                assert anyone.ask("/status", headers=headers)[0] == 403, headers
        assert anyone.status("/status") == 200 and anyone.status("/metrics", Host="127.0.0.1") == 200
        status, answer = anyone.act("/api/acts/reload")
        assert status == 403 and "token_file" in answer["message"], answer


# ---- TLS and sessions --------------------------------------------------------------------

def sessions():
    """The token is exchanged for a cookie; a session ends; wrong tokens are bounded for each source."""
    d, port = with_token()
    with d:
        me = Client(port)
        assert me.status("/status") == me.status("/api/records") == 401
        state = me.json("/api/session")
        assert state["token_required"] and not state["authenticated"] and not state["acts"], state
        status, cookie, _ = me.log_in()
        assert status == 200
        parts = [p.strip() for p in cookie.split(";")]
        assert parts[0].startswith(f"fleetroute_{port}=") and len(parts[0].split("=")[1]) == 64
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(parts) and "Secure" not in parts, parts
        assert me.json("/api/session") == {"token_required": True, "authenticated": True, "acts": True, "why": "",
                                           "map_tiles": None, "home_zone": None}
        assert me.status("/status") == 200
        thief = Client(port)
        thief.cookie = me.cookie[:-1] + ("0" if me.cookie[-1] != "0" else "1")
        assert thief.status("/status") == 401
        other = Client(port)
        assert other.log_in()[0] == 200 and other.cookie != me.cookie
        assert me.act("/api/logout")[0] == 200
        assert me.status("/status") == 401 and other.status("/status") == 200
        for body in ("", "{", "[]", '{"token":1}', '{"token":"a\\u0000b"}', '"x"', "x" * 4000):
            status, _, _ = me.ask("/api/login", "POST", body, ACT)
            assert status in (400, 401), (body, status)
        assert me.ask("/api/login", "POST", "x" * 5000, ACT)[0] == 413
        answers = [Client(port).log_in("0123456789abcdef-wrong")[0] for _ in range(12)]
        assert answers[0] == 401 and answers[-1] == 429, answers
        assert Client(port).log_in()[0] == 429  # the token is not even compared
        assert me.status("/status", **BEARER) == 429
        assert other.status("/status") == 200 and me.status("/healthz", **BEARER) == 200
        assert d.count("admin_tokens_mismatched") >= 10 and d.count("admin_tokens_refused") >= 3
        with contextlib.closing(socket.socket()) as s:  # another source is not affected
            s.bind(("127.0.0.9", 0))
            s.settimeout(20 * PATIENCE)
            s.connect(("127.0.0.1", port))
            s.sendall(f"GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
                      "Connection: close\r\n\r\n".encode())
            assert s.recv(64).startswith(b"HTTP/1.1 200 ")
        assert TOKEN not in d.log_text() and other.cookie.split("=")[1] not in d.log_text()


def configuration():
    """`check` explains what an address that other machines can reach needs."""
    d, port = with_token()

    def check(admin):
        d.extra = f"admin: {{{admin}, port: {port}}}"
        d.write()
        out = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
        return out.returncode, out.stdout
    code, text = check("address: 0.0.0.0, token_file: token")  # was enough in earlier versions
    assert code == 1 and "`tls: on`" in text and "`tls: off` permits clear text" in text, text
    for tls in ("on", "off", "{certificate: server.pem, key: server.key}"):
        assert check(f"address: 0.0.0.0, token_file: token, tls: {tls}")[0] == 0, text
    code, text = check("address: 0.0.0.0, tls: on")
    assert code == 1 and "token_file" in text, text
    fleetroute("simulate", "--pki", d.path("other"), "--pki-only")
    assert "does not belong to the certificate" in check("tls: {certificate: server.pem, key: other/server.key}")[1]
    assert "must have `key:`" in check("tls: {certificate: server.pem}")[1]
    assert "not the name of a host" in check('hosts: ["https://cars.lan"]')[1]
    assert check("hosts: [cars.lan, other.lan]")[0] == 0
    for url in ("http://tile.example.org/{z}/{x}/{y}.png", "https://tile.example.org/{z}/{x}.png",
                "https://a b/{z}/{x}/{y}", "https://{s}.example.org/{z}/{x}/{y}", "https://a;b/{z}/{x}/{y}",
                "https://a:x/{z}/{x}/{y}", "https:///{z}/{x}/{y}"):
        assert "map_tiles must be a URL" in check(f'map_tiles: "{url}"')[1], url
    assert check('map_tiles: "https://tile.example.org:8443/{z}/{x}/{y}.png"')[0] == 0
    for zone, mistake in (("{latitude: 91, longitude: 1}", "latitude must be a number of degrees from -90 to 90"),
                          ("{latitude: 1}", "longitude must be"), ("{latitude: nan, longitude: 1}", "latitude must be"),
                          ("{latitude: 1, longitude: 1, radius: 0}", "radius must be"),
                          ("{latitude: 1, longitud: 1}", "longitude"), ("home", "home_zone")):
        code, text = check(f"home_zone: {zone}")
        assert code == 1 and mistake in text, text
    assert check("home_zone: {latitude: -33.8, longitude: 151.2}")[0] == 0


def tls():
    """HTTPS with the server's certificate; it is renewed without a restart; a session is Secure; a listener that
    other machines can reach in clear text permits no acts from there."""
    d, port = with_token(admin=", tls: {certificate: admin.pem, key: admin.key}, map_tiles: "
                               '"https://tile.example.org:8443/{z}/{x}/{y}.png", '
                               'home_zone: {latitude: -33.86882, longitude: 151.20929, radius: 250}')
    for name in ("pem", "key"):
        os.link(d.path(f"server.{name}"), d.path(f"admin.{name}"))
    with d:
        me = Client(port, d.path("server-ca.pem"))
        assert me.json("/api/session")["home_zone"] is None  # not before log-in: it is where the owner lives
        status, cookie, _ = me.log_in()
        assert status == 200 and "; Secure" in cookie, cookie
        assert me.json("/api/session")["home_zone"] == {"latitude": -33.86882, "longitude": 151.20929, "radius": 250}
        assert me.act("/api/acts/reload")[0] == 200
        assert me.ask("/", headers={"Origin": f"https://localhost:{port}"})[0] == 200
        assert me.ask("/", headers={"Origin": f"http://localhost:{port}"})[0] == 403
        headers = me.ask("/")[1]
        assert "img-src 'self' data: https://tile.example.org:8443;" in headers["Content-Security-Policy"], headers
        assert me.json("/api/session")["map_tiles"].startswith("https://tile.example.org")
        with socket.create_connection(("127.0.0.1", port)) as s:  # not encrypted: closed, and others are served
            s.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            s.settimeout(20 * PATIENCE)
            assert not s.recv(100).startswith(b"HTTP")
        assert me.status("/healthz") == 200

        def served():
            with socket.create_connection(("127.0.0.1", port), timeout=20 * PATIENCE) as raw:
                context = ssl._create_unverified_context()
                with context.wrap_socket(raw) as s:
                    return s.getpeercert(True)
        before = served()
        fleetroute("simulate", "--pki", d.path("renewed"), "--pki-only")
        write_file(d.path("admin.key"), open(d.path("renewed/server.key")).read())
        write_file(d.path("admin.pem"), open(d.path("renewed/server.pem")).read())
        wait_until("the renewed certificate is served", lambda: served() != before)
        me.ca = d.path("renewed/server-ca.pem")
        assert me.status("/status") == 200  # the session goes on
        write_file(d.path("admin.pem"), "no certificate\n")
        wait_until("the damaged file is logged", lambda: "admin: tls:" in d.log_text())
        assert me.status("/status") == 200
        with open_stream(me) as stream:  # records over TLS
            d.say({"Soc": 50})
            assert stream.next_record()["data"] == {"Soc": 50}
    # Clear text by decision of the owner: reading, but no acts; except on the server itself.
    port = free_port()
    d = Daemon(ROUTES, SINKS, f"admin: {{address: 0.0.0.0, port: {port}, token_file: token, tls: off}}", journal="{}")
    write_file(d.path("token"), TOKEN + "\n")
    with d:
        me = Client(port)
        assert me.act("/api/acts/reload", headers=BEARER)[0] == 200
        address = own_address()
        if address is None:
            print("this machine has no address but loopback: acts in clear text are not tried")
            return
        for path, method, expected in (("/status", "GET", 200), ("/api/acts/reload", "POST", 403)):
            c = http.client.HTTPConnection(address, port, timeout=20 * PATIENCE, source_address=(address, 0))
            c.request(method, path, headers={**ACT, **BEARER})
            answer = c.getresponse()
            text = answer.read().decode()
            assert answer.status == expected, (path, answer.status, text)
            assert method == "GET" or "tls:" in text, text
            c.close()


# ---- acts --------------------------------------------------------------------------------

def acts():
    """Reload with its outcome, pause, resume and rewind of a sink; each is logged with its author."""
    d, port = with_token()
    with d:
        me = Client(port)
        for path in ("/api/acts/reload", "/api/sinks/archive/pause"):
            assert me.act(path)[0] == 401
        assert me.log_in()[0] == 200
        status, answer = me.act("/api/acts/reload")
        assert status == 200 and answer["ok"] and answer["message"] == "reloaded", answer
        d.routing = "recrods: []"
        d.write()
        status, answer = me.act("/api/acts/reload", headers={"Cookie": me.cookie})
        assert status == 409 and not answer["ok"] and "recrods" in answer["report"], answer
        d.routing = ROUTES
        d.write()
        d.say({"Soc": 1})
        wait_until("the first record is delivered", lambda: len(d.lines("V.jsonl")) == 1)
        status, answer = me.act("/api/sinks/archive/pause")
        assert status == 200 and answer["ok"], answer
        d.say({"Soc": 2}, {"Soc": 3})
        sink = wait_until("the records wait", lambda: (s := d.status()["sinks"]["archive"])["lag"] == 2 and s)
        assert sink["health"] == "degraded" and "paused" in sink["why"] and len(d.lines("V.jsonl")) == 1, sink
        assert "sink archive: degraded: paused" in me.ask("/readyz")[2] and me.status("/readyz") == 200
        d.reload()  # the sink is unchanged, and stays paused
        assert d.status()["sinks"]["archive"]["lag"] == 2
        assert me.act("/api/sinks/archive/resume")[0] == 200
        wait_until("the records are delivered", lambda: len(d.lines("V.jsonl")) == 3)
        wait_until("the sink is up", lambda: d.status()["sinks"]["archive"]["health"] == "up")
        status, answer = me.act("/api/sinks/archive/rewind", {"seq": 2})
        assert status == 200 and answer["message"] == "continues at record 2", answer
        wait_until("the records are delivered again", lambda: len(d.lines("V.jsonl")) == 5)
        for body in ({}, {"seq": -1}, {"seq": "1"}, {"seq": 1.5}, [], None):
            assert me.act("/api/sinks/archive/rewind", body)[0] == 400, body
        assert me.act("/api/sinks/archive/rewind", {"seq": 10 ** 9})[0] == 409
        for name in ("absent", "%2e%2e", "a%00b", "x" * 300, quote("<b>‮")):
            assert me.act(f"/api/sinks/{name}/pause")[0] == 404, name
        log = d.log_text()
        assert "admin: session 1 of 127.0.0.1: pause of \"archive\": paused" in log, log
        assert "admin: session 1 of 127.0.0.1: rewind of \"archive\": continues at record 2" in log
        assert "admin: session 1 of 127.0.0.1: the reload has finished: reloaded" in log
        assert me.act("/api/sinks/archive/pause", headers=BEARER)[0] == 200
        assert "admin: a client of 127.0.0.1 with the token: pause" in d.log_text()
    d, port = with_token(journal="off")
    with d:
        status, answer = Client(port).act("/api/sinks/archive/pause", headers=BEARER)
        assert status == 409 and "journal" in answer["message"], answer


# ---- files -------------------------------------------------------------------------------

def files():
    """The page's files have an ETag; no path leaves the folder of the files."""
    port = free_port()
    with Daemon(ROUTES, SINKS, f"admin: {{port: {port}}}") as d:
        me = Client(port)
        for path, kind in (("/", "text/html; charset=utf-8"), ("/web/base.css", "text/css; charset=utf-8"),
                           ("/web/base.js", "text/javascript; charset=utf-8"),
                           ("/api/openapi.json", "application/json")):
            status, headers, body = me.ask(path)
            assert status == 200 and headers["Content-Type"] == kind and body, path
            assert headers["Cache-Control"] == "no-cache" and len(headers["ETag"]) == 34
            for tag in (headers["ETag"], f'"x", W/{headers["ETag"]}', "*"):
                again = me.ask(path, headers={"If-None-Match": tag})
                assert again[0] == 304 and again[2] == "" and again[1]["ETag"] == headers["ETag"], again[0]
            assert me.ask(path, headers={"If-None-Match": '"x"'})[0] == 200
            assert me.ask(path, "HEAD")[2] == ""
        for path in ("/web/", "/web/nothing", "/web/../etc/passwd", "/web/%2e%2e/http_admin.c", "/web//etc/passwd",
                     "/web/base.js%00.html", "/web/%ff", "/web", "/web/./base.js"):
            assert me.ask(path)[0] in (400, 404), path
        page = me.ask("/")[2]
        assert "style=" not in page and "onclick" not in page and "<script>" not in page and "<style>" not in page
        api = json.loads(me.ask("/api/openapi.json")[2])
        assert api["openapi"].startswith("3.") and "/api/vehicles/{vin}" in api["paths"]
        assert d.status()


# ---- vehicles ----------------------------------------------------------------------------

def vehicles():
    """The list is searched, filtered, sorted and divided into pages by the server."""
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}", journal="{}") as d:
        me = Client(port)
        cars = d.simulate_beside("--vehicles", 30, "--rate", 2, "--duration", 600)
        wait_until("all are connected", lambda: me.json("/api/vehicles")["connected"] == 30)
        wait_until("all have sent", lambda: all(
            v["records"] for v in me.json("/api/vehicles?limit=30")["vehicles"]))
        first = me.json("/api/vehicles?sort=vin&limit=10")
        second = me.json("/api/vehicles?sort=vin&limit=10&offset=10")
        vins = [v["vin"] for v in first["vehicles"] + second["vehicles"]]
        assert len(vins) == 20 and vins == sorted(set(vins)) and first["found"] == second["found"] == 30
        last = me.json("/api/vehicles?sort=vin&order=desc&limit=1")["vehicles"][0]["vin"]
        assert last > vins[-1]
        assert me.json(f"/api/vehicles?find={vins[3].lower()}")["vehicles"][0]["vin"] == vins[3]
        assert me.json("/api/vehicles?offset=30")["vehicles"] == me.json("/api/vehicles?limit=0")["vehicles"] == []
        by_records = [v["records"] for v in me.json("/api/vehicles?sort=records&limit=30")["vehicles"]]
        assert by_records[0] >= by_records[-1]
        bad = d.car()
        bad.send(b"nonsense")
        assert bad.receive_reply()[0] == "error"
        found = wait_until("it is listed", lambda: me.json("/api/vehicles?state=misbehaving")["vehicles"])
        assert [v["vin"] for v in found] == [VIN] and found[0]["faults"] == 1 and found[0]["misbehaving"], found
        assert me.json("/api/vehicles?sort=faults&limit=1")["vehicles"][0]["vin"] == VIN
        new = d.car(vin="5YJ3E1EA7KF000099")  # has not sent a record yet, and is not silent
        wait_until("it is connected", lambda: me.json("/api/vehicles?find=KF000099")["found"])
        found = me.json("/api/vehicles?find=KF000099")
        assert found["silent"] == 0 and not found["vehicles"][0]["silent"] and not found["vehicles"][0]["records"], found
        assert me.json("/api/vehicles?state=silent")["vehicles"] == []
        new.close()
        bad.close()
        cars.terminate()
        cars.wait()
        for query in ("limit=1001", "limit=-1", "offset=x", "state=away", "sort=%00", "order=up", "find=%ff",
                      f"find={'x' * 200}", "sort=" + "y" * 100):
            assert me.ask(f"/api/vehicles?{query}")[0] == 400, query
        for text in ("<script>alert(1)</script>", "‮", "' OR 1=1", "%", "\\"):
            assert me.json(f"/api/vehicles?find={quote(text)}")["found"] == 0


def one_vehicle():
    """A vehicle's last values with unit, category, age and flags; hostile values are JSON texts."""
    port = free_port()
    routes = f"vehicles: [{{vin: {VIN}, name: \"<b>Y</b>\"}}]\nrecords: [{{type: V, to: archive}}]"
    with Daemon(routes, SINKS, f"admin: {{port: {port}}}", journal="{values_every: 100 ms}") as d:
        me = Client(port)
        assert me.ask(f"/api/vehicles/{VIN}")[0] == 404
        hostile = '</script><img src=x onerror=alert(1)>‮\u0000\u0007"\\' + "x" * 3000
        d.say({"Soc": 55.5, "VehicleName": hostile, "age": 100}, {"Gear": "P"})
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"

        def known():
            status, headers, body = me.ask(f"/api/vehicles/{VIN}")
            assert status in (200, 404) and headers["Content-Type"] == "application/json"
            answer = json.loads(body)
            return status == 200 and {"VehicleName", "VehicleSpeed", "Gear"} <= set(answer["values"] or {}) and \
                "presence" in answer and (answer, body)
        answer, body = wait_until("the values are known", known)
        assert answer["vin"] == VIN and answer["name"] == "<b>Y</b>" and answer["connected"]
        soc = answer["values"]["Soc"]
        assert soc["unit"] == "%" and soc["category"] and abs(soc["age_ms"] - 100000) < 60000 * PATIENCE, soc
        speed = answer["values"]["VehicleSpeed"]  # the vector is of another year
        assert speed["late"] and "restored" not in speed and speed["unit"] == "mph", speed
        assert "late" not in soc
        assert answer["values"]["VehicleName"]["value"].startswith("</script><img")
        assert len(answer["values"]["VehicleName"]["value"]) > 1000
        assert not any(ord(c) < 32 for c in body)
        car.close()
        d.end()
        d.start()
        answer = wait_until("the values are restored", lambda: (r := me.ask(f"/api/vehicles/{VIN}"))[0] == 200 and
                            json.loads(r[2]))
        assert all(v["restored"] for v in answer["values"].values()), answer["values"]
        for vin in ("%00", "..", "a%2fb", "x" * 65, "x" * 400, quote("<b>")):
            assert me.ask(f"/api/vehicles/{vin}")[0] in (400, 404), vin


# ---- streams -----------------------------------------------------------------------------

class Stream:
    """An open GET /api/records."""

    def __init__(self, client, query="", receive_buffer=None):
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(40 * PATIENCE)
        raw.connect(("127.0.0.1", client.port))
        self.socket = raw if client.ca is None else \
            ssl.create_default_context(cafile=client.ca).wrap_socket(raw, server_hostname=client.name)
        cookie = f"Cookie: {client.cookie}\r\n" if client.cookie else ""
        self.socket.sendall(f"GET /api/records?{query} HTTP/1.0\r\nHost: localhost:{client.port}\r\n{cookie}\r\n"
                            .encode())
        self.buffer = b""
        self.head = self.until(b"\r\n\r\n").decode()

    def until(self, end):
        while end not in self.buffer:
            got = self.socket.recv(65536)
            assert got, f"the stream ended after {self.buffer[-500:]!r}"
            self.buffer += got
        text, self.buffer = self.buffer.split(end, 1)
        return text

    def next_event(self):
        """Return (event, data) of the next event; ("", None) of a comment."""
        lines = self.until(b"\n\n").decode().split("\n")
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        if lines == [":"]:
            return "", None
        return fields.get("event", "message"), json.loads(fields["data"]) if "data" in fields else None

    def next_record(self):
        while True:
            event, data = self.next_event()
            if event == "message" and data is not None:
                return data

    def ended(self):
        try:
            while got := self.socket.recv(65536):
                self.buffer += got
            return True
        except (ConnectionError, ssl.SSLError):
            return True

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def open_stream(client, query="", **more):
    stream = Stream(client, query, **more)
    assert " 200 " in stream.head.split("\r\n")[0], stream.head
    try:
        yield stream
    finally:
        stream.close()


def records():
    """Records as events, with filters; a heartbeat; the end of a session ends its streams."""
    d, port = with_token()
    with d:
        me = Client(port)
        assert me.log_in()[0] == 200
        with open_stream(me) as every, open_stream(me, f"vin={VIN}&type=V") as one, \
                open_stream(me, "field=Gear") as gear, open_stream(me, "type=alerts") as alerts:
            assert "text/event-stream" in every.head and "no-store" in every.head
            d.say({"Soc": 1}, {"Gear": "D", "vin": VIN}, new=True)
            assert every.next_record()["data"] == {"Soc": 1} and every.next_record()["data"] == {"Gear": "D"}
            assert one.next_record()["vin"] == VIN and gear.next_record()["data"] == {"Gear": "D"}
            text = "<b>‮\u0007\"'" + "y" * 5000
            d.say({"VehicleName": text})
            got = every.next_record()["data"]["VehicleName"]
            assert got.startswith("<b>") and len(got) > 5000
            assert wait_until("it is counted", lambda: "fleetroute_admin_streams 4" in me.ask("/metrics")[2])
            begin = time.monotonic()
            assert alerts.next_event() == ("message", None)  # the retry time
            assert alerts.next_event() == ("", None) and time.monotonic() - begin > 5  # idle, and not cut off
            for query in ("field=Nothing", "vin=%00", "type=" + "x" * 100, "field=%ff"):
                assert me.ask(f"/api/records?{query}")[0] == 400, query
            assert me.act("/api/logout")[0] == 200
            assert every.ended() and gear.ended()
        wait_until("no stream is left", lambda: "fleetroute_admin_streams 0" in Client(port).ask(
            "/metrics", headers=BEARER)[2])


def slow_browser():
    """A browser that does not read loses records, and costs the others nothing; the bound on streams does not
    concern probes."""
    port = free_port()
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}", journal="{}") as d:
        me = Client(port)
        slow = Stream(me, receive_buffer=4096)
        end = threading.Event()

        def feed():
            while not end.is_set():
                d.say(*({"VehicleName": f"{i} " + "x" * 3000} for i in range(200)))
        thread = threading.Thread(target=feed)
        thread.start()
        try:
            d.wait_count("records_skipped_by_streams", 500, 60)
            with open_stream(me) as quick:
                for _ in range(50):
                    quick.next_record()
        finally:
            end.set()
            thread.join()
        events = []
        slow.socket.settimeout(5 * PATIENCE)
        with contextlib.suppress(OSError, AssertionError):
            while not any(e == "dropped" for e, _ in events):
                events.append(slow.next_event())
        dropped = [data["dropped"] for event, data in events if event == "dropped"]
        assert dropped and dropped[0] > 0, events[-3:]
        slow.close()
        crowd = [Stream(me) for _ in range(256)]
        states = [s.head.split("\r\n")[0] for s in crowd]
        assert sum(" 200 " in s for s in states) >= 200, states[-1]
        refused = Stream(me)
        crowd.append(refused)
        assert " 503 " in refused.head, refused.head
        for path in ("/healthz", "/metrics", "/readyz", "/api/vehicles"):
            assert me.status(path) == 200, path
        for s in crowd:
            s.close()
        wait_until("their descriptors are free", lambda: "fleetroute_admin_streams 0\n" in me.ask("/metrics")[2], 60)
        with open_stream(me) as stream:
            d.say({"Soc": 1})
            assert stream.next_record()["data"] == {"Soc": 1}
        assert d.count("admin_connections_closed_for_others") == 0
    # The daemon ends with open streams.
    with Daemon(ALL, SINKS, f"admin: {{port: {port}}}") as d:
        crowd = [Stream(Client(port)) for _ in range(5)]
    for s in crowd:
        s.close()


if __name__ == "__main__":
    run_parts(other_sites, sessions, configuration, tls, acts, files, vehicles, one_vehicle, records, slow_browser)
