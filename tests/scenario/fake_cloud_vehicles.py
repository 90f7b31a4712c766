#!/usr/bin/env python3
"""The fake Tesla cloud's vehicles: list, states, the life of a telemetry configuration, and what is refused."""
import base64
import os
import ssl
import sys
from fr import BUILD, SOURCE, Daemon, run_parts

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import jws, p256  # noqa: E402
from fake_tesla.owner import VIN, new_scalar, public_pem, ready  # noqa: E402


OTHER = "5YJSA1E40KF000002"


def listing():
    """Vehicles come in pages; fleet_status has the key, the firmware and the switch of each."""
    with ready() as owner:
        fake = owner.fake
        for number in range(2, 6):
            fake.vehicle(f"5YJ3E1EA7KF00000{number}", state="asleep", access="DRIVER")
        fake.max_page_size, seen, page = 2, [], 1
        while page:
            status, body = owner.user("GET", f"vehicles?page={page}&page_size=50")
            seen += [row["vin"] for row in body["response"]]
            assert status == 200 and body["pagination"]["count"] == 5 and body["pagination"]["pages"] == 3
            page = body["pagination"]["next"]
        assert seen == list(fake.vehicles)
        assert owner.user("GET", "vehicles?page=0")[0] == owner.user("GET", "vehicles?page=x")[0] == 400
        assert owner.user("GET", f"vehicles/{seen[1]}/fleet_telemetry_config")[0] == 404  # a driver's account
        fake.vehicle(OTHER, pair_after=2, command_protocol_required=False, toggle=False, firmware="2025.14.1")
        states = [owner.user("POST", "vehicles/fleet_status", {"vins": [VIN, OTHER]})[1]["response"] for _ in range(3)]
        assert states[0]["key_paired_vins"] == [VIN] and states[1]["unpaired_vins"] == [OTHER], states
        assert states[2]["key_paired_vins"] == [VIN, OTHER]
        assert states[0]["vehicle_info"][OTHER] == {
            "firmware_version": "2025.14.1", "vehicle_command_protocol_required": False,
            "discounted_device_data": False, "fleet_telemetry_version": "1.3.0", "total_number_of_keys": 3,
            "safety_screen_streaming_toggle_enabled": False}
        fake.omit_null_toggle = True
        info = owner.user("POST", "vehicles/fleet_status", {"vins": [VIN]})[1]["response"]["vehicle_info"][VIN]
        assert "safety_screen_streaming_toggle_enabled" not in info
        assert owner.user("POST", "vehicles/fleet_status", {"vins": []})[0] == 400
        assert owner.user("POST", f"vehicles/{VIN}/wake_up")[0] == 403 and fake.calls("wake_up") == 1


