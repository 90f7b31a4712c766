#!/usr/bin/env python3
"""Hostile vehicles and brokers: the MQTT sink stays correct, its memory bounded, and the daemon runs."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import PATIENCE, Daemon, SOURCE, VIN, run_parts, wait_until  # noqa: E402
from messages import alerts, bare_errors, datum, envelope, errors, field, location, vehicle_data  # noqa: E402
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
    """Coordinates and numbers that are too long for a formatted text are invalid; no buffer
    overflows, and the next values are right."""
    routing = "fields: [{field: [Location, GpsHeading, VehicleSpeed], to: mqtt}]"
    for layout, place in (("homeassistant", f"fleetroute/{VIN}/location"), ("tesla", f"tesla/{VIN}/v/Location")):
        with FakeBroker() as broker, daemon(broker, routing, f"layout: {layout}, entities: {ENTITIES}",
                                            more="delivery: log,") as d:
            wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
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
            if layout == "tesla":  # as sent, byte for byte
                sent = [b'{"latitude":%s,"longitude":%s}' % (n, n) for n in (b"1e+300", b"-1e+308", b"90.0001")]
                assert places == [*sent[:2], b"null", b"null", sent[2], b'{"latitude":52.5,"longitude":13.25}'], places
            else:
                assert all(b"e+" not in p and b"000000000" not in p for p in places), places
            car.close()


def many_errors():
    """Records with the maximum number of errors, in total more than MQTT has message ids: each message is
    confirmed, the next record counts as delivered only after that, and the CPU time is linear."""
    routing = "records: [{type: errors, to: mqtt, ack: mqtt}]"
    with FakeBroker() as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car, spent = d.car(), []
        for count in (1_000, *[4_000] * 18):
            before = cpu_seconds(d)
            car.send(envelope("errors", bare_errors(*["e"] * (count - 1), "last"), VIN))
            assert car.receive_reply()[0] == "ack"
            spent.append(cpu_seconds(d) - before)
            assert broker.published[-1].topic.endswith("/errors/last"), broker.published[-1].topic
            assert len(broker.published) == count, len(broker.published)
            broker.published.clear()
        print(f"1,000 and 4,000 errors in a record took {spent[0]:.2f} and {spent[1]:.2f} s of CPU")
        assert spent[1] < 8 * spent[0] + 1, spent
        car.close()


def many_alerts():
    """Alerts with many names, and many alerts of one name."""
    routing = "records: [{type: alerts, to: mqtt, ack: mqtt}]"
    with FakeBroker() as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car, spent = d.car(), []
        for count in (1_000, 4_000):
            before = cpu_seconds(d)
            car.send(envelope("alerts", alerts([f"a{i}" for i in range(count)]), VIN))
            assert car.receive_reply()[0] == "ack"
            spent.append(cpu_seconds(d) - before)
            assert len(broker.published) == 2 * count
            broker.published.clear()
        car.send(envelope("alerts", alerts(["same"] * 4_000), VIN))
        assert car.receive_reply()[0] == "ack"
        assert broker.topics() == [f"tesla/{VIN}/alerts/same/current", f"tesla/{VIN}/alerts/same/history"]
        assert broker.last(f"tesla/{VIN}/alerts/same/history").count(b"StartedAt") == 4_000
        print(f"1,000 and 4,000 alerts in a record took {spent[0]:.2f} and {spent[1]:.2f} s of CPU")
        assert spent[1] < 8 * spent[0] + 0.5, spent
        # A broker keeps a message for each topic: a vehicle has at most 5,000 names with a topic. These keep it,
        # and the names of another vehicle are counted separately.
        for names, most in (([f"b{i}" for i in range(4_000)], 999), ([f"a{i}" for i in range(1_000)], 1_000)):
            broker.published.clear()
            car.send(envelope("alerts", alerts(names), VIN))
            assert car.receive_reply()[0] == "ack"
            topics = {p.topic.split("/")[3] for p in broker.published}
            assert len(broker.published) == 2 * len(names)
            assert len(topics - {"other_names"}) == most, len(topics)
            assert ("other_names" in topics) == (most == 999)
        assert "are published as other_names" in d.log_text()
        other = "5YJ3E1EA7KF000002"
        with_names = d.car(vin=other)
        with_names.send(envelope("alerts", alerts(["c1"]), other))
        assert with_names.receive_reply()[0] == "ack"
        assert broker.last(f"tesla/{other}/alerts/c1/current")
        with_names.close()
        car.close()


def broker_that_confirms_nothing():
    """The messages in flight are bounded, no record counts as delivered, and the daemon ends at once."""
    routing = "records: [{type: errors, to: mqtt, ack: mqtt}]"
    with FakeBroker(ack=lambda publish: False) as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car = d.car()
        car.send(envelope("errors", bare_errors(*["e"] * 4_000), VIN))
        car.send(envelope("errors", bare_errors("later"), VIN))
        wait_until("the bound is reached", lambda: len(broker.published) >= 500)
        time.sleep(0.5)
        assert len(broker.published) == 500, len(broker.published)
        assert delivered(d) == 0
        begun = time.monotonic()
        held = list(broker.published)
        broker.ack = lambda publish: True
        for publish in held:
            broker.confirm(publish)
        wait_until("the rest is delivered", lambda: delivered(d) == 2)
        assert broker.published[-1].topic.endswith("/errors/later")
        broker.ack = lambda publish: False
        car.send(envelope("errors", bare_errors(*["e"] * 4_000), VIN))
        wait_until("the record is in flight", lambda: len(broker.published) > 4_400)
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 12 * PATIENCE, time.monotonic() - begun
        car.close()


def unconfirmed_record_is_marked_as_resent():
    """The connection is lost before the broker has confirmed a record: the next attempt marks the record as
    resent; a record that is published for the first time has no mark."""
    with FakeBroker(ack=lambda publish: False) as broker, daemon(broker, "records: [{type: V, to: mqtt}]",
                                                                 more="delivery: log,") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car = d.car()
        car.send(envelope("V", vehicle_data(datum(SPEED, field(5, 1.0))), VIN))
        wait_until("the record is published", lambda: len(broker.published) == 1)
        broker.ack = lambda publish: True
        broker.hang_up()
        wait_until("the record is delivered", lambda: delivered(d) == 1)
        car.send(envelope("V", vehicle_data(datum(SPEED, field(5, 2.0))), VIN))
        wait_until("the next record is delivered", lambda: delivered(d) == 2)
        records = [json.loads(p.payload) for p in broker.published]
        assert [r.get("repeated", False) for r in records] == [False, True, False], records
        assert [r["data"]["VehicleSpeed"] for r in records] == [1, 1, 2], records
        car.close()


def large_record_delays_only_its_vehicle():
    """A record of 4,000 messages is half published: a record of another vehicle does not
    wait for the rest."""
    routing = "records: [{type: errors, to: mqtt, ack: mqtt}]"
    other = "5YJ3E1EA7KF000002"
    with FakeBroker(ack=lambda publish: False) as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car, honest = d.car(), d.car(vin=other)
        car.send(envelope("errors", bare_errors(*["e"] * 4_000), VIN))
        car.send(envelope("errors", bare_errors("later"), VIN))
        wait_until("the bound is reached", lambda: len(broker.published) == 500)
        honest.send(envelope("errors", bare_errors("mine"), other))
        wait_until("the sink has all three records", lambda: d.status()["sinks"]["mqtt"]["unfinished"] == 3)
        for publish in list(broker.published)[:20]:
            broker.confirm(publish)
        wait_until("20 more messages are published", lambda: len(broker.published) == 520)
        assert f"tesla/{other}/errors/mine" in broker.topics(), broker.topics()
        broker.ack = lambda publish: True
        for publish in list(broker.published)[20:]:
            broker.confirm(publish)
        wait_until("the rest is delivered", lambda: delivered(d) == 3)
        assert broker.published[-1].topic.endswith("/errors/later"), "out of order within the vehicle"
        car.close()
        honest.close()


def names():
    """Names with topic separators, names that a topic cannot contain, and a name that is not UTF-8."""
    with FakeBroker() as broker, daemon(broker, "records: [{type: alerts, to: mqtt, ack: mqtt}]",
                                        more="delivery: log,") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car = d.car()
        for name, topic in (("a/b+c#d", "a_b_c_d"), ("\x01\x7f\x9f", "___"), ("\ufffe\ufdd0x", "__x"),
                            ("ä" * 100, "ä" * 50), ("x" * 99 + "ä", "x" * 99)):
            car.send(envelope("alerts", alerts([name]), VIN))
            assert car.receive_reply()[0] == "ack", name
            assert broker.topics()[-2] == f"tesla/{VIN}/alerts/{topic}/current", (name, broker.topics()[-2:])
        car.send(envelope("alerts", alerts([b"a\xffb"]), VIN))
        assert car.receive_reply()[0] == "error", "a text that is not UTF-8, as in Tesla's server"
        car.close()


def hostile_broker():
    """Topics and payloads that only a hostile broker sends."""
    routing = "fields: [{field: Location, to: mqtt}]"
    with FakeBroker() as broker, daemon(broker, routing,
                                        f"layout: homeassistant, entities: {ENTITIES}, topic: {'t' * 100}") as d:
        wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        wait_until("the sink has subscribed", lambda: len(broker.subscribed) == 3)
        for topic in ("/location", "x/location", "t" * 100 + "/location", "t" * 99 + "//location",
                      "t" * 100 + "//location", "t" * 100 + "/" + "V" * 60_000 + "/location",
                      "t" * 100 + "/V/location"):
            for payload in (b"", b"{", b"[" * 60_000, b'{"latitude":1e300,"longitude":1}',
                            b'{"latitude":1,"longitude":2,"measured_ms":1e99}', b"\xff\xfe", b"online"):
                broker.publish(topic, payload, retain=True)
        for i in range(20_000):
            broker.publish("t" * 100 + f"/V{i}/location", b'{"latitude":1,"longitude":2}', retain=True)
        broker.publish("t" * 100 + "/status", b"")
        broker.publish("homeassistant/status", b"onlin")
        car = d.car()
        car.send(envelope("V", vehicle_data(datum(LOCATION, location(52.5, 13.25))), VIN))
        wait_until("the place arrives", lambda: b"52.5" in (broker.last(f"{'t' * 100}/{VIN}/location") or b""))
        assert d.status()["resident_kb"] < int(os.environ.get("FR_MOST_KB", 100_000))
        car.close()


def packet_limit():
    """MQTT 3.1.1: the broker closes the connection on a message over its limit. Only that message is
    dead-lettered. An MQTT 5 broker announces its limit, and the connection stays open."""
    routing = "records: [{type: errors, to: mqtt}]"
    for protocol, properties in (("3.1.1", b""), ("5", b"\x27\x00\x00\x20\x00")):
        with FakeBroker(limit=8192, properties=properties) as broker, \
                daemon(broker, routing, f"protocol: {protocol}",
                       "delivery: log, retry: {min: 20 ms, max: 100 ms},") as d:
            wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            car = d.car()
            for i in range(5):
                car.send(envelope("errors", errors([f"small{i}"]), VIN))
                if i == 2:
                    car.send(envelope("errors", errors(["large"], body="x" * 10_000), VIN))
            wait_until("the others arrive", lambda: f"tesla/{VIN}/errors/small4" in broker.topics(), 30)
            wait_until("the large message is dead-lettered",
                       lambda: d.status()["sinks"]["mqtt"]["dead_letters"] == 1, 30)
            connections = broker.connections
            # The sink has learned the limit: the next large message does not end the connection.
            car.send(envelope("errors", errors(["large2"], body="x" * 10_000), VIN))
            wait_until("it is dead-lettered", lambda: d.status()["sinks"]["mqtt"]["dead_letters"] == 2, 30)
            assert broker.connections == connections
            assert protocol != "5" or connections == 1, connections
            assert "max_packet_size" in d.log_text()
            car.close()


def client_ids():
    """Each installation has its own persistent client id; the health
    reports another client with the same id."""
    routing = "records: [{type: errors, to: mqtt}]"
    for protocol, hang_up in (("5", lambda b: b.send(b"\xe0\x02\x8e\x00")), ("3.1.1", lambda b: b.hang_up())):
        with FakeBroker() as broker, daemon(broker, routing, f"protocol: {protocol}") as d:
            wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            name = broker.client_ids[0]
            assert re.fullmatch("fleetroute-mqtt-[0-9a-f]{8}", name), name
            for _ in range(1 if protocol == "5" else 3):
                connections = broker.connections
                wait_until("the sink is up", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
                hang_up(broker)
                wait_until("the sink reconnects", lambda: broker.connections > connections)
            assert f"client id {name}" in d.log_text(), d.log_text()
            assert d.end() == 0
            d.start()
            wait_until("the sink is up once more", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            assert set(broker.client_ids) == {name}, broker.client_ids
            with daemon(broker, routing) as other:
                wait_until("the other daemon runs", lambda: other.status())
                with open(other.path("state/sinks/mqtt/client-id")) as f:
                    assert f.read() not in name


if __name__ == "__main__":
    run_parts(coordinates, many_errors, many_alerts, broker_that_confirms_nothing,
              large_record_delays_only_its_vehicle, unconfirmed_record_is_marked_as_resent, names,
              hostile_broker, packet_limit, client_ids)
