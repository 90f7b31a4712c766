"""Drives a server of TeslaMate's protocols with the Python library TeslaPy, which other authors wrote. Run by the
Python that tests/teslapy.sh installs.

    teslapy_client.py HOST:PORT TOKEN CA STEP...

CA is a file with the CAs of the server's certificate, or "" for a server without TLS. Each step prints one line of
JSON; `stream` prints one for each row and each error, until the input ends.
"""
import json
import logging
import sys
import threading
import time

import requests
import teslapy

address, token, ca, *steps = sys.argv[1:]
web, stream = ("https", "wss") if ca else ("http", "ws")
teslapy.BASE_URL = f"{web}://{address}/"
teslapy.STREAMING_BASE_URL = f"{stream}://{address}/"


def show(**what):
    print(json.dumps(what), flush=True)


class Errors(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.ERROR:
            show(error=record.getMessage())


def new_client(expires_at):
    cache = {"owner@example.com": {"url": f"{web}://{address}/", "sso": {
        "access_token": token, "refresh_token": token, "token_type": "Bearer", "expires_at": expires_at}}}
    tesla = teslapy.Tesla("owner@example.com", verify=ca or True, cache_loader=lambda: cache,
                          cache_dumper=lambda _: None)
    tesla.trust_env = False  # REQUESTS_CA_BUNDLE would replace `verify`
    return tesla


def run_stream(vehicle):
    options = {"sslopt": {"ca_certs": ca}} if ca else {}
    if "vin" in steps:
        vehicle["vehicle_id"] = vehicle["vin"]
    threading.Thread(target=lambda: vehicle.stream(lambda row: show(row=row), indefinitely="again" in steps, **options),
                     daemon=True).start()
    sys.stdin.read()


def run_step(step, tesla):
    if step == "refresh":
        show(token=tesla.refresh_token())
        return
    vehicle = tesla.vehicle_list()[0]
    if step == "products":
        show(products=dict(vehicle))
    elif step == "summary":
        show(summary=vehicle.get_vehicle_summary())
    elif step == "data":
        show(data=vehicle.get_vehicle_data())
    elif step == "wake":
        show(wake=vehicle.api("WAKE_UP"))
    elif step == "stream":
        run_stream(vehicle)


teslapy.logger.addHandler(Errors())
client = new_client(time.time() + 3600)
for name in steps:
    if name in ("vin", "again"):
        continue
    try:
        run_step(name, client)
    except (requests.exceptions.HTTPError, teslapy.OAuth2Error) as problem:
        show(failed=name, status=getattr(getattr(problem, "response", None), "status_code", None), text=str(problem))
