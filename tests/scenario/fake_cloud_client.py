#!/usr/bin/env python3
"""The library tesla-fleet-api, written by other authors, works with the fake Tesla cloud as with Tesla's: log-in,
registration, vehicles, a configuration that it signs itself, and each error."""
import json
import os
import shutil
import sys
import tempfile

from fr import SOURCE, run_parts

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import FakeTesla, p256, pki  # noqa: E402
from fake_tesla.owner import Owner  # noqa: E402
from tesla_library import Library  # noqa: E402

VIN, OTHER = "5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002"
NA, EU = (f"https://fleet-api.prd.{region}.vn.cloud.tesla.com" for region in ("na", "eu"))
# Fault of the fake, the exception that the library raises for Tesla's answer, its status.
FAULTS = (("login_required", "LoginRequired", 401), ("missing_scopes", "Forbidden", 403),
          ("exceeded_limit", "Forbidden", 403), (401, "OAuthExpired", 401), (404, "NotFound", 404),
          (408, "VehicleOffline", 408), (412, "PreconditionFailed", 412), ("misdirected", "InvalidRegion", 421),
          (424, "InvalidResponse", 424), (429, "RateLimited", 429), (500, "InternalServerError", 500),
          (503, "ServiceUnavailable", 503), ("html", "ResponseError", 200))


def key_file(path, scalar):
    """A private key as SEC1 in PEM."""
    point = p256.public_key(scalar)
    der = bytes.fromhex("30770201010420") + scalar.to_bytes(32, "big") + \
        bytes.fromhex("a00a06082a8648ce3d030107a144034200") + point
    with open(path, "wb") as file:
        file.write(pki.openssl("ec", "-inform", "DER", data=der))


def drive(library, fake, owner):
    """Prepare vehicles and faults, and return the answers that the library got."""
    fake.vehicle(VIN, paired=True)
    fake.vehicle(OTHER, state="asleep")
    fake.add_error(VIN, "cloud_manager_error")
    shutil.copy(fake.ca, f"{library.folder}/ca.pem")
    key_file(f"{library.folder}/key.pem", owner.scalar)
    with open(fake.ca) as file:
        config = {"hostname": owner.DOMAIN, "port": 443, "ca": file.read(), "exp": 4102444800,
                  "fields": {"Soc": {"interval_seconds": 60},
                             "Location": {"interval_seconds": 10, "minimum_delta": 25}},
                  "alert_types": ["service"], "delivery_policy": "latest"}
    # The first request is the one of the step fleet_status; the faults come after it.
    fake.fault("fleet_status", "delay", times=1, seconds=0.1)
    for kind, _, _ in FAULTS:
        fake.fault("fleet_status", kind, times=1)
    given = {"id": owner.ID, "secret": owner.SECRET, "domain": owner.DOMAIN, "redirect": owner.REDIRECT, "vin": VIN,
             "key": f"{library.inside}/key.pem", "config": config, "faults": [str(kind) for kind, _, _ in FAULTS]}
    proxy = {name: fake.url("proxy").replace("localhost", "127.0.0.1") for name in ("HTTPS_PROXY", "https_proxy")}
    return config, library.run("owner", json.dumps(given), SSL_CERT_FILE=f"{library.inside}/ca.pem", **proxy)


def owner_steps(library):
    """The library tesla-fleet-api takes all steps of an owner, and raises its own exception for each fault."""
    with tempfile.TemporaryDirectory(prefix="fr-scenario.") as folder, FakeTesla(folder) as fake, Owner(fake) as owner:
        config, got = drive(library, fake, owner)
        key = p256.public_key(owner.scalar).hex()
        assert got["wrong_secret"][:2] == ["UnauthorizedClient", 400], got["wrong_secret"]
        assert got["partner_login"]["expires_in"] == 28800
        assert got["not_registered"][0] == "NotFound" and got["register_elsewhere"][0] == "PreconditionFailed"
        assert got["register"]["response"]["public_key"] == got["register_eu"]["response"]["public_key"] == key
        assert got["public_key"] == {"response": {"public_key": key}} and owner.keys.requests == 2
        assert got["errors"]["response"]["fleet_telemetry_errors"][0]["vin"] == VIN
        assert got["authorise"] == {"status": 302, "state": "a-state", "prefix": "EU"}
        assert got["code"] == {"server": EU, "refresh": True} and got["refresh"] == {"new": True}
        assert got["refresh_unknown"][0] == "ValueError", got["refresh_unknown"]
        assert got["region"] == {"response": {"region": "eu", "fleet_api_base_url": EU}}
        assert got["wrong_region"][:2] == ["InvalidRegion", 421]
        assert got["find_server"] == "eu" and got["found"] == EU
        assert [row["vin"] for row in got["vehicles"]["response"]] == [OTHER]
        assert got["fleet_status"]["response"]["key_paired_vins"] == [VIN]
        nothing = {"synced": True, "config": None, "limit_reached": False, "key_paired": True}
        assert got["before"] == got["after"] == {"response": nothing}
        assert got["create"]["response"]["updated_vehicles"] == 1
        assert [got[f"get_{n}"]["response"]["synced"] for n in range(2)] == [False, True]
        assert got["get_1"]["response"]["config"] == config
        assert got["delete"] == {"response": {"updated_vehicles": 1}}
        assert got["unknown_field"][0] == "InvalidRequest" and "NoSuchField" in json.dumps(got["unknown_field"])
        assert isinstance(got["unsigned"], list), got["unsigned"]
        for kind, exception, status in FAULTS:
            assert got[f"fault_{kind}"][:2] == [exception, status], (kind, got[f"fault_{kind}"])
        assert got["fault_429"][2] == {"reset": "3", "after": "3"}
        assert fake.refused_hosts == [] and fake.calls("unknown") == 1, fake.log
        hosts = {entry.host for entry in fake.log}
        assert hosts == {EU[8:], NA[8:], "fleet-auth.prd.vn.cloud.tesla.com", "auth.tesla.com"}, hosts


run_parts(owner_steps, context=Library)
