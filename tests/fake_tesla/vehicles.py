"""Vehicles: list, state of the key and firmware, telemetry configuration and its life."""
import re

from . import jws, pki
from .messages import Answer, Refusal
from .partner import shaped, rows_of
from .fields import FIELDS, LOCATION_FIELDS

SKIPPED = ("missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs")
KEYS = {"hostname", "port", "ca", "exp", "fields", "alert_types", "delivery_policy", "prefer_typed", "iss", "aud"}
FIELD_KEYS = {"interval_seconds", "minimum_delta", "resend_interval_seconds", "include_fields"}
MAX_CA_BYTES = 1 << 16


class Vehicle:
    """A vehicle of the account. See README.md for the options."""

    def __init__(self, vin, state="online", firmware="2026.32.3", paired=False, pair_after=None, toggle=None,
                 command_protocol_required=True, fleet_telemetry_version="1.3.0", access="OWNER", region="eu",
                 skip=None, slots_full=False, sync_after=1, keys=3):
        self.vin, self.state, self.firmware, self.paired = vin, state, firmware, paired
        self.pair_after, self.toggle, self.access, self.region = pair_after, toggle, access, region
        self.command_protocol_required = command_protocol_required
        self.fleet_telemetry_version = fleet_telemetry_version
        self.skip, self.slots_full, self.sync_after, self.keys = skip, slots_full, sync_after, keys
        self.paired_key = None  # the registered key at the time of pairing; None: any
        self.claims = self.token = None
        self.synced, self.refused, self.polls, self.status_polls = True, False, 0, 0

    def needs_no_key(self):
        """Model S and X with an Intel Atom: the toggle in the car replaces the key."""
        return not self.command_protocol_required and self.toggle is not None and self.vin[3] in "SX"

    def skip_reason(self, key):
        if self.skip:
            return self.skip
        if self.needs_no_key():
            if not self.toggle:
                return "missing_key"
            return "unsupported_firmware" if version(self.firmware) < (2025, 20) else None
        if self.toggle is None and self.fleet_telemetry_version is None and self.vin[3] in "SX":
            return "unsupported_hardware"
        if version(self.firmware) < (2024, 26):
            return "unsupported_firmware"
        return None if self.has_key(key) else "missing_key"

    def has_key(self, key):
        return self.paired and self.paired_key in (None, key)

    def store(self, claims, token):
        self.claims, self.token = claims, token
        self.synced, self.polls, self.refused = False, 0, self.slots_full

    def drop(self):
        self.claims = self.token = None
        self.synced, self.refused = True, False


def version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text))


def vehicle_of(fake, request, vin, owner=False):
    vehicle = fake.vehicles.get(vin)
    if vehicle is None or vehicle.region != request.role or (owner and vehicle.access != "OWNER"):
        raise Refusal(404, "not_found", "no such vehicle of this account in this region")
    return vehicle


def registered_key(fake, request, access):
    """The key that the app has registered in this region; 412 if there is none."""
    for (role, _, client), key in fake.registrations.items():
        if (role, client) == (request.role, access.app.client_id):
            return key
    raise Refusal(412, "Precondition Failed",
                  f"Account {access.app.client_id} must be registered in the current region")


def vins_of(body):
    vins = body.get("vins")
    if not isinstance(vins, list) or not vins or not all(isinstance(vin, str) for vin in vins):
        raise Refusal(400, "invalid_field", "vins is not a list of VINs")
    return vins


