#!/usr/bin/env python3
"""The fake Tesla cloud of the other tests keeps its own promises: tokens, registration, vehicles, configuration,
faults. Its verifier agrees with the vectors byte for byte."""
import base64
import contextlib
import email.utils
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse

from fr import SOURCE, run_parts, wait_until

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import FakeTesla, jws, p256  # noqa: E402
from fake_tesla.owner import Client, Owner, new_scalar, public_pem  # noqa: E402

VIN, OTHER = "5YJ3E1EA7KF000001", "5YJSA1E40KF000002"


@contextlib.contextmanager
def cloud():
    """A fake and its owner, with nothing registered."""
    with tempfile.TemporaryDirectory(prefix="fr-scenario.") as folder, FakeTesla(folder) as fake, Owner(fake) as owner:
        yield owner


@contextlib.contextmanager
def ready(**options):
    """A fake with a registered key, a paired vehicle and a user token: owner.token."""
    with cloud() as owner:
        owner.fake.vehicle(VIN, **{"paired": True, **options})
        assert owner.register()[0] == 200
        owner.token = owner.log_in()["access_token"]
        yield owner


def user(owner, method, path, body=None):
    status, _, answer = owner.client.api(method, path, body, owner.token)
    return status, answer


def settings(owner, **more):
    with open(owner.fake.ca) as file:
        return {"hostname": owner.DOMAIN, "port": 443, "ca": file.read(), "exp": int(owner.fake.now()) + 86400,
                "fields": {"Soc": {"interval_seconds": 60}, "Location": {"interval_seconds": 10, "minimum_delta": 25}},
                "alert_types": ["service"], "delivery_policy": "latest", **more}


def push(owner, token=None, vins=(VIN,), **more):
    token = token or jws.sign(owner.scalar, settings(owner, **more))
    return user(owner, "POST", "vehicles/fleet_telemetry_config_jws", {"vins": list(vins), "token": token})


