"""The program tests/fleet_api/call with the configuration of a fake Tesla cloud, for the scenarios of the Fleet API."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

from fr import BUILD, SOURCE, write_file

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import FakeTesla, p256, pki  # noqa: E402
from fake_tesla.owner import Owner, VIN  # noqa: E402, F401

STATE = "a-state-of-the-test"


def key_file(path, scalar):
    """A private key as SEC1 in PEM."""
    der = bytes.fromhex("30770201010420") + scalar.to_bytes(32, "big") + \
        bytes.fromhex("a00a06082a8648ce3d030107a144034200") + p256.public_key(scalar)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(pki.openssl("ec", "-inform", "DER", data=der))


class HookedTesla(FakeTesla):
    """A fake that calls `hook` with the name of each endpoint, when its answer is made and not sent yet."""
    hook = None
    headers = ()  # of the last request

    def note(self, request, endpoint, status, fault):
        super().note(request, endpoint, status, fault)
        self.headers = request.headers
        if self.hook:
            self.hook(endpoint)


class FleetClient:
    """A folder with fleetroute.yaml, client secret and tokens. With `proxy`, Tesla's real host names are used, and a
    proxy leads to the fake."""

    def __init__(self, fake, owner, folder, proxy=False, extra=""):
        self.fake, self.owner, self.folder = fake, owner, folder
        self.output = ""  # all that was printed, to search for secrets
        self.environment = {**os.environ, "FR_FAULT_IO": f"{folder}/faults"}
        self.environment.update({"HTTPS_PROXY": fake.url("proxy")} if proxy else {})
        with open(os.open(f"{folder}/secret", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(owner.SECRET + "\n")
        key_file(f"{folder}/key.pem", owner.scalar)
        addresses = "" if proxy else f"base_url: '{fake.url('na')}', auth_url: '{fake.url('auth')}', "
        write_file(f"{folder}/fleetroute.yaml", f"""tls: {{certificate: a, key: b, vehicle_ca: c}}
tesla: {{domain: {owner.DOMAIN}, client_id: {owner.ID}, client_secret_file: secret,
  redirect_uri: '{owner.REDIRECT}', folder: state, key: key.pem, {addresses}api_ca: '{fake.ca}'{extra}}}
""")

    def start(self, *arguments, preload="", **environment):
        libraries = " ".join(f"{BUILD}/.libs/{name}.so" for name in preload.split())
        environment = {**self.environment, **({"LD_PRELOAD": libraries} if preload else {}), **environment}
        return subprocess.Popen([f"{BUILD}/tests/fleet_api/call", f"{self.folder}/fleetroute.yaml", *arguments],
                                env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def result(self, process):
        """The JSON that a started call printed."""
        out, err = process.communicate(timeout=120)
        self.output += out + err
        return json.loads(out) if out else {"killed": process.returncode}

    def call(self, *arguments, cause=None, **more):
        """Make a call; `cause` is the one it must fail with (None: it must succeed)."""
        result = self.result(self.start(*arguments, **more))
        assert result.get("cause") == cause, (arguments, result)
        return result

    def log_in(self):
        link = self.call("link", STATE)["link"]
        return self.call("authorize", self.fake.authorise(link), STATE)

    def tokens(self):
        with open(f"{self.folder}/state/tokens.json") as file:
            return json.load(file)

    def change_tokens(self, **members):
        path = f"{self.folder}/state/tokens.json"
        text = json.dumps({**self.tokens(), **members})
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def expire(self):
        """The access token has ended, as far as the clock here can be trusted."""
        self.change_tokens(access_expires_ms=1)

    def check_no_secrets(self):
        """Nothing that was printed has a token, a code or the client secret."""
        stored = self.tokens() if os.path.exists(f"{self.folder}/state/tokens.json") else {}
        secrets = [self.owner.SECRET, *(stored[name] for name in stored if "token" in name),
                   *self.fake.oauth.codes, *sum(self.fake.tokens().values(), [])]
        assert not [secret for secret in secrets if secret in self.output], self.output


@contextlib.contextmanager
def fleet_client(**options):
    """A client of a new fake, without log-in."""
    with tempfile.TemporaryDirectory(prefix="fr-scenario.") as folder, HookedTesla(f"{folder}/cloud") as fake, \
            Owner(fake) as owner:
        client = FleetClient(fake, owner, folder, **options)
        yield client
        client.check_no_secrets()


@contextlib.contextmanager
def logged_in(**options):
    """A client of a new fake with a registered key, a paired vehicle and tokens."""
    with fleet_client(**options) as client:
        client.fake.vehicle(VIN, paired=True)
        client.log_in()
        client.call("register")
        yield client
