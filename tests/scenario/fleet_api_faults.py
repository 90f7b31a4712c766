#!/usr/bin/env python3
"""The client of the Fleet API with hostile and broken answers of a fake Tesla cloud: each error becomes a cause and a
remedy, sizes and times are bounded, and nothing of an answer reaches the terminal as it is."""
import contextlib
import os
import resource
import socket
import threading
import time

from fleet_client import VIN, logged_in
from fr import PATIENCE, run_parts, write_file

# Fault of the fake, its options, the cause, whether it may pass by itself, a part of the message.
ERRORS = (
    (401, {}, "token_expired", True, "log in again"),
    (403, {}, "missing_scope", False, "scopes"),
    ("missing_scopes", {}, "missing_scope", False, "tick all scopes"),
    ("exceeded_limit", {}, "exceeded_limit", False, "raise the limit"),
    (404, {}, "not_found", False, "sold"),
    (408, {}, "asleep", True, "awake"),
    (412, {}, "unregistered", False, "allowed origin"),
    (424, {}, "key_not_served", False, ".well-known/appspecific/com.tesla.3p.public-key.pem"),
    (429, {"retry_after": 77}, "rate_limit", True, "too many requests"),
    ("update_in_progress", {}, "rate_limit", True, "earlier update"),
    (500, {}, "server", True, "later"),
    (503, {}, "server", True, "later"),
    (540, {}, "server", True, "later"),
    ("error", {"status": 400, "body": {"error": "Public key hash has already been taken"}}, "key_taken", False,
     "another application"),
    ("error", {"status": 422, "body": {"error": "The registration was rejected"}}, "refused", False, "another domain"),
    ("error", {"status": 400, "body": {"error": "unknown field Foo"}}, "refused", False, "routing.yaml"),
    ("error", {"status": 404, "body": {"error": {"code": 5, "message": "unknown user"}}}, "not_found", False, "HTTP 404"),
    ("error", {"status": 403, "body": b"<html>blocked</html>"}, "refused", False, "firewall"),
    ("error", {"status": 418, "body": b""}, "refused", False, "doctor"),
    ("error", {"status": 204, "body": b""}, "malformed", True, "no JSON object"),
    ("redirect", {}, "malformed", True, "not followed"),
    ("redirect", {"status": 307, "location": "http://localhost/"}, "malformed", True, "not followed"),
)
TOKEN_ERRORS = (
    ("login_required", {}, "login_required", "log in again"),
    ("invalid_grant", {}, "login_required", "log in again"),
    ("unauthorized_client", {}, "client_refused", "client secret"),
    (401, {}, "login_required", "log in again"),
    (429, {}, "rate_limit", "later"),
    (500, {}, "server", "later"),
    ("html", {}, "malformed", "no access token"),
    ("garbage", {}, "malformed", "no access token"),
    ("huge", {}, "network", "more than"),
    ("close", {}, "network", "no complete answer"),
    ("redirect", {}, "malformed", "not followed"),
    ("error", {"status": 400, "body": {"error": "unsupported_grant_type"}}, "client_refused", "Machine-to-Machine"),
    ("error", {"status": 400, "body": {"error": "invalid_scope"}}, "client_refused", "vehicle_location"),
    ("error", {"status": 200, "body": {"access_token": "a b\r\nX: y", "expires_in": 1}}, "malformed", "no access token"),
    ("error", {"status": 200, "body": {"access_token": 5}}, "malformed", "no access token"),
)


def check_message(result):
    """A message is one line with a cause and a remedy, and has nothing that controls a terminal."""
    message = result["message"]
    assert message.isprintable() and ("; " in message) and len(message) < 1000, message
    assert "\u202e" not in message


