#!/usr/bin/env python3
"""Kafka, mosquitto and the disk of a file sink are taken away in turn: every acknowledged record
reaches every sink that keeps a log, in order; memory stays under 128 MB; and the sinks beside the
one that is away notice nothing.

FR_OUTAGE (60) is for how many seconds each is away, FR_OUTAGE_VEHICLES (200) how many drive,
FR_MOST_KB the bound on memory (a build with sanitizers needs another)."""
import json
import os
import shutil
import subprocess
import time

from fr import Daemon, Kafka, skip, wait_until
from journal_checks import endless_load, in_order_for_each_vehicle
from mosquitto import Mosquitto
from outages_watch import Watch

OUTAGE = int(os.environ.get("FR_OUTAGE", "60"))
VEHICLES = int(os.environ.get("FR_OUTAGE_VEHICLES", "200"))
MOST_KB = int(os.environ.get("FR_MOST_KB", "131072"))
RATE = 5
EAGER = "retry: {min: 50 ms, max: 1 s}"


class Broker(Mosquitto):
    def __init__(self, folder):
        os.makedirs(folder)
        super().__init__(folder, "archive", "-t", "tesla/#")

    def end(self):
        assert self.subscriber.poll() is None, "the subscriber ended by itself"
        self.subscriber.kill()
        self.subscriber.wait()
        self.stop()

    def count(self):
        return int(subprocess.run(["grep", "-c", "^{", f"{self.folder}/received"],
                                  capture_output=True, text=True).stdout)

    def records(self):
        with open(f"{self.folder}/received", errors="replace") as f:
            lines = f.read().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith('{"type":"V"')]


def away(d, watch, name, take, give):
    take()
    begun = time.monotonic()
    wait_until(f"{name} is down", lambda: d.status()["sinks"][name]["health"] == "down", 30)
    while time.monotonic() - begun < OUTAGE:  # the outage itself is the thing tested
        d.status()
        time.sleep(0.5)

    def others_go_on():
        return all(other == name or (s["lag"] < 3 * VEHICLES * RATE and s["health"] == "up")
                   for other, s in d.status()["sinks"].items())
    wait_until("the others, which do not wait for it, have what was committed seconds ago", others_go_on)
    watch.look(f"without {name}")
    assert d.status()["sinks"][name]["lag"] > 0, "it was not away"
    give()
    wait_until(f"{name} has caught up",
               lambda: d.status()["sinks"][name]["lag"] < 3 * VEHICLES * RATE, 120)
    watch.look(f"{name} is back")


def main(kafka):
    sinks = f'  steady: {{plugin: file, options: {{path: "@/%{{type}}.jsonl", rotate_size: 0}}}}\n' \
            f'  disk: {{plugin: file, {EAGER}, options: {{path: "@/disk/%{{type}}.jsonl", rotate_size: 0}}}}\n' \
            f'  kafka: {{plugin: kafka, options: {{brokers: "{kafka.address}"}}}}\n'
    with Daemon('records: [{type: V, to: [steady, disk, kafka]}]', sinks, journal="{}") as d:
        os.mkdir(d.path("disk"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "none", d.path("disk")],
                          capture_output=True).returncode:
            skip("a small disk needs root")
        mosquitto = Broker(d.path("mosquitto"))
        try:
            mosquitto.start()
            d.sinks = sinks + f'  mqtt: {{plugin: mqtt, delivery: log, {EAGER}, ' \
                              f'options: {{port: {mosquitto.port}}}}}'
            d.routing = 'records: [{type: V, to: [steady, disk, kafka, mqtt]}]'
            d.reload()
            wait_until("mqtt is up", lambda: d.status()["sinks"]["mqtt"]["health"] == "up")
            drive(d, kafka, mosquitto)
        finally:
            if mosquitto.subscriber:
                mosquitto.end()
            d.end()
            subprocess.run(["umount", d.path("disk")], check=True)


def drive(d, kafka, mosquitto):
    def fill():
        try:
            with open(d.path("disk/ballast"), "wb", buffering=0) as f:
                while f.write(b"x" * 65536):
                    pass
        except OSError:
            pass

    with endless_load(d, "--vehicles", VEHICLES, "--rate", RATE, "--patience", 60):
        d.wait_count("acknowledged", VEHICLES, 60)
        watch = Watch(d)
        time.sleep(min(10, OUTAGE))  # a stretch of ordinary life, to compare with
        watch.look("all well")
        away(d, watch, "kafka", kafka.stop, kafka.start)
        away(d, watch, "mqtt", mosquitto.stop, mosquitto.start)
        away(d, watch, "disk", fill, lambda: os.unlink(d.path("disk/ballast")))
    acknowledged = set(d.lines("acknowledged"))
    wait_until("all are through", lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()), 120)
    assert d.max_kb < MOST_KB, d.max_kb
    for name, records in (("steady", d.records("V.jsonl")), ("disk", d.records("disk/V.jsonl")),
                          ("kafka", from_kafka(kafka))):
        check(name, acknowledged, records)
    wait_until("the subscriber has all", lambda: mosquitto.count() >= len(acknowledged), 60)
    check("mqtt", acknowledged, mosquitto.records())


def from_kafka(kafka):
    rows = kafka.read("tesla_V", "%k|%h\n").decode().splitlines()
    return [{"vin": row.split("|")[0],
             "txid": dict(h.split("=", 1) for h in row.split("|")[1].split(","))["txid"]}
            for row in rows]


def check(name, acknowledged, records):
    missing = acknowledged - {r["txid"] for r in records}
    assert not missing, f"{name}: {len(missing)} of {len(acknowledged)} acknowledged are missing"
    in_order_for_each_vehicle(records)
    print(f"{name}: {len(acknowledged)} acknowledged, {len(records)} delivered, "
          f"{len(records) - len({r['txid'] for r in records})} of them repeated")


if not shutil.which("mosquitto"):
    skip("mosquitto is needed")
with Kafka() as kafka:
    main(kafka)
