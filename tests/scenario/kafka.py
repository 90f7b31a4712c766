#!/usr/bin/env python3
"""Records reach a real Kafka as Tesla's server sends them, each acknowledged one exactly once;
when Kafka is stopped for half a minute no acknowledged record is missing, memory is bounded and
vehicles are paused.

FR_KAFKA_SECONDS (60) is the seconds of each load, FR_KAFKA_VEHICLES (1000) the number of vehicles."""
import os
import subprocess
import time

from fr import BUILD, SOURCE, VIN, Daemon, Kafka, run_parts, vector, wait_until

SECONDS = int(os.environ.get("FR_KAFKA_SECONDS", "60"))
VEHICLES = int(os.environ.get("FR_KAFKA_VEHICLES", "1000"))
RATE = 10
OUTAGE = int(os.environ.get("FR_KAFKA_OUTAGE", "30"))
ROUTING = """records:
  - {type: V, to: kafka, ack: [kafka]}
  - {type: [alerts, errors, connectivity], to: kafka, ack: kafka}
"""


def sinks(kafka, more=""):
    return f'  kafka:\n    plugin: kafka\n{more}    options: {{brokers: "{kafka.address}"}}'


def protoc(message, value):
    return subprocess.run(["protoc", f"-I{SOURCE}/proto", f"--decode=telemetry.{message}",
                           message.split(".")[0] + ".proto"], check=True, capture_output=True,
                          input=value).stdout


def as_teslas_server_sends_it(kafka):
    """Key, headers and value of the vectors, byte for byte."""
    with Daemon(ROUTING, sinks(kafka)) as d:
        car = d.car()
        for name in ("01_v_three_datums", "07_v_legacy_strings", "02_alerts", "03_errors"):
            car.send(vector(name))
            assert car.receive_reply()[0] == "ack"
        car.close()
        wait_until("the car is gone", lambda: d.status()["connections"] == 0)
    value = kafka.read("tesla_V", "%k|%h|%S|%s#END#").split(b"#END#")[0].split(b"|", 3)
    headers = dict(h.split("=", 1) for h in value[1].decode().split(","))
    assert value[0].decode() == VIN
    received = int(headers.pop("receivedat"))
    assert abs(received / 1000 - time.time()) < 60
    assert headers == {"vin": VIN, "timestamp": "0", "txid": "c6609a336d7f4d7bb571-000000001",
                       "txtype": "V", "version": "0", "device_client_version": ""}, headers
    with open(f"{SOURCE}/tests/vectors/01_v_payload_only.hex") as f:
        assert value[3] == bytes.fromhex(f.read().replace("\n", "")), value
    for topic, least in (("tesla_V", 2), ("tesla_alerts", 1), ("tesla_errors", 1),
                         ("tesla_connectivity", 2)):
        assert len(kafka.read(topic, "%k\n").splitlines()) == least, topic
    connectivity = kafka.read("tesla_connectivity", "%s#END#").split(b"#END#")[0]
    decoded = protoc("vehicle_connectivity.VehicleConnectivity", connectivity)
    assert b"status: CONNECTED" in decoded and VIN.encode() in decoded, decoded
    assert kafka.topic_setting("tesla_V", "retention.ms") == "604800000"


def events_before_the_wakeup(kafka):
    """librdkafka has queued events before the sink has enabled its reports; records are delivered all the same."""
    d = Daemon(ROUTING, sinks(kafka).replace('"}', '", properties: {debug: broker}}'))
    d.environment = {**os.environ, "LD_PRELOAD": f"{BUILD}/.libs/slow_wakeup.so"}
    with d:
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        car.close()


def load(d, during=None):
    """Drive; what was acknowledged, by txid."""
    d.simulate_started = time.monotonic()
    beside = d.simulate_beside("--vehicles", VEHICLES, "--rate", RATE, "--duration", SECONDS,
                               "--patience", 90, "--acknowledged", d.path("acknowledged"))
    d.wait_count("acknowledged", VEHICLES, 60)
    if during:
        during(d)
    while beside.poll() is None:
        d.status()
        time.sleep(0.5)
    print(beside.stdout.read().strip(), "| max memory", d.max_kb, "kB")
    assert beside.returncode == 0
    return d.lines("acknowledged")


def assert_all_in_kafka(kafka, acknowledged, vins):
    rows = [row.split(b"|") for row in kafka.read("tesla_V", "%k|%h\n").splitlines()]
    in_kafka = {}
    for key, headers in rows:
        fields = dict(h.split(b"=", 1) for h in headers.split(b","))
        assert key == fields[b"vin"] and fields[b"txtype"] == b"V"
        in_kafka[fields[b"txid"]] = in_kafka.get(fields[b"txid"], 0) + 1
        vins.add(key)
    missing = [t for t in acknowledged if t.encode() not in in_kafka]
    twice = [t for t in acknowledged if in_kafka.get(t.encode(), 0) > 1]
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged are missing"
    assert not twice, f"{len(twice)} are there more than once"
    print(len(acknowledged), "acknowledged,", len(rows), "in Kafka, each once")


def decode_some(kafka):
    """Values are Payload messages with the key's VIN in them."""
    sample = subprocess.run(["kcat", "-b", kafka.address, "-C", "-t", "tesla_V", "-o", "-50", "-e", "-q",
                             "-f", "%k %S %s"], check=True, capture_output=True).stdout
    count = 0
    while sample:
        key, size, rest = sample.split(b" ", 2)
        text = protoc("vehicle_data.Payload", rest[:int(size)])
        assert b'vin: "' + key + b'"' in text and text.count(b"key:") >= 3, text
        sample = rest[int(size):]
        count += 1
    assert count >= 50, count


def under_load(kafka):
    with Daemon(ROUTING, sinks(kafka)) as d:
        acknowledged = load(d)
        assert len(acknowledged) > 0.95 * VEHICLES * RATE * SECONDS, len(acknowledged)
        vins = set()
        assert_all_in_kafka(kafka, acknowledged, vins)
        assert len(vins) >= VEHICLES
        decode_some(kafka)


def broker_away(kafka):
    def outage(d):
        kafka.stop()
        stopped = time.monotonic()
        wait_until("the sink says that Kafka is down",
                   lambda: d.status()["sinks"]["kafka"]["health"] == "down", 30)
        wait_until("vehicles are paused", lambda: d.count("vehicles_paused") > 0, 60)
        while time.monotonic() - stopped < OUTAGE:  # the outage itself is the thing tested
            d.status()
            time.sleep(0.5)
        kafka.start()

    # A limit that the load reaches within the outage, whatever the machine.
    with Daemon(ROUTING, sinks(kafka, f"    queue: {{records: {VEHICLES * RATE * SECONDS // 6}}}\n")) as d:
        acknowledged = load(d, outage)
        assert_all_in_kafka(kafka, acknowledged, set())
        status = d.status()
        assert d.max_kb < 256 * 1024, d.max_kb
        assert status["sinks"]["kafka"]["dropped"] == 0 and status["sinks"]["kafka"]["health"] == "up"


if __name__ == "__main__":
    run_parts(as_teslas_server_sends_it, events_before_the_wakeup, under_load, broker_away, each=Kafka)