def errors():
    """Each error of the API, in both shapes."""
    with logged_in() as client:
        for kind, options, cause, temporary, part in ERRORS:
            for shape in ("full", "short"):
                client.fake.error_shape = shape
                client.fake.clear_faults()
                client.fake.fault("vehicles", kind, **options)
                result = client.call("vehicles", cause=cause)
                check_message(result)
                assert part in result["message"] and result["temporary"] == temporary, (kind, result)
                assert result["retry_after_s"] == (options.get("retry_after", -1) if kind == 429 else
                                                   3 if kind == "update_in_progress" else -1), (kind, result)
                assert client.fake.calls(role="cn") == 0, "a redirect was followed"
        client.fake.clear_faults()
        client.call("vehicles")


def token_errors():
    """Errors of the token endpoint. The tokens are kept."""
    with logged_in() as client:
        client.expire()
        before = client.tokens()
        for kind, options, cause, part in TOKEN_ERRORS:
            client.fake.clear_faults()
            client.fake.fault("token", kind, **options)
            result = client.call("vehicles", cause=cause)
            check_message(result)
            assert part in result["message"], (kind, result)
            assert client.tokens() == before
        client.fake.clear_faults()
        client.call("vehicles")


def retry_after():
    """Retry-After as a date, and as what no server should send; RateLimit-Reset."""
    with logged_in() as client:
        def wait(**headers):
            client.fake.fault("vehicles", "error", times=1, status=429, body={"error": "x"},
                              headers={name.replace("_", "-"): value for name, value in headers.items()})
            return client.call("vehicles", cause="rate_limit")["retry_after_s"]

        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 600))
        assert 590 <= wait(Retry_After=date) <= 601
        assert wait(Retry_After="Thu, 01 Jan 1970 00:00:00 GMT") in (-1, 0)
        assert wait(Retry_After="-5") == wait(Retry_After="soon") == wait(Retry_After="1e9") == -1
        assert wait(Retry_After="99999999999999999999999") == -1
        assert wait(Retry_After="999999999") == 366 * 86400
        assert wait(RateLimit_Reset="42") == 42
        assert wait(RateLimit_Reset="42", Retry_After="7") == wait(Retry_After="7", RateLimit_Reset="42") == 7
        assert 90 <= wait(RateLimit_Reset=str(int(time.time()) + 100)) <= 101


def answers():
    """Answers that are too large, cut off, no JSON or hostile: an error in bounded time and memory."""
    with logged_in() as client:
        for kind, cause in (("huge", "network"), ("endless", "network"), ("truncated", "network"),
                            ("close", "network"), ("garbage", "malformed"), ("html", "malformed"),
                            ("deep", "malformed"), ("hostile", "refused")):
            client.fake.fault("vehicles", kind, times=1)
            begun = time.monotonic()
            result = client.call("vehicles", cause=cause)
            check_message(result)
            assert time.monotonic() - begun < 15 * PATIENCE, kind
        client.fake.fault("vehicles", "error", times=1, status=200, body={"response": []},
                          headers={f"X-{number}": "x" * 20000 for number in range(5)})
        assert "its header more than" in client.call("vehicles", cause="network")["message"]
        # 4 MB of empty objects would need hundreds of megabytes.
        dense = b'{"response":[' + b"{}," * 1_300_000 + b"0]}"
        client.fake.fault("vehicles", "error", times=1, status=200, body=dense)
        check_message(client.call("vehicles", cause="malformed"))
        client.fake.fault("vehicles", "error", times=1, status=400, body=dense)
        check_message(client.call("vehicles", cause="refused"))
        client.expire()
        client.fake.fault("token", "error", times=1, status=200, body=dense)
        check_message(client.call("vehicles", cause="malformed"))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert peak < 100_000 * PATIENCE, f"{peak} kB"


