#!/usr/bin/env python3
"""The files shipped for Home Assistant, in a real one: the routing, the blueprints for driving and
charging and four kinds of door, the dashboard's entities; alerts as events and notifications; and every field of the catalogue at
once, without a warning in Home Assistant's log."""
import json
import re

from fr import SOURCE, VIN, Daemon, run_parts, vector, wait_until
from home import AT_HOME, AWAY, CAR, HomeAssistant, Socket, Watch, Way, ways

HELPERS = """
input_boolean: {wallbox: {name: wallbox}, by_switch: {name: a}, by_button: {name: b}, by_script: {name: c}}
input_number: {price: {name: price, min: -1, max: 1, step: 0.01, initial: 0.5}}
switch:
  - platform: template
    switches:
      gate: {value_template: "{{ is_state('input_boolean.by_switch', 'on') }}", turn_off: [],
             turn_on: [{service: input_boolean.turn_on, target: {entity_id: input_boolean.by_switch}}]}
template:
  - button: {name: gate, press: [{service: input_boolean.turn_on, target: {entity_id: input_boolean.by_button}}]}
input_button: {gate: {name: gate}}
script: {gate: {sequence: [{service: input_boolean.turn_on, target: {entity_id: input_boolean.by_script}}]}}
automation:
  - id: gate_switch
    alias: gate switch
    use_blueprint:
      path: fleetroute/garage_door.yaml
      input: {car: device_tracker.melan_y_location, door: switch.gate}
  - id: gate_button
    alias: gate button
    use_blueprint:
      path: fleetroute/garage_door.yaml
      input: {car: device_tracker.melan_y_location, door: button.gate}
  - id: gate_input_button
    alias: gate input_button
    use_blueprint:
      path: fleetroute/garage_door.yaml
      input: {car: device_tracker.melan_y_location, door: input_button.gate}
  - id: gate_script
    alias: gate script
    use_blueprint:
      path: fleetroute/garage_door.yaml
      input: {car: device_tracker.melan_y_location, door: script.gate}
  - id: driving
    alias: Driving
    use_blueprint:
      path: fleetroute/driving.yaml
      input: {driving: binary_sensor.melan_y_driving, settle: 0}
  - id: charging
    alias: Charging
    use_blueprint:
      path: fleetroute/charging.yaml
      input:
        battery: sensor.melan_y_battery
        plugged_in: binary_sensor.melan_y_plugged_in
        charging: binary_sensor.melan_y_charging
        min_level: 30
        max_level: 80
        sensor: input_number.price
        limit: 0.2
        start: [{service: input_boolean.turn_on, target: {entity_id: input_boolean.wallbox}}]
        stop: [{service: input_boolean.turn_off, target: {entity_id: input_boolean.wallbox}}]
"""
ROUTING = CAR + """
records:
  - {type: presence, to: home}
  - {type: alerts, to: home, as: notification}
  - {type: errors, to: home, as: my_event}
fields: [{field: "*", to: home, unit: metric}]
"""


def notifications(home):
    socket = Socket(home)
    try:
        return {n["notification_id"]: n for n in socket.command("persistent_notification/get")}
    finally:
        socket.close()


def driving(d, home):
    d.say({"Gear": "P", "Soc": 50.0, "DetailedChargeState": "Disconnected"})
    home.wait("binary_sensor.melan_y_driving", "off")
    d.say({"Gear": "D"})
    wait_until("a notification of driving", lambda: "is being driven" in str(notifications(home)))
    d.say({"Gear": "P"})
    wait_until("a notification of parking", lambda: "is parked" in str(notifications(home)))
    assert "Melan Y" in str(notifications(home))


def charging(d, home):
    def wallbox(state):
        home.wait("input_boolean.wallbox", state)
        d.say({"DetailedChargeState": "Charging" if state == "on" else "Stopped"})
        home.wait("binary_sensor.melan_y_charging", state)

    def price(value):
        home.service("input_number", "set_value", entity_id="input_number.price", value=value)

    price(0.1)  # cheap, but not plugged in
    d.say({"Soc": 51.0})
    home.wait("sensor.melan_y_battery", 51)
    assert home.is_now("input_boolean.wallbox") == "off"
    d.say({"DetailedChargeState": "Stopped"})
    wallbox("on")
    price(0.4)  # too expensive
    wallbox("off")
    d.say({"Soc": 29.0})  # below the minimum, the price does not matter
    wallbox("on")
    d.say({"Soc": 31.0})
    wallbox("off")
    price(0.1)
    wallbox("on")
    d.say({"Soc": 80.0})  # the maximum is reached
    wallbox("off")


def gates(d, home):
    """The garage door's blueprint opens a switch, a button, a helper's button and a script."""
    d.say({"Location": AWAY})
    home.wait("device_tracker.melan_y_location", "not_home")
    opened = [f"input_boolean.by_{kind}" for kind in ("switch", "button", "script")]
    assert {home.is_now(entity) for entity in opened} == {"off"} and home.is_now("input_button.gate") == "unknown"
    d.say({"Location": AT_HOME})
    for entity in opened:
        home.wait(entity, "on")
    home.wait("input_button.gate", lambda state: state != "unknown")