def vectors():
    with open(os.path.join(SOURCE, "tests/vectors/jws/vectors.json")) as file:
        rows = json.load(file)
    assert len(rows) == 2
    for row in rows:
        scalar, message = int(row["private_scalar_hex"], 16), row["signing_input"].encode()
        claims = json.loads(row["claims_json"])
        key = bytes.fromhex(row["public_key_uncompressed_hex"])
        signature = p256.sign(scalar, message)
        assert p256.public_key(scalar) == key
        assert signature.hex() == row["V_x_hex"] + row["V_y_hex"] + row["r_hex"]
        assert jws.text_of(claims) == row["claims_json"]
        assert jws.sign(scalar, json.loads(row["settings_json"]), claims["aud"]) == row["token"]
        assert jws.read(row["token"]) == (claims, key)
        for bit in range(0, 768, 7):
            wrong = bytearray(signature)
            wrong[bit // 8] ^= 1 << bit % 8
            assert not p256.verify(key, message, bytes(wrong)), bit
        assert not p256.verify(key, message + b"x", signature)
        assert not p256.verify(p256.public_key(scalar + 1), message, signature)
        assert not p256.verify(key, message, signature + b"\0") and not p256.verify(key[:64], message, signature)


def tokens():
    with cloud() as owner:
        client, fake = owner.client, owner.fake
        secret = {"client_id": owner.ID, "client_secret": owner.SECRET}
        pair = owner.log_in()
        claims = json.loads(jws.decode(pair["access_token"].split(".")[1]))
        assert "https://fleet-api.prd.eu.vn.cloud.tesla.com" in claims["aud"] and claims["ou_code"] == "EU", claims
        assert claims["scp"] == sorted(owner.SCOPES) and pair["expires_in"] == 28800 and "id_token" in pair
        # A code is for one use, one redirect URI and one secret.
        code = owner.code()
        assert code.startswith("EU_")
        use = {"grant_type": "authorization_code", "code": code, "redirect_uri": owner.REDIRECT,
               "audience": fake.url("eu")}
        for wrong, error in (({"client_secret": "x"}, "unauthorized_client"), ({"client_id": "x"}, "unauthorized_client"),
                             ({"redirect_uri": "https://x/"}, "invalid_redirect_url"), ({"code": "EU_x"}, "invalid_auth_code"),
                             ({"audience": "https://x"}, "invalid_request"), ({"grant_type": "x"}, "unsupported_grant_type")):
            status, _, body = client.grant(**{**secret, **use, **wrong})
            assert (status, body["error"]) == (400, error), (wrong, body)
        assert client.grant(**secret, **use)[0] == 200
        assert client.grant(**secret, **use)[2]["error"] == "invalid_auth_code"
        for wrong in ({"scope": "openid offline_access"}, {"scope": "x"}, {"scope": ""}, {"audience": fake.url("auth")}):
            form = {"grant_type": "client_credentials", "scope": "openid", "audience": fake.url("na"), **secret, **wrong}
            assert client.grant(**form)[0] == 400, wrong
        # A user's token is no partner token, and the other way round.
        assert client.api("GET", "vehicles", token=owner.partner())[0] == 403
        assert client.api("POST", "partner_accounts", {"domain": owner.DOMAIN}, owner.log_in()["access_token"])[0] == 403
        for token in (None, "x", pair["access_token"]):
            assert client.api("GET", "users/region", token=token)[0] == 401


def refreshing():
    """Single use, 24 hours for the last used one, 3 months, expiry of access tokens, the end of earlier ones."""
    with cloud() as owner:
        fake, client = owner.fake, owner.client

        def refresh(token):
            status, _, body = client.grant(grant_type="refresh_token", client_id=owner.ID, refresh_token=token)
            return body if status == 200 else (status, body["error"])

        def works(token):
            return client.api("GET", "users/region", token=token)[0]

        first = owner.log_in()
        second = refresh(first["refresh_token"])
        assert works(first["access_token"]) == 401 and works(second["access_token"]) == 200
        again = refresh(first["refresh_token"])  # the answer was lost
        assert works(second["access_token"]) == 401 and works(again["access_token"]) == 200
        assert refresh(second["refresh_token"]) == (401, "login_required")
        third = refresh(again["refresh_token"])
        assert refresh(first["refresh_token"]) == (401, "login_required")
        fake.clock(offset=23 * 3600)
        third = refresh(again["refresh_token"])
        assert works(third["access_token"]) == 200
        fake.clock(offset=25 * 3600)
        assert refresh(again["refresh_token"]) == (401, "login_required")
        assert works(third["access_token"]) == 200
        fake.clock(offset=32 * 3600)
        status, headers, body = client.api("GET", "users/region", token=third["access_token"])
        assert (status, body["error"]) == (401, "token expired (401)")
        fake.clock(at=4102444800)
        assert "01 Jan 2100" in client.api("GET", "users/region")[1]["Date"]
        assert refresh(third["refresh_token"]) == (401, "login_required")
        fake.clock(offset=89 * 86400)
        assert works(refresh(third["refresh_token"])["access_token"]) == 200
        fake.revoke_consent()
        assert refresh(third["refresh_token"]) == (401, "login_required") and fake.tokens()["refresh"] == []


def consent():
    with cloud() as owner:
        fake, client = owner.fake, owner.client

        def browse(**more):
            status, headers, body = client.call("GET", owner.link(**more))
            if status != 302:
                return body["error"]
            assert headers["Location"].startswith(owner.REDIRECT + "?")
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers["Location"]).query))

        back = browse(state="s &=1")
        assert back["state"] == "s &=1" and back["code"].startswith("EU_"), back
        for wrong, error in (({"client_id": "x"}, "unauthorized_client"), ({"redirect_uri": "x"}, "invalid_redirect_url"),
                             ({"scope": "user_data"}, "invalid_scope"), ({"state": ""}, "invalid_request"),
                             ({"response_type": "token"}, "invalid_request")):
            assert browse(**wrong) == error, wrong
        fake.deny = True
        assert browse() == {"error": "access_denied", "state": "a-state"}
        fake.deny = False
        # The owner unticks a scope: the tokens lack it until the link asks for missing ones.
        fake.consent = {"offline_access", "vehicle_device_data"}
        assert browse(require_requested_scopes="true")["error"] == "access_denied"
        scopes = lambda token: json.loads(jws.decode(token.split(".")[1]))["scp"]
        assert "vehicle_location" not in scopes(owner.log_in()["access_token"])
        fake.consent = None
        assert "vehicle_location" not in scopes(owner.log_in()["access_token"])
        assert "vehicle_location" in scopes(owner.log_in(prompt_missing_scopes="true")["access_token"])
        try:
            fake.authorise("https://auth.tesla.com/oauth2/v3/authorize?client_id=x")
            raise AssertionError("a wrong link was accepted")
        except ValueError as error:
            assert "unknown client_id" in str(error)