def wrong_types():
    """Valid JSON of another shape: an error, or what is left without the members that are wrong."""
    with logged_in() as client:
        def answer(endpoint, response, *call, cause="malformed", **more):
            client.fake.fault(endpoint, "error", times=1, status=200, body={"response": response, **more})
            result = client.call(*call, cause=cause)
            if cause:
                check_message(result)
            return result

        config = '{"fields": {}}'
        for wrong in (None, 5, "x", [], {}, {"synced": 1}, {"synced": True, "config": "x"}):
            answer("config_get", wrong, "get", VIN)
        for wrong in (None, 5, {}, "x"):
            answer("vehicles", wrong, "vehicles")
            answer("vehicle_errors", wrong, "errors", VIN)
            answer("error_vins", wrong, "error_vins")
            answer("public_key", wrong, "key")
            answer("fleet_status", wrong, "status", VIN)
            answer("config_post", wrong, "push", f"{client.folder}/key.pem", config, VIN)
            answer("region", wrong, "region")
        answer("public_key", {"public_key": "04" + "g" * 128}, "key")
        answer("config_post", {"updated_vehicles": -1}, "push", f"{client.folder}/key.pem", config, VIN)
        answer("config_post", {"updated_vehicles": 10 ** 18}, "push", f"{client.folder}/key.pem", config, VIN)
        mixed = [5, None, {}, {"vin": VIN.lower()}, {"vin": VIN + "1"}, {"vin": f"{VIN[:16]}\x1b"},
                 {"vin": VIN, "display_name": "\x1b[31m\u202eA\n" + "\u00e9" * 500, "state": ["x"]}, {"vin": VIN}]
        vehicles = answer("vehicles", mixed, "vehicles", cause=None)["vehicles"]
        assert [v["vin"] for v in vehicles] == [VIN] and vehicles[0]["state"] == "", vehicles
        assert vehicles[0]["name"].isprintable() and vehicles[0]["name"].startswith("[31mA \u00e9\u00e9"), vehicles
        status = answer("fleet_status", {"key_paired_vins": [1, None, VIN], "unpaired_vins": {}, "vehicle_info": {
            VIN: {"total_number_of_keys": -4, "firmware_version": {}, "vehicle_command_protocol_required": "yes"}}},
            "status", VIN, cause=None)["status"][0]
        assert status["key_paired"] and status["total_keys"] == -1 and status["protocol_required"] == -1, status
        pushed = answer("config_post", {"updated_vehicles": 0, "skipped_vehicles": {
            "missing_key": {"a": 1}, "max_configs": [5, "unknown", VIN]}}, "push", f"{client.folder}/key.pem", config,
            VIN, cause=None)
        assert pushed["skips"] == [4], pushed
        assert answer("error_vins", [VIN, 5, None, VIN, VIN + "1", "\x1b"], "error_vins", cause=None)["vins"] == [VIN]
        rows = answer("vehicle_errors", [{"vin": VIN, "error": f"token eyJ{'aB3' * 30} of {VIN}"}] * 5000, "errors",
                      VIN, cause=None)["errors"]
        assert len(rows) == 1000 and rows[0]["error"] == f"token [removed] of {VIN}", rows[0]


def pages():
    """All pages of a long list; pages that go in a circle, backwards or on without an end."""
    with logged_in() as client:
        fake = client.fake
        vins = [f"5YJ3E1EA7KF1{number:05d}" for number in range(230)]
        for vin in vins:
            fake.vehicle(vin)
        count = fake.calls("vehicles")
        vehicles = client.call("vehicles")["vehicles"]
        assert sorted(v["vin"] for v in vehicles) == sorted([VIN, *vins])
        assert fake.calls("vehicles") - count == 3
        for following in (1, 2, 0, -1, 10 ** 18, "2", 2.5, {"a": 1}, [2]):
            fake.fault("vehicles", "error", status=200, body={"response": [{"vin": VIN}],
                                                              "pagination": {"next": following}})
            count = fake.calls("vehicles")
            assert len(client.call("vehicles")["vehicles"]) == 1
            assert fake.calls("vehicles") - count <= 2, following
            fake.clear_faults()
        # A page that fails ends the call: a part of the list is no list.
        fake.fault("vehicles", "delay", times=1, seconds=0.01)
        fake.fault("vehicles", 503, times=1)
        client.call("vehicles", cause="server")


