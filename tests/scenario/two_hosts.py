#!/usr/bin/env python3
"""The two-machine layout on one: vehicles -> fleetroute -> a real Kafka -> fleetroute -> file, each
fleetroute in a network namespace of its own. The consumer is killed and stays away; nothing is
lost, and the order of each vehicle is kept. A second group reads the same topics at its own pace,
and again from the oldest; Tesla's JSON is read too.

FR_AWAY (120) is for how many seconds the consumer is away."""
import json
import os
import subprocess
import time

from fr import PATIENCE, VIN, Daemon, Kafka, fleetroute, skip, wait_until
from journal_checks import in_order_for_each_vehicle

AWAY = int(os.environ.get("FR_AWAY", "120"))
VEHICLES = 50
NET = "10.213.77"
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}'
ALL = 'records: [{type: "*", to: archive}]'


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Hosts:
    """A bridge with Kafka's address on it, and two hosts behind it."""

    def __init__(self):
        self.tag = f"fr{os.getpid() % 100000}"
        self.names = [f"{self.tag}-{n}" for n in ("cars", "home")]

    def __enter__(self):
        self.clear()
        if os.geteuid() != 0 or ip("netns", "add", self.names[0], check=False).returncode != 0:
            skip("network namespaces need root")
        ip("netns", "add", self.names[1])
        ip("link", "add", self.tag, "type", "bridge")
        ip("addr", "add", f"{NET}.1/24", "dev", self.tag)
        ip("link", "set", self.tag, "up")
        for n, name in enumerate(self.names):
            ip("link", "add", f"{self.tag}{n}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{self.tag}{n}", "master", self.tag, "up")
            ip("-n", name, "addr", "add", f"{NET}.{n + 2}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        self.clear()

    def clear(self):
        for name in self.names:
            ip("netns", "del", name, check=False)
        ip("link", "del", self.tag, check=False)

    def within(self, n):
        return ["ip", "netns", "exec", self.names[n]]


def source(kafka, group):
    return f"sources:\n  cars: {{plugin: kafka, options: {{brokers: \"{kafka.address}\", " \
           f"group: {group}}}}}\n"


def txids(d, name="V.jsonl"):
    return [r["txid"] for r in d.records(name)]


def through_kafka(hosts, kafka):
    cars = Daemon('records: [{type: "*", to: kafka}]',
                  f'  kafka: {{plugin: kafka, options: {{brokers: "{kafka.address}"}}}}', journal="{}")
    cars.prefix = hosts.within(0)
    home = Daemon(ALL, FILE, source(kafka, "home"), journal="{}")
    home.prefix = hosts.within(1)
    with cars, home:
        load = cars.simulate_beside("--vehicles", VEHICLES, "--rate", 10, "--duration", AWAY + 10,
                                    "--patience", 30, "--acknowledged", cars.path("acknowledged"))
        wait_until("records reach home", lambda: len(home.lines("V.jsonl")) > 500, 60)
        home.kill()
        time.sleep(AWAY)  # the absence itself is the thing tested
        away = len(home.lines("V.jsonl"))
        home.start()
        print(load.communicate(timeout=AWAY + 120)[0].strip())
        assert load.returncode == 0
        acknowledged = set(cars.lines("acknowledged"))
        wait_until("home has all", lambda: len(set(txids(home))) >= len(acknowledged), 90)
        records = home.records("V.jsonl")
        assert acknowledged <= {r["txid"] for r in records}, "lost"
        in_order_for_each_vehicle(records)
        # Only what came just before the kill may be there twice, and says so.
        twice = len(records) - len({r["txid"] for r in records})
        assert twice <= sum(r.get("repeated", False) for r in records), twice
        for kind in ("connectivity", "presence"):
            assert len(home.lines(f"{kind}.jsonl")) >= VEHICLES, kind
        print(f"home: {away} records before and {len(records)} after {AWAY} s away, {twice} repeated")

        # Another group, from the oldest, beside the first one; then all once more.
        with Daemon(ALL, FILE, source(kafka, "second"), journal="{}") as second:
            wait_until("the second has all", lambda: len(txids(second)) >= len(acknowledged), 90)
            assert sorted(txids(second)) == sorted(acknowledged), "lost or doubled"
            in_order_for_each_vehicle(second.records("V.jsonl"))
            fleetroute("journal", "rewind", "archive", "--to", "oldest", "-c",
                       second.path("fleetroute.yaml"))
            wait_until("and all once more", lambda: len(txids(second)) >= 2 * len(acknowledged), 90)
            assert len(set(txids(second))) == len(acknowledged)
        teslas_json(kafka, home)
        without_a_broker(kafka, home)


def teslas_json(kafka, home):
    """As Tesla's server writes it with transmit_decoded_records, without headers of ours."""
    value = {"data": [{"key": "VehicleSpeed", "value": {"doubleValue": 65.5}},
                      {"key": "Gear", "value": {"shiftStateValue": "ShiftStateD"}},
                      {"key": "Location", "value": {"locationValue": {"latitude": 52.5,
                                                                      "longitude": 13.4}}},
                      {"key": "Soc", "value": {"invalid": True}}],
             "createdAt": "2026-11-23T08:00:00.500Z", "vin": VIN, "isResend": False}
    before = len(home.lines("V.jsonl"))
    subprocess.run(["kcat", "-b", kafka.address, "-P", "-t", "tesla_V", "-K", "|"], check=True,
                   input=f"{VIN}|{json.dumps(value)}\n{VIN}|{{nonsense\n", text=True)
    wait_until("it is there", lambda: len(home.lines("V.jsonl")) == before + 1)
    last = home.records("V.jsonl")[-1]
    assert last["data"] == {"VehicleSpeed": 65.5, "Gear": "D", "Soc": None,
                            "Location": {"latitude": 52.5, "longitude": 13.4}}, last
    assert last["created_at"] == "2026-11-23T08:00:00.500Z" and last["invalid"] == ["Soc"], last
    wait_until("nonsense is counted", lambda: home.count("source_messages_malformed") == 1)


def without_a_broker(kafka, home):
    """The source says that Kafka is away, and when it is back; and it delays no stop."""
    def health():
        return home.status()["sources"]["cars"]["health"]

    kafka.stop()
    wait_until("it is down", lambda: health() == "down", 30)
    kafka.start()
    wait_until("it is up", lambda: health() == "up", 30)
    kafka.stop()
    begun = time.monotonic()
    assert home.end() == 0
    assert time.monotonic() - begun < 10 * PATIENCE


with Hosts() as hosts, Kafka(f"{NET}.1") as kafka:
    through_kafka(hosts, kafka)