def registration():
    """The key is really fetched, and each way to fail is answered as Tesla answers it."""
    with cloud() as owner:
        fake, keys, client = owner.fake, owner.keys, owner.client
        path = f"partner_accounts/public_key?domain={owner.DOMAIN}"
        fake.vehicle(VIN)
        access = owner.log_in()["access_token"]
        assert client.api("GET", "vehicles", token=access)[0] == 412
        assert client.api("GET", path, token=owner.partner())[0] == 404
        status, _, body = owner.register()
        key = p256.public_key(owner.scalar).hex()
        assert status == 200 and body["response"]["public_key"] == key and len(key) == 130, body
        assert keys.requests == 1 and body["response"]["domain"] == owner.DOMAIN
        assert client.api("GET", path, token=owner.partner())[2] == {"response": {"public_key": key}}
        assert client.api("GET", path, token=owner.partner("na"), region="na")[0] == 404
        assert owner.register("na")[0] == 200 and client.api("GET", "vehicles", token=access)[0] == 200
        assert client.api("GET", path, token=owner.partner("na"))[0] == 401  # the audience is another region
        for domain, expected in (("car.other.org", 412), ("Car.example.com", 400), ("https://car.example.com", 400),
                                 ("127.0.0.1", 412), (None, 400), ("unknown.example.com", 424)):
            got = client.api("POST", "partner_accounts", {"domain": domain}, owner.partner())
            assert got[0] == expected, (domain, got)
        right = keys.pem
        for pem, status, headers in ((b"<html></html>", 200, {}), (right, 404, {}), (right, 302, {"Location": "/x"}),
                                     (right * 500, 200, {}), (b"-----BEGIN PUBLIC KEY-----\nAAAA\n", 200, {})):
            keys.pem, keys.status, keys.headers = pem, status, headers
            got = owner.register()
            assert got[0] == 424 and owner.DOMAIN in got[2]["error_description"], got
        keys.pem, keys.status, keys.headers = right, 200, {}
        fake.trust = fake.ca
        assert owner.register()[0] == 424  # an untrusted certificate
        fake.trust = keys.ca
        fake.take_key(right)
        assert owner.register()[2]["error"] == "Validation failed: Public key hash has already been taken"
        fake.taken_keys.clear()
        fake.fault("partner_accounts", "update_in_progress", times=1)
        assert owner.register()[0] == 429 and owner.register()[0] == 200


def regions():
    with ready() as owner:
        fake, client = owner.fake, owner.client
        assert user(owner, "GET", "users/region")[1] == {"response": {"region": "eu", "fleet_api_base_url": fake.url("eu")}}
        status, headers, body = client.api("GET", "vehicles", token=owner.token, region="na")
        assert status == 421 and headers["Alt-Svc"] == f"h2={fake.url('eu')}", headers
        fake.misdirected = "text"
        status, headers, body = client.api("GET", "users/region", token=owner.token, region="na")
        assert status == 421 and f"use base URL: {fake.url('eu')}," in body["error"] and "Alt-Svc" not in headers
        fake.vehicle(OTHER, region="na")
        assert len(user(owner, "GET", "vehicles")[1]["response"]) == 1
        assert user(owner, "GET", f"vehicles/{OTHER}/fleet_telemetry_config")[0] == 404


