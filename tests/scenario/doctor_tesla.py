#!/usr/bin/env python3
"""fleetroute doctor with a Tesla account (tests/fake_tesla): each link from the command key to the vehicle is broken
in turn, and the line of that link names it."""
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

from doctor_world import ELSEWHERE, FILE, NAME, ROUTING, VIN, World, changed, enter, hosts, levels
from fr import SOURCE, fleetroute, run_parts, write_file

enter()

from fake_tesla import FakeTesla, server  # noqa: E402
from fake_tesla.owner import Client  # noqa: E402
from fake_tesla.partner import WELL_KNOWN  # noqa: E402

DOMAIN = "car.example.com"      # serves the key; vehicles dial NAME
CLIENT, SECRET = "fake-client-id", "fake-client-secret"
SCOPES = "openid offline_access vehicle_device_data vehicle_location"
DAY = 86400


class Site:
    """The web server of the domain: `pages` by path, `status` for all of them."""

    def __init__(self, world):
        world.certificates.make("site", DOMAIN, "server", issuer="middle", names=(DOMAIN,))
        write_file(world.path("site-chain.pem"), world.text("site.pem") + world.text("middle.pem"))
        self.pages, self.status = {}, 200
        outer = self

        class Handler(server.http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(outer.status if self.path in outer.pages else 404)
                self.end_headers()
                self.wfile.write(outer.pages.get(self.path, b""))

        context = server.context(world.path("site-chain.pem"), world.path("site.key"))
        self.server = server.http.server.ThreadingHTTPServer((ELSEWHERE, 443), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Account(World):
    """A daemon whose owner has done every step: key, registration, consent, pairing, push."""

    def __init__(self, routing=ROUTING, extra=""):
        self.fake_folder = tempfile.mkdtemp(prefix="fr-fake.")
        self.fake = FakeTesla(self.fake_folder)
        super().__init__(routing=routing, extra=extra + f"""
tesla:
  domain: {DOMAIN}
  hostname: {NAME}
  client_id: {CLIENT}
  client_secret_file: secret
  ca: root.pem
  folder: tesla
  base_url: {self.fake.url("eu")}
  auth_url: {self.fake.url("auth")}
  api_ca: api-ca.pem
""")
        # The site has an address of its own, so that fleetrouted has port 443 of NAME.
        self.daemon.address = self.daemon.peer = "198.51.100.7"
        hosts("198.51.100.7", f"{ELSEWHERE} {DOMAIN}")
        self.secret("secret", SECRET)
        with open(self.fake.ca) as f:
            write_file(self.path("api-ca.pem"), f.read() + self.text("root.pem"))
        self.site = Site(self)
        self.daemon.write()
        os.mkdir(self.path("keys"), 0o700)
        self.public = fleetroute("key", "-c", self.path("fleetroute.yaml")).stdout
        self.site.pages[WELL_KNOWN] = self.public.encode()
        self.register()
        self.consent()
        self.fake.vehicle(VIN, paired=True)
        self.push()

    def __exit__(self, *details):
        self.site.stop()
        self.fake.stop()
        shutil.rmtree(self.fake_folder)
        super().__exit__(*details)

    def secret(self, name, text, mode=0o600):
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def register(self):
        self.fake.app(CLIENT, SECRET, DOMAIN, f"https://{DOMAIN}/callback", f"https://{DOMAIN}", SCOPES.split())
        self.fake.resolve[DOMAIN] = (ELSEWHERE, 443)
        self.fake.trust = self.path("root.pem")
        client = Client(self.fake)
        self.client = client
        status, _, body = client.grant(grant_type="client_credentials", client_id=CLIENT, client_secret=SECRET,
                                       scope="openid vehicle_device_data", audience=self.fake.url("eu"))
        assert status == 200, body
        status, _, body = client.api("POST", "partner_accounts", {"domain": DOMAIN}, body["access_token"])
        assert status == 200, body

    def consent(self, scopes=SCOPES, age=0):
        """Log in, and write the tokens as `fleetroute setup` does. `age`: of the refresh token, in days."""
        link = f"{self.fake.url('auth')}/oauth2/v3/authorize?response_type=code&client_id={CLIENT}&state=s" \
               f"&redirect_uri=https%3A%2F%2F{DOMAIN}%2Fcallback&scope={scopes.replace(' ', '+')}"
        code = self.fake.authorise(link).partition("code=")[2].partition("&")[0]
        status, _, tokens = self.client.grant(
            grant_type="authorization_code", client_id=CLIENT, client_secret=SECRET, code=code,
            redirect_uri=f"https://{DOMAIN}/callback", audience=self.fake.url("eu"))
        assert status == 200, tokens
        self.write_tokens({
            "access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"],
            "base_url": self.fake.url("eu"), "scopes": scopes, "client_id": CLIENT,
            "access_expires_ms": int((time.time() + 28800) * 1000),
            "refresh_issued_ms": int((time.time() - age * DAY) * 1000)})

    def write_tokens(self, tokens):
        os.makedirs(self.path("tesla"), 0o700, exist_ok=True)
        self.tokens = tokens
        self.secret("tesla/tokens.json", json.dumps(tokens))

    def config(self):
        """The configuration of the routes, as `fleetroute push` sends it."""
        done = fleetroute("vehicle-config", "-c", self.path("fleetroute.yaml"), "--json", env=self.environment())
        return json.loads(done.stdout)["config"]

    def push(self, days=30, **changes):
        point = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=self.public.encode(),
                               capture_output=True, check=True).stdout[26:]
        issuer = subprocess.run(["openssl", "base64", "-A"], input=point, capture_output=True, check=True).stdout
        claims = {**self.config(), "ca": self.text("root.pem") + self.text("middle.pem"), "iss": issuer.decode(),
                  "exp": int(time.time()) + days * DAY, "aud": "com.tesla.fleet.TelemetryClient", **changes}
        self.fake.vehicles[VIN].store(claims, "token")
        self.fake.vehicles[VIN].synced = True
        self.write_state(synced_ms=int(time.time() * 1000))

    def write_state(self, vehicle=True, **more):
        now = int(time.time() * 1000)
        entry = {"pushed_ms": now, "exp_s": now // 1000 + 30 * DAY, "synced_ms": more.pop("synced_ms", 0)}
        os.makedirs(self.path("tesla"), 0o700, exist_ok=True)
        write_file(self.path("tesla/state.json"), json.dumps({
            "updated_ms": now, "run_ms": now, "success_ms": now, "refresh_ms": now, **more,
            "vehicles": {VIN: entry} if vehicle else {}}))

    def vehicle(self, **attributes):
        """The vehicle in the account with these attributes, for the `with` block."""
        return Attributes(self.fake.vehicles[VIN], attributes)


class Attributes:
    def __init__(self, thing, attributes):
        self.thing, self.attributes = thing, attributes

    def __enter__(self):
        self.before = {name: getattr(self.thing, name) for name in self.attributes}
        self.thing.__dict__.update(self.attributes)

    def __exit__(self, *_):
        self.thing.__dict__.update(self.before)


LINKS = ["command_key", "public_key", "tesla", "clock", "tokens", "scopes", "region", "partner", "plan",
         "vehicle_account", "vehicle_status", "vehicle_config", "vehicle_errors", "keep"]


def healthy():
    """All is done: every link is ok, and no line has a secret."""
    with Account() as world:
        car = world.car()
        links = world.expect_ok()
        found = levels(links)
        assert [name for name in found if name in LINKS] == LINKS, list(found)
        assert all(level == "ok" for name, level in found.items() if name != "home_assistant"), found
        text = json.dumps(links) + fleetroute("doctor", "-c", world.path("fleetroute.yaml"), check=False,
                                              env=world.environment()).stdout
        for tokens in (world.fake.tokens().values(), [[SECRET, world.tokens["refresh_token"],
                                                       world.tokens["access_token"]]]):
            assert not any(token in text for some in tokens for token in some)
        car.close()


def keys():
    """The command key: missing, readable by others, the TLS key, of another curve; what the domain serves."""
    with Account() as world:
        path = world.path("keys/command-key.pem")
        os.rename(path, path + ".away")
        world.expect("command_key", "failure", "no command key", "fleetroute key")
        world.expect("public_key", "warning", "cannot be compared")
        pem = subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout"], check=True,
                             capture_output=True, text=True).stdout
        world.secret("keys/command-key.pem", pem)
        world.expect("command_key", "failure", "secp384r1", "P-256")
        shutil.copy(world.path("server.key"), path)
        world.expect("command_key", "failure", "same key as", "server.key")
        os.rename(path + ".away", path)
        os.chmod(path, 0o644)
        world.expect("command_key", "failure", "chmod 600")
        os.chmod(path, 0o600)
        pages = dict(world.site.pages)
        world.site.pages[WELL_KNOWN] = b"<html>" + pages[WELL_KNOWN][:20] + b"</html>"
        world.expect("public_key", "failure", "not a public key in PEM")
        other = subprocess.run(["openssl", "pkey", "-in", world.path("root.key"), "-pubout"], check=True,
                               capture_output=True).stdout
        world.site.pages[WELL_KNOWN] = other
        world.expect("public_key", "failure", "another key than the command key")
        del world.site.pages[WELL_KNOWN]
        world.expect("public_key", "failure", "status 404", "for ever")
        world.site.pages.update(pages)
        world.site.status = 302
        world.expect("public_key", "failure", "status 302", "no redirect")
        world.site.status = 200
        hosts("198.51.100.7")
        world.expect("public_key", "failure", DOMAIN)
        hosts("198.51.100.7", f"{ELSEWHERE} {DOMAIN}")


