#!/usr/bin/env python3
"""fleetroute push and pair with a fake Tesla cloud: the configuration that a vehicle gets is that of the routes; each
refusal is explained; what a vehicle would reject is refused before a request; no secret is printed."""
import json
import os
import re
import signal
import subprocess
import sys
import time

from fr import BUILD, SOURCE, fleetroute, run_parts, write_file

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import FakeTesla, jws  # noqa: E402
from fake_tesla.owner import VIN, Owner  # noqa: E402
import tempfile  # noqa: E402

OTHER = "5YJYE1EA7KF000002"
MODEL_X = "5YJXE1EA7KF000003"
ROUTES = "fields:\n  - {field: [Soc, Gear], to: home, every: 60 s}\n  - {field: Location, to: home, every: 10 s}\n"
HOUR_MS = 3600 * 1000


class Account:
    """A registered application, tokens, certificates, and a configuration; the CA of the server counts as public."""

    def __init__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="fr-scenario.")
        self.path = self.temporary.name
        os.mkdir(f"{self.path}/cloud")
        self.fake = FakeTesla(f"{self.path}/cloud")
        self.fake.__enter__()
        self.owner = Owner(self.fake)
        fleetroute("simulate", "--pki", self.path, "--pki-only", "--host", "car.example.com")
        self.public = f"{self.path}/server-ca.pem"
        self.vins, self.routes = [VIN], ROUTES
        self.configure()
        self.owner.keys.pem = self.command("key").stdout.encode()
        status, _, body = self.owner.register()
        assert status == 200, body
        write_file(f"{self.path}/secret", self.owner.SECRET)
        os.chmod(f"{self.path}/secret", 0o600)
        self.log_in()

    def __enter__(self):
        return self

    def __exit__(self, kind, *more):
        self.owner.__exit__(kind, *more)
        self.fake.__exit__(kind, *more)
        self.temporary.cleanup()

    def configure(self, tesla="", extra=""):
        write_file(f"{self.path}/routing.yaml", f"vehicles: [{', '.join(self.vins)}]\n{self.routes}")
        write_file(f"{self.path}/fleetroute.yaml",
                   "listen: {port: 4443}\nrouting: routing.yaml\n"
                   "tls: {certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}\n"
                   "sinks: {home: {plugin: mqtt}}\n"
                   f"tesla:\n  domain: car.example.com\n  client_id: {self.owner.ID}\n  client_secret_file: secret\n"
                   f"  folder: state\n  base_url: {self.fake.url('eu')}\n  auth_url: {self.fake.url('auth')}\n"
                   f"  api_ca: {self.fake.ca}\n{tesla}{extra}")

    def log_in(self, scopes=" ".join(Owner.SCOPES)):
        pair = self.owner.log_in()
        self.owner.token = pair["access_token"]
        os.makedirs(f"{self.path}/state", mode=0o700, exist_ok=True)
        write_file(f"{self.path}/state/tokens.json", json.dumps({
            "access_token": pair["access_token"], "refresh_token": pair["refresh_token"],
            "base_url": self.fake.url("eu"), "scopes": scopes, "client_id": self.owner.ID,
            "access_expires_ms": int(time.time() * 1000) + 8 * HOUR_MS,
            "refresh_issued_ms": int(time.time() * 1000)}))
        os.chmod(f"{self.path}/state/tokens.json", 0o600)

    def environment(self):
        return {**os.environ, "SSL_CERT_FILE": self.public, "SSL_CERT_DIR": "/nonexistent"}

    def command(self, name, *arguments):
        done = fleetroute(name, "-c", f"{self.path}/fleetroute.yaml", *arguments, check=False, env=self.environment())
        self.no_secrets(done.stdout + done.stderr)
        return done

    def secrets(self):
        found = [self.owner.SECRET, *sum(self.fake.tokens().values(), []), *(self.fake.jws(vin) or "" for vin in self.fake.vehicles)]
        try:
            with open(f"{self.path}/keys/command-key.pem") as file:
                found.append(file.read().splitlines()[1])  # the private half; the rest is public
        except FileNotFoundError:
            pass
        return [secret for secret in found if secret]

    def no_secrets(self, text):
        for secret in self.secrets():
            assert secret not in text, text

    def push(self, *arguments, status=0, words=()):
        done = self.command("push", *arguments)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        for word in words:
            assert word in done.stdout + done.stderr, (word, done.stdout, done.stderr)
        return done

    def state(self, vin=VIN):
        with open(f"{self.path}/state/state.json") as file:
            text = file.read()
        self.no_secrets(text)
        state = json.loads(text)
        return state, state["vehicles"].get(vin)

    def posts(self):
        return self.fake.calls("config_post")

    def unblock(self):
        os.remove(f"{self.path}/state/state.json")


