#!/usr/bin/env python3
"""teslamate.so with TeslaPy, a client by other authors, and with raw clients: the stream and the API have the
simulated vehicle's values; a vehicle that only seems to be awake stays asleep; wrong tokens get nothing; hostile and
slow clients cost only themselves."""
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import datetime

from fr import PATIENCE, SOURCE, VIN, Daemon, fleetroute, free_port, run_parts, skip, wait_until
from teslamate_client import Raw, half_closed, mask

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from messages import datum, envelope, field, location, moment  # noqa: E402

TOKEN, OTHER = "a-token-of-the-tests-0123456789", "another-token-of-the-tests-9876"
ROUTING = """records:
  - {type: "*", to: archive, format: json}
  - {type: presence, to: mate}
fields: [{field: "*", to: mate}]
"""
ARCHIVE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}\n'
SPEED, ODOMETER, VOLTAGE, CURRENT, SOC, GEAR, PLACE, HEADING = 4, 5, 6, 7, 8, 10, 21, 23
RATED, DC_ENERGY, DC_POWER, EST_RANGE, FAST, LEVEL = 32, 34, 35, 40, 39, 42
DETAILED_STATE, CHARGER_VOLTAGE, AMPS, PHASES = 179, 184, 49, 51
GEAR_P, GEAR_D, CHARGING = 2, 5, 4


def real(value):
    return field(5, float(value))


def gear(value):
    return field(9, value)