def own_listener():
    """The domain is the name that vehicles dial, and fleetrouted serves the key."""
    with Account() as world:
        yaml = world.text("fleetroute.yaml")
        with changed(world.path("fleetroute.yaml"), yaml.replace(f"domain: {DOMAIN}", f"domain: {NAME}")):
            world.expect("public_key", "ok", f"https://{NAME}/", "public half of the command key")
            hosts("192.0.2.9")  # of a router that returns no packet
            subprocess.run(["ip", "route", "add", "unreachable", "192.0.2.0/24"], check=True)
            world.expect("public_key", "warning", "cannot be fetched from here", "another network")
            subprocess.run(["ip", "route", "del", "unreachable", "192.0.2.0/24"], check=True)
            hosts("198.51.100.7", f"{ELSEWHERE} {DOMAIN}")
            os.remove(world.path("keys/command-key.pub.pem"))
            fleetroute("reload", "-s", world.daemon.control)
            world.expect("public_key", "failure", "status 404", "fleetroute key")


def application():
    """The section `tesla:` and the secret's file."""
    with Account() as world:
        yaml = world.text("fleetroute.yaml")
        with changed(world.path("fleetroute.yaml"), yaml.replace(f"  client_id: {CLIENT}\n", "")):
            world.expect("tesla", "failure", "client_id")
        with changed(world.path("fleetroute.yaml"), yaml.replace("  client_secret_file: secret\n", "")):
            world.expect("tesla", "failure", "client_secret_file")
        os.chmod(world.path("secret"), 0o640)
        world.expect("tesla", "failure", "mode 640", "chmod 600")
        os.remove(world.path("secret"))
        links = world.expect("tesla", "failure", "No such file")
        assert levels(links)["clock"] == levels(links)["tokens"] == levels(links)["plan"] == "ok", links
        assert levels(links)["scopes"] == levels(links)["vehicle_status"] == "skipped", links
        assert levels(links)["sinks"] == "ok", links
        world.secret("secret", "another-secret")
        world.expect("partner", "failure", "secret")
        world.secret("secret", SECRET)
        section = yaml[:yaml.index("tesla:")] + yaml[yaml.index("sinks:"):]
        with changed(world.path("fleetroute.yaml"), section):
            links = world.expect("tesla", "skipped", "no section `tesla:`", status=1)  # no vehicle has sent yet
            assert levels(links)["tokens"] == levels(links)["partner"] == "skipped", links