def list_vehicles(fake, request, access):
    registered_key(fake, request, access)
    listed = [v for v in fake.vehicles.values() if v.region == request.role]
    try:
        page = int(request.query.get("page", "1"))
        asked = request.query.get("page_size") or request.query.get("per_page") or fake.max_page_size
        size = min(int(asked), fake.max_page_size)
    except ValueError:
        raise Refusal(400, "invalid_request", "page and page_size are numbers") from None
    if page < 1 or size < 1:
        raise Refusal(400, "invalid_request", "page and page_size begin with 1")
    pages = max(1, -(-len(listed) // size))
    rows = [row_of(v, number) for number, v in enumerate(listed, 1)][(page - 1) * size:page * size]
    return Answer(200, {"response": rows, "count": len(rows), "pagination": {
        "previous": page - 1 if page > 1 else None, "next": page + 1 if page < pages else None, "current": page,
        "per_page": size, "count": len(listed), "pages": pages}})


def row_of(vehicle, number):
    return {"id": 100000 + number, "vehicle_id": 200000 + number, "vin": vehicle.vin, "color": None,
            "access_type": vehicle.access, "display_name": f"Car {number}", "option_codes": None,
            "granular_access": {"hide_private": False}, "tokens": None, "state": vehicle.state,
            "in_service": False, "id_s": str(100000 + number), "calendar_enabled": True, "api_version": 86,
            "backseat_token": None, "backseat_token_updated_at": None,
            "command_signing": "required" if vehicle.command_protocol_required else "off"}


def fleet_status(fake, request, access):
    key = registered_key(fake, request, access)
    paired, unpaired, info = [], [], {}
    for vin in vins_of(request.json()):
        vehicle = vehicle_of(fake, request, vin)
        vehicle.status_polls += 1
        if not vehicle.paired and vehicle.pair_after is not None and vehicle.status_polls > vehicle.pair_after:
            vehicle.paired, vehicle.paired_key = True, key
        (paired if vehicle.has_key(key) else unpaired).append(vin)
        info[vin] = {"firmware_version": vehicle.firmware,
                     "vehicle_command_protocol_required": vehicle.command_protocol_required,
                     "discounted_device_data": False,
                     "fleet_telemetry_version": vehicle.fleet_telemetry_version,
                     "total_number_of_keys": vehicle.keys + int(vehicle.paired)}
        if vehicle.toggle is not None or not fake.omit_null_toggle:
            info[vin]["safety_screen_streaming_toggle_enabled"] = vehicle.toggle
    return Answer(200, {"response": {"key_paired_vins": paired, "unpaired_vins": unpaired, "vehicle_info": info}})


# ---- the configuration ------------------------------------------------------------


def post_config(fake, request, access):
    """POST fleet_telemetry_config_jws: nothing is stored unless all of the token is right."""
    registered = registered_key(fake, request, access)
    body = request.json()
    vins, token = vins_of(body), body.get("token")
    try:
        claims, key = jws.read(token)
        if fake.tesla_jws:
            jws.confirm(fake.tesla_jws, token)
        check_audience(claims, vins)
        check_claims(claims, fake.now())
    except ValueError as error:
        raise Refusal(400, "invalid_request", str(error)) from None
    if key != registered:
        raise Refusal(412, "Precondition Failed", "iss is not the public key that is registered for this account")
    if LOCATION_FIELDS & set(claims["fields"]) and "vehicle_location" not in access.scopes:
        raise Refusal(403, "Unauthorized missing scopes", "vehicle_location")
    vehicles = [vehicle_of(fake, request, vin, owner=True) for vin in vins]
    skipped, updated = {reason: [] for reason in SKIPPED}, 0
    for vehicle in vehicles:
        reason = vehicle.skip_reason(registered)
        if reason:
            skipped.setdefault(reason, []).append(vehicle.vin)
        else:
            vehicle.store(claims, token)
            updated += 1
    return Answer(200, {"response": {"updated_vehicles": updated, "skipped_vehicles": skipped}})


def check_audience(claims, vins):
    if claims.get("aud") != jws.FLEET_AUDIENCE and [claims.get("aud")] != [jws.vehicle_audience(v) for v in vins]:
        raise ValueError("aud is neither the fleet's nor that of the only vehicle")


def is_number(value, lowest=None, whole=False):
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) and \
        (lowest is None or value >= lowest)


def check_claims(claims, now):
    unknown = [key for key in claims if key not in KEYS]
    if unknown:
        raise ValueError(f"unknown key in config: {unknown[0]}")
    if not isinstance(claims.get("hostname"), str) or not claims["hostname"]:
        raise ValueError("hostname is missing")
    if not is_number(claims.get("port"), 1, whole=True) or claims["port"] > 65535:
        raise ValueError("port is not a number from 1 to 65535")
    if "exp" in claims and (not is_number(claims["exp"]) or claims["exp"] <= now):
        raise ValueError("exp is not a time in the future")
    check_ca(claims.get("ca"))
    check_fields(claims.get("fields"))
    alerts = claims.get("alert_types", [])
    if not isinstance(alerts, list) or not all(isinstance(alert, str) for alert in alerts):
        raise ValueError("alert_types is not a list of texts")
    if claims.get("delivery_policy", "latest") != "latest":
        raise ValueError("delivery_policy is not latest")


def check_ca(ca):
    if not isinstance(ca, str) or len(ca) > MAX_CA_BYTES:
        raise ValueError("ca is not a text of PEM")
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", ca, re.S)
    if not blocks:
        raise ValueError("ca has no certificate in PEM")
    for block in blocks:
        try:
            pki.openssl("x509", "-noout", data=block.encode())
        except ValueError:
            raise ValueError("ca has a certificate that cannot be read") from None


def check_fields(fields):
    if not isinstance(fields, dict):
        raise ValueError("fields is not an object")
    for name, options in fields.items():
        if name not in FIELDS:
            raise ValueError(f"unknown field: {name}")
        if not isinstance(options, dict):
            raise ValueError(f"field {name}: the options are not an object")
        unknown = [key for key in options if key not in FIELD_KEYS]
        if unknown:
            raise ValueError(f"field {name}: unknown key {unknown[0]}")
        if not is_number(options.get("interval_seconds"), 1, whole=True):
            raise ValueError(f"field {name}: interval_seconds is not a whole number from 1")
        if not is_number(options.get("minimum_delta", 0), 0):
            raise ValueError(f"field {name}: minimum_delta is not a number from 0")
        if not is_number(options.get("resend_interval_seconds", 1), 1, whole=True):
            raise ValueError(f"field {name}: resend_interval_seconds is not a whole number from 1")
        for included in options.get("include_fields", []):
            if included not in FIELDS:
                raise ValueError(f"unknown field: {included}")


def get_config(fake, request, access):
    key = registered_key(fake, request, access)
    vehicle = vehicle_of(fake, request, request.vin, owner=True)
    vehicle.polls += 1
    if not vehicle.synced and vehicle.state == "online" and vehicle.polls > vehicle.sync_after:
        vehicle.synced = True
        if vehicle.refused:
            vehicle.claims = vehicle.token = None
    config = None
    if vehicle.claims is not None:
        hidden = () if fake.shows_issuer else ("iss", "aud")
        config = {name: value for name, value in vehicle.claims.items() if name not in hidden}
    return Answer(200, {"response": {"synced": vehicle.synced, "config": config,
                                     "limit_reached": vehicle.synced and vehicle.refused,
                                     "key_paired": vehicle.has_key(key)}})


def delete_config(fake, request, access):
    registered_key(fake, request, access)
    vehicle = vehicle_of(fake, request, request.vin, owner=True)
    had = vehicle.claims is not None
    vehicle.drop()
    return Answer(200, {"response": {"updated_vehicles": int(had)}})


def errors_of(fake, request, access):
    vehicle_of(fake, request, request.vin)
    return shaped(fake, "fleet_telemetry_errors", rows_of(fake, access.app, request.vin))


def wake_up(fake, request, access):
    """A wake costs US$ 0.02 and is never needed: the fake refuses it, and the log shows it."""
    raise Refusal(403, "Unauthorized", "this fake wakes no vehicle: fleetroute must not ask for it")


def region(fake, request, access):
    return Answer(200, {"response": {"region": fake.region,
                                     "fleet_api_base_url": fake.base_url(fake.region, request.host)}})
