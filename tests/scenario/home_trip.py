#!/usr/bin/env python3
"""A simulated trip from the vehicle's TLS connection to the states of a real Home Assistant, with each of
the two plugins: the eight entities have their exact ids and the right state at each step."""
from fr import Daemon, wait_until
from home import CAR, HomeAssistant, Watch, Way, ways

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
    for entity, field, near in (("speed", "VehicleSpeed", 0.051), ("battery", "Soc", 0.051),
                                ("range", "EstBatteryRange", 0.051)):
        shown = [float(s) for s in states(f"sensor.melan_y_{entity}")]
        assert len(shown) >= 5 and abs(shown[-1] - sent[field][-1]) < near, (entity, shown[-3:])
        assert is_within(shown, sent[field], lambda a, b: abs(a - b) < near), (entity, shown)


if __name__ == "__main__":
    for which in ways():
        trip(which)