def accepted(a):
    """Dry run, push, wait until the vehicle has it, the state, removal."""
    a.fake.vehicle(VIN, paired=True)
    a.fake.vehicle(OTHER, paired=True, state="asleep")
    a.vins = [VIN, OTHER]
    a.configure()
    before, billed = len(a.fake.log), a.fake.billed()
    dry = json.loads(a.push("--dry-run", words=("US$", "valid until", "host: car.example.com:4443")).stdout)
    assert len(a.fake.log) == before
    claims = dry["token_without_signature"]["claims"]
    assert dry["vins"] == [VIN, OTHER] and claims["aud"] == "com.tesla.fleet.TelemetryClient"
    assert abs(claims["exp"] - time.time() - 30 * 86400) < 120
    # One vehicle, awake: the command ends when the vehicle has the configuration.
    done = a.push("--vin", VIN, words=("fields: 3", "(root)", f"vehicle: {VIN}", "fleetroute keep"))
    assert re.search(f"^{VIN}: waiting: .*\n(.*\n)*{VIN}: streaming_config: ", done.stdout, re.M), done.stdout
    assert OTHER not in done.stdout and a.fake.config(OTHER) is None
    pushed = a.fake.config(VIN)
    assert {**pushed, "exp": 0} == {**claims, "exp": 0}, (pushed, claims)
    assert abs(pushed["exp"] - time.time() - 30 * 86400) < 120
    with open(f"{a.path}/server-ca.pem") as file:
        assert pushed["ca"] == file.read()
    state, vehicle = a.state()
    assert vehicle["synced_ms"] > 0 and vehicle["exp_s"] == pushed["exp"] and not vehicle.get("problem"), vehicle
    assert state["requests"] == a.fake.billed() - billed == 4, (state, a.fake.billed(), billed)
    # A vehicle that sleeps is no failure.
    a.push("--no-wait", words=(f"{OTHER}: waiting", "awake"))
    assert a.fake.config(OTHER) == a.fake.config(VIN)
    # The interrupt ends the wait, not the push.
    waiting = subprocess.Popen([f"{BUILD}/fleetroute", "push", "-c", f"{a.path}/fleetroute.yaml", "--vin", OTHER],
                               stdout=subprocess.PIPE, text=True, env=a.environment())
    for line in waiting.stdout:
        if line.startswith("waiting until"):
            break
    waiting.send_signal(signal.SIGINT)
    rest = waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 0 and f"{OTHER}: waiting" in rest, (waiting.returncode, rest)
    # Removing needs neither the routes nor the certificate.
    a.routes = ""
    a.configure()
    os.rename(f"{a.path}/server.pem", f"{a.path}/aside.pem")
    a.push("--remove", "--vin", VIN, words=(f"{VIN}: removed",))
    assert a.fake.config(VIN) is None and a.fake.config(OTHER) is not None
    assert a.state()[1]["problem"] == "removed_by_owner"
    a.push("--remove", "--vin", MODEL_X, status=1, words=(MODEL_X,))
    os.rename(f"{a.path}/aside.pem", f"{a.path}/server.pem")