def listing():
    with ready() as owner:
        fake = owner.fake
        for number in range(2, 6):
            fake.vehicle(f"5YJ3E1EA7KF00000{number}", state="asleep", access="DRIVER")
        fake.max_page_size, seen, page = 2, [], 1
        while page:
            status, body = user(owner, "GET", f"vehicles?page={page}&page_size=50")
            seen += [row["vin"] for row in body["response"]]
            assert status == 200 and body["pagination"]["count"] == 5 and body["pagination"]["pages"] == 3
            page = body["pagination"]["next"]
        assert seen == list(fake.vehicles)
        assert user(owner, "GET", "vehicles?page=0")[0] == user(owner, "GET", "vehicles?page=x")[0] == 400
        assert user(owner, "GET", f"vehicles/{seen[1]}/fleet_telemetry_config")[0] == 404  # a driver's account
        fake.vehicle(OTHER, pair_after=2, command_protocol_required=False, toggle=False, firmware="2025.14.1")
        states = [user(owner, "POST", "vehicles/fleet_status", {"vins": [VIN, OTHER]})[1]["response"] for _ in range(3)]
        assert states[0]["key_paired_vins"] == [VIN] and states[1]["unpaired_vins"] == [OTHER], states
        assert states[2]["key_paired_vins"] == [VIN, OTHER]
        assert states[0]["vehicle_info"][OTHER] == {
            "firmware_version": "2025.14.1", "vehicle_command_protocol_required": False, "discounted_device_data": False,
            "fleet_telemetry_version": "1.3.0", "total_number_of_keys": 3,
            "safety_screen_streaming_toggle_enabled": False}
        fake.omit_null_toggle = True
        info = user(owner, "POST", "vehicles/fleet_status", {"vins": [VIN]})[1]["response"]["vehicle_info"][VIN]
        assert "safety_screen_streaming_toggle_enabled" not in info
        assert user(owner, "POST", "vehicles/fleet_status", {"vins": []})[0] == 400
        assert user(owner, "POST", f"vehicles/{VIN}/wake_up")[0] == 403 and fake.calls("wake_up") == 1


def configuration():
    """Accepted, synchronised, read, deleted; the silent form of a full vehicle."""
    with ready(sync_after=2) as owner:
        path = f"vehicles/{VIN}/fleet_telemetry_config"
        none = {"synced": True, "config": None, "limit_reached": False, "key_paired": True}
        assert user(owner, "GET", path) == (200, {"response": none})
        skipped = {"missing_key": [], "unsupported_hardware": [], "unsupported_firmware": [], "max_configs": []}
        sent = settings(owner)
        token = jws.sign(owner.scalar, sent)
        assert push(owner, token) == (200, {"response": {"updated_vehicles": 1, "skipped_vehicles": skipped}})
        answers = [user(owner, "GET", path)[1]["response"] for _ in range(3)]
        assert [answer["synced"] for answer in answers] == [False, False, True]
        assert all(answer["config"] == sent for answer in answers)
        assert owner.fake.config(VIN)["iss"] == base64.b64encode(p256.public_key(owner.scalar)).decode()
        assert owner.fake.jws(VIN) == token
        for updated in (1, 0):
            assert user(owner, "DELETE", path) == (200, {"response": {"updated_vehicles": updated}})
        assert user(owner, "GET", path)[1]["response"] == none
        vehicle = owner.fake.vehicle(VIN, paired=True, slots_full=True, state="asleep", sync_after=0)
        assert push(owner)[1]["response"]["updated_vehicles"] == 1
        assert [user(owner, "GET", path)[1]["response"]["synced"] for _ in range(3)] == [False] * 3
        vehicle.state = "online"
        assert user(owner, "GET", path)[1]["response"] == {**none, "limit_reached": True}
        for options, reason in (({"paired": False}, "missing_key"), ({"firmware": "2024.20.9"}, "unsupported_firmware"),
                                ({"skip": "max_configs"}, "max_configs")):
            owner.fake.vehicle(VIN, **{"paired": True, **options})
            answer = push(owner)[1]["response"]
            assert answer == {"updated_vehicles": 0, "skipped_vehicles": {**skipped, reason: [VIN]}}, answer
        atom = {"command_protocol_required": False, "toggle": True}
        for options, reason in ((atom, None), ({**atom, "toggle": False}, "missing_key"),
                                ({**atom, "firmware": "2025.14"}, "unsupported_firmware"),
                                ({"fleet_telemetry_version": None}, "unsupported_hardware")):
            owner.fake.vehicle(OTHER, **options)
            answer = push(owner, vins=[OTHER])[1]["response"]
            assert answer["skipped_vehicles"] == {**skipped, **({reason: [OTHER]} if reason else {})}, answer
        # The key was replaced: the vehicle has another one.
        owner.fake.vehicle(VIN, pair_after=0)
        user(owner, "POST", "vehicles/fleet_status", {"vins": [VIN]})
        assert push(owner)[1]["response"]["updated_vehicles"] == 1
        owner.scalar = new_scalar()
        owner.keys.pem = public_pem(owner.scalar)
        assert push(owner)[0] == 412
        assert owner.register()[0] == 200
        assert push(owner)[1]["response"]["skipped_vehicles"]["missing_key"] == [VIN]


