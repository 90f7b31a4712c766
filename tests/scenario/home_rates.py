#!/usr/bin/env python3
"""The shipped routing into a real Home Assistant, with each of the two plugins. During a whole trip every
entity's state follows the vehicle within the route's window; also on the next trips, with five vehicles at
once, and across reloads, restarts and a lost connection.

FR_SLACK_MS, FR_WAIT_S and FR_CASES as in rates.py. The deliveries and their times are taken from Home
Assistant's events."""
import contextlib
import functools
import re
import time
from collections import defaultdict, namedtuple

from fr import wait_until
from home import HomeAssistant, Watch, Way, ways
from pace import EVENT, Pace
from trips import (HOME, Run, five_vehicles, reloads, restarts, run_cases, shipped, three_trips, tunnel,
                   whole_trip, with_vehicles)
from vehicle import Vehicle
from windows import Delivered, check_the_rule, routes_of, sent_of

Entity = namedtuple("Entity", "id platform number inverted digits")  # digits: None for no `precision:`


def entity_rows(text):
    """The entities of entities.yaml, which has one a line, as dictionaries of texts."""
    return [dict(re.findall(r'(\w+): (\[[^]]*\]|"[^"]*"|[^,]+)', line))
            for line in re.findall(r"(?m)^  - \{(.*)\}$", text)]


def entity_of(field, rows):
    """The entity that has the field's value: its own, or the sensor that prefers it (Soc: Battery)."""
    own = [row for row in rows if row.get("field") == field]
    found = own or [row for row in rows if row["platform"] == "sensor" and
                    row.get("from", "").strip("[]").split(", ")[0] == field]
    assert len(found) == 1, f"{field} has the entities {found}"
    row = found[0]
    slug = re.sub("[^a-z0-9]+", "_", row["name"].lower())
    return Entity(f"{row['platform']}.@_{slug}", row["platform"], "unit" in row or "state" in row,
                  row.get("on_if") == '["false"]', int(row["precision"]) if "precision" in row else None)


# field: entity (@: the vehicle). Every field of the shipped routing has one.
ROWS = entity_rows(shipped("entities.yaml"))
ENTITIES = {field: entity_of(field, ROWS) for field in routes_of(HOME, "home")}


def rounding(field, plugin):
    """How far a state may be from the field's value. Both plugins round to one digit more than is
    displayed, and ha_websocket then to the displayed digits."""
    entity = ENTITIES[field]
    if entity.platform == "device_tracker":
        return 0.2  # metres; six decimal places
    if entity.digits is None:
        return 0
    return (0.55 if plugin == "ha_websocket" else 0.05) * 10 ** -entity.digits


# The first values of a trip, so that every entity exists when the trip begins.
PARKED = {"Location": {"latitude": 37.38, "longitude": -122.13}, "VehicleSpeed": 0, "GpsHeading": 90,
          "Gear": "P", "Soc": 63, "EstBatteryRange": 170, "ChargeLimitSoc": 80, "TimeToFullCharge": 1.4,
          "ACChargingPower": 0, "DCChargingPower": 0, "ChargeAmps": 0, "ChargerVoltage": 0,
          "DetailedChargeState": "Disconnected", "ChargePortDoorOpen": False, "ChargingCableType": "IEC",
          "DoorState": {}, "Locked": True, "FdWindow": "Closed", "FpWindow": "Closed", "RdWindow": "Closed",
          "RpWindow": "Closed", "SentryMode": "Armed", "DriverSeatOccupied": False, "InsideTemp": 25,
          "OutsideTemp": 18, "HvacPower": "Off", "DefrostMode": "Off", "ClimateKeeperMode": "Off",
          "TpmsPressureFl": 2.8, "TpmsPressureFr": 2.8, "TpmsPressureRl": 2.8, "TpmsPressureRr": 2.8,
          "TpmsHardWarnings": {}, "TpmsSoftWarnings": {}, "Odometer": 18230, "Version": "2026.32.1",
          "SoftwareUpdateVersion": "2026.36", "DestinationName": "Work", "MilesToArrival": 5,
          "MinutesToArrival": 10}
# Fields that do not change on a trip, or for less than SLACK (a door is open for 1 s), with other values: each
# of them changes once before it.
OTHERS = {"ChargeLimitSoc": 90, "DCChargingPower": 50, "DoorState": {"TrunkRear": True}, "FpWindow": "Opened",
          "RdWindow": "Opened", "RpWindow": "PartiallyOpen", "DefrostMode": "Normal", "ClimateKeeperMode": "Dog",
          "TpmsHardWarnings": {"front_left": True}, "TpmsSoftWarnings": {"rear_right": True}}