def clocks():
    """A clock that is hours off is measured; one that makes certificates invalid is named."""
    with logged_in() as client:
        shift = f"{client.folder}/shift"
        assert abs(client.call("vehicles")["clock_offset_ms"]) < 10_000 * PATIENCE
        client.fake.fault("vehicles", "date", times=1, hours=-5)
        assert abs(client.call("vehicles")["clock_offset_ms"] - 5 * 3600_000) < 10_000 * PATIENCE
        client.environment["FR_SHIFTED_CLOCK"] = shift
        write_file(shift, str(7 * 3600))
        result = client.call("vehicles", preload="shifted_clock")
        assert abs(result["clock_offset_ms"] - 7 * 3600_000) < 10_000 * PATIENCE, result
        # The certificate of the fake is a few seconds old.
        for hours, word in ((-7, "not valid yet"), (60 * 365 * 24, "has expired")):
            write_file(shift, str(hours * 3600))
            failed = client.call("vehicles", cause="clock", preload="shifted_clock")
            check_message(failed)
            assert word in failed["message"] and "timedatectl" in failed["message"], failed


def connections():
    """No name, no server, no TLS, a certificate of another CA, no https: the message names the host."""
    with logged_in() as client:
        path = f"{client.folder}/fleetroute.yaml"
        with open(path) as file:
            whole = file.read()
        client.change_tokens(base_url=None)
        host = client.fake.url("na").removeprefix("https://")
        with socket.create_server(("127.0.0.1", 0)) as plain:
            def answer():
                with contextlib.suppress(OSError):
                    connection = plain.accept()[0]
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{}")
                    connection.close()

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            closed = socket.create_server(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            closed.close()
            for other, part in ((f"localhost:{plain.getsockname()[1]}", "no complete answer"), (f"localhost:{port}", "firewall"),
                                ("no-such-host.invalid", "DNS"), ("user:pass@localhost", "user name")):
                write_file(path, whole.replace(host, other))
                failed = client.call("vehicles", cause="network")
                check_message(failed)
                assert part in failed["message"], (other, failed)
                assert other.rpartition("@")[2].partition(":")[0] in failed["message"] or "@" in other, failed
            thread.join(10)
        write_file(path, whole)
        failed = client.call("vehicles", cause="network", https_proxy=f"http://user:pass-word@localhost:{port}")
        check_message(failed)
        assert "pass-word" not in failed["message"], failed
        write_file(path, whole.replace(f"api_ca: '{client.fake.ca}'", f"api_ca: '{client.owner.keys.ca}'"))
        failed = client.call("vehicles", cause="network")
        assert "certificate is not accepted" in failed["message"], failed
        write_file(path, whole.replace(f"api_ca: '{client.fake.ca}'", "api_ca: missing.pem"))
        assert "api_ca" in client.call("vehicles", cause="local")["message"]
        write_file(path, whole.replace("client_secret_file: secret", "client_secret_file: absent"))
        assert "absent" in client.call("vehicles", cause="local")["message"]
        os.chmod(f"{client.folder}/secret", 0o644)
        write_file(path, whole)
        assert "chmod 600" in client.call("vehicles", cause="local")["message"]


def stalled():
    """Servers that stop in the middle, are silent, or send a byte a second: each call ends after 30 seconds."""
    with logged_in() as client:
        for kind, options in (("stall", {}), ("silent", {}), ("endless", {"piece": 1, "pause": 1})):
            client.fake.fault("vehicles", kind, times=1, **options)
        begun = time.monotonic()
        for result in [client.result(p) for p in [client.start("vehicles") for _ in range(3)]]:
            assert result["cause"] == "network" and "localhost" in result["message"], result
            check_message(result)
        assert 25 < time.monotonic() - begun < 45 * PATIENCE


if __name__ == "__main__":
    run_parts(errors, token_errors, retry_after, answers, wrong_types, pages, clocks, connections, stalled)
