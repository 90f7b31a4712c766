#!/usr/bin/env python3
"""fleetroute simulate --config: the car trusts only the server of the configuration, and sends only its fields,
at its intervals."""
import contextlib
import json
import os
import re
import socket
import ssl
import tempfile
import threading
import time

from fr import BUILD, Daemon, fleetroute, run_parts, write_file

ROUTING = 'records: [{type: "*", to: archive, ack: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
TRIP_S = 160  # the duration of the simulated trip


def read(path):
    with open(path) as f:
        return f.read()


def configuration(daemon, fields, **more):
    return {"hostname": "localhost", "port": daemon.port, "ca": read(daemon.path("server-ca.pem")), "fields": fields,
            "alert_types": ["service"], "exp": int(time.time()) + 3600, "delivery_policy": "latest", **more}


def drive(daemon, config, *options, check=True, speed=100, timeout=60):
    path = daemon.path("pushed.json")
    write_file(path, config if isinstance(config, str) else json.dumps(config))
    return fleetroute("simulate", "--pki", daemon.folder, "--config", path, "--speed", speed, "-q", *options,
                      check=check, timeout=timeout)


def refused(daemon, config, cause, *options, dials=False):
    """The car exits with status 1, names the cause, and sends nothing; without `dials` it does not connect."""
    before = daemon.status()["counters"]
    done = drive(daemon, config, *options, check=False)
    assert done.returncode == 1 and cause in done.stderr, (cause, done)
    after = daemon.status()["counters"]
    assert after["messages"] == before["messages"], (cause, after)
    assert after["connections_accepted"] == before["connections_accepted"] + dials, (cause, after)


def fields():
    """Only configured fields, each at its interval, with its minimum delta, and resent."""
    wanted = {"VehicleSpeed": {"interval_seconds": 1, "minimum_delta": 5},
              "Odometer": {"interval_seconds": 10},
              "Location": {"interval_seconds": 2, "minimum_delta": 100},
              "VehicleName": {"interval_seconds": 1, "resend_interval_seconds": 20},
              "OutsideTemp": {"interval_seconds": 30},
              "Gear": {"interval_seconds": 1, "minimum_delta": 50},
              "CruiseSetSpeed": {"interval_seconds": 60}, "NoSuchField": {"interval_seconds": 1}}
    with Daemon(ROUTING, SINKS) as d:
        done = drive(d, configuration(d, wanted))
        assert "6 of 8 fields are simulated, 1 unknown fields are ignored" in done.stdout, done
        sent = [record["data"] for record in d.records("V.jsonl")]
        assert int(re.search(r"(\d+) messages", done.stdout)[1]) == len(sent) <= TRIP_S * 2 + 1, done
        values = {name: [data[name] for data in sent if name in data] for data in sent for name in data}
        assert sorted(values) == ["Gear", "Location", "Odometer", "OutsideTemp", "VehicleName", "VehicleSpeed"], values
        assert values["Gear"] == ["P", "D", "P"], values["Gear"]
        assert len(values["VehicleName"]) == TRIP_S / 20 + 1, values["VehicleName"]
        assert len(values["OutsideTemp"]) == 1, values["OutsideTemp"]  # constant, not resent
        # 90 s of the trip are driven.
        assert 8 <= len(values["Odometer"]) <= 11, values["Odometer"]
        speeds = values["VehicleSpeed"]
        assert 12 <= len(speeds) <= 24 and max(speeds) > 38, speeds
        assert all(abs(a - b) >= 5 for a, b in zip(speeds, speeds[1:])), speeds
        assert 8 <= len(values["Location"]) <= 15, values["Location"]
        assert d.count("connections_accepted") == 1


