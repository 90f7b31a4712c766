#!/usr/bin/env python3
"""What hostile vehicles and brokers do to the MQTT sink: it stays right, bounded and alive."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import SOURCE, VIN, Daemon, wait_until  # noqa: E402
from messages import alerts, datum, envelope, errors, field, location, vehicle_data  # noqa: E402
from mqtt_broker import FakeBroker  # noqa: E402

LOCATION, HEADING, SPEED = 21, 23, 4
ENTITIES = os.path.join(SOURCE, "etc/entities.yaml")
MQTT = "  mqtt: {{plugin: mqtt, {more} options: {{port: {port}, {options}}}}}\n"


def daemon(broker, routing, options="", more="", **settings):
    return Daemon(routing, MQTT.format(port=broker.port, options=options, more=more), **settings)


def cpu_seconds(d):
    with open(f"/proc/{d.process.pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def delivered(d):
    return d.status()["sinks"]["mqtt"]["delivered"]


def coordinates():
    """Coordinates and numbers that no formatted text has room for overwrite nothing: they are
    invalid, and the next values are right."""
    routing = "fields: [{field: [Location, GpsHeading, VehicleSpeed], to: mqtt}]"
    for layout, place in (("homeassistant", f"fleetroute/{VIN}/location"), ("tesla", f"tesla/{VIN}/v/Location")):
        with FakeBroker() as broker, daemon(broker, routing, f"layout: {layout}, entities: {ENTITIES}") as d:
            wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            car = d.car()
            for bad in (1e300, -1e308, float("inf"), float("nan"), 90.0001):
                car.send(envelope("V", vehicle_data(
                    datum(LOCATION, location(bad, bad)), datum(HEADING, field(5, bad)),
                    datum(SPEED, field(5, bad))), VIN))
                assert car.receive_reply()[0] == "ack"
            car.send(envelope("V", vehicle_data(datum(HEADING, field(5, 1e300)),
                                                datum(LOCATION, location(52.5, 13.25))), VIN))
            assert car.receive_reply()[0] == "ack"
            wait_until("the place arrives", lambda: b"52.5" in (broker.last(place) or b""))
            places = [p.payload for p in broker.published if p.topic == place]
            assert all(b"e+" not in p and b"000000000" not in p for p in places), places
            car.close()


if __name__ == "__main__":
    coordinates()