def skipped(a):
    """Each reason is explained, and the other vehicles get their configuration."""
    reasons = {"missing_key": ("pair:", "fleetroute pair", "_ak/car.example.com"),
               "unsupported_hardware": ("no_hardware:", "MCU1"),
               "unsupported_firmware": ("old_firmware:", "2024.26"),
               "max_configs": ("slots_full:", "Third-Party Apps"),
               "bad\x1b[2Jmoon": ("refused:", "moon")}
    a.fake.vehicle(OTHER, paired=True)
    a.vins = [VIN, OTHER]
    a.configure()
    for reason, words in reasons.items():
        a.fake.vehicle(VIN, paired=True, skip=reason)
        done = a.push("--no-wait", status=2, words=(*words, f"{OTHER}: waiting"))
        assert "\x1b" not in done.stdout + done.stderr
        assert a.fake.config(VIN) is None and a.fake.config(OTHER)
        _, vehicle = a.state()
        assert vehicle["problem"] == (reason if "moon" not in reason else "skipped"), vehicle
        assert vehicle["remedy"] and vehicle["pushed_ms"] == 0, vehicle
    # A vehicle that was sold does not stop the others.
    a.fake.vehicle(VIN, paired=True)
    a.fake.sell(VIN)
    a.push("--no-wait", status=2, words=(f"{VIN}: not_found:", "sold", f"{OTHER}: waiting"))
    assert a.state()[1]["problem"] == "not_found"


def slots(a):
    """A vehicle that refuses what Tesla accepted."""
    a.fake.vehicle(VIN, paired=True, slots_full=True)
    a.push(status=2, words=(f"{VIN}: waiting", f"{VIN}: slots_full: limit_reached", "fleetroute push"))
    assert a.state()[1]["problem"] == "limit_reached"
    # Another program's configuration is replaced.
    a.fake.vehicle(VIN, paired=True)
    a.push("--no-wait")
    with open(f"{a.path}/keys/command-key.pem") as file:
        assert "PRIVATE KEY" in file.read()
    vehicle = a.fake.vehicles[VIN]
    vehicle.claims = {**a.fake.config(VIN), "hostname": "evil.example.com"}
    vehicle.synced = True
    a.push(words=(f"{VIN}: streaming_config",))
    assert a.fake.config(VIN)["hostname"] == "car.example.com"