def alerts(d, home, watch):
    """A started alert, an ended alert, and an error that the car sends."""
    alert = {"name": "VCFRONT_a192_test", "audiences": ["Customer"], "startedAt": "2026-01-01T00:00:00Z"}
    service = {"name": "for_service", "audiences": ["Service"], "startedAt": "2026-01-01T00:00:00Z"}

    def say(*which):
        d.say(json.dumps({"type": "alerts", "vin": VIN, "txid": f"alert-{len(watch.events)}",
                          "created_at": "2026-01-01T00:00:00Z", "alerts": which}))

    say(alert, service)
    wait_until("both events", lambda: {e["data"].get("name") for e in watch.events} >=
               {"VCFRONT_a192_test", "for_service"})
    event = watch.events[-1]
    assert event["event_type"] == "fleetroute_alert" and event["data"]["vehicle"] == "Melan Y", event
    shown = [n for n in notifications(home) if n.startswith("fleetroute_")]
    assert shown == [f"fleetroute_{VIN}_VCFRONT_a192_test"], shown
    say(alert | {"endedAt": "2026-01-01T01:00:00Z"})
    wait_until("the notification is removed", lambda: not [n for n in notifications(home)
                                                if n.startswith("fleetroute_")])
    car = d.car()
    car.send(vector("03_errors"))
    assert car.receive_reply()[0] == "ack"
    wait_until("the error is an event", lambda: "my_event" in {e["event_type"] for e in watch.events})
    car.close()


def every_field():
    """Return a valid value for each field of the catalogue."""
    enums = {}
    for line in open(f"{SOURCE}/proto/enums.tsv"):
        if not line.startswith("#") and line.strip():
            columns = line.rstrip("\n").split("\t")
            enums.setdefault(columns[0], []).append(columns[4])
    values = {"real": 12.5, "integer": 3, "boolean": True, "text": "some text", "time": 1767225600,
              "location": AWAY, "clock": "10:20:30", "tires": {"front_left": True},
              "doors": {"DriverFront": True}}
    said = {}
    for line in open(f"{SOURCE}/proto/fields.tsv"):
        columns = line.rstrip("\n").split("\t")
        if not line.startswith("#") and line.strip() and columns[2] in values:
            said[columns[1]] = values[columns[2]]
        elif len(columns) > 3 and columns[2] == "enum" and columns[3] in enums:
            said[columns[1]] = enums[columns[3]][-2 if enums[columns[3]][-1] == "SNA" else -1]
    return said


def all_fields(d, home):
    said = every_field()
    car = d.car()
    assert len(said) > 200, len(said)
    d.say(said)
    home.wait("sensor.melan_y_cabin_overheat_protection_temperature_limit", "Low", 30)
    wait_until("all records are delivered", lambda: d.status()["sinks"]["home"]["lag"] == 0)
    def registered():
        return [e for e in home.call("config/entity_registry/list") if "melan_y" in e["entity_id"]]

    wait_until("all entities are registered", lambda: len(registered()) > 250)
    disabled = {e["entity_id"] for e in registered() if e["disabled_by"] == "integration"}
    assert 80 < len(disabled) < 130, len(disabled)
    wait_until("the others have a state", lambda: {e["entity_id"] for e in registered()} - disabled <= set(home.entities()))
    entities = home.entities()
    assert not disabled & set(entities)
    with open(f"{SOURCE}/etc/home-assistant/dashboard.yaml") as f:
        for wanted in set(re.findall(r"(?:sensor|binary_sensor|device_tracker)\.melan_y_\w+", f.read())):
            assert wanted in entities, wanted
    for entity, unit in (("sensor.melan_y_tyre_pressure_front_left", "bar"),
                         ("sensor.melan_y_odometer", "km"), ("sensor.melan_y_charge_power", "kW"),
                         ("sensor.melan_y_time_to_full_charge", "h")):
        assert entities[entity]["attributes"]["unit_of_measurement"] == unit, entities[entity]
    assert entities["sensor.melan_y_scheduled_departure"]["state"] == "2026-01-01T00:00:00+00:00"
    car.close()
    strange = [line for line in home.log_warnings("melan", "mobile_app", "mqtt", "sensor", "template",
                                                "blueprint", "automation")]
    assert not strange, strange[:5]


def shipped_routing(way, home):
    """The shipped routing works unchanged, and its entities appear."""
    with open(f"{SOURCE}/etc/home-assistant/routing.yaml") as f:
        routing = f.read()
    with Daemon(routing, way.sink(home), journal="{}") as d:
        d.say({"Gear": "P", "Soc": 62.0, "Location": AT_HOME})
        home.wait("sensor.melan_y_battery", 62, 20)
        home.wait("device_tracker.melan_y_location", "home")
        assert "warning" not in d.log_text(), d.log_text()


def run(plugin):
    if plugin not in ways():
        return
    with Way(plugin) as way, HomeAssistant(HELPERS) as home:
        way.join(home)
        shipped_routing(way, home)
        with Daemon(ROUTING, way.sink(home), journal="{}") as d:
            driving(d, home)
            charging(d, home)
            gates(d, home)
            if plugin == "ha_websocket":
                watch = Watch(home, ("fleetroute_alert", "my_event"))
                alerts(d, home, watch)
                watch.close()
            all_fields(d, home)


def ha_websocket():
    run("ha_websocket")


def mqtt():
    run("mqtt")


if __name__ == "__main__":
    run_parts(ha_websocket, mqtt)