class Mate:
    """A daemon with the sink `mate`."""

    def __init__(self, options="", tokens=f"# tests\n{TOKEN}\n{OTHER}\n", routing=ROUTING, tls=False, more=""):
        self.port = free_port()
        self.tls = tls
        security = 'certificate: "@/server.pem", key: "@/server.key", ' if tls else ""
        sink = (f'  mate: {{plugin: teslamate, options: {{listen: "127.0.0.1:{self.port}", {security}'
                f'token_file: "@/tokens", {options}}}}}\n')
        self.d = Daemon(routing, ARCHIVE + sink + more, extra="limits: {presence_grace: 100 ms}", journal="{}")
        self.write_tokens(tokens)

    def write_tokens(self, tokens, mode=0o600):
        path = self.d.path("tokens.new")
        with open(path, "w") as f:
            f.write(tokens)
        os.chmod(path, mode)
        os.rename(path, self.d.path("tokens"))

    def __enter__(self):
        self.d.start()
        wait_until("the sink listens", lambda: "no client connected" in self.health()[1])
        return self

    def __exit__(self, *why):
        self.d.__exit__(*why)

    def health(self):
        status = self.d.status()["sinks"]["mate"]
        return status["health"], status["why"]

    def wait_health(self, state, *words, seconds=15):
        try:
            wait_until(f"mate is {state}: {words}", lambda: self.health()[0] == state and
                       all(word in self.health()[1] for word in words), seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}; it is {self.health()}") from late

    def ca(self):
        return self.d.path("server-ca.pem") if self.tls else ""

    def raw(self, **more):
        return Raw(self.port, ca=self.ca(), **more)

    def get(self, path, token=TOKEN, method="GET", body=None, query=False):
        """Return the status and the parsed answer."""
        if self.tls:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=20 * PATIENCE,
                                                     context=ssl.create_default_context(cafile=self.ca()))
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {token}"} if token and not query else {}
            connection.request(method, f"{path}?token={token}" if query else path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def state(self, vin=VIN):
        return self.get(f"/api/1/vehicles/{vin}")[1]["response"]["state"]

    def data(self, vin=VIN):
        status, answer = self.get(f"/api/1/vehicles/{vin}/vehicle_data")
        assert status == 200, (status, answer)
        return answer["response"]

    def teslapy(self, *steps, token=TOKEN):
        return [json.loads(line) for line in subprocess.run(
            self.command(*steps, token=token), check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()]

    def command(self, *steps, token=TOKEN):
        host = "localhost" if self.tls else "127.0.0.1"
        return [python(), f"{SOURCE}/tests/teslapy_client.py", f"{host}:{self.port}", token, self.ca(), *steps]

    def subscribed(self, tag=VIN, **more):
        client = self.raw(**more).upgrade()
        client.subscribe(tag, TOKEN)
        return client


def python():
    """The Python with TeslaPy."""
    if not hasattr(python, "path"):
        done = subprocess.run([f"{SOURCE}/tests/teslapy.sh"], stdout=subprocess.PIPE, text=True)
        if done.returncode == 77:
            skip("TeslaPy needs a Python with venv")
        assert done.returncode == 0, "tests/teslapy.sh has failed"
        python.path = done.stdout.splitlines()[-1]
    return python.path


class Stream:
    """A running `Vehicle.stream()` of TeslaPy."""

    def __init__(self, mate, *steps, token=TOKEN):
        self.process = subprocess.Popen(mate.command("stream", *steps, token=token), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.rows, self.errors = [], []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            what = json.loads(line)
            self.errors += [what["error"]] if "error" in what else []
            self.rows += [what["row"]] if "row" in what else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def awake(car, *data, past=True):
    """Send frames that span more than 3 s, as measured by the vehicle: in the past, unless it has sent newer ones."""
    begin = time.time() - 6
    for i in range(4):
        if not past:
            time.sleep(1.5)  # the span is the thing tested
        send(car, datum(ODOMETER, real(1000 + i / 10)), *data, at=begin + 1.5 * i if past else None)


def send(car, *data, at=None):
    car.send(envelope("V", b"".join(data) + field(2, moment(at)) + field(3, VIN), VIN))
    assert car.receive_reply()[0] == "ack"


# ---- values ---------------------------------------------------------------------------

def parsed_time(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def expected_values(records):
    """{time in ms: the newest value of each field}, from the archive of all records."""
    values, at = {}, {}
    for record in records:
        values = values | record["data"]
        at[parsed_time(record["created_at"])] = values
    return at


def check_row(row, values):
    speed = values["VehicleSpeed"] if values["Gear"] != "P" else 0
    charging = values["DetailedChargeState"] in ("Starting", "Charging")
    place = values["Location"]
    assert row["speed"] == round(speed) or abs(speed % 1 - 0.5) < 1e-6, (row, values)
    assert abs(row["odometer"] - values["Odometer"]) < 0.001, (row, values)
    assert abs(row["soc"] - values["BatteryLevel"]) <= 0.5001 and isinstance(row["soc"], int), (row, values)
    assert abs(row["est_lat"] - place["latitude"]) < 2e-6 and abs(row["est_lng"] - place["longitude"]) < 2e-6, row
    assert abs(row["heading"] - values["GpsHeading"]) <= 0.5001 and row["heading"] == row["est_heading"], row
    assert abs(row["est_range"] - values["EstBatteryRange"]) <= 0.5001, (row, values)
    assert row["elevation"] is None, row
    assert row["shift_state"] == (None if charging else values["Gear"]), (row, values)
    pack = -values["PackVoltage"] * values["PackCurrent"] / 1000
    assert isinstance(row["power"], int), row
    if charging:
        assert row["power"] < 0 and (pack > -0.5 or abs(row["power"] - pack) < 1), (row, pack)
    elif values["Gear"] == "D":
        assert abs(row["power"] - pack) < 1, (row, pack)
    else:
        assert row["power"] == 0, (row, values)


def trip():
    """Every record of a whole trip is a row with the values of the archive, for both kinds of tag; vehicle_data agrees
    with the stream."""
    with Mate() as m:
        car = m.d.simulate_beside("--speed", 10)
        wait_until("the car is online", lambda: m.get(f"/api/1/vehicles/{VIN}")[0] == 200 and m.state() == "online", 40)
        newest = 0
        with Stream(m) as by_id, Stream(m, "vin") as by_vin:
            wait_until("both streams run", lambda: by_id.rows and by_vin.rows, 40)
            while car.poll() is None:
                status, answer = m.get(f"/api/1/vehicles/{VIN}/vehicle_data")
                if status != 200:
                    break
                drive, at = answer["response"]["drive_state"], answer["response"]["charge_state"]["timestamp"]
                assert drive["timestamp"] == at >= newest, (drive, newest)
                newest = at
                time.sleep(0.05)
            car.wait()
            car.stdout.close()
            wait_until("the stream ends with the vehicle", lambda: by_id.errors and by_vin.errors)
            wait_until("all are delivered", lambda: m.d.status()["sinks"]["mate"]["lag"] == 0)
        at = expected_values(m.d.records("V.jsonl"))
        for rows in (by_id.rows, by_vin.rows):
            assert len(rows) > 100, len(rows)
            times = [row["timestamp"] for row in rows]
            assert times == sorted(times), times
            for row in rows:
                check_row(row, at[row["timestamp"]])
            # From its first row on, a stream has each record.
            assert set(times) == {t for t in at if t >= times[0]}, (len(set(times)), len(at))
            assert {row["shift_state"] for row in rows} >= {"D", "P", None}, rows[0]
        assert by_id.errors == ["disconnected"], by_id.errors
        assert m.state() == "asleep"
        print(f"{len(at)} records, {len(by_id.rows)} and {len(by_vin.rows)} rows")


def vehicle_data():
    """The members that TeslaMate reads, while driving and at AC and DC chargers."""
    with Mate() as m:
        car = m.d.car()
        awake(car, datum(GEAR, gear(GEAR_D)), datum(SPEED, real(41.6)), datum(SOC, real(60.4)), datum(LEVEL, real(61.2)),
              datum(RATED, real(170.26)), datum(EST_RANGE, real(150.7)), datum(PLACE, location(48.1371, 11.5754)),
              datum(HEADING, real(271.4)), datum(VOLTAGE, real(380)), datum(CURRENT, real(-50)))
        wait_until("it is online", lambda: m.state() == "online")
        data = m.data()
        assert set(data) >= {"drive_state", "charge_state", "climate_state", "vehicle_state", "vehicle_config"}
        drive, charge = data["drive_state"], data["charge_state"]
        assert (drive["speed"], drive["power"], drive["shift_state"], drive["heading"]) == (42, 19, "D", 271), drive
        assert (drive["latitude"], drive["longitude"]) == (48.1371, 11.5754), drive
        assert (charge["battery_level"], charge["usable_battery_level"]) == (61, 60), charge
        assert abs(charge["battery_range"] - 170.26) < 1e-5 and charge["ideal_battery_range"] == charge["battery_range"]
        assert charge["charge_energy_added"] == 0 and charge["charging_state"] == "Disconnected", charge
        assert abs(data["vehicle_state"]["odometer"] - 1000.3) < 1e-5, data["vehicle_state"]
        assert data["vehicle_config"]["car_type"] == "model3", data["vehicle_config"]
        assert {data[k]["timestamp"] for k in ("drive_state", "charge_state", "climate_state", "vehicle_state")} == \
            {drive["timestamp"]}
        send(car, datum(GEAR, gear(GEAR_P)), datum(DETAILED_STATE, field(32, CHARGING)), datum(AMPS, real(15.8)),
             datum(CHARGER_VOLTAGE, real(229.7)), datum(PHASES, field(3, 3)), datum(37, real(10.9)),
             datum(DC_ENERGY, real(1.234)), datum(CURRENT, real(27)))
        wait_until("it charges", lambda: m.data()["charge_state"]["charging_state"] == "Charging")
        charge, drive = m.data()["charge_state"], m.data()["drive_state"]
        assert (charge["charger_power"], charge["charger_voltage"], charge["charger_actual_current"],
                charge["charger_phases"], charge["charge_energy_added"]) == (11, 230, 16, 3, 1.234), charge
        assert (drive["power"], drive["shift_state"], drive["speed"]) == (-10, None, None), drive
        send(car, datum(FAST, field(6, 1)), datum(DC_POWER, real(148.6)))
        wait_until("it charges with DC", lambda: m.data()["charge_state"]["fast_charger_present"])
        charge = m.data()["charge_state"]
        assert (charge["charger_power"], charge["charger_voltage"], charge["charger_actual_current"],
                charge["charger_phases"]) == (149, 0, 0, None), charge
        # Another daemon's life: the same numbers, and no values of a vehicle that is not there.
        number = m.get("/api/1/products")[1]["response"][0]["id"]
        car.close()
        wait_until("a charging vehicle is offline, not asleep", lambda: m.state() == "offline")
        assert m.d.end() == 0
        m.d.start()
        wait_until("its values are restored", lambda: m.get("/api/1/products")[1]["count"] == 1)
        assert m.get("/api/1/products")[1]["response"][0]["id"] == number
        assert m.get(f"/api/1/vehicles/{number}/vehicle_data")[0] == 408
        car = m.d.car()
        awake(car, past=False)
        wait_until("it is online again", lambda: m.state() == "online")
        assert m.data()["charge_state"]["battery_level"] == 61
        car.close()


def library():
    """TeslaPy: the list, the state, the data, a refresh, with TLS 1.3; commands and asleep vehicles are errors."""
    with Mate(tls=True) as m:
        car = m.d.car()
        send(car, datum(SOC, real(50)))
        wait_until("it is known", lambda: m.get("/api/1/products")[1]["count"] == 1)
        products, summary, data, wake, token = m.teslapy("products", "summary", "data", "wake", "refresh")
        assert products["products"]["vin"] == VIN and products["products"]["state"] != "online", products
        assert summary["summary"]["state"] == products["products"]["state"], summary
        assert data["status"] == 408 and "vehicle unavailable" in data["text"], data
        assert wake["status"] == 405, wake
        assert token["token"]["access_token"] == TOKEN and token["token"]["expires_in"] > 3600, token
        awake(car, past=False)
        wait_until("it is online", lambda: m.state() == "online")
        with Stream(m) as stream:
            wait_until("a row", lambda: stream.rows)
            send(car, datum(SOC, real(51)))
            wait_until("the new value", lambda: stream.rows[-1]["soc"] == 51)
        assert m.teslapy("data")[0]["data"]["charge_state"]["battery_level"] == 51
        [wrong] = m.teslapy("products", token="not-a-token-of-the-file")
        assert wrong["status"] == 401, wrong
        with Stream(m, token=OTHER) as stream:
            wait_until("the other token is valid too", lambda: stream.rows)
        car.close()


# ---- sleep ----------------------------------------------------------------------------

def fake_wake():
    """A vehicle that connects and sends one message, again and again, stays asleep; three messages over 3 s wake it."""
    with Mate() as m:
        car = m.d.car()
        awake(car, datum(GEAR, gear(GEAR_P)))
        wait_until("it is online", lambda: m.state() == "online")
        client = m.subscribed()
        assert client.row()[1]["power"] == "0"
        car.close()
        assert client.error() == "vehicle_disconnected"
        assert m.state() == "asleep"
        rows = client.pending_rows()
        for number in range(5):
            car = m.d.car()
            send(car, datum(SOC, real(55)))
            send(car, datum(SOC, real(56)))
            wait_until("it is delivered", lambda: m.d.status()["sinks"]["mate"]["lag"] == 0)
            assert m.state() == "asleep" and m.get(f"/api/1/vehicles/{VIN}/vehicle_data")[0] == 408
            car.close()
            wait_until("it is gone", lambda: [r["status"] for r in m.d.records("presence.jsonl")].count("DISCONNECTED")
                       == number + 2)
        assert client.pending_rows() == rows, client.texts
        car = m.d.car()
        awake(car, datum(SOC, real(57)), past=False)
        row = client.row()[1]  # on the first subscription: TeslaMate does not subscribe again
        assert (row["soc"], row["power"], row["odometer"]) == ("57", "0", "1000.200"), row
        assert client.row()[1]["odometer"] == "1000.300" and m.state() == "online"
        late = time.time() - 3600
        before = m.data()["drive_state"]["timestamp"]
        send(car, datum(SOC, real(20)), at=late)
        send(car, datum(SOC, real(58)))
        while (row := client.row())[1]["soc"] != "58":
            assert row[1]["soc"] == "57" and row[0] >= before, row
        assert m.data()["drive_state"]["timestamp"] == row[0] >= before
        car.close()


# ---- tokens ---------------------------------------------------------------------------

def tokens():
    """A wrong token gets nothing, in every place where a token can be; the file is read again; a readable one is
    refused."""
    with Mate() as m:
        car = m.d.car()
        awake(car)
        wait_until("it is online", lambda: m.get(f"/api/1/vehicles/{VIN}")[0] == 200 and m.state() == "online")
        assert m.get("/api/1/products", query=True)[0] == 200
        for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", "x" * 600):
            for query in (False, True):
                status, answer = m.get("/api/1/products", token=token, query=query)
                assert status == 401 and VIN not in str(answer), (token, status, answer)
            assert m.get(f"/api/1/vehicles/{VIN}/vehicle_data", token=token)[0] == 401
            assert m.get("/oauth2/v3/token", token=None, method="POST",
                         body=json.dumps({"grant_type": "refresh_token", "refresh_token": token}))[0] == 401
        for body in (json.dumps({"refresh_token": TOKEN}), f"grant_type=refresh_token&refresh_token={TOKEN}"):
            status, answer = m.get("/oauth2/v3/token", token=None, method="POST", body=body)
            assert status == 200 and answer["access_token"] == answer["refresh_token"] == TOKEN, answer
        assert m.get("/oauth2/v3/token", query=True, method="POST", body="{}")[1]["access_token"] == TOKEN
        client = m.raw().upgrade()
        for _ in range(3):
            client.subscribe(VIN, "wrong")
            assert client.error() == "client_error"
        assert "Can't validate token" in client.texts[-1]["value"] and client.close_code() == 1008
        client = m.raw().upgrade(f"/streaming/?token={TOKEN}")
        client.subscribe(VIN, "")
        assert client.row()
        # A proxy sends requests of several clients over one connection: each one needs its own token.
        shared = m.raw()
        shared.put(f"HEAD /api/1/products?token={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert shared.head().startswith(b"HTTP/1.1 200")
        shared.upgrade().subscribe(VIN, "wrong")
        assert shared.error() == "client_error"
        shared.subscribe(VIN, TOKEN)
        assert shared.row()
        shared.close()
        refused = m.raw()
        refused.request("/streaming/?token=wrong-token-of-some-size", upgrade=True)
        assert refused.head().startswith(b"HTTP/1.1 401"), refused.buffer
        m.write_tokens(TOKEN + "\n", mode=0o644)
        m.wait_health("degraded", "mode 0644", "chmod 600")
        assert m.get("/api/1/products")[0] == 200
        m.write_tokens(OTHER + "\n")
        wait_until("the new file is used", lambda: m.get("/api/1/products")[0] == 401)
        assert m.get("/api/1/products", token=OTHER)[0] == 200
        assert client.close_code() == 1008  # the stream of the removed token
        car.close()
        assert TOKEN not in m.d.log_text() and OTHER not in m.d.log_text()
    m = Mate(tokens="short\n")
    with m.d:
        m.wait_health("down", "/tokens:1: a token has 16 to 512 letters")
        assert "short" not in m.d.log_text()
        assert m.get("/api/1/products", token="short")[0] == 401


def configuration():
    """Mistakes are found by `fleetroute check`, with the place and a remedy."""
    def check(options, word):
        with contextlib.closing(Configured(options)) as c:
            done = fleetroute("check", "-c", c.path("fleetroute.yaml"), check=False)
            assert (done.returncode != 0) == bool(word) and (word or "") in done.stdout + done.stderr, (options, done)
    check("token_file: t", None)
    check("token_file: t, listen: '[::1]:9000', ids: {5YJ3E1EA7KF000001: 7}", None)
    check("token_file: t, listen: '0.0.0.0:9000', insecure: true", None)
    check("token_file: t, listen: '0.0.0.0:9000', certificate: c, key: k", None)
    check("listen: '127.0.0.1:9000'", "token_file")
    check("token_file: t, listen: '0.0.0.0:9000'", "set `certificate:` and `key:`, or `insecure: true`")
    check("token_file: t, listen: localhost", "such as 127.0.0.1:8185")
    check("token_file: t, certificate: c", "certificate needs `key:`")
    check("token_file: t, max_connections: 0", "max_connections must be between 1 and 4096")
    check("token_file: t, token_path: token", "token_path must be a path")
    check("token_file: t, ids: {A: 0}", "a vehicle's number must be from 1")
    check("token_file: t, tokens: x", 'plugin teslamate has no option "tokens"')


class Configured(Daemon):
    """Only the files of a daemon."""

    def __init__(self, options):
        super().__init__(ROUTING, ARCHIVE + f"  mate: {{plugin: teslamate, options: {{{options}}}}}\n", journal="{}")
        self.write()

    def close(self):
        subprocess.run(["rm", "-r", self.folder], check=True)


def certificates():
    """A renewed certificate is used for the next connection; an unusable one does not end the service."""
    with Mate(tls=True) as m:
        def serial():
            with socket.create_connection(("127.0.0.1", m.port), 20) as raw, \
                    ssl.create_default_context(cafile=m.ca()).wrap_socket(raw, server_hostname="localhost") as s:
                return s.getpeercert()["serialNumber"]
        before = serial()
        with open(m.d.path("server.key")) as f:
            key = f.read()
        with open(m.d.path("broken"), "w") as f:
            f.write("no key\n")
        os.rename(m.d.path("broken"), m.d.path("server.key"))
        m.wait_health("degraded", "server.key", "it must be PEM")
        assert serial() == before
        with open(m.d.path("mended"), "w") as f:
            f.write(key)
        os.rename(m.d.path("mended"), m.d.path("server.key"))
        m.wait_health("up")
        plain = socket.create_connection(("127.0.0.1", m.port), 20)
        plain.settimeout(20 * PATIENCE)
        plain.sendall(b"GET /api/1/products HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"200" not in plain.recv(1000)
        plain.close()


# ---- hostile clients ------------------------------------------------------------------

def kb(d):
    return d.status()["resident_kb"]


@contextlib.contextmanager
def served(m, car):
    """Meanwhile a good client, from another address, gets each row."""
    client = m.subscribed(source="127.0.0.9")
    client.row()
    begun = time.monotonic()
    yield client
    send(car, datum(SOC, real(33)))
    while client.row()[1]["soc"] != "33":
        pass
    send(car, datum(SOC, real(44)))
    while client.row()[1]["soc"] != "44":
        pass
    client.close()
    print(f"  {time.monotonic() - begun:.1f} s", flush=True)


def hostile_http():
    """Garbage, half requests, and requests that smuggle or overflow are refused; the connection ends."""
    wrong = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\n\r\n", b"400"), (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
        (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"), (b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", b"431"), (b"A" * 20000, b"431"),
        (b"GET /streaming/ HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
    ]
    with Mate() as m:
        car = m.d.car()
        awake(car)
        wait_until("it is online", lambda: m.get(f"/api/1/vehicles/{VIN}")[0] == 200 and m.state() == "online")
        with served(m, car):
            for octets, status in wrong:
                client = m.raw()
                client.put(octets)
                answer = client.until_end() if status != b"426" else client.head()
                assert answer.startswith(b"HTTP/1.1 " + status), (octets, answer)
                client.close()
            pipeline = m.raw()
            request = f"GET /api/1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            pipeline.put(request * 50 + request.replace(b"Host: x", b"Host: x\r\nConnection: close"))
            assert pipeline.until_end().count(b"HTTP/1.1 200 OK") == 51
            trickle = m.raw()
            for octet in b"GET /api/1/products HTTP/1.1\r\nHost: x\r\n\r\n":
                trickle.put(bytes([octet]))
            assert trickle.head().startswith(b"HTTP/1.1 401")
            # A client that asks and does not read.
            deaf = m.raw(receive_buffer=4096)
            with contextlib.suppress(OSError):
                deaf.socket.settimeout(2)
                for _ in range(4000):
                    deaf.put(request)
            half = m.raw()
            half.put(b"GET / HTTP/1.1\r\nHo")
            assert half.until_end() == b""  # after 10 s
        assert kb(m.d) < 150_000, kb(m.d)
        car.close()


def half_closed_clients():
    """A client that ends its direction gets the answers to all requests that it has sent, and then the end."""
    request = f"GET /api/1/products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    for tls in (False, True):
        with Mate(tls=tls) as m:
            m.d.say(*({"vin": f"5YJ3E1EA7KF{n:06d}", "Soc": 50} for n in range(30)))
            wait_until("the vehicles are known", lambda: m.get("/api/1/products")[1]["count"] == 30)
            for count, wrong in ((1, b""), (30, b""), (3, b"GET / HTTP/1.1\r\nHo"), (1, b"GET\r\n\r\n")):
                answer = half_closed(m.port, request * count + wrong, m.ca())
                assert answer.count(b"HTTP/1.1 200 OK") == count and answer.endswith(b"}"), (tls, count, answer[-200:])
                assert (b"HTTP/1.1 400" in answer) == wrong.endswith(b"\r\n\r\n"), answer[-200:]
            wait_until("all have ended", lambda: "no client connected" in m.health()[1])


def hostile_frames():
    """Errors of the WebSocket protocol end the connection with the right code, messages of any kind do no harm."""
    deep = b"[" * 3000
    with Mate() as m:
        car = m.d.car()
        awake(car)
        wait_until("it is online", lambda: m.get(f"/api/1/vehicles/{VIN}")[0] == 200 and m.state() == "online")
        with served(m, car):
            for octets, code in ((b"\x81\x05hello", 1002),  # not masked
                                 (mask(b"hello", first=0xc1), 1002),  # a reserved bit
                                 (mask(b"", first=0x83), 1002), (mask(b"x" * 200, first=0x89), 1002),
                                 (mask(b"x", first=0x80), 1002),  # a continuation of nothing
                                 (mask(b"x" * 5000), 1009), (b"\x81\xff\x00\x00\x00\x10\x00\x00\x00\x00aaaadata", 1009),
                                 (b"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00aaaa", 1002)):
                client = m.raw().upgrade()
                client.put(octets)
                assert client.close_code() == code, octets
                client.close()
            for text in (b"", b"x", b"{}", b"[]", b"null", deep, b'{"msg_type":1}', b'{"msg_type":"data:subscribe_oauth"}',
                         b'{"msg_type":"data:subscribe_oauth","tag":"a\\u0000b","token":"' + TOKEN.encode() + b'"}',
                         b'{"msg_type":"data:subscribe_oauth","tag":"%s","token":"x"}' % (b"A" * 300),
                         b'{"msg_type":"data:subscribe_oauth","tag":"\\"},{","token":"' + TOKEN.encode() + b'"}',
                         b'\xff\xfe{"msg_type":"data:unsubscribe"}'):
                client = m.raw().upgrade()
                client.put(mask(text))
                client.put(mask(b"", first=0x89))
                assert client.pong(), text
                client.close()
            client = m.raw().upgrade()
            message = json.dumps({"msg_type": "data:subscribe_oauth", "tag": VIN, "token": TOKEN,
                                  "value": "power,soc,nonsense"}).encode()
            for i, octet in enumerate(message):  # fragments of one byte, with pings between them
                client.put(mask(bytes([octet]), first=(0x01 if i == 0 else 0) | (0x80 if i == len(message) - 1 else 0)))
                client.put(mask(b"p", first=0x89))
            row = client.any_row()
            assert row.count(",") == 3 and row.endswith(","), row
            for number in range(200):
                client.subscribe(f"UNKNOWN{number}", TOKEN)
            wait_until("subscriptions are bounded", lambda: "too many subscriptions" in str(client.read_texts()))
            client.close()
            strange = m.raw().upgrade()
            for _ in range(16):
                strange.put(mask(b'{"msg_type":"x"}'))
            assert strange.close_code() == 1008
            silent = m.raw().upgrade()
            assert silent.close_code() == 1006  # after 10 s without a subscription
        car.close()


def many_connections():
    """1,000 connections of one address, and of many: the good client goes on, new good ones get in."""
    with Mate(options="max_connections: 100, max_connections_per_address: 40") as m:
        car = m.d.car()
        awake(car)
        wait_until("it is online", lambda: m.get(f"/api/1/vehicles/{VIN}")[0] == 200 and m.state() == "online")
        with served(m, car):
            held = []
            for i in range(1000):
                s = socket.socket()
                s.settimeout(20)
                s.bind(("127.0.0.2" if i < 500 else f"127.0.1.{i % 200 + 1}", 0))
                s.connect(("127.0.0.1", m.port))
                held.append(s)
                if i in (499, 999):
                    assert m.get("/api/1/products")[0] == 200
                    m.subscribed(source="127.0.0.8").row()
            wait_until("the status has it", lambda: "connections" in m.health()[1])
            connections = int(m.health()[1].split()[0])
            assert connections <= 100, m.health()
            for s in held:
                s.close()
        m.wait_health("up")
        assert kb(m.d) < 150_000, kb(m.d)
        car.close()


def slow_reader():
    """A subscriber that does not read is closed at client_buffer; the others get all rows."""
    with Mate(options="client_buffer: 64 kB") as m:
        car = m.d.car()
        awake(car)
        wait_until("it is online", lambda: m.get(f"/api/1/vehicles/{VIN}")[0] == 200 and m.state() == "online")
        with served(m, car) as good:
            slow = m.subscribed(receive_buffer=4096, source="127.0.0.7")
            pings = mask(b"p" * 125, first=0x89) * 500
            try:
                while True:
                    slow.put(pings)  # each has an answer that is not read
            except OSError:
                pass
            m.wait_health("up", "1 slow ones were closed")
            send(car, datum(SOC, real(22)))
            while good.row()[1]["soc"] != "22":
                pass
            slow.close()
        assert kb(m.d) < 150_000, kb(m.d)
        car.close()


def keep_alive():
    """control:hello comes first, and again within 10 s; a busy port is reported with a remedy."""
    with Mate() as m:
        client = m.raw().upgrade()
        client.subscribe("UNKNOWN", TOKEN)
        first = client.text()
        assert first == {"msg_type": "control:hello", "connection_timeout": 30000}, first
        assert client.error() == "vehicle_error"
        begun = time.monotonic()
        assert client.text()["msg_type"] == "control:hello"
        assert time.monotonic() - begun < 12 * PATIENCE
        client.put(json_frame({"msg_type": "data:unsubscribe", "tag": "UNKNOWN"}))
        wait_until("it is unsubscribed", lambda: "0 subscriptions" in m.health()[1])
        m.d.sinks += (f'  second: {{plugin: teslamate, options: {{listen: "127.0.0.1:{m.port}", '
                      'token_file: "@/tokens"}}\n')
        m.d.reload()
        wait_until("the port is busy", lambda: m.d.status()["sinks"]["second"]["health"] == "down")
        assert "another program uses the port" in m.d.status()["sinks"]["second"]["why"]
        client.close()


def json_frame(what):
    return mask(json.dumps(what).encode())


if __name__ == "__main__":
    run_parts(trip, vehicle_data, library, fake_wake, tokens, configuration, certificates, keep_alive, hostile_http,
              half_closed_clients, hostile_frames, many_connections, slow_reader)
