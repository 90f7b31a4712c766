#!/usr/bin/env python3
"""The faults of the fake Tesla cloud: each one is what its name says, as often as asked, and no longer."""
import email.utils
import http.client
import json
import os
import ssl
import sys
import time
import urllib.parse
from fr import SOURCE, run_parts, wait_until

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla.owner import VIN, ready  # noqa: E402


def http_time(text):
    return email.utils.parsedate_to_datetime(text).timestamp()


def faults():
    """Each fault changes the answers that it names, for its number of times."""
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


run_parts(faults, broken_answers)
