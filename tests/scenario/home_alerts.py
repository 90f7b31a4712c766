#!/usr/bin/env python3
"""Alerts as events of a real Home Assistant, and the shipped blueprint: an alarm runs its action once, and never if
it is old or has ended. The power of the battery, and what the catalogue gives each entity in the registry."""
import json
import time

from fr import VIN, Daemon, run_parts, wait_until
from home import AT_HOME, RELEASE, HomeAssistant, Watch, Way, CAR

AUTOMATIONS = """
input_boolean: {siren: {name: siren}}
automation:
  - id: alarm
    alias: Alarm
    use_blueprint:
      path: fleetroute/alert.yaml
      input: {car: Melan Y, events: [event.melan_y_alert], names: "WC_a1_chosen", alerted: [
        {event: alarm_ran, event_data: {kind: "{{ kind }}", alert: "{{ alert }}", vehicle: "{{ vehicle }}"}}]}
  - id: shown
    alias: Shown
    use_blueprint: {path: fleetroute/alert.yaml, input: {events: [event.melan_y_alert]}}
"""
ROUTING = CAR + """
records:
  - {type: presence, to: home}
  - {type: alerts, to: home}
fields: [{field: "*", to: home, unit: metric}]
"""
ALARM, HANDLE = "VCSEC_a133_alarmTriggered", "VCSEC_a211_handlePullWithoutAuth"


def when(age):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))


def alert(name, age=0.0, **more):
    return {"name": name, "audiences": ["Customer"], "startedAt": when(age)} | more


def say(d, *alerts):
    say.count = getattr(say, "count", 0) + 1
    d.say(json.dumps({"type": "alerts", "vin": VIN, "txid": f"alert-{say.count}", "created_at": when(0),
                      "received_at": when(0), "alerts": alerts}))


def delivered(d):
    wait_until("all records are delivered", lambda: d.status()["sinks"]["home"]["lag"] == 0)


def alarms(d, home, plugin):
    """Each alert that may act acts once, in order."""
    watch = Watch(home, ("alarm_ran", "fleetroute_alert"))

    def ran():
        return [e["data"] for e in watch.events if e["event_type"] == "alarm_ran"]

    def expect(*names):
        wait_until(f"the automation ran for {names}", lambda: len(ran()) >= len(names), 30)
        assert [e["alert"] for e in ran()] == list(names), ran()

    say(d, alert(ALARM))
    expect(ALARM)
    assert ran()[0] == {"kind": "alarm", "alert": ALARM, "vehicle": "Melan Y"}, ran()
    wait_until("the default action displays a notification", lambda: "The alarm was triggered" in
               json.dumps(home.call("persistent_notification/get")))
    say(d, alert(HANDLE, 600))  # ten minutes old
    say(d, alert(HANDLE, 20, endedAt=when(1)))
    say(d, alert("APP_w1_other"), {"name": "{{ 1/0 }}![x](http://x/)", "startedAt": when(0)})
    say(d, {"name": HANDLE}, {"name": "", "startedAt": when(0)}, {"startedAt": when(0)})
    say(d, alert("WC_a1_chosen"))
    if plugin == "ha_websocket":
        expect(ALARM, "WC_a1_chosen")
        events = {e["data"]["name"]: e["data"] for e in watch.events if e["event_type"] == "fleetroute_alert"}
        assert events["APP_w1_other"]["live"] and events["APP_w1_other"]["kind"] == "other", events
        assert "___1_0_____x__http___x__" in events, events
        assert not events[HANDLE]["live"], events
    else:
        wait_until("the last event is displayed", lambda: home.state("event.melan_y_alert")["attributes"].get(
            "name") == "WC_a1_chosen")
        expect(ALARM, "WC_a1_chosen")
    same = alert(HANDLE, 5)
    say(d, same)
    expect(ALARM, "WC_a1_chosen", HANDLE)
    say(d, same)  # the vehicle reports the same alert once more
    say(d, alert(ALARM, 40))
    expect(ALARM, "WC_a1_chosen", HANDLE, ALARM)

    d.kill()  # what is published again does not act again
    d.start()
    d.say({"Gear": "N"})
    home.wait("sensor.melan_y_shift_state", "N")
    delivered(d)
    say(d, alert(HANDLE, 60))
    expect(ALARM, "WC_a1_chosen", HANDLE, ALARM, HANDLE)
    watch.close()


