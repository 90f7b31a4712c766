#!/usr/bin/env python3
"""What hostile vehicles and brokers do to the MQTT sink: it stays right, bounded and alive."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import SOURCE, VIN, Daemon, wait_until  # noqa: E402
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


def many_errors():
    """Records of as many errors as one may have, more in all than MQTT has message ids: each message is
    confirmed, the next record counts as delivered only after that, and the work is linear."""
    routing = "records: [{type: errors, to: mqtt, ack: mqtt}]"
    with FakeBroker() as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
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
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
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
        # A broker keeps a message for each topic: 5,000 names of a vehicle have one. Names that have a
        # topic keep it, and another vehicle has names of its own.
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
    """What is in flight is bounded, nothing counts as delivered, and the daemon ends at once."""
    routing = "records: [{type: errors, to: mqtt, ack: mqtt}]"
    with FakeBroker(ack=lambda publish: False) as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
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
        wait_until("the rest arrives", lambda: delivered(d) == 2)
        assert broker.published[-1].topic.endswith("/errors/later")
        broker.ack = lambda publish: False
        car.send(envelope("errors", bare_errors(*["e"] * 4_000), VIN))
        wait_until("it is under way", lambda: len(broker.published) > 4_400)
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 12, time.monotonic() - begun
        car.close()


def unconfirmed_comes_again_with_a_mark():
    """The connection is lost before the broker has confirmed: it may have the record, so the next try says
    so; a record that is published for the first time does not."""
    with FakeBroker(ack=lambda publish: False) as broker, daemon(broker, "records: [{type: V, to: mqtt}]",
                                                                 more="delivery: log,") as d:
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car = d.car()
        car.send(envelope("V", vehicle_data(datum(SPEED, field(5, 1.0))), VIN))
        wait_until("it is published", lambda: len(broker.published) == 1)
        broker.ack = lambda publish: True
        broker.hang_up()
        wait_until("it is delivered", lambda: delivered(d) == 1)
        car.send(envelope("V", vehicle_data(datum(SPEED, field(5, 2.0))), VIN))
        wait_until("the next, too", lambda: delivered(d) == 2)
        records = [json.loads(p.payload) for p in broker.published]
        assert [r.get("repeated", False) for r in records] == [False, True, False], records
        assert [r["data"]["VehicleSpeed"] for r in records] == [1, 1, 2], records
        car.close()


def large_record_delays_its_vehicle_alone():
    """A record of 4,000 messages is half published; the record of another vehicle does not wait for the rest."""
    routing = "records: [{type: errors, to: mqtt, ack: mqtt}]"
    other = "5YJ3E1EA7KF000002"
    with FakeBroker(ack=lambda publish: False) as broker, daemon(broker, routing, more="delivery: log,") as d:
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car, honest = d.car(), d.car(vin=other)
        car.send(envelope("errors", bare_errors(*["e"] * 4_000), VIN))
        car.send(envelope("errors", bare_errors("later"), VIN))
        wait_until("the bound is reached", lambda: len(broker.published) == 500)
        honest.send(envelope("errors", bare_errors("mine"), other))
        wait_until("it is in the sink", lambda: d.status()["sinks"]["mqtt"]["unfinished"] == 3)
        for publish in list(broker.published)[:20]:
            broker.confirm(publish)
        wait_until("there was space for some", lambda: len(broker.published) == 520)
        assert f"tesla/{other}/errors/mine" in broker.topics(), broker.topics()
        broker.ack = lambda publish: True
        for publish in list(broker.published)[20:]:
            broker.confirm(publish)
        wait_until("the rest arrives", lambda: delivered(d) == 3)
        assert broker.published[-1].topic.endswith("/errors/later"), "out of order within the vehicle"
        car.close()
        honest.close()


def names():
    """Names that divide topics, that no topic can hold, or that are not UTF-8."""
    with FakeBroker() as broker, daemon(broker, "records: [{type: alerts, to: mqtt, ack: mqtt}]",
                                        more="delivery: log,") as d:
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        car = d.car()
        for name, topic in (("a/b+c#d", "a_b_c_d"), ("\x01\x7f\x9f", "___"), ("\ufffe\ufdd0x", "__x"),
                            ("ä" * 100, "ä" * 50), ("x" * 99 + "ä", "x" * 99), (b"a\xffb", "a\ufffdb")):
            car.send(envelope("alerts", alerts([name]), VIN))
            assert car.receive_reply()[0] == "ack", name
            assert broker.topics()[-2] == f"tesla/{VIN}/alerts/{topic}/current", (name, broker.topics()[-2:])
        car.close()


def hostile_broker():
    """Topics and payloads that no broker of ours would send."""
    routing = "fields: [{field: Location, to: mqtt}]"
    with FakeBroker() as broker, daemon(broker, routing,
                                        f"layout: homeassistant, entities: {ENTITIES}, topic: {'t' * 100}") as d:
        wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        wait_until("it has subscribed", lambda: len(broker.subscribed) == 3)
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
    """MQTT 3.1.1: the broker hangs up on a message over its limit. That one is set aside, the others
    arrive. MQTT 5 tells its limit, and the connection stays."""
    routing = "records: [{type: errors, to: mqtt}]"
    for protocol, properties in (("3.1.1", b""), ("5", b"\x27\x00\x00\x20\x00")):
        with FakeBroker(limit=8192, properties=properties) as broker, \
                daemon(broker, routing, f"protocol: {protocol}",
                       "delivery: log, retry: {least: 20 ms, most: 100 ms},") as d:
            wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            car = d.car()
            for i in range(5):
                car.send(envelope("errors", errors([f"small{i}"]), VIN))
                if i == 2:
                    car.send(envelope("errors", errors(["large"], body="x" * 10_000), VIN))
            wait_until("the others arrive", lambda: f"tesla/{VIN}/errors/small4" in broker.topics(), 30)
            wait_until("the large one is set aside",
                       lambda: d.status()["sinks"]["mqtt"]["dead_letters"] == 1, 30)
            connections = broker.connections
            # The limit is known now: the next large one costs no connection.
            car.send(envelope("errors", errors(["large2"], body="x" * 10_000), VIN))
            wait_until("it is set aside, too", lambda: d.status()["sinks"]["mqtt"]["dead_letters"] == 2, 30)
            assert broker.connections == connections
            assert protocol != "5" or connections == 1, connections
            assert "max_packet_size" in d.log_text()
            car.close()


def client_ids():
    """Each installation has its own id and keeps it; the health says when another client has the same."""
    routing = "records: [{type: errors, to: mqtt}]"
    for protocol, hang_up in (("5", lambda b: b.send(b"\xe0\x02\x8e\x00")), ("3.1.1", lambda b: b.hang_up())):
        with FakeBroker() as broker, daemon(broker, routing, f"protocol: {protocol}") as d:
            wait_until("it is connected", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            name = broker.client_ids[0]
            assert re.fullmatch("fleetroute-mqtt-[0-9a-f]{8}", name), name
            for _ in range(1 if protocol == "5" else 3):
                connections = broker.connections
                wait_until("it is up", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
                hang_up(broker)
                wait_until("it is connected again", lambda: broker.connections > connections)
            assert f"client id {name}" in d.log_text(), d.log_text()
            assert d.end() == 0
            d.start()
            wait_until("it is connected once more", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            assert set(broker.client_ids) == {name}, broker.client_ids
            with daemon(broker, routing) as other:
                wait_until("its journal begins", lambda: other.status())
                with open(other.path("state/sinks/mqtt/client-id")) as f:
                    assert f.read() not in name


if __name__ == "__main__":
    for test in sys.argv[1:] or ("coordinates", "many_errors", "many_alerts",
                                 "broker_that_confirms_nothing", "large_record_delays_its_vehicle_alone", "unconfirmed_comes_again_with_a_mark", "names",
                                 "hostile_broker", "packet_limit", "client_ids"):
        begun = time.monotonic()
        globals()[test]()
        print(f"{test}: {time.monotonic() - begun:.1f} s", flush=True)