def tokens():
    """Clock, tokens, scopes, region."""
    with Account() as world:
        world.fake.clock(offset=7200)
        world.expect("clock", "failure", "behind", "timedatectl")
        world.fake.clock(offset=0)
        good = dict(world.tokens)
        age = int((time.time() - 70 * DAY) * 1000)
        world.write_tokens({**good, "refresh_issued_ms": age})
        world.expect("tokens", "warning", "70 days", "fleetroute keep")
        world.write_tokens({**good, "refresh_issued_ms": age - 30 * DAY * 1000})
        world.expect("tokens", "failure", "100 days", "fleetroute setup")
        world.write_tokens({**good, "client_id": "another"})
        world.expect("tokens", "failure", "another application")
        world.secret("tesla/tokens.json", json.dumps(good), 0o644)
        world.expect("tokens", "failure", "tokens.json")
        world.secret("tesla/tokens.json", "{broken")
        world.expect("tokens", "failure", "damaged")
        os.remove(world.path("tesla/tokens.json"))
        links = world.expect("tokens", "skipped", "fleetroute setup", status=1)
        assert levels(links)["region"] == "skipped", links
        world.consent(scopes="openid offline_access vehicle_device_data")
        world.expect("scopes", "failure", "Location", subject="vehicle_location")
        world.fake.sell(VIN)
        world.fake.vehicle(VIN, paired=True)


