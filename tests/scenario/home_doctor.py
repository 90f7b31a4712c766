#!/usr/bin/env python3
"""fleetroute doctor with a real Home Assistant: the link home_assistant reads the entities of the vehicle."""
import json

from fr import VIN, Daemon, fleetroute, run_parts, vector, write_file
from home import CAR, HomeAssistant, Way

ROUTING = CAR + "fields: [{field: [Soc, VehicleSpeed, Gear], to: home}]"


def line(daemon, *words):
    """The line of the link home_assistant; it has these words."""
    done = fleetroute("doctor", "-c", daemon.path("fleetroute.yaml"), "--json", check=False)
    found = [link for link in json.loads(done.stdout)["links"] if link["id"] == "home_assistant"]
    assert len(found) == 1, found
    text = f"{found[0]['text']}; {found[0]['remedy']}"
    assert all(word in text for word in words), text
    print(f"{found[0]['level']:8} home_assistant     {text}")
    return found[0]["level"]


def entities():
    """No entity yet; entities; renamed ones; a refused token; no server."""
    with HomeAssistant() as home, Daemon(ROUTING, Way("ha_websocket").sink(home), journal="{}") as d:
        assert line(d, "no entity of the vehicle", "sinks") == "failure"
        d.say({"Soc": 60.0, "Gear": "P"})
        home.wait("sensor.melan_y_battery", 60)
        assert line(d, "entities, the newest value 0 min old") == "ok"
        home.call("config/entity_registry/update", entity_id="sensor.melan_y_battery",
                  new_entity_id="sensor.akku", name="Akku")
        home.wait("sensor.akku", 60)
        assert line(d, "entities") == "ok"
        token = home.token
        head, _, signature = token.rpartition(".")
        other = "A" if signature[0] != "A" else "B"  # the last character has two bits that do not count
        write_file(f"{home.folder}/token", f"{head}.{other}{signature[1:]}\n")
        assert line(d, "refuses the token", "Long-lived access tokens") == "failure"
        write_file(f"{home.folder}/token", token + "\n")
        home.stop()
        assert line(d, "localhost", "Home Assistant runs") == "failure"


run_parts(entities)
