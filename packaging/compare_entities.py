#!/usr/bin/env python3
"""Compare entities.yaml with Home Assistant's own integrations for the same vehicles:
packaging/compare_entities.py FOLDER [FIELD…]

FOLDER is `homeassistant` of an unpacked release, with const.py, components/teslemetry and components/tesla_fleet. The
descriptions of their sensors are read, not run. For each streamed field: both descriptions and their differences.
  same        both have it        more  only entities.yaml has it
  decided     they differ, and DECISIONS or OWNERS gives the reason
  missing     only the integration has it
  different   they differ without a reason
The exit status is 1 if anything is missing or different. Needs python3-yaml."""
import ast
import json
import os
import re
import sys
from collections import Counter

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Listeners of the integration's library whose name is not that of a field.
LISTENERS = {"TrunkFront": "DoorState", "TrunkRear": "DoorState", "FrontDriverWindow": "FdWindow", "FrontPassengerWindow": "FpWindow", "RearDriverWindow": "RdWindow",
             "RearPassengerWindow": "RpWindow", "FrontDriverDoor": "DoorState", "RearDriverDoor": "DoorState",
             "FrontPassengerDoor": "DoorState", "RearPassengerDoor": "DoorState", "State": "presence"}
# Keys of polled entities, which have no listener, and the field with the same value.
POLLED = {"charge_state_charge_rate": "ChargeRateMilePerHour", "charge_state_battery_range": "RatedRange",
          "drive_state_power": "PackCurrent", "climate_state_driver_temp_setting": "HvacLeftTemperatureRequest",
          "climate_state_passenger_temp_setting": "HvacRightTemperatureRequest",
          "vehicle_state_is_user_present": "DriverSeatOccupied", "climate_state_is_preconditioning": "HvacPower",
          "charge_state_trip_charging": "SuperchargerSessionTripPlanner",
          "vehicle_state_tpms_soft_warning_fl": "TpmsSoftWarnings"}
# What a vehicle does not stream: a connection by radio, which is no field.
NOT_STREAMED = {"Cellular", "Wifi"}
# The reason of a difference, by (field or *, attribute).
ROUTED = "an entity exists here only for a routed field, so a value for people is enabled and not diagnostic"
WHOLE = "as the vehicle displays it, in the unit of the route"
DECISIONS = {
    ("*", "precision"): WHOLE,
    **{(field, attribute): ROUTED for attribute in ("category", "enabled") for field in (
        "BrakePedal", "ChargeRateMilePerHour", "CurrentLimitMph", "DCChargingEnergyIn", "DriverSeatBelt",
        "EnergyRemaining", "ExpectedEnergyPercentAtTripArrival", "FastChargerPresent", "GuestModeEnabled",
        "HomelinkNearby", "HvacAutoMode", "IdealBatteryRange", "LightsHazardsActive", "LightsHighBeams",
        "LocatedAtFavorite", "PassengerSeatBelt", "RatedRange", "RouteTrafficMinutesDelay",
        "PowershareHoursLeft", "PowershareInstantaneousPowerKW", "PowershareStatus")},
    **{(f"Hvac{side}TemperatureRequest", attribute): "there is no climate entity that displays it"
       for side in ("Left", "Right") for attribute in ("category", "enabled")},
    ("PackCurrent", "category"): ROUTED, ("PackCurrent", "enabled"): ROUTED,  # the derived battery power
    ("BrakePedalPos", "unit"): "a pressure reading without a known unit",
    ("IsolationResistance", "unit"): "the unit in Tesla's list of fields",
    ("LateralAcceleration", "unit"): "the unit in Tesla's list of fields",
    ("LongitudinalAcceleration", "unit"): "the unit in Tesla's list of fields",
    ("HvacFanSpeed", "unit"): "a step of the fan, not a share",
    ("HvacFanStatus", "unit"): "a step of the fan, not a share",
    ("CruiseFollowDistance", "class"): "a step of a setting, not a duration",
    ("CruiseFollowDistance", "unit"): "a step of a setting, not a duration",
    ("ChargerPhases", "platform"): "the number, not only whether there are several",
    ("Hvil", "platform"): "all states, not only whether there is a fault",
    ("Hvil", "class"): "all states, not only whether there is a fault",
    ("HvacAutoMode", "platform"): "all states, not only on and off",
    ("PassengerSeatBelt", "platform"): "all states, not only on and off",
    ("TpmsHardWarnings", "platform"): "a problem is on or off",
    ("TpmsSoftWarnings", "platform"): "a problem is on or off",
    ("DetailedChargeState", "class"): "`plug` is the class of a cable",
    ("DriverSeatOccupied", "class"): "`occupancy` is the class of a seat",
    ("MinutesToArrival", "class"): "the duration that the vehicle sends",
    ("TimeToFullCharge", "class"): "the duration that the vehicle sends",
}
OWNERS = "the owner's value, in the shipped routing"
ATTRIBUTES = ("platform", "class", "state", "unit", "precision", "category", "enabled", "options", "icon")


