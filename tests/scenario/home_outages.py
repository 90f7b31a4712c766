#!/usr/bin/env python3
"""Home Assistant is stopped during a trip and started, killed, its device deleted, an entity renamed, the
token revoked; mosquitto is killed. All states are correct within 5 s of the return, and no automation runs
twice.

FR_HOME_AWAY (120): seconds for which Home Assistant is stopped."""
import json
import os
import subprocess
import time

from fr import VIN, Daemon, wait_until
from home import (AT_HOME, AWAY, CAR, GARAGE, Door, HomeAssistant, Socket, Watch, Way, ways)

TRACKER = "device_tracker.melan_y_location"
AWAY_SECONDS = float(os.environ.get("FR_HOME_AWAY", "120"))
BACK = 5
ROUTING = CAR + """
records: [{type: presence, to: home}]
fields: [{field: [Location, Gear, VehicleSpeed, Soc, DetailedChargeState], to: home, unit: metric}]
"""
FIRST = {"Gear": "P", "VehicleSpeed": 0.0, "Soc": 60.0, "DetailedChargeState": "Charging"}


def shows(home, soc, gear, charging, where, seconds=BACK):
    home.wait("sensor.melan_y_battery", soc, seconds)
    home.wait("sensor.melan_y_shift_state", gear, seconds)
    home.wait("binary_sensor.melan_y_driving", "off" if gear == "P" else "on", seconds)
    home.wait("binary_sensor.melan_y_charging", charging, seconds)
    home.wait(TRACKER, where, seconds)


def begin(d, home, door):
    d.say(FIRST | {"Location": AWAY})
    shows(home, 60, "P", "on", "not_home", 15)
    d.say({"Location": AT_HOME})
    door.opened()


def stopped_in_mid_trip(d, home, door):
    """The car drives while Home Assistant is stopped; after the start its state is the new location."""
    d.say({"Gear": "D", "DetailedChargeState": "Disconnected", "Location": AWAY})
    shows(home, 60, "D", "off", "not_home")
    home.stop()
    end = time.monotonic() + AWAY_SECONDS
    soc = 60.0
    while time.monotonic() < end:
        soc -= 0.1
        d.say({"Soc": round(soc, 1), "VehicleSpeed": 30.0,
               "Location": {"latitude": AWAY["latitude"] - soc / 1000, "longitude": AWAY["longitude"]}})
        time.sleep(0.5)
    memory = d.status()["resident_kb"]
    assert memory < int(os.environ.get("FR_MOST_KB", "131072")), memory
    home.start()
    shows(home, round(soc, 1), "D", "off", "not_home")
    home.wait("sensor.melan_y_speed", 48.3)
    door.stayed()


def killed(d, home, door):
    """After kill -9 Home Assistant restores old states; fleetroute's states replace them."""
    d.say({"Gear": "P", "Soc": 41.0, "Location": AT_HOME})
    door.opened()
    home.kill()
    d.say({"Soc": 40.0, "DetailedChargeState": "Charging"})
    home.start()
    shows(home, 40, "P", "on", "home")
    door.stayed()


def deleted(d, home, door):
    """The user deletes the device: it is registered again with the same ids and its states."""
    entry = next(e for e in home.call("config_entries/get", domain="mobile_app"))
    home.ask("DELETE", f"/api/config/config_entries/entry/{entry['entry_id']}")
    wait_until("the entity is deleted", lambda: home.state("sensor.melan_y_battery") is None)
    d.say({"Soc": 39.0})
    shows(home, 39, "P", "on", "home", 8)
    door.stayed()
    # Deleted while fleetroute is stopped.
    d.end()
    entry = next(e for e in home.call("config_entries/get", domain="mobile_app"))
    home.ask("DELETE", f"/api/config/config_entries/entry/{entry['entry_id']}")
    d.start()
    shows(home, 39, "P", "on", "home", 8)
    assert len(home.call("config_entries/get", domain="mobile_app")) == 1
    assert not [e for e in home.entities() if e.endswith("_2")], home.entities().keys()
    door.stayed()


def renamed(d, home, door):
    """The user's names survive restarts of fleetroute and Home Assistant."""
    home.call("config/entity_registry/update", entity_id="sensor.melan_y_battery",
              new_entity_id="sensor.akku", name="Akku")
    home.call("config/entity_registry/update", entity_id=TRACKER,
              new_entity_id="device_tracker.auto")
    d.say({"Soc": 38.0})
    home.wait("sensor.akku", 38)
    d.end()
    d.start()
    d.say({"Soc": 37.0, "Location": AWAY})
    home.wait("sensor.akku", 37)
    home.wait("device_tracker.auto", "not_home")
    assert home.state("sensor.melan_y_battery") is None and home.state(TRACKER) is None
    home.call("config/entity_registry/update", entity_id="device_tracker.auto", new_entity_id=TRACKER)
    home.call("config/entity_registry/update", entity_id="sensor.akku",
              new_entity_id="sensor.melan_y_battery", name=None)
    home.service("homeassistant", "update_entity", entity_id=TRACKER)


