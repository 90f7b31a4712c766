#!/usr/bin/env python3
"""The client of the Fleet API with a fake Tesla cloud: consent, tokens that survive kill -9 and a full disk, two
processes, regions, each call."""
import fcntl
import json
import os
import queue
import re
import signal
import stat

from fleet_client import STATE, VIN, fleet_client, logged_in, p256
from fr import run_parts, write_file

OTHER = "7SAYGDEE9PF000002"
NAMES = {region: f"https://fleet-api.prd.{region}.vn.cloud.tesla.com" for region in ("na", "eu")}


def kill_at(client, endpoint, *arguments):
    """Start a call, and end it with kill -9 when the fake has made the answer of an endpoint and not sent it yet."""
    started = queue.SimpleQueue()
    client.fake.hook = lambda name: name == endpoint and started.get().kill()
    process = client.start(*arguments)
    started.put(process)
    assert client.result(process) == {"killed": -signal.SIGKILL}
    client.fake.hook = None


def consent():
    """The link, the pasted address, its checks; the tokens are in a file for the owner alone."""
    with fleet_client() as client:
        link = client.call("link", STATE)["link"]
        assert link.startswith(client.fake.url("auth") + "/oauth2/v3/authorize?"), link
        client.call("vehicles", cause="login_required")
        pasted = client.fake.authorise(link)
        code = re.search("code=([^&]+)", pasted)[1]
        for wrong in ("", "https://example.com/callback?code=EU_1&state=" + STATE, pasted.replace(STATE, "x"),
                      pasted.replace(code, ""), pasted + "&code=EU_2", "x" * 9000, pasted.replace("code=", "code=%00")):
            failed = client.call("authorize", wrong, STATE, cause="login_required")
            assert "; " in failed["message"] and "paste" in failed["message"], failed
        denied = client.call("authorize", f"{client.owner.REDIRECT}?error=access_denied&state={STATE}", STATE,
                             cause="login_required")
        assert "was not granted" in denied["message"], denied
        assert client.fake.calls("token") == 0 and not os.path.exists(f"{client.folder}/state")
        # As a browser without https:// and a terminal with blanks give it.
        result = client.call("authorize", f"  {pasted.removeprefix('https://')}#fragment \n", STATE)
        assert result["vehicle_location"] == 1 and result["has_tokens"] and result["token_requests"] == 1, result
        assert result["base_url"] == client.fake.url("eu"), result
        path = f"{client.folder}/state/tokens.json"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        again = client.call("authorize", pasted, STATE, cause="login_required")
        assert "used before" in again["message"], again
        # Other users' access to the file is refused, as is a damaged file; neither is printed.
        os.chmod(path, 0o640)
        assert "chmod 600" in client.call("vehicles", cause="local")["message"]
        os.chmod(path, 0o600)
        whole = client.tokens()
        with open(path, "w") as file:
            file.write(json.dumps(whole)[:-9])
        assert "damaged" in client.call("vehicles", cause="local")["message"]
        os.remove(path)


def scopes():
    """A scope that the owner did not tick is reported, and the link asks for it again."""
    with fleet_client() as client:
        client.fake.consent = {"vehicle_device_data", "offline_access"}
        assert client.log_in()["vehicle_location"] == 0
        client.fake.consent = None
        assert client.log_in()["vehicle_location"] == 1


def calls():
    """Each call of the API."""
    with fleet_client() as client:
        fake = client.fake
        fake.vehicle(VIN, paired=True)
        fake.vehicle(OTHER, paired=False, access="DRIVER")
        client.log_in()
        unregistered = client.call("vehicles", cause="unregistered")
        assert "fleetroute setup" in unregistered["message"], unregistered
        client.call("key", cause="not_found")
        client.call("register")
        assert client.call("key")["key"] == p256.public_key(client.owner.scalar).hex()
        vehicles = {v["vin"]: v for v in client.call("vehicles")["vehicles"]}
        assert vehicles[VIN]["owner"] and not vehicles[OTHER]["owner"], vehicles
        config = json.dumps({**client.owner.settings(), "iss": "x", "aud": "y"})
        pushed = client.call("push", f"{client.folder}/key.pem", config, VIN)
        assert pushed["skips"] == [0] and pushed["updated"] == 1, pushed
        # The fake has verified the signature. The configuration that is read back is the one pushed.
        for _ in range(3):
            state = client.call("get", VIN)
        assert state["synced"] and json.loads(state["config"])["fields"] == client.owner.settings()["fields"], state
        assert list(json.loads(state["config"])) == sorted(json.loads(state["config"])), state
        client.call("delete", VIN)
        assert fake.config(VIN) is None
        for shape in ("object", "list"):
            fake.errors_shape = shape
            fake.telemetry_errors.clear()
            fake.add_error(VIN, "dial \x1b[31mfailed\n", error_name="cloud_manager_error")
            for result in (client.call("errors"), client.call("errors", VIN)):
                assert len(result["errors"]) == 1 and result["errors"][0]["vin"] == VIN, result
                assert result["errors"][0]["error"] == "dial [31mfailed", result
            assert client.call("error_vins")["vins"] == [VIN]
        # The headers; a .netrc has no effect.
        write_file(f"{client.folder}/.netrc", "machine localhost login a password b\n")
        client.call("refresh", HOME=client.folder)
        assert "authorization" not in fake.headers, fake.headers
        client.call("vehicles", HOME=client.folder)
        assert fake.headers["authorization"] == f"Bearer {client.tokens()['access_token']}", fake.headers
        assert re.fullmatch(r"fleetroute/[0-9.]+", fake.headers["user-agent"]) and "expect" not in fake.headers