# ---- the integrations -----------------------------------------------------------------

class Integration:
    def __init__(self, folder, name, units):
        self.folder, self.name, self.units = os.path.join(folder, "components", name), name, units
        with open(os.path.join(self.folder, "icons.json")) as f:
            self.icons = json.load(f)["entity"]
        with open(os.path.join(self.folder, "strings.json")) as f:
            self.strings = json.load(f)["entity"]

    def value(self, node, names):
        """The constant that an expression means; None: another expression."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return self.units.get((node.value.id, node.attr), node.attr.lower())
        if isinstance(node, ast.Name):
            return names.get(node.id, self.units.get((None, node.id)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "list":
            inner = node.args[0]
            return self.value(inner.func.value if isinstance(inner, ast.Call) else inner, names)
        if isinstance(node, ast.Dict):
            return [self.value(key, names) for key in node.keys]
        return None

    def entities(self):
        """The descriptions of the entities of a vehicle: platform, key, listeners and keyword arguments."""
        for platform in ("sensor", "binary_sensor"):
            with open(os.path.join(self.folder, f"{platform}.py")) as f:
                tree = ast.parse(f.read())
            names = {}
            for node in tree.body:
                target = node.target if isinstance(node, ast.AnnAssign) else \
                    node.targets[0] if isinstance(node, ast.Assign) else None
                if not isinstance(target, ast.Name):
                    continue
                if target.id.startswith(("VEHICLE_", "DESCRIPTIONS")):
                    for call in (n for n in ast.walk(node) if isinstance(n, ast.Call) and
                                 getattr(n.func, "id", "").endswith("EntityDescription")):
                        yield platform, self.description(platform, call, names)
                else:
                    names[target.id] = self.value(node.value, names)

    def description(self, platform, call, names):
        given = {k.arg: self.value(k.value, names) for k in call.keywords}
        key = given["key"]
        icon = self.icons.get(platform, {}).get(key, {})
        return {
            "key": key, "platform": platform,
            "fields": [n.attr[7:] for n in ast.walk(call) if isinstance(n, ast.Attribute)
                       and n.attr.startswith("listen_")],
            "name": self.strings.get(platform, {}).get(key, {}).get("name"),
            "class": given.get("device_class"), "state": given.get("state_class"),
            "unit": given.get("native_unit_of_measurement"), "precision": given.get("suggested_display_precision"),
            "category": given.get("entity_category"), "options": given.get("options"),
            "enabled": given.get("entity_registry_enabled_default", True),
            "icon": icon.get("default") or icon.get("state", {}).get("on"),
        }


def read_units(folder):
    """The constants of const.py that are texts, by (class or None, name)."""
    units = {}
    with open(os.path.join(folder, "const.py")) as f:
        tree = ast.parse(f.read())
    for owner, body in [(None, tree.body)] + [(n.name, n.body) for n in tree.body if isinstance(n, ast.ClassDef)]:
        for node in body:
            target = node.target if isinstance(node, ast.AnnAssign) else \
                node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
                units[owner, target.id] = node.value.value
    return units


def read_theirs(folder):
    """The descriptions of both integrations by field. The same key is the same value in both."""
    units, theirs, by_key = read_units(folder), {}, dict(POLLED)
    for name in ("teslemetry", "tesla_fleet"):
        for platform, entity in Integration(folder, name, units).entities():
            key = (platform, entity["key"])
            fields = {LISTENERS.get(f, f) for f in entity["fields"]} or \
                {by_key[k] for k in (key, entity["key"]) if k in by_key}
            for field in fields - NOT_STREAMED:
                by_key[key] = field
                theirs.setdefault(field, []).append(entity | {"integration": name})
    return theirs


def read_other_fields(folder):
    """The fields that entities of other platforms use, such as lock, cover and climate."""
    fields = set()
    platforms = os.path.join(folder, "components", "teslemetry")
    for name in os.listdir(platforms):
        if name.endswith(".py") and name not in ("sensor.py", "binary_sensor.py"):
            with open(os.path.join(platforms, name)) as f:
                fields |= set(re.findall(r"\.listen_([A-Z]\w+)", f.read()))
    return {LISTENERS.get(f, f) for f in fields}


# ---- the comparison -------------------------------------------------------------------

def read_ours():
    """The entities of entities.yaml by field, the field's own one first; the fields of the shipped routing."""
    with open(os.path.join(TOP, "etc", "entities.yaml")) as f:
        catalogue = yaml.safe_load(f)
    ours = {}
    for entity in catalogue["fields"] + catalogue["derived"]:
        for key in ("field", "from", "any", "max", "product"):
            for field in [entity[key]] if isinstance(entity.get(key), str) else entity.get(key, []):
                ours.setdefault(field, []).append({"enabled": True} | entity)
    with open(os.path.join(TOP, "etc", "home-assistant", "routing.yaml")) as f:
        routing = yaml.safe_load(f)
    owners = set()
    for route in routing["fields"]:
        owners |= {route["field"]} if isinstance(route["field"], str) else set(route["field"])
    return ours, owners


