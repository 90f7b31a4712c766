"""Drives a Tesla cloud with the Python library tesla-fleet-api, which other authors wrote. Run by the Python that
tests/tesla_client.sh installs; standard input and output are JSON.

    tesla_client.py owner   the steps of an owner, from {"id", "secret", "domain", "redirect", "vin", "key", "config",
                            "states", "faults"}; prints {step: answer, or [name of the exception, status]}
    tesla_client.py jws     verifies lines "public key in base64, tab, token" of standard input; prints the number
"""
import asyncio
import base64
import concurrent.futures
import json
import sys
import urllib.parse

import aiohttp
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.exceptions import TeslaFleetError
from tesla_fleet_api.tesla import jws
from tesla_fleet_api.tesla.oauth import TeslaFleetOAuth

SCOPES = ["openid", "offline_access", "vehicle_device_data", "vehicle_location"]


class Steps:
    def __init__(self):
        self.results = {}

    async def run(self, name, action):
        """Await one call of the library and keep its answer or its exception."""
        try:
            self.results[name] = await action
        except (TeslaFleetError, ValueError) as error:
            self.results[name] = [type(error).__name__, getattr(error, "status", None), getattr(error, "data", None)]
        return self.results[name]


async def partner(steps, session, given):
    """As the application's owner, in the region NA."""
    api = TeslaFleetApi(session, region="na")
    await steps.run("wrong_secret", api.partner_login(given["id"], "wrong"))
    await steps.run("partner_login", api.partner_login(given["id"], given["secret"], scopes=SCOPES[:1] + SCOPES[2:]))
    await steps.run("not_registered", api.partner.public_key(given["domain"]))
    await steps.run("register", api.partner.register(given["domain"]))
    await steps.run("register_elsewhere", api.partner.register("example.org"))
    await steps.run("public_key", api.partner.public_key(given["domain"]))
    await steps.run("errors", api.partner.fleet_telemetry_errors(given["domain"]))
    europe = TeslaFleetApi(session, region="eu")
    await steps.run("partner_login_eu", europe.partner_login(given["id"], given["secret"]))
    await steps.run("register_eu", europe.partner.register(given["domain"]))


async def log_in(steps, session, given):
    """The browser's part and the exchange of the code; the client is returned."""
    oauth = TeslaFleetOAuth(session, "na", given["id"], given["secret"], given["redirect"])
    link = oauth.get_login_url(SCOPES, state="a-state")
    async with session.get(link, allow_redirects=False) as page:
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.headers["Location"]).query))
    steps.results["authorise"] = {"status": page.status, "state": back["state"], "prefix": back["code"].split("_")[0]}
    await oauth.get_refresh_token(back["code"])
    steps.results["code"] = {"server": oauth.server, "refresh": bool(oauth.refresh_token)}
    first = oauth.refresh_token
    await steps.run("refresh", oauth.refresh_access_token())
    steps.results["refresh"] = {"new": oauth.refresh_token != first}
    again = TeslaFleetOAuth(session, "na", given["id"], refresh_token="EU_unknown")
    await steps.run("refresh_unknown", again.refresh_access_token())
    return oauth


async def user(steps, session, given, oauth):
    await steps.run("region", oauth.user.region())
    elsewhere = TeslaFleetApi(session, access_token=await oauth.access_token(), region="na")
    await steps.run("wrong_region", elsewhere.user.region())
    await steps.run("find_server", elsewhere.find_server())
    steps.results["found"] = elsewhere.server
    await oauth.get_private_key(given["key"])
    vehicle = oauth.vehicles.createSigned(given["vin"])
    await steps.run("vehicles", vehicle.list(page=2, per_page=1))
    await steps.run("fleet_status", vehicle.fleet_status([given["vin"]]))
    body = {"vins": [given["vin"]], "config": given["config"]}
    await steps.run("before", vehicle.fleet_telemetry_config_get())
    await steps.run("create", vehicle.fleet_telemetry_config_create(body))
    for number in range(2):
        await steps.run(f"get_{number}", vehicle.fleet_telemetry_config_get())
    await steps.run("delete", vehicle.fleet_telemetry_config_delete())
    await steps.run("after", vehicle.fleet_telemetry_config_get())
    wrong = {**body, "config": {**given["config"], "fields": {"NoSuchField": {"interval_seconds": 1}}}}
    await steps.run("unknown_field", vehicle.fleet_telemetry_config_create(wrong))
    await steps.run("unsigned", oauth.vehicles.createFleet(given["vin"]).fleet_telemetry_config_create(body))
    for fault in given["faults"]:
        await steps.run(f"fault_{fault}", vehicle.fleet_status([given["vin"]]))


async def owner(given):
    steps = Steps()
    async with aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(total=20)) as session:
        await partner(steps, session, given)
        await user(steps, session, given, await log_in(steps, session, given))
    return steps.results


def is_signed(line):
    """Whether the library accepts the token of a line, by the public key of the line."""
    key, token = line.split("\t")
    signed, _, signature = token.rpartition(".")
    octets = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    return jws.verify(base64.b64decode(key, validate=True), signed.encode(), octets)


def main():
    if sys.argv[1:] == ["owner"]:
        print(json.dumps(asyncio.run(owner(json.load(sys.stdin)))))
    elif sys.argv[1:] == ["jws"]:
        lines = sys.stdin.read().splitlines()
        with concurrent.futures.ProcessPoolExecutor() as pool:
            wrong = [n for n, right in enumerate(pool.map(is_signed, lines, chunksize=50)) if not right]
        print(json.dumps({"verified": len(lines) - len(wrong), "wrong": wrong}))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
