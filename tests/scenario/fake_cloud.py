#!/usr/bin/env python3
"""The fake Tesla cloud of the other tests keeps its own promises: tokens, registration, access, log. Its verifier
agrees with the vectors byte for byte."""
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
from fr import SOURCE, run_parts

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import jws, p256  # noqa: E402
from fake_tesla.owner import VIN, Client, cloud, ready  # noqa: E402


def vectors():
    """Signer and verifier agree with the vectors of Tesla's library; a signature with a changed bit is refused."""
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
    """A code is used once, with its redirect URI and its secret; tokens of owner and partner have their own calls."""
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
        for wrong, error in (({"client_secret": "x"}, "unauthorized_client"),
                             ({"client_id": "x"}, "unauthorized_client"),
                             ({"redirect_uri": "https://x/"}, "invalid_redirect_url"),
                             ({"code": "EU_x"}, "invalid_auth_code"), ({"audience": "https://x"}, "invalid_request"),
                             ({"grant_type": "x"}, "unsupported_grant_type")):
            status, _, body = client.grant(**{**secret, **use, **wrong})
            assert (status, body["error"]) == (400, error), (wrong, body)
        assert client.grant(**secret, **use)[0] == 200
        assert client.grant(**secret, **use)[2]["error"] == "invalid_auth_code"
        form = {"grant_type": "client_credentials", "scope": "openid", "audience": fake.url("na"), **secret}
        assert client.grant(**form)[0] == 200
        for wrong in ({"scope": "openid offline_access"}, {"scope": "x"}, {"scope": ""},
                      {"audience": fake.url("auth")}):
            assert client.grant(**{**form, **wrong})[0] == 400, wrong
        # A user's token is no partner token, and the other way round.
        assert client.api("GET", "vehicles", token=owner.partner())[0] == 403
        access = owner.log_in()["access_token"]
        assert client.api("POST", "partner_accounts", {"domain": owner.DOMAIN}, access)[0] == 403
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
    """The owner grants or denies scopes on the page; a wrong link is refused."""
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
        for wrong, error in (({"client_id": "x"}, "unauthorized_client"),
                             ({"redirect_uri": "x"}, "invalid_redirect_url"),
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
    """A call to another region gets 421 with the right host, in a header or in the text."""
    with ready() as owner:
        fake, client = owner.fake, owner.client
        expected = {"response": {"region": "eu", "fleet_api_base_url": fake.url("eu")}}
        assert owner.user("GET", "users/region") == (200, expected)
        status, headers, body = client.api("GET", "vehicles", token=owner.token, region="na")
        assert status == 421 and headers["Alt-Svc"] == f"h2={fake.url('eu')}", headers
        fake.misdirected = "text"
        status, headers, body = client.api("GET", "users/region", token=owner.token, region="na")
        assert status == 421 and f"use base URL: {fake.url('eu')}," in body["error"] and "Alt-Svc" not in headers
        fake.vehicle("5YJSA1E40KF000002", region="na")
        assert len(owner.user("GET", "vehicles")[1]["response"]) == 1
        assert owner.user("GET", "vehicles/5YJSA1E40KF000002/fleet_telemetry_config")[0] == 404


def proxy():
    """Clients with fixed host names reach the fake through its proxy, with certificates of those names."""
    with ready() as owner:
        client = Client(owner.fake, proxy=owner.fake.url("proxy"))
        eu, na, auth = (f"https://{host}.vn.cloud.tesla.com"
                        for host in ("fleet-api.prd.eu", "fleet-api.prd.na", "fleet-auth.prd"))
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
    """The log of requests has no secret, code or token."""
    with ready() as owner:
        owner.push()
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
        process = subprocess.Popen([sys.executable, "-m", "fake_tesla", f"{folder}/fake", "--setup",
                                    f"{folder}/setup.json"], cwd=os.path.join(SOURCE, "tests"),
                                   stdout=subprocess.PIPE, text=True)
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


run_parts(vectors, tokens, refreshing, consent, registration, regions, proxy, bodies, secrets_of_the_log,
          command_line)
