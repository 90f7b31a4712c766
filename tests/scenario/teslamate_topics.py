#!/usr/bin/env python3
"""mqtt.so with `layout: teslamate` and a real mosquitto: TeslaMate's topics, in the forms that their readers parse
(evcc: JSON numbers; TWCManager: int(); TeslaSolarCharger: Convert.ToInt32() and Convert.ToBoolean())."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import Daemon, VIN, fleetroute, run_parts, skip, wait_until  # noqa: E402
from messages import alerts, datum, envelope, field, location, vehicle_data  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402

EVERYTHING = 'vehicles: [{vin: %s, name: Melan Y}]\nrecords: [{type: presence, to: mqtt}]\n' \
             'fields: [{field: "*", to: mqtt}]' % VIN
SHORT_GRACE = "limits: {presence_grace: 500 ms}"
OTHER = "5YJ3E1EA7KF000002"
GEAR, SOC, LOCATION, DETAILED, SPEED, AC_POWER = 10, 8, 21, 179, 4, 37
MEMBER_GEAR, MEMBER_DETAILED = 9, 32
PARK, DRIVE, DISCONNECTED, CHARGING = 2, 5, 1, 4
PROBE = "teslamate/probe"

INTEGER, DECIMAL, FLAG = r"-?\d+", r"-?\d+(\.\d+)?", "true|false"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
# The topics of TeslaMate that have a telemetry field, and the forms of their payloads.
TOPICS = {
    "display_name": ".+", "state": "online|asleep|offline|driving|charging|updating", "since": TIME,
    "healthy": FLAG, "version": r"[0-9.]+", "update_available": FLAG, "update_version": r"[0-9.]+",
    "software_update": r'{"installed_version":"[^"]+","latest_version":"[^"]+"}',
    "download_perc": INTEGER, "install_perc": INTEGER, "model": "S|3|X|Y", "trim_badging": ".+",
    "exterior_color": ".+", "wheel_type": ".+", "geofence": ".*", "latitude": DECIMAL, "longitude": DECIMAL,
    "location": r'{"latitude":%s,"longitude":%s}' % (DECIMAL, DECIMAL), "shift_state": "|P|R|N|D",
    "power": INTEGER, "speed": INTEGER, "heading": INTEGER, "locked": FLAG, "sentry_mode": FLAG,
    "service_mode": FLAG, "windows_open": FLAG, "driver_front_window_open": FLAG, "driver_rear_window_open": FLAG,
    "passenger_front_window_open": FLAG, "passenger_rear_window_open": FLAG, "doors_open": FLAG,
    "driver_front_door_open": FLAG, "driver_rear_door_open": FLAG, "passenger_front_door_open": FLAG,
    "passenger_rear_door_open": FLAG, "trunk_open": FLAG, "frunk_open": FLAG, "is_user_present": FLAG,
    "is_climate_on": FLAG, "is_preconditioning": FLAG, "climate_keeper_mode": "off|on|dog|camp",
    "inside_temp": DECIMAL, "outside_temp": DECIMAL, "odometer": DECIMAL, "est_battery_range_km": DECIMAL,
    "rated_battery_range_km": DECIMAL, "ideal_battery_range_km": DECIMAL, "battery_level": INTEGER,
    "usable_battery_level": INTEGER, "plugged_in": FLAG,
    "charging_state": "Disconnected|NoPower|Starting|Charging|Complete|Stopped", "charge_energy_added": DECIMAL,
    "charge_limit_soc": INTEGER, "charge_port_door_open": FLAG, "charger_actual_current": INTEGER,
    "charger_phases": "|[123]", "charger_power": INTEGER, "charger_voltage": INTEGER,
    "charge_current_request": INTEGER, "charge_current_request_max": INTEGER,
    "scheduled_charging_start_time": f"|{TIME}", "time_to_full_charge": DECIMAL,
    "tpms_pressure_fl": DECIMAL, "tpms_pressure_fr": DECIMAL, "tpms_pressure_rl": DECIMAL,
    "tpms_pressure_rr": DECIMAL, "tpms_soft_warning_fl": FLAG, "tpms_soft_warning_fr": FLAG,
    "tpms_soft_warning_rl": FLAG, "tpms_soft_warning_rr": FLAG, "active_route": r"{.*}",
    "active_route_destination": ".+", "active_route_latitude": f"nil|{DECIMAL}",
    "active_route_longitude": f"nil|{DECIMAL}",
}

if not shutil.which("mosquitto") or not shutil.which("mosquitto_sub"):
    skip("mosquitto and mosquitto_sub are needed")


# ---- the broker -----------------------------------------------------------------------

@contextlib.contextmanager
def broker(more=""):
    """mosquitto, and a subscriber from its start on. `more`: lines of its configuration, with @ for its folder."""
    folder = tempfile.mkdtemp(prefix="fr-mosquitto.")
    peer = Mosquitto(folder, "subscriber", "-t", "#", "-F", "%t\t%r\t%p")
    with open(f"{folder}/conf", "a") as f:
        f.write(more.replace("@", folder))
    write_acl(peer)
    peer.start()
    try:
        wait_until("the subscription exists", lambda: probe(peer))
        yield peer
    finally:
        peer.stop()
        peer.subscriber.kill()
        peer.subscriber.wait()
        shutil.rmtree(folder)


def write_acl(peer, *denied):
    with open(f"{peer.folder}/acl", "w") as f:
        f.write("".join(f"topic deny {topic}\n" for topic in denied) + "topic readwrite #\n")
    os.chmod(f"{peer.folder}/acl", 0o600)


def lines(peer):
    with open(peer.received, "rb") as f:
        return [line.decode().split("\t") for line in f.read().split(b"\n")[:-1]]


def probe(peer):
    subprocess.run(["mosquitto_pub", "-p", str(peer.port), "-t", PROBE, "-m", ""], check=True)
    return lines(peer)


def messages(peer, number=1):
    """The messages of a vehicle in their order: name, payload."""
    begin = f"teslamate/cars/{number}/"
    return [(topic.removeprefix(begin), payload) for topic, _, payload in lines(peer) if topic.startswith(begin)]


def payloads(peer, name, number=1):
    return [payload for topic, payload in messages(peer, number) if topic == name]


def last(peer, name, number=1):
    """The last payload of a topic; None: none."""
    return (payloads(peer, name, number) or [None])[-1]


def retained(peer):
    """What a new subscriber gets: {topic: payload}."""
    out = subprocess.run(["mosquitto_sub", "-p", str(peer.port), "-t", "teslamate/#", "-F", "%t\t%r\t%p",
                          "--retained-only", "-W", "2"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    got = [line.split("\t") for line in out.split("\n")[:-1]]
    assert all(is_retained == "1" for _, is_retained, _ in got), got
    return {topic: payload for topic, _, payload in got}


# ---- the daemon -----------------------------------------------------------------------

def daemon(port, options="", routing=EVERYTHING, delivery="log", **settings):
    return Daemon(routing, f"  mqtt: {{plugin: mqtt, delivery: {delivery}, options: {{layout: teslamate, port: {port}, "
                  f"{options}}}}}\n", SHORT_GRACE, **settings)


def wait_connected(d):
    wait_until("the sink is connected", lambda: d.status()["sinks"]["mqtt"]["why"].startswith("connected"))


def send(car, *data, created=None, vin=VIN):
    car.send(envelope("V", vehicle_data(*data, created=created), vin))
    assert car.receive_reply()[0] == "ack"


def gear(position):
    return datum(GEAR, field(MEMBER_GEAR, position))


def charge_state(state):
    return datum(DETAILED, field(MEMBER_DETAILED, state))


def number_of(name, value):
    return datum(name, field(5, float(value)))


# ---- parts ----------------------------------------------------------------------------

def every_topic_in_its_form():
    """The simulated trip, then the fields that it does not have."""
    with broker() as peer, daemon(peer.port, journal="{}") as d:
        wait_connected(d)
        d.say({"Gear": "P"})  # the first state is published two seconds later
        wait_until("the vehicle is known", lambda: last(peer, "state"))
        d.simulate("--speed", "8")
        wait_until("the vehicle sleeps", lambda: last(peer, "state") == "asleep", 60)
        states = payloads(peer, "state")
        assert states == ["online", "driving", "online", "charging", "online", "asleep"], states
        trip = {name for name, _ in messages(peer)}
        check_trip(peer)
        d.say({"RatedRange": 200, "IdealBatteryRange": 210, "Trim": "74D", "ExteriorColor": "DeepBlue",
               "WheelType": "Apollo19", "ServiceMode": False, "SoftwareUpdateDownloadPercentComplete": 30,
               "SoftwareUpdateInstallationPercentComplete": 1, "ACChargingEnergyIn": 12.345,
               "ChargeCurrentRequest": 16, "ChargeCurrentRequestMax": 32, "ChargerPhases": 3,
               "DetailedChargeState": "Charging", "ScheduledChargingStartTime": 1800000000,
               "DestinationLocation": {"latitude": 52.5, "longitude": 13.4}, "MilesToArrival": 6.25,
               "MinutesToArrival": 12.5, "RouteTrafficMinutesDelay": 2, "ExpectedEnergyPercentAtTripArrival": 55})
        wait_until("all topics are published", lambda: {name for name, _ in messages(peer)} >= set(TOPICS))
        check_forms(peer)
        assert len(trip) > 50, sorted(trip)
        for name, payload in (("rated_battery_range_km", "321.87"), ("charge_energy_added", "12.35"),
                              ("charge_current_request", "16"), ("charger_phases", "3"),
                              ("scheduled_charging_start_time", "2027-01-15T08:00:00Z"),
                              ("active_route_latitude", "52.5"), ("trim_badging", "74D")):
            assert last(peer, name) == payload, (name, last(peer, name))
        assert json.loads(last(peer, "active_route")) == {
            "destination": "Home", "energy_at_arrival": 55, "miles_to_arrival": 6.25, "minutes_to_arrival": 12.5,
            "traffic_minutes_delay": 2, "location": {"latitude": 52.5, "longitude": 13.4}, "error": None}
        kept = retained(peer)
        assert {f"teslamate/cars/1/{name}" for name in TOPICS} <= set(kept), sorted(kept)


def check_forms(peer):
    for name, payload in messages(peer):
        assert name in TOPICS, name
        assert re.fullmatch(TOPICS[name], payload), (name, payload)
    for (name, payload), (then, again) in zip(*(lambda m: (m, m[1:]))(sorted_by_name(peer))):
        assert name != then or payload != again, f"{name} was published without a change: {payload}"


def sorted_by_name(peer):
    return sorted(messages(peer), key=lambda message: message[0])


def check_trip(peer):
    """Values at the end of the trip, and what happened in it."""
    end = {"display_name": "Melan Y", "version": "2026.32.1", "update_version": "2026.38.2", "model": "3",
           "geofence": "Home", "shift_state": "P", "power": "0", "speed": "0", "locked": "true",
           "doors_open": "false", "charging_state": "Complete", "plugged_in": "true", "charger_actual_current": "0",
           "charger_power": "0", "time_to_full_charge": "0", "charge_limit_soc": "80", "battery_level": "81",
           "usable_battery_level": "80", "outside_temp": "18.5", "is_climate_on": "false", "healthy": "true",
           "active_route": '{"error":"No active route available"}'}
    assert {name: last(peer, name) for name in end} == end
    power = [int(p) for p in payloads(peer, "power")]
    assert max(power) > 10 and -12 <= min(power) <= -10, power  # driving, charging with 11 kW
    speed = [int(s) for s in payloads(peer, "speed")]
    assert 60 <= max(speed) <= 68 and speed[-1] == 0, speed  # 42 mph
    for name, seen in (("charger_actual_current", "16"), ("driver_front_door_open", "true"), ("locked", "false"),
                       ("driver_front_window_open", "true"), ("is_user_present", "true"), ("sentry_mode", "true"),
                       ("shift_state", "D"), ("geofence", ""), ("active_route_destination", "Home")):
        assert seen in payloads(peer, name), (name, payloads(peer, name))
    odometer = float(last(peer, "odometer"))
    assert 29345 < odometer < 29360, odometer  # 18234.5 mi


def chargers():
    """Values of an AC charger do not stay when the charge ends, and not at a DC charger."""
    names = ("charging_state", "charger_phases", "charger_voltage", "charger_actual_current", "charger_power")
    with broker() as peer, daemon(peer.port, journal="{}") as d:
        wait_connected(d)

        def wait_values(*expected):
            try:
                wait_until(f"the values are {expected}", lambda: tuple(last(peer, n) for n in names) == expected)
            except AssertionError as late:
                raise AssertionError(f"{late}; they are {[last(peer, n) for n in names]}") from late
        d.say({"Gear": "P", "DetailedChargeState": "Disconnected"})
        wait_values("Disconnected", "", "0", "0", "0")
        d.say({"DetailedChargeState": "Charging", "ChargerPhases": 3, "ChargerVoltage": 230, "ChargeAmps": 16,
               "ACChargingPower": 11})
        wait_values("Charging", "3", "230", "16", "11")
        d.say({"DetailedChargeState": "Complete"})
        wait_values("Complete", "", "0", "0", "0")
        assert "teslamate/cars/1/charger_phases" not in retained(peer)
        # The state comes before the kind of the charger, so values of the last AC charger are published in between.
        d.say({"DetailedChargeState": "Charging"})
        wait_values("Charging", "3", "230", "16", "11")
        d.say({"FastChargerPresent": True, "DCChargingPower": 120})
        wait_values("Charging", "", "0", "0", "120")


def asleep_offline_and_awake():
    """A vehicle that is parked when its connection ends sleeps. One that drives or charges has no network."""
    with broker() as peer, daemon(peer.port) as d:
        wait_connected(d)
        for data, awake, away in (([gear(PARK)], "online", "asleep"), ([gear(DRIVE)], "driving", "offline"),
                                  ([gear(PARK), charge_state(CHARGING)], "charging", "offline"),
                                  ([charge_state(DISCONNECTED)], "online", "asleep")):
            before = len(payloads(peer, "state"))
            car = d.car()
            send(car, *data)
            wait_until(f"it is {awake}", lambda: last(peer, "state") == awake)
            car.close()
            wait_until(f"it is {away}", lambda: last(peer, "state") == away)
            since = time.time() - time.mktime(time.strptime(last(peer, "since"), "%Y-%m-%dT%H:%M:%SZ")) + time.timezone
            assert -5 < since < 600, since
            assert len(payloads(peer, "state")) > before


def old_values_do_not_move_back():
    """Late and resent records: nothing is published that is older than what was published."""
    with broker() as peer, daemon(peer.port) as d:
        wait_connected(d)
        car, now = d.car(), int(time.time())
        send(car, number_of(SOC, 70), gear(DRIVE), datum(LOCATION, location(52.5, 13.25)), created=now - 10)
        wait_until("the new values arrive", lambda: last(peer, "state") == "driving")
        send(car, number_of(SOC, 71), gear(PARK), datum(LOCATION, location(50, 10)), created=now - 100)
        car.send(envelope("V", vehicle_data(number_of(SOC, 72), created=now - 90) + field(4, 1), VIN))
        assert car.receive_reply()[0] == "ack"
        # A clock that is a day ahead does not stop later values.
        send(car, number_of(SOC, 73), created=now + 86400)
        wait_until("the value arrives", lambda: last(peer, "usable_battery_level") == "73")
        send(car, number_of(SOC, 74), created=int(time.time()) + 1)
        wait_until("the next value arrives", lambda: last(peer, "usable_battery_level") == "74")
        assert payloads(peer, "usable_battery_level") == ["70", "73", "74"], messages(peer)
        assert payloads(peer, "latitude") == ["52.5"] and last(peer, "state") == "driving", messages(peer)
        # Values that no vehicle has are ignored.
        ahead = int(time.time()) + 5
        send(car, number_of(SOC, 1e9), number_of(SPEED, -5e8), datum(LOCATION, location(95, 13)), created=ahead)
        send(car, number_of(SOC, 75), created=ahead)
        wait_until("the next value arrives", lambda: last(peer, "usable_battery_level") == "75")
        assert payloads(peer, "latitude") == ["52.5"] and payloads(peer, "speed") == [], messages(peer)
        car.close()


def broker_without_memory():
    """A broker that has lost its retained messages gets all values again, without news from the vehicle."""
    with broker() as peer, daemon(peer.port) as d:
        wait_connected(d)
        car = d.car()
        send(car, number_of(SOC, 70), gear(PARK), charge_state(DISCONNECTED))
        wait_until("the vehicle is published", lambda: last(peer, "state") == "online")
        known = {topic: payload for topic, payload in retained(peer).items() if topic != PROBE}
        peer.stop()
        os.unlink(f"{peer.folder}/mosquitto.db")
        peer.start()
        wait_connected(d)
        wait_until("the broker has all values", lambda: retained(peer) == known, 40)
        assert len(known) > 10, known
        car.close()


def numbers_of_vehicles():
    """Numbers in the order of first appearance, the same after a restart; numbers of the configuration."""
    vehicles = [f"5YJ3E1EA7KF00001{n}" for n in range(3)]
    routing = 'records: [{type: presence, to: mqtt}]\nfields: [{field: "*", to: mqtt}]'
    with broker() as peer, daemon(peer.port, f'car_ids: {{{vehicles[2]}: "2"}}', routing, "latest", journal="{}") as d:
        wait_connected(d)
        for number, vin in ((1, vehicles[0]), (3, vehicles[1]), (2, vehicles[2])):
            d.say({"vin": vin, "Soc": 50 + number})
            wait_until(f"{vin} has number {number}", lambda: last(peer, "battery_level", number) == str(50 + number))
        wait_until("the numbers are saved", lambda: os.path.exists(d.path("state/sinks/mqtt/car-ids")))
        assert d.end() == 0
        assert last(peer, "healthy") == "false"
        d.start()
        wait_connected(d)
        d.say({"vin": vehicles[1], "Soc": 63}, {"vin": OTHER, "Soc": 64})
        wait_until("old and new vehicles are published", lambda: last(peer, "battery_level", 3) == "63" and
                   last(peer, "battery_level", 4) == "64")
        # With `delivery: latest`, the last values are restored after a start.
        wait_until("vehicle 1 is healthy again", lambda: last(peer, "healthy") == "true")
        assert d.end() == 0
        d.sinks = d.sinks.replace('"2"', '"0"')
        d.write()
        out = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
        assert out.returncode != 0 and "number must be from 1 to" in out.stdout + out.stderr, out
        d.sinks = d.sinks.replace('"0"', '"2"')
        d.start()


def restart_keeps_the_state():
    """A restart of fleetroute ends all connections. The state of a vehicle that is back at once does not change."""
    with broker() as peer, daemon(peer.port, delivery="latest", journal="{}") as d:
        d.extra = "limits: {presence_grace: 20 s}"
        assert d.end() == 0
        d.start()
        wait_connected(d)
        car = d.car()
        send(car, gear(PARK), charge_state(CHARGING), number_of(SOC, 60), number_of(AC_POWER, 11))
        wait_until("it charges", lambda: last(peer, "state") == "charging")
        assert d.end() == 0
        car.close()
        d.start()
        wait_connected(d)
        wait_until("the last values are restored", lambda: last(peer, "healthy") == "true")
        car = d.car()
        send(car, number_of(SOC, 61))
        wait_until("it charges on", lambda: last(peer, "usable_battery_level") == "61")
        wait_until("the state is published", lambda: len(payloads(peer, "state")) > 1)
        assert payloads(peer, "state") == ["charging"] * 2 and set(payloads(peer, "power")) <= {"-11"}, messages(peer)
        car.close()


def numbers_that_cannot_be_saved():
    """The sink works, is degraded, and says why, until the file can be written."""
    with broker() as peer, daemon(peer.port, journal="{}") as d:
        wait_connected(d)
        os.makedirs(d.path("state/sinks/mqtt/car-ids.new"))  # root can write to a folder without permission
        d.say({"Soc": 50})
        wait_until("the value is published", lambda: last(peer, "battery_level") == "50")
        sink = wait_until("the sink is degraded", lambda: next((
            s for s in [d.status()["sinks"]["mqtt"]] if s["health"] == "degraded"), None))
        assert "car-ids" in sink["why"] and sink["why"].startswith("connected"), sink
        os.rmdir(d.path("state/sinks/mqtt/car-ids.new"))
        wait_until("the sink is up", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
        with open(d.path("state/sinks/mqtt/car-ids")) as f:
            assert f.read() == f"1 {VIN}\n"


def refused_topic():
    """A value that the broker has refused is published when the delivery is tried again."""
    denied = "teslamate/cars/1/latitude"
    with broker("acl_file @/acl\n") as peer:
        write_acl(peer, denied)
        peer.broker.send_signal(signal.SIGHUP)
        with daemon(peer.port, journal="{}") as d:
            wait_connected(d)
            d.say({"Location": {"latitude": 52.5, "longitude": 13.25}})
            wait_until("the sink says why", lambda: "may this user write" in d.status()["sinks"]["mqtt"]["why"])
            assert last(peer, "latitude") is None, messages(peer)
            write_acl(peer)
            peer.broker.send_signal(signal.SIGHUP)
            wait_until("the value is published", lambda: last(peer, "latitude") == "52.5", 60)
            wait_until("its other values too", lambda: last(peer, "location") == '{"latitude":52.5,"longitude":13.25}')


def prefix_and_units():
    """`namespace`, `topic` and `geofence_home`; a route that converts units changes nothing."""
    routing = 'fields: [{field: "*", to: mqtt, unit: imperial}]'
    with broker() as peer, daemon(peer.port, "topic: tm, namespace: berlin, geofence_home: Garage", routing,
                                   journal="{}") as d:
        wait_connected(d)
        d.say({"VehicleSpeed": 50, "Odometer": 100, "InsideTemp": 20.5, "TpmsPressureFl": 2.9, "LocatedAtHome": True,
               "Gear": "D"})

        def got():
            return {topic: payload for topic, _, payload in lines(peer)}
        wait_until("the values arrive", lambda: "tm/berlin/cars/1/state" in got())
        begin = "tm/berlin/cars/1/"
        expected = {"speed": "80", "odometer": "160.93", "inside_temp": "20.5", "tpms_pressure_fl": "2.9",
                    "geofence": "Garage", "state": "driving"}
        assert {name: got().get(begin + name) for name in expected} == expected, got()


def other_records():
    """Alerts have Tesla's topics; whole records of values are refused with the reason."""
    routing = "records: [{type: [alerts, V], to: mqtt}]"
    with broker() as peer, daemon(peer.port, routing=routing, journal="{}") as d:
        wait_connected(d)
        car = d.car()
        car.send(envelope("alerts", alerts(["Hot"]), VIN))
        assert car.receive_reply()[0] == "ack"
        wait_until("the alert is published", lambda: f"teslamate/{VIN}/alerts/Hot/current" in
                   {topic for topic, _, _ in lines(peer)})
        car.close()
        d.say({"Soc": 50})
        wait_until("the sink says why", lambda:
                   "no topic for whole records of type V" in d.status()["sinks"]["mqtt"]["why"])
        assert messages(peer) == []


run_parts(every_topic_in_its_form, chargers, asleep_offline_and_awake, old_values_do_not_move_back,
          broker_without_memory, numbers_of_vehicles, numbers_that_cannot_be_saved, refused_topic, restart_keeps_the_state,
          prefix_and_units, other_records)
