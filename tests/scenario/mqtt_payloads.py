#!/usr/bin/env python3
"""What mqtt.so publishes to a real mosquitto: the payloads of Tesla's server byte for byte, and canonical values
with user properties."""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import Daemon, SOURCE, VIN, run_parts, skip, wait_until  # noqa: E402
from messages import datum, envelope, field, location, moment, vehicle_data  # noqa: E402
from mosquitto import Mosquitto, OldBroker  # noqa: E402

EVERYTHING = 'records: [{type: [alerts, errors, connectivity], to: mqtt}]\nfields: [{field: "*", to: mqtt}]'
SPEED, GEAR, SOC, DOORS, INSIDE, UNKNOWN = 4, 10, 8, 58, 85, 300
PROBE = "tesla/probe"


if not shutil.which("mosquitto") or not shutil.which("mosquitto_sub"):
    skip("mosquitto and mosquitto_sub are needed")


def lines(peer):
    with open(peer.received, "rb") as f:
        return [line.decode().split("\t") for line in f.read().split(b"\n")[:-1]]


def probe(peer):
    """Publish a message, and return whether the subscriber has received one."""
    subprocess.run(["mosquitto_pub", "-p", str(peer.port), "-t", PROBE, "-m", ""], check=True)
    return lines(peer)


@contextlib.contextmanager
def broker(form):
    """mosquitto and a subscriber with MQTT 5 that prints each message in this form (-F)."""
    folder = tempfile.mkdtemp(prefix="fr-mosquitto.")
    peer = Mosquitto(folder, "subscriber", "-V", "5", "-t", "tesla/#", "-F", form)
    peer.start()
    try:
        wait_until("the subscription exists", lambda: probe(peer))
        yield peer
    finally:
        peer.stop()
        peer.subscriber.kill()
        peer.subscriber.wait()
        shutil.rmtree(folder)


def received(peer):
    return [line for line in lines(peer) if line[0] != PROBE]


def daemon(port, options="", routing=EVERYTHING, more="", **settings):
    return Daemon(routing, f"  mqtt: {{plugin: mqtt, delivery: log, {more} options: {{port: {port}, {options}}}}}\n",
                  **settings)


@contextlib.contextmanager
def vehicle(d):
    wait_until("the sink is connected", lambda:
               d.status()["sinks"]["mqtt"]["why"].startswith("connected"))
    car = d.car()
    yield car
    car.close()


def send(car, topic, payload):
    car.send(envelope(topic, payload, VIN))
    assert car.receive_reply()[0] == "ack", (topic, payload.hex())


def vectors(name):
    with open(f"{SOURCE}/tests/vectors/{name}", encoding="utf-8", newline="\n") as f:
        return [line.split("\t") for line in f.read().split("\n")[:-1]]


def values_as_sent():
    """Each kind of field in each encoding that vehicles use: typed, as text, as another number."""
    with broker("%t\t%q\t%p") as peer, daemon(peer.port, routing='fields: [{field: "*", to: mqtt}]') as d:
        expected = []
        with vehicle(d) as car:
            for name, _, sent, payload in vectors("mqtt_values.tsv"):
                send(car, "V", field(1, bytes.fromhex(sent)) + field(2, moment()))
                expected.append([f"tesla/{VIN}/v/{name}", "1", payload])
            wait_until("all values arrive", lambda: len(received(peer)) >= len(expected))
        differences = [pair for pair in zip(received(peer), expected) if pair[0] != pair[1]]
        assert not differences, differences
        kinds = {what.split(":")[0] for _, what, _, _ in vectors("mqtt_values.tsv")}
        assert kinds >= {"real", "integer", "boolean", "text", "enum", "location", "doors", "tyres", "time",
                         "invalid", "double", "float"}, kinds


def records_as_tesla():
    with broker("%t\t%p") as peer, daemon(peer.port) as d:
        expected, sent = [], 0
        with vehicle(d) as car:
            for line in vectors("mqtt_records.tsv"):
                if line[0] in ("alerts", "errors"):
                    kind, sent = line[0], sent + 1
                    send(car, kind, bytes.fromhex(line[2]))
                elif line[0] == "" and not line[1].startswith("connectivity"):
                    expected.append([f"tesla/{VIN}/{line[1]}", line[2]])
            wait_until("all messages arrive", lambda: len(received(peer)) > len(expected))
        connectivity = f"tesla/{VIN}/connectivity"
        wait_until("the disconnection arrives", lambda: received(peer)[-1][0] == connectivity)
        messages = received(peer)
        # Records of several types may overtake each other.
        for kind in ("alerts", "errors"):
            begin = f"tesla/{VIN}/{kind}/"
            assert [m for m in messages if m[0].startswith(begin)] == \
                [e for e in expected if e[0].startswith(begin)], messages
        events = [payload for topic, payload in messages if topic == connectivity]
        for event, status in zip(events, ("CONNECTED", "DISCONNECTED"), strict=True):
            assert re.fullmatch(r'{"ConnectionId":"[^"]+","CreatedAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ","Status":"%s"}'
                                % status, event), event