def trust():
    """The certificate must be signed by `ca` and valid for `hostname`; the CA of --pki does not count."""
    some = {"Gear": {"interval_seconds": 1}}
    with Daemon(ROUTING, SINKS) as d, tempfile.TemporaryDirectory() as other:
        fleetroute("simulate", "--pki", other, "--pki-only")
        foreign, another = read(f"{other}/server-ca.pem"), read(d.path("vehicle-ca.pem"))
        refused(d, configuration(d, some, ca=foreign), "not accepted: ", dials=True)
        refused(d, configuration(d, some, ca=another), "not accepted: self-signed certificate in", dials=True)
        refused(d, configuration(d, some, hostname="127.0.0.2"), "not accepted: IP address mismatch",
                "--connect", f"127.0.0.1:{d.port}", dials=True)
        refused(d, configuration(d, some, hostname="car.example.com"), "not accepted: hostname mismatch",
                "--connect", f"127.0.0.1:{d.port}", dials=True)
        refused(d, configuration(d, some, ca="none"), "ca has no certificate")
        refused(d, configuration(d, some, ca=foreign[:200] + "\n-----END CERTIFICATE-----\n"), "damaged")
        assert drive(d, configuration(d, some, ca=another + read(d.path("server-ca.pem")))).returncode == 0
        assert d.count("messages") == 3, d.status()  # P, D, P


def expiry():
    """After `exp` the car does not connect; it leaves when the time comes."""
    some = {"Gear": {"interval_seconds": 1}}
    with Daemon(ROUTING, SINKS) as d:
        refused(d, configuration(d, some, exp=int(time.time()) - 1), "the configuration has expired (exp: 20")
        refused(d, {"synced": True, "config": None}, "config is null")
        refused(d, "{", "pushed.json: line 1, column 1: not valid JSON")
        refused(d, configuration(d, some), "leave --vehicles out", "--vehicles", 1)
        done = drive(d, configuration(d, some, exp=int(time.time()) + 3), check=False, speed=1)
        assert done.returncode == 1 and "the configuration has expired" in done.stderr, done
        assert d.count("connections_accepted") == 1


@contextlib.contextmanager
def named_server(folder):
    """A TLS server that records the name each client asks for."""
    context, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    context.sni_callback = lambda _, name, __: names.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    raw, _ = listener.accept()
                    with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
                        names.append(tls.recv(4096).split(b"\r\n")[1])
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], names
        listener.shutdown(socket.SHUT_RDWR)


def address():
    """--connect replaces the address only: the server is asked for `hostname`, which must match."""
    with tempfile.TemporaryDirectory() as folder:
        fleetroute("simulate", "--pki", folder, "--pki-only", "--host", "car.example.com")
        config = {"config": {"hostname": "car.example.com", "port": 9, "ca": read(f"{folder}/server-ca.pem"),
                             "exp": int(time.time()) + 3, "fields": {}}}
        write_file(f"{folder}/pushed.json", json.dumps(config))
        with named_server(folder) as (port, names):
            done = fleetroute("simulate", "--pki", folder, "--config", f"{folder}/pushed.json", "--connect",
                              f"127.0.0.1:{port}", "-q", check=False, timeout=60)
        assert done.returncode == 1 and "expired" in done.stderr, done
        assert names[:2] == ["car.example.com", b"Host: car.example.com"], names


def from_vehicle_config():
    """The body that `fleetroute vehicle-config --json` prints is a configuration for the car."""
    routing = ('vehicles: [5YJ3E1EA7KF000001]\nfields: [{field: [VehicleSpeed, Soc], to: archive, every: 10 s}]\n'
               'records: [{type: V, to: archive, ack: archive}]\n')
    with Daemon(routing, SINKS) as d:
        write_file(d.path("server.pem"), read(d.path("server.pem")) + read(d.path("server-ca.pem")))
        body = fleetroute("vehicle-config", "-c", d.path("fleetroute.yaml"), "--json", "--host", "localhost",
                          env={**os.environ, "SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/nonexistent"}).stdout
        done = drive(d, body)
        assert "2 of 2 fields are simulated, 0 unknown" in done.stdout, done
        names = {name for record in d.records("V.jsonl") for name in record["data"]}
        assert names == {"VehicleSpeed", "Soc"}, names


if __name__ == "__main__":
    assert os.path.exists(f"{BUILD}/fleetroute")
    run_parts(fields, trust, expiry, address, from_vehicle_config)