def refused_tokens():
    with ready() as owner:
        sign = lambda **more: jws.sign(owner.scalar, settings(owner, **more))
        good = sign()
        head, payload, signature = good.split(".")
        cases = [
            (jws.sign(owner.scalar, settings(owner), header={"alg": "ES256", "typ": "JWT"}), 400, "not alg Tesla.SS256"),
            (jws.sign(owner.scalar, settings(owner), header={"alg": "Tesla.SS256"}), 400, "not alg Tesla.SS256"),
            (jws.sign(new_scalar(), settings(owner)), 412, "iss is not the public key"),
            (jws.sign(owner.scalar, settings(owner), "com.tesla.fleet.Other"), 400, "aud is neither"),
            (jws.sign(owner.scalar, settings(owner), jws.vehicle_audience(OTHER)), 400, "aud is neither"),
            (f"{head}.{payload}.{signature[:-4]}AAAA", 400, "signature verification failed"),
            (f"{head}.{jws.encode(b'{}')}.{signature}", 400, "iss is not a P-256 public key"),
            (good + "=", 400, "no base64url"), ("x", 400, "not a compact JWS"), (7, 400, "not a compact JWS"),
            (sign(fields={"Soc": {"interval_seconds": 1}, "Sock": {"interval_seconds": 1}, "X": {}}), 400, "unknown field: Sock"),
            (sign(fields={"Soc": {"interval_seconds": 0}}), 400, "interval_seconds"),
            (sign(fields={"Soc": {"interval_seconds": 1.5}}), 400, "interval_seconds"),
            (sign(fields={"Soc": {"interval_seconds": 1, "minimum_delta": "1"}}), 400, "minimum_delta"),
            (sign(fields={"Soc": {"interval_seconds": 1, "delta": 1}}), 400, "unknown key delta"),
            (sign(exp=int(owner.fake.now()) - 1), 400, "exp is not"), (sign(exp="4102444800"), 400, "exp is not"),
            (sign(port=0), 400, "port is not"), (sign(hostname=""), 400, "hostname is missing"),
            (sign(ca="x"), 400, "no certificate in PEM"), (sign(sasl=1), 400, "unknown key in config: sasl"),
            (sign(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 400, "cannot be read"),
        ]
        for token, status, text in cases:
            got, body = push(owner, token)
            assert got == status and text in body["error_description"], (text, got, body)
            assert set(body) == {"response", "error", "error_description", "txid"} and body["response"] is None
        assert owner.fake.config(VIN) is None
        owner.fake.error_shape = "short"
        assert push(owner, "x")[1] == {"error": "invalid_request"}
        owner.fake.error_shape = "full"
        assert push(owner, jws.sign(owner.scalar, settings(owner), jws.vehicle_audience(VIN)))[0] == 200
        assert push(owner, vins=[VIN, "5YJ3E1EA7KF999999"])[0] == 404
        owner.fake.consent = {"offline_access", "vehicle_device_data"}
        owner.fake.revoke_consent()
        assert owner.fake.config(VIN) is None
        owner.token = owner.log_in()["access_token"]
        status, body = push(owner)
        assert (status, body["error"]) == (403, "Unauthorized missing scopes") and "vehicle_location" in body["error_description"]
        assert push(owner, fields={})[0] == 200


def limit():
    with ready() as owner:
        fake = owner.fake
        push(owner)
        fake.exceed_limit()
        before = fake.billed()
        status, body = push(owner)
        assert (status, body["error"]) == (403, "account disabled: EXCEEDED_LIMIT") and fake.billed() == before + 1
        assert owner.client.api("GET", "partner_accounts/fleet_telemetry_errors", token=owner.partner())[0] == 403
        fake.lift_limit()
        assert fake.config(VIN) is None and fake.billed() == before + 2  # a token is not billed
        push(owner)
        fake.wipe(VIN)
        answer = user(owner, "GET", f"vehicles/{VIN}/fleet_telemetry_config")[1]["response"]
        assert answer["config"] is None and not answer["limit_reached"] and answer["synced"]
        fake.sell(VIN)
        assert user(owner, "GET", f"vehicles/{VIN}/fleet_telemetry_config")[0] == 404
        assert user(owner, "GET", "vehicles")[1]["response"] == []


def telemetry_errors():
    with ready() as owner:
        fake = owner.fake
        fake.add_error(VIN, "cloud_manager_error", error_name="cloud_manager_error", created_at="2026-11-01T00:00:00Z",
                       port="443", hostname=owner.DOMAIN, txID="a")
        fake.add_error(OTHER, "handshake_error")
        partner = lambda path: owner.client.api("GET", f"partner_accounts/{path}", token=owner.partner())[2]["response"]
        rows = partner("fleet_telemetry_errors")["fleet_telemetry_errors"]
        assert [row["vin"] for row in rows] == [VIN, OTHER] and rows[0]["port"] == "443" and "port" not in rows[1]
        assert all(row["name"] == owner.ID for row in rows)
        path = f"vehicles/{VIN}/fleet_telemetry_errors"
        assert user(owner, "GET", path)[1]["response"] == {"fleet_telemetry_errors": rows[:1]}
        assert partner("fleet_telemetry_error_vins") == {"fleet_telemetry_error_vins": sorted([VIN, OTHER])}
        fake.errors_shape = "list"
        assert partner("fleet_telemetry_errors?domain=x") == rows and user(owner, "GET", path)[1]["response"] == rows[:1]
        assert partner("fleet_telemetry_error_vins") == sorted([VIN, OTHER])


def http_time(text):
    return email.utils.parsedate_to_datetime(text).timestamp()


def faults():
    with ready() as owner:
        fake, path = owner.fake, f"vehicles/{VIN}/fleet_telemetry_config"
        get = lambda: owner.client.api("GET", path, token=owner.token)
        for kind in (401, 403, 404, 408, 412, 424, 500, 501, 502, 503):
            fake.fault("config_get", kind, times=1)
            assert get()[0] == kind and get()[0] == 200, kind
        fake.fault(f"/api/1/{path}", 429, times=2, retry_after=7)
        assert [get()[1]["Retry-After"] for _ in range(3)] == ["7", "7", None]
        for kind, expected in (("missing_scopes", (403, "Unauthorized missing scopes")),
                               ("exceeded_limit", (403, "account disabled: EXCEEDED_LIMIT")),
                               ("login_required", (401, "login_required"))):
            fake.fault("*", kind, times=1)
            status, _, body = get()
            assert (status, body["error"]) == expected
        fake.fault("config_get", "misdirected", times=1, region="na")
        assert get()[1]["Alt-Svc"] == f"h2={fake.url('na')}"
        fake.fault("config_get", "misdirected_text", times=1, region="na")
        assert f"use base URL: {fake.url('na')}," in get()[2]["error"]
        fake.fault("config_get", "html", times=1)
        status, headers, body = get()
        assert status == 200 and headers["Content-Type"] == "text/html" and body.startswith(b"<!DOCTYPE")
        fake.fault("config_get", "garbage", times=1)
        assert isinstance(get()[2], bytes)
        fake.fault("config_get", "hostile", times=1)
        assert "\x1b" in get()[2]["error"]
        fake.fault("config_get", "redirect", times=1)
        status, headers, _ = get()
        assert status == 302 and headers["Location"].startswith(fake.url("cn"))
        fake.fault("config_get", "date", times=1, hours=-3)
        assert abs(time.time() - http_time(get()[1]["Date"]) - 3 * 3600) < 60
        fake.fault("config_get", "delay", times=1, seconds=0.5)
        begun = time.monotonic()
        assert get()[0] == 200 and time.monotonic() - begun >= 0.5
        fake.fault("token", "invalid_grant", times=1)
        assert owner.client.grant(grant_type="refresh_token")[2]["error"] == "invalid_grant"
        fake.fault("config_get", 503)
        assert {get()[0] for _ in range(3)} == {503}
        fake.clear_faults()
        assert get()[0] == 200
        try:
            fake.fault("config_get", "no such fault")
            raise AssertionError("an unknown fault was accepted")
        except ValueError:
            pass


def broken_answers():
    """Faults on the connection: a client that has no limits of size and time would not survive them."""
    with ready() as owner:
        fake = owner.fake
        address = urllib.parse.urlsplit(fake.url("eu"))
        context = ssl.create_default_context(cafile=fake.ca)

        def connection(seconds):
            one = http.client.HTTPSConnection(address.hostname, address.port, timeout=seconds, context=context)
            one.request("GET", "/api/1/vehicles", headers={"Authorization": f"Bearer {owner.token}"})
            return one

        def fails(seconds, *errors):
            one = connection(seconds)
            begun = time.monotonic()
            try:
                one.getresponse().read()
                raise AssertionError("a broken answer was read")
            except errors:
                return time.monotonic() - begun
            finally:
                one.close()

        fake.fault("vehicles", "huge", times=1, bytes=20 << 20)
        answer = connection(20).getresponse()
        assert answer.length == 20 << 20 and len(json.loads(answer.read())["response"]) == (20 << 20) - 15
        fake.fault("vehicles", "truncated", times=1)
        fails(10, http.client.IncompleteRead)
        fake.fault("vehicles", "close", times=1)
        fails(10, http.client.RemoteDisconnected)
        fake.fault("vehicles", "stall", times=1)
        assert fails(0.5, TimeoutError) >= 0.4
        fake.fault("vehicles", "silent", times=1)
        assert fails(0.5, TimeoutError) >= 0.4
        fake.fault("vehicles", "endless", times=1)
        one = connection(10)
        stream = one.getresponse()
        assert len(stream.read(10 << 20)) == 10 << 20
        stream.close()
        one.close()
        fake.fault("vehicles", "deep", times=1)
        assert len(connection(10).getresponse().read()) > 400000
        assert [entry.status for entry in fake.log if entry.fault][:2] == [None, None]
        fake.fault("vehicles", "stall", times=1)
        waiting = connection(30)
        begun = time.monotonic()
        wait_until("the stalled request", lambda: fake.log[-1].fault == "stall")
        fake.stop()  # does not wait for the stalled answer
        assert time.monotonic() - begun < 5
        waiting.close()


def proxy():
    """Clients with fixed host names reach the fake through its proxy, with certificates of those names."""
    with ready() as owner:
        client = Client(owner.fake, proxy=owner.fake.url("proxy"))
        eu, na, auth = (f"https://{host}.vn.cloud.tesla.com" for host in ("fleet-api.prd.eu", "fleet-api.prd.na", "fleet-auth.prd"))
        status, _, body = client.call("GET", f"{eu}/api/1/users/region", token=owner.token)
        assert body == {"response": {"region": "eu", "fleet_api_base_url": eu}}
        status, headers, _ = client.call("GET", f"{na}/api/1/users/region", token=owner.token)
        assert status == 421 and headers["Alt-Svc"] == f"h2={eu}"
        status, _, body = client.call("POST", f"{auth}/oauth2/v3/token", form={
            "grant_type": "client_credentials", "client_id": owner.ID, "client_secret": owner.SECRET, "scope": "openid",
            "audience": eu})
        assert status == 200 and owner.fake.log[-1].host == "fleet-auth.prd.vn.cloud.tesla.com"
        try:
            client.call("GET", "https://example.com/")
            raise AssertionError("the proxy leads to other hosts")
        except urllib.error.URLError:
            assert owner.fake.refused_hosts == ["example.com"]


def bodies():
    """A body in chunks, as Tesla's own signing proxy sends it; bodies that are too large or no HTTP."""
    with ready() as owner:
        address = urllib.parse.urlsplit(owner.fake.url("eu"))
        context = ssl.create_default_context(cafile=owner.fake.ca)

        def post(headers, text, count=1):
            """The statuses of the answers on one connection."""
            one = http.client.HTTPSConnection(address.hostname, address.port, context=context, timeout=10)
            statuses = []
            for _ in range(count):
                one.putrequest("POST", "/api/1/vehicles/fleet_status")
                for name, value in (("Authorization", f"Bearer {owner.token}"), *headers):
                    one.putheader(name, value)
                one.endheaders(text)
                answer = one.getresponse()
                answer.read()
                statuses.append(answer.status)
            one.close()
            return statuses

        chunked, body = ("Transfer-Encoding", "chunked"), json.dumps({"vins": [VIN]}).encode()
        whole = b"5\r\n" + body[:5] + b"\r\n%x;a=b\r\n" % (len(body) - 5) + body[5:] + b"\r\n0\r\n\r\n"
        assert post([chunked], whole, count=2) == [200, 200]
        assert post([chunked], b"xyz\r\n") == post([chunked], b"100001\r\n") == [413]
        assert post([("Content-Length", "1048577")], b"") == post([("Content-Length", "x")], b"") == [413]
        assert post([("Content-Length", str(len(body)))], body, count=2) == [200, 200]


def secrets_of_the_log():
    with ready() as owner:
        push(owner)
        client = owner.client
        location = client.call("GET", owner.link())[1]["Location"]
        client.call("GET", f"{owner.fake.url('eu')}/api/1/vehicles?code=EU_secret&token=secret", token=owner.token)
        code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))["code"]
        text = json.dumps([str(entry) for entry in owner.fake.log])
        tokens = owner.fake.tokens()
        assert len(tokens["access"]) >= 2 and len(tokens["refresh"]) == 1
        for secret in (owner.SECRET, code, "EU_secret", *tokens["access"], *tokens["refresh"], owner.fake.jws(VIN)):
            assert secret not in text
        entry = owner.fake.log[-1]
        assert (entry.method, entry.path, entry.endpoint, entry.status) == ("GET", "/api/1/vehicles", "vehicles", 200)
        assert entry.host == f"localhost:{owner.fake.servers['eu'].port}" and entry.billed and entry.authorized
        assert owner.fake.calls("config_post") == owner.fake.calls("/api/1/vehicles/fleet_telemetry_config_jws") == 1
        assert owner.fake.calls("token", role="auth") == 2 and owner.fake.calls(role="na") == 0