def states():
    """fleet_status and skipped_vehicles; a vehicle that was sold does not hide the others."""
    with logged_in() as client:
        fake = client.fake
        unpaired, toggle, sold = "5YJ3E1EA7KF000003", "5YJSA1E26MF000004", "5YJ3E1EA7KF000005"
        fake.vehicle(unpaired, paired=False, command_protocol_required=False)
        fake.vehicle(toggle, toggle=False)
        fake.vehicle(sold, paired=True)
        fake.sell(sold)
        status = client.call("status", VIN, unpaired, sold, toggle)["status"]
        assert [s["vin"] for s in status] == [VIN, unpaired, sold, toggle]
        assert [s["known"] for s in status] == [True, True, False, True], status
        assert [s["key_paired"] for s in status][:2] == [True, False], status
        assert status[1]["protocol_required"] == 0 and status[3]["toggle"] == 0, status
        config = json.dumps(client.owner.settings())
        for reason, number in (("missing_key", 1), ("unsupported_hardware", 2), ("unsupported_firmware", 3),
                               ("max_configs", 4), ("a_new\x1b_reason", 5)):
            fake.vehicle(OTHER, paired=True, skip=reason)
            pushed = client.call("push", f"{client.folder}/key.pem", config, VIN, OTHER)
            assert pushed["skips"] == [0, number] and pushed["updated"] == 1, (reason, pushed)
            assert pushed["other"] == ("a_new _reason" if number == 5 else ""), pushed
        missing = client.call("get", sold, cause="not_found")
        assert sold in missing["message"] and "sold" in missing["message"], missing
        hidden = client.call("get", sold, cause="not_found", FR_TEST_REDACT="1")
        assert sold not in hidden["message"] and "5YJ-" in hidden["message"], hidden
        client.call("get", "../../../oauth2", cause="local")


def refresh():
    """A refresh token is used once; the one before is kept for 24 hours, and used if the new one is refused."""
    with logged_in() as client:
        first = client.tokens()
        client.call("refresh")
        second = client.tokens()
        assert second["refresh_token"] != first["refresh_token"] == second["previous_refresh_token"]
        assert second["access_token"] != first["access_token"]
        assert second["refresh_issued_ms"] > first["refresh_issued_ms"]
        client.call("vehicles")
        # The new refresh token was lost on the way: the file has one that Tesla does not know.
        client.change_tokens(refresh_token="unknown", access_expires_ms=1)
        assert client.call("vehicles")["token_requests"] == 2
        client.change_tokens(refresh_token="unknown", access_expires_ms=1, previous_until_ms=1)
        client.call("vehicles", cause="login_required")


def killed():
    """kill -9 between Tesla's answer and the file, and between the file and its use: the tokens stay usable."""
    with logged_in() as client:
        fake, before = client.fake, client.tokens()
        client.expire()
        kill_at(client, "token", "vehicles")
        assert client.tokens()["refresh_token"] == before["refresh_token"]
        assert fake.calls("token") > 0
        result = client.call("vehicles")
        assert result["token_requests"] == 1, result
        after = client.tokens()
        assert after["refresh_token"] != before["refresh_token"]
        client.expire()
        kill_at(client, "vehicles", "vehicles")
        assert client.tokens()["refresh_token"] != after["refresh_token"], "the new pair is used before it is stored"
        assert client.call("vehicles")["token_requests"] == 0
        assert sorted(os.listdir(f"{client.folder}/state")) == ["lock", "tokens.json"]


