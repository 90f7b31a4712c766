#!/usr/bin/env python3
"""A simulated trip from the vehicle's TLS connection to the states of a real Home Assistant, with each of
the two plugins: the eight entities have their exact ids and the right state at each step, and both plugins make
entities that look alike."""
import contextlib

from fr import Daemon, wait_until
from home import CAR, HomeAssistant, Socket, Watch, Way, ways

# entity, field, unit, device class
EIGHT = [
    ("device_tracker.melan_y_location", "Location", None, None),
    ("sensor.melan_y_shift_state", "Gear", None, None),
    ("sensor.melan_y_speed", "VehicleSpeed", "km/h", "speed"),
    ("sensor.melan_y_battery", "Soc", "%", "battery"),
    ("sensor.melan_y_range", "EstBatteryRange", "km", "distance"),
    ("binary_sensor.melan_y_driving", "Gear", None, "moving"),
    ("binary_sensor.melan_y_charging", "DetailedChargeState", None, "battery_charging"),
    ("binary_sensor.melan_y_connected", None, None, "connectivity"),
]
DIAGNOSTIC = {"sensor.melan_y_heading", "sensor.melan_y_charging_cable_type", "sensor.melan_y_charger_voltage",
              "binary_sensor.melan_y_connected"}
ROUTING = CAR + """
records: [{type: presence, to: home}]
fields: [{field: "*", to: [home, log], unit: metric}]
"""


def without_repeats(values):
    return [v for i, v in enumerate(values) if i == 0 or v != values[i - 1]]


def is_within(part, whole, near):
    """Whether `part` is a subsequence of `whole`: `latest` may skip values, but never reorders them."""
    at = 0
    for value in part:
        while at < len(whole) and not near(value, whole[at]):
            at += 1
        if at == len(whole):
            return False
    return True


def trip(plugin):
    with Way(plugin) as way, HomeAssistant() as home:
        way.join(home)
        watch = Watch(home)
        sinks = way.sink(home) + '\n  log: {plugin: file, options: {path: "@/log.jsonl"}}'
        with Daemon(ROUTING, sinks, "limits: {presence_grace: 500 ms}", journal="{}") as d:
            play(d, d, home, watch)
            check_appearance(home, watch, plugin)
        if plugin == "mqtt":  # fleetroute publishes `offline` when it ends
            home.wait("sensor.melan_y_speed", "unavailable")
        bad = home.log_warnings("melan", "mobile_app", "mqtt", "fleetroute")
        assert not bad, bad
        watch.close()


def play(car, d, home, watch):
    """Send the trip to the daemon `car`; `d` is the daemon that sends to Home Assistant."""
    car.say({"Gear": "P"})  # registers the device; no later value is skipped
    home.wait("sensor.melan_y_shift_state", "P", 60)
    car.simulate("--speed", "8")
    wait_until("all records are delivered", lambda: d.status()["sinks"]["home"]["lag"] == 0)
    home.wait("binary_sensor.melan_y_connected", "off")
    sent = {}
    for line in d.records("log.jsonl"):
        sent.setdefault(line["field"], []).append(line["value"])
    check(home, watch, sent)


def check(home, watch, sent):
    entities = home.entities()
    for entity, field, unit, kind in EIGHT:
        state = entities[entity]
        assert state["attributes"].get("unit_of_measurement") == unit, state
        if kind:
            assert state["attributes"]["device_class"] == kind, state
    tracker = entities["device_tracker.melan_y_location"]
    last = sent["Location"][-1]
    assert tracker["state"] == "home", tracker
    assert abs(tracker["attributes"]["latitude"] - last["latitude"]) < 1e-6, (tracker, last)
    assert abs(tracker["attributes"]["longitude"] - last["longitude"]) < 1e-6, (tracker, last)

    def states(entity):
        return without_repeats([s for s in watch.states(entity)
                                if s not in ("unknown", "unavailable", None)])

    assert states("device_tracker.melan_y_location") == ["not_home", "home"]
    assert states("sensor.melan_y_shift_state") == ["P", "D", "P"], states("sensor.melan_y_shift_state")
    for entity in ("driving", "charging", "connected"):
        on = states(f"binary_sensor.melan_y_{entity}")
        assert on == (["on", "off"] if entity == "connected" else ["off", "on", "off"]), (entity, on)
    assert states("sensor.melan_y_activity") == ["Parked", "Driving", "Parked"], states("sensor.melan_y_activity")
    # mqtt sends one digit more than is displayed; ha_websocket rounds that to a whole number.
    near = 0.551 if all(s.lstrip("-").isdigit() for s in states("sensor.melan_y_range")) else 0.051
    for entity, field in (("speed", "VehicleSpeed"), ("battery", "Soc"), ("range", "EstBatteryRange")):
        shown = [float(s) for s in states(f"sensor.melan_y_{entity}")]
        assert len(shown) >= 5 and abs(shown[-1] - sent[field][-1]) < near, (entity, shown[-3:])
        assert is_within(shown, sent[field], lambda a, b: abs(a - b) < near), (entity, shown)


def check_appearance(home, watch, plugin):
    """Names, icons, classes, categories, firmware and displayed decimals, as far as the app API has them."""
    with contextlib.closing(Socket(home)) as socket:
        registry = {entry["entity_id"]: entry for entry in socket.command("config/entity_registry/list")}
        details = socket.command("config/entity_registry/get_entries", entity_ids=["sensor.melan_y_speed"])
        device, = (device for device in socket.command("config/device_registry/list") if device["name"] == "Melan Y")
    entities = home.entities()
    assert (device["sw_version"], device["manufacturer"], device["model"]) == ("2026.32.1", "Tesla", "Model 3"), device
    tracker = entities["device_tracker.melan_y_location"]["attributes"]
    assert (tracker["friendly_name"], tracker["icon"]) == ("Melan Y Location", "mdi:car"), tracker
    # Home Assistant makes the tracker of every app diagnostic; no command changes that.
    expected = DIAGNOSTIC | ({"device_tracker.melan_y_location"} if plugin == "ha_websocket" else set())
    usual = {entity for entity, *_ in EIGHT} | DIAGNOSTIC | {"sensor.melan_y_activity", "sensor.melan_y_doors"}
    assert {e for e in usual & set(registry) if registry[e]["entity_category"] == "diagnostic"} == expected
    for entity in ("shift_state", "activity", "charging_state", "front_driver_window"):
        assert entities[f"sensor.melan_y_{entity}"]["attributes"]["device_class"] == "enum", entity
    speed = entities["sensor.melan_y_speed"]
    if plugin == "mqtt":
        options = details["sensor.melan_y_speed"]["options"]
        assert options["sensor"]["suggested_display_precision"] == 0, options
    else:  # 0 km/h, 80 %, 18.5 °C
        for entity in ("speed", "battery", "range"):
            shown = watch.states(f"sensor.melan_y_{entity}")
            assert all(s.isdigit() for s in shown if s not in (None, "unknown")), (entity, shown)
        assert entities["sensor.melan_y_outside_temperature"]["state"] == "18.5"
    assert float(speed["state"]) == 0, speed


if __name__ == "__main__":
    for which in ways():
        trip(which)