def region():
    """Consent was revoked; the limit is reached; the API is silent; the region differs."""
    with Account() as world:
        yaml = world.text("fleetroute.yaml")
        with changed(world.path("fleetroute.yaml"), yaml.replace("  folder: tesla\n",
                                                                 "  folder: tesla\n  region: na\n")):
            world.expect("region", "warning", "region eu", "`tesla: region:`", status=1)
        world.fake.exceed_limit()
        world.expect("region", "failure", "limit")
        world.fake.lift_limit()
        world.fake.fault("region", 503)
        world.expect("region", "failure", "503")
        world.fake.clear_faults()
        world.fake.fault("region", "hostile")
        world.expect("region", "failure")
        assert "\x1b" not in json.dumps(world.report["links"], ensure_ascii=False)
        world.fake.clear_faults()
        world.fake.revoke_consent()
        world.expect("region", "failure", "fleetroute setup")


def partner():
    """The domain is not registered in this region, or with another key."""
    with Account() as world:
        registered = dict(world.fake.registrations)
        world.fake.registrations.clear()
        world.expect("partner", "failure", "not registered", "fleetroute setup")
        world.fake.registrations.update({row: b"\4" + bytes(64) for row in registered})
        world.expect("partner", "failure", "another key than the command key")
        world.fake.registrations.update(registered)


def plan():
    """The routes need more than the budget, or no vehicle is listed."""
    with Account() as world:
        yaml = world.text("fleetroute.yaml")
        with changed(world.path("fleetroute.yaml"), yaml.replace("  folder: tesla\n",
                                                                 "  folder: tesla\n  budget: 0.01\n")):
            world.expect("plan", "failure", "budget")
        with changed(world.path("routing.yaml"), world.text("routing.yaml").partition("\n")[2]):
            world.expect("plan", "failure", "vehicle")


