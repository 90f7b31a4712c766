#!/usr/bin/env python3
"""fleetroute vehicle-config: the telemetry configuration of the shipped routings is valid and always the same;
mistakes are reported with their position, and print no configuration."""
import json
import os
import re
import subprocess
import tempfile

from fr import BUILD, SOURCE, Daemon, fleetroute, run_parts, write_file
from vehicle import KINDS


class Folder:
    """A configuration with the test CA's certificate, whose chain ends with its root."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.path = self.temporary.name
        fleetroute("simulate", "--pki", self.path, "--pki-only", "--host", "car.example.com")
        pem = r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n"
        self.leaf, self.root = (re.search(pem, self.read(name), re.S)[0] for name in ("server.pem", "server-ca.pem"))
        self.chain(self.leaf, self.root)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def read(self, name):
        with open(os.path.join(self.path, name)) as f:
            return f.read()

    def chain(self, *certificates):
        write_file(os.path.join(self.path, "server.pem"), "".join(certificates))

    def run(self, routing, *options, roots=None, **more):
        write_file(os.path.join(self.path, "routing.yaml"), routing)
        write_file(os.path.join(self.path, "fleetroute.yaml"),
                   "listen: {port: 4443}\nrouting: routing.yaml\n"
                   "tls: {certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}\n"
                   "sinks: {archive: {plugin: file}, home: {plugin: mqtt}}\n")
        # No root of the system, so that the result does not depend on the machine.
        roots = {"SSL_CERT_FILE": roots or "/nonexistent", "SSL_CERT_DIR": "/nonexistent"}
        return fleetroute("vehicle-config", "-c", os.path.join(self.path, "fleetroute.yaml"), *options,
                          env={**os.environ, **roots}, **more)


def shipped_file(*path):
    with open(os.path.join(SOURCE, "etc", *path)) as f:
        return f.read()


def body(done):
    return json.loads(done.stdout)


HOST = ("--host", "car.example.com")


def shipped(f):
    home = shipped_file("home-assistant", "routing.yaml")
    first, again = (f.run(home, "--json", *HOST) for _ in range(2))
    assert first.stdout == again.stdout and first.stdout.endswith("}\n")
    assert body(first)["vins"] == ["5YJ3E1EA7KF000001"]
    config = body(first)["config"]
    assert sorted(config) == ["alert_types", "ca", "delivery_policy", "fields", "hostname", "port", "prefer_typed"]
    assert (config["hostname"], config["port"]) == ("car.example.com", 4443)
    assert config["delivery_policy"] == "latest" and config["prefer_typed"] is True
    assert config["alert_types"] == ["service"]
    assert config["ca"] == f.root
    fields = config["fields"]
    routes = re.sub(r"^ *#.*", "", home, flags=re.M)
    named = set(re.findall(r"\b[A-Z]\w+\b", " ".join(re.findall(r"field: (\[[^]]*\]|\w+)", routes))))
    assert set(fields) == named and len(named) > 30, set(fields) ^ named
    assert fields["Location"] == {"interval_seconds": 1}
    assert fields["OutsideTemp"] == {"interval_seconds": 60, "minimum_delta": 0.2, "resend_interval_seconds": 3600}
    table = f.run(home, *HOST).stdout
    assert re.search(r"^Soc +60 +- +3600 +\d+ +0\.\d+  .*routing\.yaml:\d+:\d+$", table, re.M), table
    assert re.search(r"^total +\d+ ", table, re.M) and "US$ 1 for 150000" in table
    assert "vehicle_location for Location, GpsHeading" in table, table
    # The plain example has a route of whole records only: every field of a car is asked for.
    done = f.run(shipped_file("routing.yaml"), "--json", *HOST)
    fields = body(done)["config"]["fields"]
    assert len(fields) > 200 and set(fields) <= set(KINDS), len(fields)
    assert not any("Semi" in name for name in fields) and "each field is asked for" in done.stderr


def mistakes(f):
    def refused(routing, *words, options=HOST):
        done = f.run(routing, "--json", *options, check=False)
        assert done.returncode == 1 and done.stdout == "", done
        for word in words:
            assert word in done.stderr, (word, done.stderr)
        return done

    refused("fields:\n  - {field: VehicleSped, to: home}\n", "routing.yaml:2:13", 'mean "VehicleSpeed"')
    refused("fields:\n  - {field: Soc, to: nowhere}\n", "routing.yaml:2:")
    refused("records: [{type: alerts, to: home}]\n", "stops the stream")
    refused("fields: [{field: field_300, to: home}]\n", "routing.yaml:1:18", "field_300", "stops the stream")
    soc = "vehicles: [5YJ3E1EA7KF000001]\nfields: [{field: Soc, to: home}]\n"
    for name in ("other.example.com", "", ".example.com", "*.example.com", "127.0.0.1", "fleetroute test server"):
        refused(soc, "not for the host name", options=("--host", name))
    refused(soc, "choose one with --host", options=())
    assert f.run(soc, *HOST).stderr == ""
    warned = f.run("fields:\n  - {field: [SemitruckTpmsPressureRe1L0, ChargeState], to: home}\n", *HOST).stderr
    assert "2:14: warning: SemitruckTpmsPressureRe1L0 is sent by Semi vehicles only" in warned, warned
    assert "2:42: warning: ChargeState: use DetailedChargeState" in warned and "`vins` is empty" in warned, warned
    assert f.run(soc, "more", check=False).returncode == 1
    with open("/dev/full", "w") as full:
        assert subprocess.run([f"{BUILD}/fleetroute", "vehicle-config", "-c", f"{f.path}/fleetroute.yaml", *HOST],
                              stdout=full, stderr=subprocess.DEVNULL, check=False).returncode == 1


def chain(f):
    soc = "vehicles: [5YJ3E1EA7KF000001]\nfields: [{field: Soc, to: home}]\n"
    f.chain(f.leaf)
    done = f.run(soc, "--json", *HOST, check=False)
    assert done.returncode == 1 and "append its CA certificates" in done.stderr, done
    # A root of the system completes the chain.
    done = f.run(soc, "--json", *HOST, roots=os.path.join(f.path, "server-ca.pem"))
    assert body(done)["config"]["ca"] == f.root and done.stderr == "", done
    # Each certificate of the chain is in `ca` once; another CA's is not in it.
    f.chain(f.leaf, f.read("vehicle-ca.pem"), f.root, f.root)
    assert body(f.run(soc, "--json", *HOST))["config"]["ca"] == f.root
    for bad, words in ((["-----BEGIN CERTIFICATE-----\nAAAA\n"], "no certificate"), ([], "no certificate"),
                       ([f.leaf] * 17, "more than 16")):
        f.chain(*bad)
        done = f.run(soc, "--json", *HOST, check=False)
        assert done.returncode == 1 and words in done.stderr and done.stdout == "", done
    os.remove(os.path.join(f.path, "server.pem"))
    assert "No such file" in f.run(soc, "--json", *HOST, check=False).stderr


def measured(_):
    """The counts are those of the records in the journal, which the daemon has open."""
    routing = "fields: [{field: [VehicleSpeed, Version], to: archive}]"
    with Daemon(routing, '  archive: {plugin: file, options: {path: "@/x"}}', journal="{}") as d:
        def run(**more):
            return fleetroute("vehicle-config", "-c", d.path("fleetroute.yaml"), "--host", "localhost", "--measured",
                              env={**os.environ, "SSL_CERT_FILE": d.path("server-ca.pem")}, **more)

        empty = run(check=False)
        assert empty.returncode == 1 and "too few records" in empty.stderr and empty.stdout == "", empty
        d.simulate("--vehicles", 1, "--rate", 20, "--duration", 2, "--data", 8)
        dump = [json.loads(line) for line in
                fleetroute("journal", "dump", "-c", d.path("fleetroute.yaml")).stdout.splitlines()]
        data = [record["data"] for record in dump if "data" in record]
        total, speeds = sum(map(len, data)), sum("VehicleSpeed" in one for one in data)
        assert total > 100 and 0 < speeds < total, (total, speeds)
        done = run()
        assert f"counted: {total} signals" in done.stdout, (total, done.stdout)
        assert "covers less than a day" in done.stderr
        rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}

        def signals(row):
            return float(re.search(r" (\d+) +\d+\.\d{3}  ", rows[row] + "  ")[1])

        assert signals("Version") == 0
        assert abs(signals("VehicleSpeed") / signals("total") - speeds / total) < 1e-3, done.stdout
        assert abs(signals("fields") / signals("total") - (total - speeds) / total) < 1e-3, done.stdout
        assert fleetroute("vehicle-config", "--measured", "--json", check=False).returncode == 1


if __name__ == "__main__":
    run_parts(shipped, mistakes, chain, measured, each=Folder)