def command_line():
    """Another process, with its control port, for clients in other languages."""
    with tempfile.TemporaryDirectory(prefix="fr-scenario.") as folder:
        with open(f"{folder}/setup.json", "w") as file:
            json.dump([{"call": "app", "args": ["id", "secret", "a.example.com", "https://a.example.com/cb"],
                        "kwargs": {"scopes": ["openid", "vehicle_device_data"]}},
                       {"call": "vehicle", "args": [VIN], "kwargs": {"state": "asleep"}}], file)
        process = subprocess.Popen([sys.executable, "-m", "fake_tesla", f"{folder}/fake", "--setup", f"{folder}/setup.json"],
                                   cwd=os.path.join(SOURCE, "tests"), stdout=subprocess.PIPE, text=True)
        try:
            urls = json.loads(process.stdout.readline())

            def control(call, *args, **kwargs):
                body = json.dumps({"call": call, "args": args, "kwargs": kwargs})
                one = http.client.HTTPConnection("127.0.0.1", int(urls["proxy"].rpartition(":")[2]), timeout=10)
                one.request("POST", "/control", body)
                return json.load(one.getresponse())

            assert control("urls")["result"] == urls
            assert control("config", VIN) == {"result": None} and control("set", region="na") == {"result": None}
            assert "no such call" in control("stop")["error"] and "no such option" in control("set", lock=1)["error"]
            link = ("https://auth.tesla.com/oauth2/v3/authorize?response_type=code&client_id=id&state=s&scope=openid&"
                    "redirect_uri=https%3A%2F%2Fa.example.com%2Fcb")
            assert control("authorise", link)["result"].startswith("https://a.example.com/cb?code=NA_")
            assert control("change", VIN, state="online") == {"result": None} and "error" in control("change", VIN, x=1)
            context = ssl.create_default_context(cafile=urls["ca"])
            address = urllib.parse.urlsplit(urls["na"])
            one = http.client.HTTPSConnection(address.hostname, address.port, context=context)
            one.request("GET", "/api/1/vehicles")
            assert one.getresponse().status == 401
            assert control("log")["result"][0]["endpoint"] == "vehicles"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        with socket.socket() as s:
            assert s.connect_ex((address.hostname, address.port)) != 0


run_parts(vectors, tokens, refreshing, consent, registration, regions, listing, configuration, refused_tokens, limit,
          telemetry_errors, faults, broken_answers, proxy, bodies, secrets_of_the_log, command_line)
