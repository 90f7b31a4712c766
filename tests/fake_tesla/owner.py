"""The owner's side of a test: a domain that serves a public key, and a small HTTPS client. Not a part of the cloud."""
import contextlib
import http.server
import json
import secrets
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from . import jws, p256, pki, server
from .fake import FakeTesla
from .partner import WELL_KNOWN

VIN = "5YJ3E1EA7KF000001"


def new_scalar():
    """A random private key, as an integer."""
    return secrets.randbelow(p256.ORDER - 1) + 1


def public_pem(scalar):
    """The PEM of the public half of a private scalar."""
    head = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
    return pki.openssl("pkey", "-pubin", "-inform", "DER", data=head + p256.public_key(scalar))


class KeyServer:
    """HTTPS server of a domain with the public key at the path that Tesla reads. `pem`, `status` and `headers` may be
    changed. Its CA is in the folder."""

    def __init__(self, folder, domain, pem):
        self.pem, self.status, self.headers, self.requests = pem, 200, {}, 0
        authority = pki.Authority(folder, "key-ca")
        self.ca = authority.certificate
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.requests += 1
                found = self.path == WELL_KNOWN
                self.send_response(outer.status if found else 404)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.pem if found else b"")

        self.server = server.Server(None, "key", Handler, server.context(*authority.server(domain, domain)))
        self.address = ("127.0.0.1", self.server.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


class Refuse(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Client:
    """A client of the fake that trusts its CA, follows no redirect and understands no more than JSON."""

    def __init__(self, fake, seconds=10, proxy=None):
        self.fake, self.seconds = fake, seconds
        proxies = {"https": proxy} if proxy else {}
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=fake.ca)), Refuse(),
            urllib.request.ProxyHandler(proxies))

    def call(self, method, url, body=None, token=None, form=None):
        """(status, headers, value of the JSON or bytes). `body` is sent as JSON, `form` as a form."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            answer = self.opener.open(request, timeout=self.seconds)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            octets = answer.read()
        try:
            return answer.status, answer.headers, json.loads(octets)
        except ValueError:
            return answer.status, answer.headers, octets

    def api(self, method, path, body=None, token=None, region="eu"):
        return self.call(method, f"{self.fake.url(region)}/api/1/{path}", body, token)

    def grant(self, **form):
        return self.call("POST", self.fake.url("auth") + "/oauth2/v3/token", form=form)


class Owner:
    """An owner with an application, a domain, a command key and a client: `fake` is ready up to the step that the
    test is about."""
    DOMAIN = "car.example.com"
    ID, SECRET = "fake-client-id", "fake-client-secret"
    REDIRECT = f"https://{DOMAIN}/callback"
    SCOPES = ("openid", "offline_access", "vehicle_device_data", "vehicle_location")

    def __init__(self, fake):
        self.fake, self.client, self.scalar, self.token = fake, Client(fake), new_scalar(), None
        self.keys = KeyServer(fake.folder, self.DOMAIN, public_pem(self.scalar))
        fake.app(self.ID, self.SECRET, self.DOMAIN, self.REDIRECT, f"https://{self.DOMAIN}", self.SCOPES)
        fake.resolve[self.DOMAIN] = self.keys.address
        fake.trust = self.keys.ca

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keys.server.stop()

    def link(self, **more):
        query = {"response_type": "code", "client_id": self.ID, "redirect_uri": self.REDIRECT,
                 "scope": " ".join(self.SCOPES), "state": "a-state", **more}
        return f"{self.fake.url('auth')}/oauth2/v3/authorize?{urllib.parse.urlencode(query)}"

    def code(self, **more):
        query = urllib.parse.urlsplit(self.fake.authorise(self.link(**more))).query
        return dict(urllib.parse.parse_qsl(query))["code"]

    def partner(self, region="eu"):
        """A new partner token."""
        status, _, body = self.client.grant(
            grant_type="client_credentials", client_id=self.ID, client_secret=self.SECRET,
            scope="openid vehicle_device_data", audience=self.fake.url(region))
        assert status == 200, body
        return body["access_token"]

    def register(self, region="eu"):
        """(status, headers, body) of the registration of the domain."""
        return self.client.api("POST", "partner_accounts", {"domain": self.DOMAIN}, self.partner(region), region)

    def log_in(self, **more):
        """The answer of the token endpoint: access_token, refresh_token …"""
        status, _, body = self.client.grant(
            grant_type="authorization_code", client_id=self.ID, client_secret=self.SECRET, code=self.code(**more),
            redirect_uri=self.REDIRECT, audience=self.fake.url("eu"))
        assert status == 200, body
        return body

    def user(self, method, path, body=None):
        """(status, body) of a call with the user's token."""
        status, _, answer = self.client.api(method, path, body, self.token)
        return status, answer

    def settings(self, **more):
        """A telemetry configuration."""
        with open(self.fake.ca) as file:
            return {"hostname": self.DOMAIN, "port": 443, "ca": file.read(), "exp": int(self.fake.now()) + 86400,
                    "fields": {"Soc": {"interval_seconds": 60},
                               "Location": {"interval_seconds": 10, "minimum_delta": 25}},
                    "alert_types": ["service"], "delivery_policy": "latest", **more}

    def push(self, token=None, vins=(VIN,), **more):
        """(status, body) of the configuration `token`, or of settings(**more)."""
        token = token or jws.sign(self.scalar, self.settings(**more))
        return self.user("POST", "vehicles/fleet_telemetry_config_jws", {"vins": list(vins), "token": token})


@contextlib.contextmanager
def cloud():
    """An owner of a new fake, with nothing registered: owner.fake."""
    with tempfile.TemporaryDirectory(prefix="fr-scenario.") as folder, FakeTesla(folder) as fake, Owner(fake) as owner:
        yield owner


@contextlib.contextmanager
def ready(**options):
    """An owner of a new fake, with a registered key, a paired vehicle VIN and a user's token: owner.token."""
    with cloud() as owner:
        owner.fake.vehicle(VIN, **{"paired": True, **options})
        assert owner.register()[0] == 200
        owner.token = owner.log_in()["access_token"]
        yield owner