def vehicle_status():
    """Each state of a vehicle that fleet_status and the list of vehicles have (owner_path)."""
    with Account() as world:
        world.expect("vehicle_status", "ok", "2026.32.3", subject=VIN)
        with world.vehicle(paired=False):
            world.expect("vehicle_status", "failure", f"tesla.com/_ak/{DOMAIN}", subject=VIN)
        with world.vehicle(paired=False, command_protocol_required=False):
            world.expect("vehicle_status", "failure", f"tesla.com/_ak/{DOMAIN}", subject=VIN)
        with world.vehicle(firmware="2024.20.1"):
            world.expect("vehicle_status", "failure", "2024.26", subject=VIN)
        with world.vehicle(access="DRIVER"):
            world.expect("vehicle_account", "warning", "driver", subject=VIN)
        stranger = world.fake.vehicles.pop(VIN)
        world.expect("vehicle_account", "failure", "not in the account", subject=VIN)
        world.fake.vehicles[VIN] = stranger


def many():
    """20 vehicles are checked, or the one of --vin."""
    vins = [f"5YJ3E1EA7KF0001{n:02}" for n in range(23)]
    routing = "vehicles:\n" + "".join(f"  - {{vin: {vin}}}\n" for vin in [VIN, *vins]) + ROUTING.partition("\n")[2]
    with Account(routing=routing) as world:
        for vin in vins:
            world.fake.vehicle(vin, paired=True)
        world.expect("vehicle_account", "skipped", "4 more vehicles are not checked", "--vin", status=2)
        assert sum(line["id"] == "vehicle_records" for line in world.report["links"]) == 20
        code, links = world.doctor("--vin", vins[-1])
        assert {line["subject"] for line in links if line["id"].startswith("vehicle_")} == {vins[-1]}, links
        code, links = world.doctor("--vin", "5YJ3E1EA7KF999999")
        assert code == 2 and levels(links)["config"] == "failure", links


def atom():
    """Model S and X: the toggle of an Intel Atom, and MCU1."""
    vin = "5YJSA1E20LF000002"
    with Account(routing=ROUTING.replace(VIN, vin)) as world:
        world.fake.vehicle(vin, command_protocol_required=False, toggle=False)
        world.expect("vehicle_status", "failure", "Allow Third-Party App Data Streaming", subject=vin)
        world.fake.vehicle(vin, command_protocol_required=False, toggle=True)
        world.expect("vehicle_status", "ok", subject=vin)
        world.fake.vehicle(vin, command_protocol_required=False, toggle=None, fleet_telemetry_version=None)
        world.expect("vehicle_status", "failure", "MCU1", subject=vin)


def vehicle_config():
    """Each state of the configuration in the vehicle."""
    with Account() as world:
        vehicle = world.fake.vehicles[VIN]
        world.expect("vehicle_config", "ok", "configuration is valid for", subject=VIN)
        world.push(days=5)
        world.expect("vehicle_config", "warning", "the configuration expires in", "fleetroute keep")
        world.push(days=-1)
        world.expect("vehicle_config", "failure", "has expired", "fleetroute push")
        world.push()
        vehicle.synced, vehicle.sync_after = False, 1000
        world.expect("vehicle_config", "warning", "when it is awake", subject=VIN)
        world.push(fields={"Soc": {"interval_seconds": 1}})
        world.expect("vehicle_config", "failure", "fleetroute push", subject=VIN)
        world.push(iss="BAAA")
        world.fake.shows_issuer = True
        world.expect("vehicle_config", "failure", "another key", subject=VIN)
        world.push(hostname="elsewhere.example.com")
        world.expect("vehicle_config", "failure", "elsewhere.example.com", subject=VIN)
        vehicle.drop()
        world.write_state(vehicle=False)
        world.expect("vehicle_config", "failure", "fleetroute push", subject=VIN)
        vehicle.store({}, "token")  # an application too many: accepted, and the vehicle refused it
        vehicle.refused, vehicle.synced, vehicle.claims = True, True, None
        world.write_state(synced_ms=0)
        world.expect("vehicle_config", "failure", "app", subject=VIN)