def old_text_as_tesla():
    """Text of old firmware that Tesla's server rewrites before it dispatches a record, and one that it keeps."""
    with broker("%t\t%p") as peer, daemon(peer.port, routing='fields: [{field: "*", to: mqtt}]') as d:
        with vehicle(d) as car:
            send(car, "V", vehicle_data(datum(21, field(1, "(37.412374 N, 122.145867 W)")),
                                        datum(INSIDE, field(1, "2.15e+01")), datum(GEAR, field(1, "<invalid>"))))
            wait_until("the values arrive", lambda: len(received(peer)) >= 3)
        assert received(peer) == [
            [f"tesla/{VIN}/v/Location", '{"latitude":37.412374,"longitude":-122.145867}'],
            [f"tesla/{VIN}/v/InsideTemp", '"21.50000"'],
            [f"tesla/{VIN}/v/Gear", r'"\u003cinvalid\u003e"']], received(peer)


def routes_keep_what_was_sent():
    """A value that waited for its window or came from the journal is published as sent. A route with a unit
    publishes the converted number, under the route's name."""
    routing = "fields:\n- {field: Gear, to: mqtt, every: 1 s}\n" \
              "- {field: VehicleSpeed, to: mqtt, unit: km/h, as: speed}\n- {field: DoorState, to: mqtt}"
    with broker("%t\t%p") as peer, daemon(peer.port, routing=routing, journal="{}") as d:
        with vehicle(d) as car:
            text = field(1, "x" * 700)  # so long that the value that waits gets a record of its own
            send(car, "V", vehicle_data(datum(GEAR, field(9, 2)), datum(SPEED, field(1, "35")),
                                        datum(DOORS, field(1, "DriverFront|PassengerRear"))))
            send(car, "V", vehicle_data(datum(UNKNOWN, text), datum(GEAR, field(9, 6))))
            wait_until("the value that waited arrives", lambda: len(received(peer)) >= 4)
        assert sorted(received(peer)[:3]) + received(peer)[3:] == [
            [f"tesla/{VIN}/v/DoorState", '"DriverFront|PassengerRear"'],
            [f"tesla/{VIN}/v/Gear", '"ShiftStateP"'],
            [f"tesla/{VIN}/v/speed", "56.32704"],
            [f"tesla/{VIN}/v/Gear", '"ShiftStateSNA"']], received(peer)


def canonical_values():
    """layout: values: one type for each field, with unit, age and flags as user properties."""
    routing = "records: [{type: alerts, to: mqtt}]\nfields:\n- {field: [Gear, Soc, DoorState, InsideTemp], to: mqtt}\n" \
              "- {field: VehicleSpeed, to: mqtt, unit: km/h}"
    with broker("%t\t%p\t%P") as peer, daemon(peer.port, "layout: values", routing) as d:
        with vehicle(d) as car:
            created = int(time.time()) - 100
            send(car, "V", vehicle_data(datum(SPEED, field(1, "35")), datum(GEAR, field(9, 6)),
                                        datum(SOC, field(10, 1)), datum(DOORS, field(1, "DriverFront")),
                                        datum(INSIDE, b""), created=created))
            send(car, "V", vehicle_data(datum(SOC, field(5, 55.5)), created=created - 100) + field(4, 1))
            send(car, "alerts", field(1, field(1, "a") + field(3, moment(created))) + field(2, moment(created)))
            wait_until("all messages arrive", lambda: len(received(peer)) >= 8)
        messages = {}
        for topic, payload, properties in received(peer):
            age = int(re.search(r"\bage_ms:(\d+)", properties)[1])
            messages.setdefault(topic.removeprefix(f"tesla/{VIN}/"), []).append(
                (payload, age // 100_000, re.sub(r"\s*\bage_ms:\d+\s*", " ", properties).strip()))
        doors = '{"driver_front":true,"driver_rear":false,"passenger_front":false,"passenger_rear":false,' \
                '"trunk_front":false,"trunk_rear":false}'
        alert = '{"Audiences":[],"StartedAt":"%s","EndedAt":null}' % \
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
        assert messages == {
            "v/VehicleSpeed": [("56.32704", 1, "unit:km/h")],
            "v/Gear": [('"SNA"', 1, "")],
            "v/Soc": [("null", 1, "unit:% flags:invalid"), ("55.5", 2, "unit:% flags:resend,late")],
            "v/DoorState": [(doors, 1, "")],
            "v/InsideTemp": [("null", 1, "unit:°C flags:empty")],
            "alerts/a/current": [(alert, 1, "")], "alerts/a/history": [(f"[{alert}]", 1, "")]}, messages


def values_without_mqtt_5():
    """A broker with MQTT 3.1.1 only: the canonical values are published, and the status says what is missing. With
    `protocol: 3.1.1` this is intended."""
    for options, health in (("", "degraded"), ("protocol: 3.1.1,", "up")):
        with broker("%t\t%p\t%P") as peer:
            old = OldBroker(peer.port)
            with daemon(old.port, f"layout: values, {options}", "fields: [{field: Gear, to: mqtt}]") as d:
                with vehicle(d) as car:
                    send(car, "V", vehicle_data(datum(GEAR, field(9, 6))))
                    wait_until("the value arrives", lambda: received(peer))
                sink = d.status()["sinks"]["mqtt"]
            assert received(peer) == [[f"tesla/{VIN}/v/Gear", '"SNA"', ""]], received(peer)
            assert sink["health"] == health, sink
            assert "MQTT 3.1.1: messages have no unit, age and flags" in sink["why"], sink
            assert bool(old.refused) == (options == ""), old.refused


run_parts(values_as_sent, records_as_tesla, old_text_as_tesla, routes_keep_what_was_sent, canonical_values,
          values_without_mqtt_5)