def full_disk():
    """A full disk before the refresh costs no refresh token; one that fills up during it leaves the old one usable."""
    with logged_in() as client:
        fake, before = client.fake, client.tokens()
        client.expire()
        rules = ("write tokens.json ENOSPC", "sync tokens.json EIO", "rename tokens.json EROFS")
        for rule in rules:
            write_file(f"{client.folder}/faults", rule + "\n")
            count = fake.calls("token")
            failed = client.call("vehicles", cause="local", preload="fault_io")
            assert "cannot be refreshed" in failed["message"] and "; " in failed["message"], failed
            assert fake.calls("token") == count, "the refresh token was used up"
        for rule in rules:
            write_file(f"{client.folder}/faults", "")
            fake.hook = lambda name, rule=rule: name == "token" and write_file(f"{client.folder}/faults", rule + "\n")
            failed = client.call("vehicles", cause="local", preload="fault_io")
            assert "cannot be saved" in failed["message"] and "24 hours" in failed["message"], failed
            assert client.tokens()["refresh_token"] == before["refresh_token"]
        fake.hook = None
        write_file(f"{client.folder}/faults", "")
        assert client.call("vehicles", preload="fault_io")["token_requests"] == 1
        assert client.tokens()["refresh_token"] != before["refresh_token"]
        assert sorted(os.listdir(f"{client.folder}/state")) == ["lock", "tokens.json"]


def full_disk_at_log_in():
    """A full disk before the log-in costs no code, and leaves no file."""
    with fleet_client() as client:
        pasted = client.fake.authorise(client.call("link", STATE)["link"])
        write_file(f"{client.folder}/faults", "write tokens.json ENOSPC\n")
        failed = client.call("authorize", pasted, STATE, cause="local", preload="fault_io")
        assert "cannot be saved" in failed["message"], failed
        assert client.fake.calls("token") == 0 and os.listdir(f"{client.folder}/state") == ["lock"]
        write_file(f"{client.folder}/faults", "")
        client.fake.fault("token", 503, times=1)
        client.call("authorize", pasted, STATE, cause="server", preload="fault_io")
        assert os.listdir(f"{client.folder}/state") == ["lock"]
        client.call("authorize", pasted, STATE, preload="fault_io")
        before = client.tokens()
        # A log-in that fails keeps the tokens of the one before.
        client.call("authorize", f"{client.owner.REDIRECT}?code=EU_x&state={STATE}", STATE, cause="login_required")
        assert client.tokens() == before


def two_processes():
    """Processes that find an expired token at the same time make one refresh."""
    with logged_in() as client:
        client.expire()
        before = client.fake.calls("token")
        client.fake.fault("token", "delay", times=1, seconds=0.5)
        results = [client.result(p) for p in [client.start("vehicles") for _ in range(6)]]
        assert all("cause" not in r for r in results), results
        assert sum(r["token_requests"] for r in results) == 1, results
        assert client.fake.calls("token") == before + 1
        # All in the lock: a refresh on purpose, by several at once, never uses a token twice.
        results = [client.result(p) for p in [client.start("refresh") for _ in range(4)]]
        assert all("cause" not in r for r in results), results
        client.call("vehicles")
        # A command that has the lock itself: log-in, refresh and change of the region.
        client.expire()
        client.change_tokens(base_url=client.fake.url("na"))
        result = client.call("vehicles", FR_TEST_LOCKED="1")
        assert result["token_requests"] == 1 and result["base_url"] == client.fake.url("eu"), result
        assert client.tokens()["base_url"] == client.fake.url("eu")
        client.call("authorize", client.fake.authorise(client.call("link", STATE)["link"]), STATE, FR_TEST_LOCKED="1")
        client.call("vehicles")