def choose(entities, their):
    """Our entity that is nearest to theirs: the same platform and class, else the field's own one."""
    return max(entities, key=lambda e: (e["platform"] == their["platform"],
                                        e.get("class") == (their["class"] or e.get("class"))))


def judge(attribute, our, their, field, owners):
    """The relation of an attribute, and the reason if they differ."""
    a, b = our.get(attribute), their[attribute]
    if attribute == "options" and a and b:
        a, b = sorted(map(str, a)), sorted(map(str, b))
        if set(b) <= set(a) | {"SNA", "Unknown"}:  # these count as invalid here
            return "same" if len(a) <= len(b) else "more", None
    if attribute == "icon" and b is not None and (a or our.get("class")):
        return "same", None  # any icon; a device class has one
    if a == b:
        return "same", None
    if b is None:
        return "more", None
    for key in ((field, attribute), ("*", attribute)):
        if key in DECISIONS:
            return "decided", DECISIONS[key]
    if attribute in ("category", "enabled") and field in owners:
        return "decided", OWNERS
    return "missing" if a is None else "different", None


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    theirs, (ours, owners) = read_theirs(sys.argv[1]), read_ours()
    counts, reasons = Counter(), Counter()
    for field in sorted(theirs):
        if sys.argv[2:] and field not in sys.argv[2:]:
            continue
        if field not in ours:
            counts["missing"] += 1
            print(f"{field}: no entity")
            continue
        for their in theirs[field]:
            our = choose(ours[field], their)
            print(f"{field}: {our['name']} | {their['integration']}: {their['name'] or their['key']}")
            for attribute in ATTRIBUTES:
                relation, reason = judge(attribute, our, their, field, owners)
                if our.get(attribute) is None and their[attribute] is None:
                    continue
                counts[relation] += 1
                if reason:
                    reasons[reason] += 1
                if relation != "same":
                    print(f"  {relation:<9} {attribute}: {our.get(attribute)} | {their[attribute]}"
                          f"{'; ' + reason if reason else ''}")
    others = read_other_fields(sys.argv[1])
    for field in sorted(others - ours.keys()):
        counts["missing"] += 1
        print(f"{field}: no entity; another platform has it")
    numbers = ", ".join(f"{counts[k]} {k}" for k in ("same", "more", "decided", "missing", "different"))
    print(f"{len(theirs)} fields with {sum(map(len, theirs.values()))} descriptions and {len(others)} of other platforms there, "
          f"{len(ours)} fields in entities.yaml; attributes: {numbers}")
    for reason, count in sorted(reasons.items(), key=lambda r: -r[1]):
        print(f"  {count} decided: {reason}")
    return 1 if counts["missing"] or counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