def configuration():
    """Accepted, synchronised, read, deleted; the silent form of a full vehicle."""
    with ready(sync_after=2) as owner:
        path = f"vehicles/{VIN}/fleet_telemetry_config"
        none = {"synced": True, "config": None, "limit_reached": False, "key_paired": True}
        assert owner.user("GET", path) == (200, {"response": none})
        skipped = {"missing_key": [], "unsupported_hardware": [], "unsupported_firmware": [], "max_configs": []}
        sent = owner.settings()
        token = jws.sign(owner.scalar, sent)
        assert owner.push(token) == (200, {"response": {"updated_vehicles": 1, "skipped_vehicles": skipped}})
        answers = [owner.user("GET", path)[1]["response"] for _ in range(3)]
        assert [answer["synced"] for answer in answers] == [False, False, True]
        assert all(answer["config"] == sent for answer in answers)
        assert owner.fake.config(VIN)["iss"] == base64.b64encode(p256.public_key(owner.scalar)).decode()
        assert owner.fake.jws(VIN) == token
        for updated in (1, 0):
            assert owner.user("DELETE", path) == (200, {"response": {"updated_vehicles": updated}})
        assert owner.user("GET", path)[1]["response"] == none
        vehicle = owner.fake.vehicle(VIN, paired=True, slots_full=True, state="asleep", sync_after=0)
        assert owner.push()[1]["response"]["updated_vehicles"] == 1
        assert [owner.user("GET", path)[1]["response"]["synced"] for _ in range(3)] == [False] * 3
        vehicle.state = "online"
        assert owner.user("GET", path)[1]["response"] == {**none, "limit_reached": True}
        for options, reason in (({"paired": False}, "missing_key"), ({"firmware": "2024.20.9"}, "unsupported_firmware"),
                                ({"skip": "max_configs"}, "max_configs")):
            owner.fake.vehicle(VIN, **{"paired": True, **options})
            answer = owner.push()[1]["response"]
            assert answer == {"updated_vehicles": 0, "skipped_vehicles": {**skipped, reason: [VIN]}}, answer
        atom = {"command_protocol_required": False, "toggle": True}
        for options, reason in ((atom, None), ({**atom, "toggle": False}, "missing_key"),
                                ({**atom, "firmware": "2025.14"}, "unsupported_firmware"),
                                ({"fleet_telemetry_version": None}, "unsupported_hardware")):
            owner.fake.vehicle(OTHER, **options)
            answer = owner.push(vins=[OTHER])[1]["response"]
            assert answer["skipped_vehicles"] == {**skipped, **({reason: [OTHER]} if reason else {})}, answer
        # The key was replaced: the vehicle has another one.
        owner.fake.vehicle(VIN, pair_after=0)
        owner.user("POST", "vehicles/fleet_status", {"vins": [VIN]})
        assert owner.push()[1]["response"]["updated_vehicles"] == 1
        owner.scalar = new_scalar()
        owner.keys.pem = public_pem(owner.scalar)
        assert owner.push()[0] == 412
        assert owner.register()[0] == 200
        assert owner.push()[1]["response"]["skipped_vehicles"]["missing_key"] == [VIN]