def refused_before_a_request(a):
    """What vehicles would reject is not posted."""
    a.fake.vehicle(VIN, paired=True)
    before = len(a.fake.log)

    def refused(*words, tesla="", extra="", routes=ROUTES, vins=(VIN,), arguments=()):
        a.routes, a.vins = routes, list(vins)
        a.configure(tesla, extra)
        a.push("--no-wait", *arguments, status=1, words=words)
        assert len(a.fake.log) == before, a.fake.log[before:]

    refused("certificate is not for the host name", "other.example.com", tesla="  hostname: other.example.com\n")
    refused("over `tesla: budget:`", "raise `tesla: budget:`", "billing limit", "longer `every:`", tesla="  budget: 0.01\n")
    refused("there is no vehicle to push to", vins=())
    refused("stops the stream", routes="records: [{type: alerts, to: home}]\n")
    refused("VehicleSped", routes="fields: [{field: VehicleSped, to: home}]\n")
    with open(f"{a.path}/fleetroute.yaml") as file:
        whole = file.read()
    write_file(f"{a.path}/fleetroute.yaml", whole[:whole.index("tesla:")])
    for command in (("push",), ("push", "--remove"), ("pair",)):
        done = a.command(*command)
        assert done.returncode == 1 and "no section `tesla:`" in done.stderr, done
    refused("is not in `vehicles:`", arguments=("--vin", OTHER))
    refused("is no VIN", arguments=("--vin", "x"))
    refused("--remove takes none", arguments=("--remove",))
    refused("No such file", tesla="  ca: nowhere.pem\n")
    public, a.public = a.public, "/nonexistent"
    refused("private CA", "tesla: ca:")
    refused("add its root to the file", tesla="  ca: vehicle-ca.pem\n")
    a.configure("  ca: server-ca.pem\n")
    a.push("--dry-run", words=("ca: ",))
    a.public = public
    # Old and new root together.
    a.configure("  ca: vehicle-ca.pem\n")
    dry = json.loads(a.push("--dry-run").stdout)
    assert dry["token_without_signature"]["claims"]["ca"].count("BEGIN CERTIFICATE") == 2
    # The command key.
    os.rename(f"{a.path}/keys/command-key.pem", f"{a.path}/keys/other.pem")
    refused("there is no command key", "fleetroute key")
    refused("TLS", tesla="  key: server.key\n")
    os.rename(f"{a.path}/keys/other.pem", f"{a.path}/keys/command-key.pem")
    os.rename(f"{a.path}/state/tokens.json", f"{a.path}/state/aside.json")
    refused("there are no tokens", "fleetroute setup")
    os.rename(f"{a.path}/state/aside.json", f"{a.path}/state/tokens.json")
    # A scope that was not granted. vehicle-config warns, and has the certificates that push sends.
    a.log_in(scopes="openid offline_access vehicle_device_data")
    before = len(a.fake.log)
    refused("routing.yaml:4:13", "Location needs the scope vehicle_location", "fleetroute setup")
    done = a.command("vehicle-config", "--json")
    assert done.returncode == 0 and "warning: Location needs the scope" in done.stderr, done
    a.log_in()
    before = len(a.fake.log)
    a.configure("  ca: vehicle-ca.pem\n")
    done = a.command("vehicle-config", "--json")
    assert json.loads(done.stdout)["config"]["ca"].count("BEGIN CERTIFICATE") == 2 and not done.stderr, done
    a.public = "/nonexistent"
    done = a.command("vehicle-config", "--json")
    assert done.returncode == 0 and "warning: `fleetroute push` refuses this" in done.stderr, done
    a.public = public
    a.configure()
    a.push("--no-wait")


def failures(a):
    """Answers of the API: clock, limit, rate, unknown field, hostile texts; the pause after a failure."""
    a.fake.vehicle(VIN, paired=True)

    def failed(endpoint, kind, *words, blocked, **options):
        posts = a.posts()
        a.fake.fault(endpoint, kind, **options)
        done = a.push("--no-wait", status=1, words=words)
        a.fake.clear_faults()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stderr), done.stderr
        state, vehicle = a.state()
        assert state["blocked"] == blocked and state["failures"] == 1, state
        assert not vehicle or vehicle["pushed_ms"] == 0
        # The next one waits, unless the owner decides otherwise.
        calls = len(a.fake.log)
        a.push("--no-wait", status=1, words=("no request is made for another",))
        assert len(a.fake.log) == calls
        pause = state["blocked_until_ms"] / 1000 - time.time()
        a.unblock()
        return pause, a.posts() - posts

    for hours in (-5, 5):
        _, posts = failed("fleet_status", "date", "clock of this computer", "timedatectl", blocked="clock", hours=hours)
        assert posts == 0
    pause, _ = failed("config_post", "exceeded_limit", "EXCEEDED_LIMIT", blocked="exceeded_limit")
    assert 3000 < pause < 3700, pause
    pause, _ = failed("config_post", 429, blocked="rate_limit", retry_after=1000)
    assert 900 < pause < 1100, pause
    failed("config_post", "error", "Sooc", blocked="refused", status=400,
           body=json.dumps({"error": "invalid_request", "error_description": "unknown field: Sooc"}))
    failed("config_post", "missing_scopes", blocked="missing_scope")
    failed("config_post", 412, blocked="unregistered")
    failed("config_post", 503, blocked="server")
    for kind in ("garbage", "html", "hostile", "truncated", "close", "deep"):
        posts = a.posts()
        a.fake.fault("config_post", kind)
        a.push("--no-wait", status=1)
        a.fake.clear_faults()
        assert a.posts() > posts
        a.unblock()
    a.fake.fault("config_post", 503, 1)
    a.push("--no-wait", status=1)
    a.push("--no-wait", "--now", words=(f"{VIN}: waiting",))
    state, vehicle = a.state()
    assert state["failures"] == 0 and not state.get("blocked") and vehicle["pushed_ms"] > 0, state
    # The billing limit: Tesla has removed what it had.
    a.fake.exceed_limit()
    a.push("--no-wait", status=1, words=("EXCEEDED_LIMIT",))
    assert a.state()[1]["problem"] == "removed" and a.fake.config(VIN) is None
    a.fake.lift_limit()
    a.push("--no-wait", "--now")
    assert a.state()[1]["problem"] == "" and a.fake.config(VIN)
    # Temporary failures of the read-back do not end the wait.
    a.fake.fault("config_get", 503, 1)
    a.push(words=(f"{VIN}: streaming_config",))
    # Consent was revoked.
    a.fake.revoke_consent()
    a.push("--no-wait", status=1, words=("fleetroute setup",))
    assert a.state()[0]["login_required"] is True