def power(d, home):
    entity = "sensor.melan_y_battery_power"
    d.say({"PackVoltage": 400.0, "age": 300})
    delivered(d)
    assert home.state(entity) is None  # the current was never received
    d.say({"PackCurrent": -125.5})
    home.wait(entity, "unknown")  # the voltage is five minutes older
    d.say({"PackVoltage": 400.0})
    home.wait(entity, -50.2)  # driving
    attributes = home.state(entity)["attributes"]
    assert (attributes["unit_of_measurement"], attributes["device_class"], attributes["state_class"]) == \
        ("kW", "power", "measurement"), attributes
    d.say({"PackCurrent": 28.0})
    home.wait(entity, 11.2)  # charging
    d.say({"PackVoltage": None})
    home.wait(entity, "unknown")


def registry(d, home, plugin):
    """Category, icon and initial state in the registry; and a disabled entity that the user enables."""
    d.say({"Gear": "P", "Location": AT_HOME, "Odometer": 100.0, "NumBrickVoltageMax": 7, "EuropeVehicle": True,
           "TpmsPressureFl": 2.9, "DetailedChargeState": "Stopped", "BMSState": "Standby"})
    home.wait("sensor.melan_y_charging_state", "Stopped")
    delivered(d)

    def entry(entity):
        found = [e for e in home.call("config/entity_registry/list") if e["entity_id"] == entity]
        return home.call("config/entity_registry/get", entity_id=entity) if found else None

    europe = "binary_sensor.melan_y_european_vehicle"
    wait_until("the last entity is registered", lambda: entry(europe) and entry("sensor.melan_y_bms_state"))
    for entity in ("sensor.melan_y_odometer", "sensor.melan_y_shift_state", "sensor.melan_y_tyre_pressure_front_left"):
        assert (entry(entity)["disabled_by"], entry(entity)["entity_category"]) == (None, None), entry(entity)
    for entity in (europe, "sensor.melan_y_brick_with_highest_voltage", "sensor.melan_y_bms_state"):
        assert (entry(entity)["disabled_by"], entry(entity)["entity_category"]) == ("integration", "diagnostic"), entity
        assert home.state(entity) is None, entity
    assert entry("sensor.melan_y_bms_state")["original_icon"] == "mdi:battery-heart-variant"
    if plugin == "mqtt":
        options = {e: entry(e)["options"].get("sensor", {}).get("suggested_display_precision")
                   for e in ("sensor.melan_y_odometer", "sensor.melan_y_tyre_pressure_front_left")}
        assert list(options.values()) == [0, 2], options
        assert RELEASE < "2025" or "Calibrating" in home.state("sensor.melan_y_charging_state")["attributes"]["options"]
        assert home.state("event.melan_y_alert")["attributes"]["event_types"] == ["alarm", "door_handle", "other"]
    # Enabled by the user: it stays enabled, and it gets its state although the vehicle sends nothing.
    home.call("config/entity_registry/update", entity_id=europe, disabled_by=None)
    for e in home.get("/api/config/config_entries/entry"):  # Home Assistant does that after 30 s
        if e["domain"] == "mobile_app":
            home.post(f"/api/config/config_entries/entry/{e['entry_id']}/reload", {})
    home.wait(europe, "on", 60)
    d.reload()
    d.say({"EuropeVehicle": False})
    home.wait(europe, "off")
    assert entry(europe)["disabled_by"] is None


def run(plugin):
    with Way(plugin) as way, HomeAssistant(AUTOMATIONS) as home:
        way.join(home)
        with Daemon(ROUTING, way.sink(home), journal="{}") as d:
            d.say({"Gear": "P"})
            home.wait("sensor.melan_y_shift_state", "P", 30)
            alarms(d, home, plugin)
            power(d, home)
            registry(d, home, plugin)
        strange = home.log_warnings("melan", "mobile_app", "mqtt", "event", "template", "blueprint", "automation")
        assert not strange, strange[:5]


def ha_websocket():
    run("ha_websocket")


def mqtt():
    run("mqtt")


if __name__ == "__main__":
    run_parts(ha_websocket, mqtt)