class Seen:
    """The states of some vehicles in Home Assistant, as deliveries of fields."""

    def __init__(self, plugin, sink, watch, slugs, pace):
        """`slugs`: {vin: prefix of its entity ids}."""
        self.sink, self.watch = sink, watch
        self.streams = {entity.id.replace("@", slug): (vin, field) for vin, slug in slugs.items()
                        for field, entity in ENTITIES.items()}
        self.clock = time.time() - time.monotonic()
        self.options = {"silent": True, "pace": pace, "near": {field: rounding(field, plugin) * 1.001 + 1e-6
                                                 for field in ENTITIES}}

    def follow(self, d):
        pass

    def delivered(self):
        found = defaultdict(list)
        for at, entity, state, attributes in [change for name in self.streams
                                              for change in list(self.watch.of[name])]:
            vin, field = self.streams[entity]
            if (value := self.value(field, state, attributes)) is None:
                continue
            values = found[vin, field]
            if state == "unknown" and not values:
                continue  # the entity is new
            if not values or values[-1].value != value:  # only an attribute may have changed
                values.append(Delivered(at + self.clock, value, None))
        return found

    @staticmethod
    def value(field, state, attributes):
        """Return the field's value for a state, or None if the state is no value."""
        entity = ENTITIES[field]
        if (field, state) == ("ChargingCableType", "unknown"):
            return "SNA"
        if state in (None, "unknown", "unavailable"):
            return None
        if entity.platform == "device_tracker":
            place = {k: (attributes or {}).get(k) for k in ("latitude", "longitude")}
            return None if None in place.values() else place
        if entity.platform == "binary_sensor":
            return {"on": not entity.inverted, "off": entity.inverted}[state]
        return float(state) if entity.number else state


def prepare(run, seen):
    """Create every entity of every vehicle before the trips begin, and change what no trip changes."""
    unlike = (set(run.routes) & set(PARKED)) ^ set(ENTITIES)
    assert not unlike, unlike
    for vin in run.vins:
        run.d.say(PARKED | OTHERS | {"vin": vin})
    wait_until("every entity has a state",
               lambda: sum(map(bool, seen.delivered().values())) == len(seen.streams), 90)
    run.since = time.time()
    for vin in run.vins:
        car = Vehicle(run.d, vin)
        car.say({field: PARKED[field] for field in OTHERS})
        run.messages[vin] += 1
        car.close()
    sent = sent_of(run.records(), run.routes)
    run.wait_arrived(sent, 1, 10)  # what is too late is for check_windows to name


def case(drive, routing, plugin, way, home, watch, pace):
    name = drive.__name__
    vehicles = re.findall(r"vin: (\w+), name: ([\w ]+)", routing)
    slugs = {vin: text.lower().replace(" ", "_") for vin, text in vehicles}
    # Several daemons share the broker.
    more = f", topic: {name}, client_id: {name}" if plugin == "mqtt" else ""
    seen = Seen(plugin, way.sink(home, more), watch, slugs, pace)
    title = f"{name}, {plugin} into Home Assistant, etc/home-assistant/routing.yaml"
    with Run(title, seen, routing) as run:
        prepare(run, seen)
        drive(run)
        return run.check()


def car(n):
    return with_vehicles(HOME, [f"5YJ3E1EA7KF0000{n:02}"])


CASES = [(whole_trip, HOME), (three_trips, car(11)), (reloads, car(12)), (restarts, car(13)),
         (tunnel, car(14)), (five_vehicles, with_vehicles(HOME, [f"5YJ3E1EA7KF0000{n}" for n in range(20, 25)]))]


def main():
    check_the_rule()
    HomeAssistant().__exit__(None)  # skip or install once, before two cases run in parallel
    with contextlib.ExitStack() as stack:
        todo, homes = {}, []
        for plugin in ways():
            way, home = stack.enter_context(Way(plugin)), stack.enter_context(HomeAssistant())
            way.join(home)
            homes.append(home)
            watch = Watch(home, ("state_changed", EVENT))
            stack.callback(watch.close)
            pace = stack.enter_context(Pace(home, watch))
            for drive, routing in CASES:
                todo[f"{drive.__name__} {plugin}"] = \
                    functools.partial(case, drive, routing, plugin, way, home, watch, pace)
        run_cases(todo)
        bad = [text for home in homes for text in home.log_warnings("melan", "mobile_app", "mqtt", "fleetroute")]
        assert not bad, bad


if __name__ == "__main__":
    main()