def read_again():
    """After 401, tokens.json is read before a refresh: another process has refreshed."""
    with logged_in() as client:
        fake, before = client.fake, client.tokens()

        def other_process(name):
            if name != "vehicles":
                return
            fake.hook = None
            status, _, body = client.owner.client.grant(grant_type="refresh_token", client_id=client.owner.ID,
                                                        refresh_token=before["refresh_token"])
            assert status == 200, body
            client.change_tokens(access_token=body["access_token"], refresh_token=body["refresh_token"])

        fake.fault("vehicles", 401, times=1)
        fake.hook = other_process
        with open(f"{client.folder}/state/lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the other process goes on with its work
            result = client.call("vehicles")
        assert result["token_requests"] == 0 and len(result["vehicles"]) == 1, result
        # Without another process: one refresh. And no more than one.
        fake.fault("vehicles", 401, times=1)
        assert client.call("vehicles")["token_requests"] == 1
        fake.fault("vehicles", 401)
        assert client.call("vehicles", cause="token_expired")["token_requests"] == 1


def revoked():
    """Consent that was revoked: the owner logs in again; and the same for another client id."""
    with logged_in() as client:
        client.fake.revoke_consent()
        failed = client.call("vehicles", cause="login_required")
        assert "fleetroute setup" in failed["message"] and not failed["temporary"], failed
        client.log_in()
        client.call("vehicles")
        for fault in ("login_required", "invalid_grant"):
            client.expire()
            client.fake.fault("token", fault, times=1)
            client.call("vehicles", cause="login_required")
        client.change_tokens(client_id="another")
        client.call("vehicles", cause="login_required")


def regions():
    """421 in both forms, with the addresses of the fake; the right region is stored."""
    for form in ("header", "text"):
        with logged_in() as client:
            client.fake.misdirected = form
            client.change_tokens(base_url=client.fake.url("na"))
            result = client.call("vehicles")
            assert result["base_url"] == client.fake.url("eu") and result["requests"] == 2, result
            assert client.tokens()["base_url"] == client.fake.url("eu")
            assert client.call("vehicles")["requests"] == 1
            # Two regions that name each other.
            client.fake.fault("vehicles", "misdirected", times=1, region="na")
            client.fake.fault("vehicles", "misdirected", times=5, region="eu")
            client.fake.fault("vehicles", "misdirected", times=5, region="na")
            count = client.fake.calls("vehicles")
            client.call("vehicles", cause="wrong_region")
            assert client.fake.calls("vehicles") - count <= 3


def real_names():
    """With Tesla's own host names, through a proxy: region from the code and from users/region; a 421, a users/region or
    a redirect to a host that is not Tesla's gets no request."""
    with logged_in(proxy=True) as client:
        fake = client.fake
        assert client.call("vehicles")["base_url"] == NAMES["eu"]
        assert fake.calls(role="na") == 0, "the region was not taken from the code"
        client.change_tokens(base_url=NAMES["na"])
        assert client.call("vehicles")["base_url"] == NAMES["eu"]
        evil = ("https://evil.example.com", "https://fleet-api.prd.eu.vn.cloud.tesla.com.evil.example",
                "https://fleet-api.evil.example/.tesla.com", "https://fleet-api.x@evil.example",
                "https://fleet-api.prd.eu.vn.cloud.tesla.com:8443", "https://tesla.com", "http://fleet-api.a.tesla.com")
        for kind in ("misdirected", "misdirected_text"):
            for base in evil:
                fake.fault("vehicles", kind, times=1, base=base)
                client.call("vehicles", cause="wrong_region")
        for base in evil[:3]:
            fake.fault("region", "error", times=1, status=200,
                       body={"response": {"region": "eu", "fleet_api_base_url": base}})
            client.call("region", cause="wrong_region")
        fake.fault("vehicles", "redirect", times=1, location="https://evil.example.com/x")
        redirected = client.call("vehicles", cause="malformed")
        assert "evil.example.com" in redirected["message"] and "not followed" in redirected["message"], redirected
        assert not fake.refused_hosts, fake.refused_hosts
        assert client.call("vehicles")["base_url"] == NAMES["eu"]
        # users/region is believed if it names a host of Tesla; the next 421 corrects it.
        fake.fault("region", "error", times=1, status=200,
                   body={"response": {"region": "na", "fleet_api_base_url": NAMES["na"] + "/"}})
        assert client.call("region")["base_url"] == NAMES["na"] == client.tokens()["base_url"]
    with fleet_client(proxy=True) as client:
        # The code names another region than the token's audience, and users/region does not answer.
        client.fake.region = "na"
        pasted = client.fake.authorise(client.call("link", STATE)["link"])
        client.fake.region = "eu"
        client.fake.fault("region", 503)
        result = client.call("authorize", pasted, STATE)
        assert result["base_url"] == NAMES["eu"] == client.tokens()["base_url"], result
        assert client.fake.calls(role="na") == 0
    with fleet_client(proxy=True, extra=", region: na") as client:
        client.log_in()
        assert client.call("region", cause="wrong_region")["base_url"] == NAMES["na"]
        client.fake.fault("region", "error", times=1, status=200,
                          body={"response": {"region": "eu", "fleet_api_base_url": NAMES["eu"]}})
        result = client.call("region")
        assert result["region"] == "eu" and result["base_url"] == NAMES["na"], "the region of the file counts"


if __name__ == "__main__":
    run_parts(consent, scopes, calls, states, refresh, killed, full_disk, full_disk_at_log_in, two_processes,
              read_again, revoked, regions, real_names)