def foreign(d, home, door):
    """The stored registration does not exist in Home Assistant: the vehicle is registered
    again with the same ids."""
    d.end()
    path = d.path(f"state/sinks/home/{VIN}.json")
    assert os.stat(path).st_mode & 0o77 == 0, oct(os.stat(path).st_mode)
    with open(path) as f:
        kept = json.load(f)
    with open(path, "w") as f:
        json.dump(kept | {"webhook": "0" * 64}, f)
    d.start()
    d.say({"Soc": 48.0})
    shows(home, 48, "P", "on", "home", 15)
    assert d.log_text().count("with another registration") == 1, d.log_text()
    os.unlink(path)  # and without a stored registration
    d.kill()
    os.path.exists(path) and os.unlink(path)
    d.start()
    d.say({"Soc": 58.0})
    shows(home, 58, "P", "on", "home", 15)
    assert not [e for e in home.entities() if e.endswith("_2")], home.entities().keys()
    door.stayed()


def removed_entity(d, home, door):
    """An entity that the user removed is registered again with its next value."""
    home.call("config/entity_registry/remove", entity_id="sensor.melan_y_speed")
    d.say({"VehicleSpeed": 10.0})
    home.wait("sensor.melan_y_speed", 16.1, 8)


def revoked(d, home, door):
    """A revoked token: one log line and no frequent retries; a new token is used without a reload."""
    socket = Socket(home)
    for token in socket.command("auth/refresh_tokens"):
        if token["type"] == "long_lived_access_token" and not token["is_current"]:
            socket.command("auth/delete_refresh_token", refresh_token_id=token["id"])
    old = home.token
    home.new_token()  # used by the test
    current = next(t for t in socket.command("auth/refresh_tokens") if t["is_current"])
    try:
        socket.command("auth/delete_refresh_token", refresh_token_id=current["id"])
    except ConnectionError:
        pass
    wait_until("it is refused", lambda: "refuses the token" in d.status()["sinks"]["home"]["why"], 15)
    d.say({"Soc": 30.0})
    time.sleep(6)
    assert d.log_text().count("create a new one") == 1, d.log_text()
    failed = [line for line in home.log_text().splitlines() if "invalid authentication" in line]
    assert len(failed) <= 2, failed
    assert old not in d.log_text()
    with open(f"{home.folder}/token", "w") as f:
        f.write(home.token + "\n")
    home.wait("sensor.melan_y_battery", 30, 8)


def broker_killed(d, home, door, broker):
    """mosquitto loses its retained messages in a restart: they are published again and
    reach Home Assistant."""
    watch = Watch(home)
    broker.kill()
    home.wait("sensor.melan_y_battery", "unavailable", 15)
    d.say({"Soc": 35.5, "Location": AT_HOME})
    broker.start()
    # fleetroute publishes within 5 s; Home Assistant reconnects to its broker every 10 s.
    def kept():
        return subprocess.run(["mosquitto_sub", "-p", str(broker.port), "-C", "1", "-W", "1", "-t",
                               f"fleetroute/{VIN}/battery"], capture_output=True, text=True).stdout

    wait_until("the broker has the state", lambda: kept() == "35.5\n", BACK)
    shows(home, 35.5, "P", "on", "home", 15)
    assert "60.0" not in watch.states("sensor.melan_y_battery")
    door.stayed()
    watch.close()
    # Home Assistant starts after fleetroute has published everything to an empty broker.
    home.stop()
    broker.kill()
    broker.start()
    home.start()
    shows(home, 35.5, "P", "on", "home", 15)
    door.stayed()
    # After fleetroute has ended, its retained states are not available.
    d.kill()
    home.wait("sensor.melan_y_battery", "unavailable", 40)
    d.start()
    shows(home, 35.5, "P", "on", "home")
    door.stayed()


for plugin in ways():
    with Way(plugin) as way, HomeAssistant(GARAGE) as home:
        way.join(home)
        with Daemon(ROUTING, way.sink(home), journal="{}") as d:
            door = Door(home)
            begin(d, home, door)
            stopped_in_mid_trip(d, home, door)
            killed(d, home, door)
            if plugin == "mqtt":
                broker_killed(d, home, door, way.broker)
            else:
                deleted(d, home, door)
                foreign(d, home, door)
                removed_entity(d, home, door)
                renamed(d, home, door)
                revoked(d, home, door)