def pair(a):
    """The link of each vehicle that needs it, the switch of others, and the wait."""
    a.vins = [VIN, OTHER, MODEL_X]
    a.configure()
    a.fake.vehicle(VIN, pair_after=2, command_protocol_required=False)
    a.fake.vehicle(OTHER, paired=True)
    x = a.fake.vehicle(MODEL_X, toggle=False, command_protocol_required=False)
    done = a.command("pair", "--no-wait")
    assert done.returncode == 2, done
    for words in (f"{VIN}: pair: ", "wrong for this model", f"https://tesla.com/_ak/car.example.com?vin={VIN}\n",
                  f"{OTHER}: ready: ", f"{MODEL_X}: toggle: ", "Allow Third-Party App Data Streaming", "▀"):
        assert words in done.stdout, (words, done.stdout)
    assert done.stdout.count("_ak/car.example.com?vin=" + OTHER) == 0
    x.toggle = True
    done = a.command("pair")
    assert done.returncode == 0, done
    assert re.search(f"{VIN}: pair: (.*\n)*{VIN}: ready: ", done.stdout), done.stdout
    assert f"{MODEL_X}: ready: " in done.stdout and "fleetroute push" in done.stdout
    # States that the owner cannot change by pairing, and unknown vehicles.
    a.fake.vehicle(VIN, paired=True, firmware="2024.20.1")
    a.fake.vehicle(MODEL_X, command_protocol_required=False, fleet_telemetry_version=None)
    a.fake.sell(OTHER)
    done = a.command("pair")
    assert done.returncode == 2, done
    for words in (f"{VIN}: old_firmware: ", f"{MODEL_X}: no_hardware: ", f"{OTHER}: not_found: "):
        assert words in done.stdout, (words, done.stdout, done.stderr)
    # Missing key: it is made. An expired or missing certificate does not prevent the pairing.
    os.remove(f"{a.path}/keys/command-key.pem")
    a.vins = [VIN]
    a.configure()
    a.fake.vehicle(VIN, paired=False)
    done = a.command("pair", "--no-wait")
    assert done.returncode == 2 and "made the command key" in done.stderr, done
    assert a.command("pair", "--vin", OTHER, "--no-wait").returncode == 1
    a.fake.fault("fleet_status", 503, 1)
    done = a.command("pair", "--no-wait")
    assert done.returncode == 1 and done.stderr, done


if __name__ == "__main__":
    assert jws
    run_parts(accepted, skipped, slots, refused_before_a_request, failures, pair, each=Account)