def skipped():
    """Tesla skips the vehicle when `fleetroute push` pushes, and the owner removes the configuration."""
    with Account() as world:
        vehicle = world.fake.vehicles[VIN]

        def push(option="--no-wait"):
            fleetroute("push", "-c", world.path("fleetroute.yaml"), option, check=False, env=world.environment())

        vehicle.drop()
        for problem in ("missing_key", "unsupported_firmware", "unsupported_hardware", "max_configs"):
            vehicle.skip = problem
            world.write_state(vehicle=False)
            push()
            world.expect("vehicle_config", "failure", f"did not succeed: {problem}", subject=VIN)
        vehicle.skip = None
        push()
        world.expect("vehicle_config", "warning", "has not taken it yet", subject=VIN)
        world.expect("vehicle_config", "ok", subject=VIN)
        push("--remove")
        world.expect("vehicle_config", "warning", "fleetroute push --remove", subject=VIN)


def errors():
    """fleet_telemetry_errors of the last day, each translated."""
    with Account() as world:
        fake, now = world.fake, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        fake.add_error(VIN, "old trouble", error_name="cloud_manager_error", created_at="2020-01-01T00:00:00Z")
        world.expect("vehicle_errors", "ok", "no errors", subject=VIN)
        for name, text, word in (
                ("cloud_manager_error", "dial tcp 198.51.100.7:443: i/o timeout", "port"),
                ("handshake_error", "x509: certificate signed by unknown authority", "CA"),
                ("config_manager_error", "crypto/ecdsa: verification error", "sign")):
            fake.telemetry_errors.clear()
            fake.add_error(VIN, text, error_name=name, created_at=now)
            world.expect("vehicle_errors", "warning", name, word, subject=VIN)
        fake.errors_shape = "list"
        fake.telemetry_errors.clear()
        fake.add_error(VIN, "bad \x1b[31m\x07 text\n", error_name="new_error", created_at=now)
        world.expect("vehicle_errors", "warning", "new_error", subject=VIN)
        assert "\x1b" not in json.dumps(world.report["links"], ensure_ascii=False)


def keep():
    """What `fleetroute keep` has recorded."""
    with Account() as world:
        now = int(time.time() * 1000)
        world.write_state(run_ms=0)
        world.expect("keep", "warning", "never run", "systemctl enable")
        world.write_state(run_ms=now - 3 * DAY * 1000)
        world.expect("keep", "warning", "72 h ago")
        world.write_state(over_budget=True, projected_usd=12.5)
        world.expect("keep", "failure", "US$ 12.50")
        world.write_state(blocked_until_ms=now + 1800000, blocked="exceeded_limit", failure="raise the limit")
        world.expect("keep", "failure", "exceeded_limit", "raise the limit")
        world.write_state(failures=3, failure="the API is down")
        world.expect("keep", "warning", "3 runs in a row", "the API is down")
        world.write_state(failures=0, failure="the key cannot be read")
        world.expect("keep", "warning", "the last run", "the key cannot be read")
        world.write_state(login_required=True)
        world.expect("tokens", "failure", "consent was revoked")


def time_limits():
    """The cloud accepts connections and answers nothing: the command ends within a minute."""
    with Account() as world:
        world.fake.fault("*", "silent", seconds=100)
        begun = time.monotonic()
        world.expect("clock", "failure", "does not answer")
        assert time.monotonic() - begun < 60
        world.fake.clear_faults()
        for endpoint in ("config_get", "vehicle_errors"):  # after all else was answered
            world.fake.fault(endpoint, "silent", seconds=100)
        begun = time.monotonic()
        world.expect("vehicle_config", "failure", "timed out")
        assert time.monotonic() - begun < 60
        world.fake.clear_faults()


def redaction():
    """No line has the VIN with `log: {redact: true}`, also not in a text of Tesla."""
    with Account(extra="log: {redact: true}") as world:
        world.fake.add_error(VIN, f"vehicle {VIN} cannot connect", error_name="cloud_manager_error")
        world.doctor()
        assert VIN not in json.dumps(world.report)
        assert f"vehicle {VIN[:3]}-" in json.dumps(world.report), world.report


run_parts(healthy, keys, own_listener, application, tokens, region, partner, plan, vehicle_status, many, atom,
          vehicle_config, skipped, errors, keep, time_limits, redaction)
