"""The table of endpoints, and the rules that all of them share: token, region, limit, shape of an error."""
import re

from . import partner, vehicles
from .messages import Answer, Refusal

VIN = r"/api/1/vehicles/(?P<vin>[A-HJ-NPR-Z0-9]{17})"
DATA = ("vehicle_device_data",)

# name, method, path, whether a user's token is needed (None: no token), its scopes, function
API = [(name, method, re.compile(path), user, scopes, function) for name, method, path, user, scopes, function in (
    ("partner_accounts", "POST", r"/api/1/partner_accounts", False, (), partner.register),
    ("public_key", "GET", r"/api/1/partner_accounts/public_key", False, (), partner.public_key),
    ("partner_errors", "GET", r"/api/1/partner_accounts/fleet_telemetry_errors", False, (), partner.telemetry_errors),
    ("error_vins", "GET", r"/api/1/partner_accounts/fleet_telemetry_error_vins", False, (), partner.error_vins),
    ("region", "GET", r"/api/1/users/region", True, (), vehicles.region),
    ("vehicles", "GET", r"/api/1/vehicles", True, DATA, vehicles.list_vehicles),
    ("fleet_status", "POST", r"/api/1/vehicles/fleet_status", True, DATA, vehicles.fleet_status),
    ("config_post", "POST", r"/api/1/vehicles/fleet_telemetry_config_jws", True, DATA, vehicles.post_config),
    ("config_get", "GET", VIN + "/fleet_telemetry_config", True, DATA, vehicles.get_config),
    ("config_delete", "DELETE", VIN + "/fleet_telemetry_config", True, DATA, vehicles.delete_config),
    ("vehicle_errors", "GET", VIN + "/fleet_telemetry_errors", True, DATA, vehicles.errors_of),
    ("wake_up", "POST", VIN + "/wake_up", True, (), vehicles.wake_up),
)]
AUTH = {("POST", "/oauth2/v3/token"): "token", ("GET", "/oauth2/v3/authorize"): "authorise"}


def find(request):
    """(name, row) of a request; the name is "unknown" if there is no such endpoint."""
    if request.role == "auth":
        return AUTH.get((request.method, request.path), "unknown"), None
    for row in API:
        match = row[2].fullmatch(request.path)
        if match and row[1] == request.method:
            request.vin = match.groupdict().get("vin", "")
            return row[0], row
    return "unknown", None


def answer(fake, request, name, row):
    """The right answer of an endpoint. An error is an answer too."""
    try:
        if request.role == "auth":
            return answer_auth(fake, request, name)
        if row is None:
            raise Refusal(404, "invalid_command", "no such endpoint")
        return answer_api(fake, request, row)
    except Refusal as refusal:
        if request.role == "auth":
            return Answer(refusal.status, {"error": refusal.error, "error_description": refusal.description})
        return fake.error_answer(refusal.status, refusal.error, refusal.description, refusal.headers)


def answer_auth(fake, request, name):
    with fake.lock:
        if name == "token":
            return fake.oauth.grant(request)
        if name == "authorise":
            return Answer(302, None, {"Location": fake.oauth.authorise(request.query)})
    raise Refusal(404, "not_found", "no such endpoint")


def answer_api(fake, request, row):
    name, _, _, user, scopes, function = row
    with fake.lock:
        access = fake.oauth.check(request, user, scopes)
        if fake.over_limit:
            raise Refusal(403, "account disabled: EXCEEDED_LIMIT")
        if user and request.role != fake.region:
            return misdirected(fake, request)
    if name == "partner_accounts":
        return function(fake, request, access)
    if name != "config_post":
        with fake.lock:
            return function(fake, request, access)
    if not fake.config_lock.acquire(blocking=False):
        raise Refusal(429, "Other update in progress", "", {"Retry-After": "1"})
    try:
        with fake.lock:
            return function(fake, request, access)
    finally:
        fake.config_lock.release()


def misdirected(fake, request):
    base = fake.base_url(fake.region, request.host)
    if fake.misdirected == "header":
        return fake.error_answer(421, "Misdirected Request", "", {"Alt-Svc": f"h2={base}"})
    return fake.error_answer(421, f"user out of region, use base URL: {base}, see the documentation", "")
