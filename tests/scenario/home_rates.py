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
from collections import defaultdict

from fr import wait_until
from home import HomeAssistant, Watch, Way, ways
from trips import (HOME, Run, five_vehicles, reloads, restarts, run_cases, three_trips, tunnel, whole_trip,
                   with_vehicles)
from windows import Delivered, check_the_rule

# field: entity (@: the vehicle), and half of the last digit that its state has (etc/entities.yaml: precision + 1).
ENTITIES = {
    "Location": ("device_tracker.@_location", 0.2),  # metres; six decimal places
    "VehicleSpeed": ("sensor.@_speed", 0.05),
    "GpsHeading": ("sensor.@_heading", 0.05),
    "Gear": ("sensor.@_shift_state", 0),
    "Soc": ("sensor.@_battery", 0.05),
    "EstBatteryRange": ("sensor.@_range", 0.05),
    "ChargeLimitSoc": ("sensor.@_charge_limit", 0),
    "TimeToFullCharge": ("sensor.@_time_to_full_charge", 0.005),
    "ACChargingPower": ("sensor.@_ac_charging_power", 0.005),
    "ChargeAmps": ("sensor.@_charge_current", 0.05),
    "ChargerVoltage": ("sensor.@_charger_voltage", 0.05),
    "DetailedChargeState": ("sensor.@_charging_state", 0),
    "ChargingCableType": ("sensor.@_charging_cable_type", 0),
    "Locked": ("binary_sensor.@_lock", 0),
    "DriverSeatOccupied": ("binary_sensor.@_user_present", 0),
    "InsideTemp": ("sensor.@_inside_temperature", 0.005),
    "OutsideTemp": ("sensor.@_outside_temperature", 0.005),
    "TpmsPressureFl": ("sensor.@_tyre_pressure_front_left", 0.0005),
    "Odometer": ("sensor.@_odometer", 0.05),
}
STATES = {("Locked", "on"): False, ("Locked", "off"): True,  # Home Assistant: on is unlocked
          ("DriverSeatOccupied", "on"): True, ("DriverSeatOccupied", "off"): False,
          ("ChargingCableType", "unknown"): "SNA"}
TEXTS = ("Gear", "DetailedChargeState", "ChargingCableType")
# The first values of a trip, so that every entity exists when the trip begins.
PARKED = {"Location": {"latitude": 37.38, "longitude": -122.13}, "VehicleSpeed": 0, "GpsHeading": 90,
          "Gear": "P", "Soc": 63, "EstBatteryRange": 170, "ChargeLimitSoc": 80, "TimeToFullCharge": 1.4,
          "ACChargingPower": 0, "ChargeAmps": 0, "ChargerVoltage": 0, "DetailedChargeState": "Disconnected",
          "ChargingCableType": "IEC", "Locked": True, "DriverSeatOccupied": False, "InsideTemp": 25,
          "OutsideTemp": 18, "TpmsPressureFl": 2.8, "Odometer": 18230}


class Seen:
    """The states of some vehicles in Home Assistant, as deliveries of fields."""

    def __init__(self, sink, home, slugs):
        """`slugs`: {vin: prefix of its entity ids}."""
        self.sink, self.home, self.watch = sink, home, Watch(home)
        self.streams = {entity.replace("@", slug): (vin, field) for vin, slug in slugs.items()
                        for field, (entity, _) in ENTITIES.items()}
        self.clock = time.time() - time.monotonic()
        self.options = {"silent": True, "near": {field: near * 1.001 + 1e-6
                                                 for field, (_, near) in ENTITIES.items()}}

    def follow(self, d):
        pass

    def delivered(self):
        found = defaultdict(list)
        for at, entity, state, attributes in list(self.watch.changes):
            vin, field = self.streams.get(entity, (None, None))
            if field is None or (value := self.value(field, state, attributes)) is None:
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
        if (field, state) in STATES:
            return STATES[field, state]
        if state in (None, "unknown", "unavailable"):
            return None
        if field == "Location":
            place = {k: (attributes or {}).get(k) for k in ("latitude", "longitude")}
            return None if None in place.values() else place
        return state if field in TEXTS else float(state)


def prepare(run, seen):
    """Create every entity of every vehicle before the trips begin."""
    unlike = (set(run.routes) & set(PARKED)) ^ set(ENTITIES)
    assert not unlike, unlike
    for vin in run.vins:
        run.d.say(PARKED | {"vin": vin})
    wait_until("every entity has a state",
               lambda: sum(map(bool, seen.delivered().values())) == len(seen.streams), 90)
    run.since = time.time()


def case(drive, routing, plugin, way, home):
    name = drive.__name__
    vehicles = re.findall(r"vin: (\w+), name: ([\w ]+)", routing)
    slugs = {vin: text.lower().replace(" ", "_") for vin, text in vehicles}
    # Several daemons share the broker.
    more = f", topic: {name}, client_id: {name}" if plugin == "mqtt" else ""
    seen = Seen(way.sink(home, more), home, slugs)
    title = f"{name}, {plugin} into Home Assistant, etc/home-assistant/routing.yaml"
    with Run(title, seen, routing) as run:
        prepare(run, seen)
        drive(run)
        result = run.check()
    seen.watch.close()
    return result


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
            for drive, routing in CASES:
                todo[f"{drive.__name__} {plugin}"] = \
                    functools.partial(case, drive, routing, plugin, way, home)
        run_cases(todo)
        bad = [text for home in homes for text in home.log_warnings("melan", "mobile_app", "mqtt", "fleetroute")]
        assert not bad, bad


if __name__ == "__main__":
    main()