def refused_tokens():
    """A wrong signature, claim or field is refused with Tesla's status and text."""
    with ready() as owner:
        sign = lambda **more: jws.sign(owner.scalar, owner.settings(**more))
        good = sign()
        head, payload, signature = good.split(".")
        headers = ({"alg": "ES256", "typ": "JWT"}, {"alg": "Tesla.SS256"}, {"alg": "none", "typ": "JWT"},
                   {**jws.HEADER, "kid": "1"})
        cases = [
            *((jws.sign(owner.scalar, owner.settings(), header=each), 400, "not alg Tesla.SS256") for each in headers),
            (jws.sign(new_scalar(), owner.settings()), 412, "iss is not the public key"),
            (jws.sign(owner.scalar, owner.settings(), "com.tesla.fleet.Other"), 400, "aud is neither"),
            (jws.sign(owner.scalar, owner.settings(), jws.vehicle_audience(OTHER)), 400, "aud is neither"),
            (f"{head}.{payload}.{signature[:-4]}AAAA", 400, "signature verification failed"),
            (f"{head}.{jws.encode(b'{}')}.{signature}", 400, "iss is not a P-256 public key"),
            (good + "=", 400, "no base64url"), ("x", 400, "not a compact JWS"), (7, 400, "not a compact JWS"),
            (sign(fields={"Soc": {"interval_seconds": 1}, "Sock": {}, "X": {}}), 400, "unknown field: Sock"),
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
            got, body = owner.push(token)
            assert got == status and text in body["error_description"], (text, got, body)
            assert set(body) == {"response", "error", "error_description", "txid"} and body["response"] is None
        assert owner.fake.config(VIN) is None
        owner.fake.error_shape = "short"
        assert owner.push("x")[1] == {"error": "invalid_request"}
        owner.fake.error_shape = "full"
        assert owner.push(jws.sign(owner.scalar, owner.settings(), jws.vehicle_audience(VIN)))[0] == 200
        assert owner.push(vins=[VIN, "5YJ3E1EA7KF999999"])[0] == 404
        owner.fake.consent = {"offline_access", "vehicle_device_data"}
        owner.fake.revoke_consent()
        assert owner.fake.config(VIN) is None
        owner.token = owner.log_in()["access_token"]
        status, body = owner.push()
        assert (status, body["error"]) == (403, "Unauthorized missing scopes"), body
        assert "vehicle_location" in body["error_description"]
        assert owner.push(fields={})[0] == 200


def billing_limit():
    """At the billing limit configurations are removed, and they stay removed after it is lifted."""
    with ready() as owner:
        fake = owner.fake
        owner.push()
        fake.exceed_limit()
        before = fake.billed()
        status, body = owner.push()
        assert (status, body["error"]) == (403, "account disabled: EXCEEDED_LIMIT") and fake.billed() == before + 1
        assert owner.client.api("GET", "partner_accounts/fleet_telemetry_errors", token=owner.partner())[0] == 403
        fake.lift_limit()
        assert fake.config(VIN) is None and fake.billed() == before + 2  # a token is not billed
        owner.push()
        fake.wipe(VIN)
        answer = owner.user("GET", f"vehicles/{VIN}/fleet_telemetry_config")[1]["response"]
        assert answer["config"] is None and not answer["limit_reached"] and answer["synced"]
        fake.sell(VIN)
        assert owner.user("GET", f"vehicles/{VIN}/fleet_telemetry_config")[0] == 404
        assert owner.user("GET", "vehicles")[1]["response"] == []


def telemetry_errors():
    """Errors of vehicles are listed in both shapes that Tesla sends."""
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
        assert owner.user("GET", path)[1]["response"] == {"fleet_telemetry_errors": rows[:1]}
        assert partner("fleet_telemetry_error_vins") == {"fleet_telemetry_error_vins": sorted([VIN, OTHER])}
        fake.errors_shape = "list"
        assert partner("fleet_telemetry_errors?domain=x") == rows and owner.user("GET", path)[1]["response"] == rows[:1]
        assert partner("fleet_telemetry_error_vins") == sorted([VIN, OTHER])


def car():
    """The car streams the configured fields to a server that its configuration lets it trust, and to no other."""
    routing, sinks = 'records: [{type: "*", to: archive, ack: archive}]', \
        '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
    with Daemon(routing, sinks) as daemon, ready(state="asleep") as owner:
        fake, program = owner.fake, os.path.join(BUILD, "fleetroute")
        drive = lambda: fake.stream(VIN, program, "--speed", 100, "-q", pki=daemon.folder)
        fields = {"VehicleSpeed": {"interval_seconds": 10}, "Gear": {"interval_seconds": 1}}
        with open(daemon.path("server-ca.pem")) as file:
            right = {"ca": file.read(), "hostname": "localhost", "port": daemon.port, "fields": fields}
        path = f"vehicles/{VIN}/fleet_telemetry_config"
        owner.push(**right)
        for state, message in (("asleep", "takes no configuration"), ("online", None)):
            fake.vehicles[VIN].state = state
            try:
                drive()
                assert message is None
            except ValueError as error:
                assert message and message in str(error), error
        assert owner.user("GET", path)[1]["response"]["synced"]
        names = {name for record in daemon.records("V.jsonl") for name in record["data"]}
        assert names == set(fields), names
        before = daemon.count("messages")
        # Another CA, another name: the car does not send, and Tesla lists the error.
        for wrong in ({"ca": owner.settings()["ca"]}, {"hostname": owner.DOMAIN}):
            fake.resolve[owner.DOMAIN] = ("127.0.0.1", daemon.port)
            assert owner.push(**{**right, **wrong})[0] == 200
            try:
                drive()
                raise AssertionError("the car trusts a wrong server")
            except ssl.SSLCertVerificationError:
                pass
        rows = owner.user("GET", f"vehicles/{VIN}/fleet_telemetry_errors")[1]["response"]["fleet_telemetry_errors"]
        assert [row["error_name"] for row in rows] == ["cloud_manager_error"] * 2, rows
        owner.push(**right)
        fake.wipe(VIN)
        try:
            drive()
            raise AssertionError("the car streams without a configuration")
        except ValueError as error:
            assert "has no configuration" in str(error)
        assert daemon.count("messages") == before > 0


run_parts(listing, configuration, refused_tokens, billing_limit, telemetry_errors, car)
