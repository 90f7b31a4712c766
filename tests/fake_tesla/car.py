"""The car: it takes the stored configuration, checks the telemetry server, and streams what is configured."""
import json
import os
import socket
import ssl
import subprocess


def address_of(fake, config):
    """Where the telemetry server listens: names of tests are no names of a name server."""
    return fake.resolve.get(config["hostname"], ("127.0.0.1", config["port"]))


def check_server(fake, vin, config):
    """Connect to the server and verify its chain and its name with `ca` of the configuration, and nothing else. A
    failure is reported among the vehicle's errors, as a car does, and raised as OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=config["ca"])
    try:
        with socket.create_connection(address_of(fake, config), 10) as raw:
            with context.wrap_socket(raw, server_hostname=config["hostname"]):
                pass
    except OSError as error:
        fake.add_error(vin, str(error), error_name="cloud_manager_error", created_at=fake.timestamp(),
                       hostname=config["hostname"], port=str(config["port"]), txID=fake.txid())
        raise


def take(fake, vin):
    """The configuration, as the car gets it at its next connection to Tesla; ValueError if it gets none."""
    with fake.lock:
        vehicle = fake.vehicles[vin]
        if vehicle.state != "online":
            raise ValueError(f"{vin} is {vehicle.state}: it takes no configuration")
        if vehicle.claims is None or vehicle.refused:
            raise ValueError(f"{vin} has no configuration")
        if vehicle.claims.get("exp", fake.now() + 1) <= fake.now():
            raise ValueError(f"the configuration of {vin} has expired")
        vehicle.synced = True
        return {name: value for name, value in vehicle.claims.items() if name not in ("iss", "aud")}


def stream(fake, vin, simulate, *arguments, pki, wait=True):
    """Stream as the car `vin`: `simulate` is the program fleetroute, `pki` the folder of its test CA, whose vehicle
    certificates the server accepts; `arguments` go to `fleetroute simulate`. Returns the completed process, with
    `wait` false the running one. ValueError if the car has no configuration, OSError if it does not accept the
    server, subprocess.CalledProcessError if the program fails."""
    config = take(fake, vin)
    check_server(fake, vin, config)
    path = os.path.join(fake.folder, f"config-{vin}.json")
    with open(path, "w") as file:
        json.dump({"vins": [vin], "config": config}, file)
    host, port = address_of(fake, config)
    command = [simulate, "simulate", "--config", path, "--pki", pki, "--vin", vin, "--connect", f"{host}:{port}",
               *map(str, arguments)]
    if not wait:
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.run(command, text=True, capture_output=True, check=True)
