"""FakeTesla: the state of a fake Tesla cloud, and what a test can do with it. See README.md."""
import dataclasses
import os
import secrets
import threading
import time
import urllib.parse

from . import car, faults, oauth, pki, server
from .messages import Answer, Refusal
from .vehicles import Vehicle

ROLES = ("auth", "na", "eu", "cn")
SECRET_PARAMETERS = ("code", "token", "client_secret", "refresh_token")


@dataclasses.dataclass
class App:
    """An application of the developer portal."""
    client_id: str
    secret: str
    domain: str
    redirect_uri: str
    origin: str
    scopes: set


@dataclasses.dataclass
class Entry:
    """A request of the log, without secrets. `status` None: a fault sent no complete answer."""
    method: str
    path: str
    query: dict
    host: str
    role: str
    endpoint: str
    time: float
    status: int
    billed: bool
    authorized: bool  # whether the request had a header Authorization
    fault: str


class FakeTesla:
    def __init__(self, folder, tesla_jws=None):
        """Starts the servers. `folder` gets the CA and other files; `tesla_jws` is a path of Tesla's program of that
        name, which then verifies each token too."""
        os.makedirs(folder, exist_ok=True)
        self.folder, self.tesla_jws = folder, tesla_jws
        self.lock, self.config_lock = threading.RLock(), threading.Lock()
        self.offset = 0.0
        self.apps, self.vehicles = {}, {}
        self.oauth = oauth.Tokens(self)
        self.faults = faults.Faults()
        self.registrations = {}    # (region, domain, client_id): 65 bytes of the public key
        self.taken_keys = set()    # keys that other applications have registered
        self.telemetry_errors = []
        self.log, self.mistakes, self.refused_hosts = [], [], []
        self.stopped = threading.Event()
        self.set_options()
        authority = pki.Authority(folder)
        self.ca = self.trust = authority.certificate
        tls = server.context(*authority.server("server", "localhost", "127.0.0.1",
                                               *(host for role in ROLES for host in pki.HOSTS[role])))
        self.servers = {role: server.Server(self, role, server.Handler, tls) for role in ROLES}
        self.servers["proxy"] = server.Server(self, "proxy", server.PlainHandler)

    def set_options(self):
        """What a test may set at any time."""
        self.region = "eu"             # of the owner's account
        self.consent = None            # the scopes that the owner ticks; None: all
        self.deny = False              # the owner refuses
        self.resolve = {}              # domain: (host, port), for the fetch of the key and for stream()
        self.fetch_seconds = 10
        self.errors_shape = "object"   # or "list"
        self.error_shape = "full"      # or "short": only the key error
        self.misdirected = "header"    # or "text": how 421 names the right region
        self.omit_null_toggle = False
        self.max_page_size = 100
        self.shows_issuer = False      # iss and aud are in the configuration that is read back
        self.over_limit = False

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is None and self.mistakes:
            raise AssertionError("a mistake of the fake") from self.mistakes[0]

    def stop(self):
        self.stopped.set()
        for each in self.servers.values():
            each.stop()
        self.servers.clear()

    # ---- addresses and time ---------------------------------------------------------

    def url(self, role):
        scheme = "http" if role == "proxy" else "https"
        return f"{scheme}://localhost:{self.servers[role].port}"

    def urls(self):
        return {**{role: self.url(role) for role in (*ROLES, "proxy")}, "ca": self.ca}

    def base_url(self, role, host):
        """The base URL of a region, in the kind of names that the client uses."""
        name = host.partition(":")[0]
        tesla = any(name in names for names in pki.HOSTS.values())
        return f"https://{pki.HOSTS[role][0]}" if tesla else self.url(role)

    def role_of(self, url):
        """auth, na, eu, cn: which server has this base URL; None: none."""
        parts = urllib.parse.urlsplit(url)
        for role in ROLES:
            if parts.hostname in pki.HOSTS[role] and parts.port in (None, 443):
                return role
            if parts.hostname in ("localhost", "127.0.0.1") and parts.port == self.servers[role].port:
                return role
        return None

    def now(self):
        return time.time() + self.offset

    def clock(self, offset=None, at=None):
        """Set the cloud's clock: seconds from the real time, or an absolute time, from which it goes on."""
        self.offset = at - time.time() if at is not None else float(offset)

    def timestamp(self):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now()))

    # ---- the account ----------------------------------------------------------------

    def app(self, client_id, client_secret, domain, redirect_uri, origin=None, scopes=()):
        app = App(client_id, client_secret, domain, redirect_uri, origin or f"https://{domain}", set(scopes))
        self.apps[client_id] = app
        return app

    def vehicle(self, vin, **options):
        """A vehicle of the owner; options as of vehicles.Vehicle. A second call replaces it."""
        self.vehicles[vin] = Vehicle(vin, **options)
        return self.vehicles[vin]

    def authorise(self, url):
        """What the owner's browser does with an authorise link: log in, consent, go to the redirect URI. Returns that
        address. ValueError with the message of the page if the link is wrong."""
        parts = urllib.parse.urlsplit(url)
        if parts.path != "/oauth2/v3/authorize":
            raise ValueError(f"no authorise link: {parts.path}")
        try:
            with self.lock:
                return self.oauth.authorise(dict(urllib.parse.parse_qsl(parts.query)))
        except Refusal as refusal:
            raise ValueError(str(refusal)) from None

    def revoke_consent(self):
        """The owner removes the consent: all tokens end, configurations are deleted."""
        with self.lock:
            for session in self.oauth.sessions:
                self.oauth.end(session)
            self.wipe(*self.vehicles)

    def sell(self, vin):
        with self.lock:
            del self.vehicles[vin]

    def wipe(self, *vins):
        """The configurations of these vehicles are deleted, without a message."""
        with self.lock:
            for vin in vins:
                self.vehicles[vin].drop()

    def exceed_limit(self):
        """The billing limit: configurations are deleted, each call is refused."""
        with self.lock:
            self.over_limit = True
            self.wipe(*self.vehicles)

    def lift_limit(self):
        """Calls are answered again. The configurations stay deleted."""
        self.over_limit = False

    def add_error(self, vin, error, **columns):
        """A row of fleet_telemetry_errors: created_at, error_name, txID, hostname, port … are optional."""
        self.telemetry_errors.append({"vin": vin, "columns": {"error": error, **columns}})

    def take_key(self, pem):
        """Another application has registered this public key (PEM)."""
        self.taken_keys.add(pki.public_point(pem.encode() if isinstance(pem, str) else pem))

    # ---- faults, log, state ------------------------------------------------------------

    def fault(self, endpoint, kind, times=None, **options):
        """The next `times` requests (None: all) to an endpoint have a fault; kinds as in README.md."""
        self.faults.add(endpoint, kind, times, options)

    def clear_faults(self):
        self.faults.clear()

    def error_answer(self, status, error, description="", headers=None):
        body = None
        if error is not None:
            body = {"error": error} if self.error_shape == "short" else \
                {"response": None, "error": error, "error_description": description, "txid": self.txid()}
        return Answer(status, body, headers or {})

    @staticmethod
    def txid():
        return secrets.token_hex(16)

    def note(self, request, endpoint, status, fault):
        query = {name: value for name, value in request.query.items() if name not in SECRET_PARAMETERS}
        billed = request.role != "auth" and (status is None or status < 500)
        entry = Entry(request.method, request.path, query, request.host, request.role, endpoint, self.now(), status,
                      billed, "authorization" in request.headers, str(fault.kind) if fault else "")
        with self.lock:
            self.log.append(entry)

    def calls(self, path=None, role=None):
        """The number of requests to an endpoint (its name or its path), of one server or all."""
        with self.lock:
            return sum(path in (None, entry.endpoint, entry.path) and role in (None, entry.role)
                       for entry in self.log)

    def billed(self):
        with self.lock:
            return sum(entry.billed for entry in self.log)

    def config(self, vin):
        """The claims of the stored configuration, or None."""
        return self.vehicles[vin].claims

    def jws(self, vin):
        """The signed token of the stored configuration, or None."""
        return self.vehicles[vin].token

    def tokens(self):
        """All tokens that are valid now, for a search in files and logs: {"access": […], "refresh": […]}."""
        with self.lock:
            return {"access": [a.token for a in self.oauth.access.values()
                               if not a.ended and a.expires > self.now()],
                    "refresh": [s.current[0] for s in self.oauth.sessions if not s.revoked]}

    # ---- the car -------------------------------------------------------------------------

    def stream(self, vin, simulate, *arguments, **more):
        """The car takes its configuration and streams; see car.stream."""
        return car.stream(self, vin, simulate, *arguments, **more)

    # ---- the control port ------------------------------------------------------------------

    CONTROL = ("app", "vehicle", "authorise", "fault", "clear_faults", "exceed_limit", "lift_limit", "revoke_consent",
               "sell", "wipe", "clock", "calls", "billed", "config", "jws", "tokens", "add_error", "take_key", "urls",
               "stream")
    OPTIONS = ("region", "consent", "deny", "resolve", "trust", "fetch_seconds", "errors_shape", "error_shape",
               "misdirected", "omit_null_toggle", "max_page_size", "shows_issuer")

    def control(self, call, args, kwargs):
        """A call by name, for clients of the control port. `set` sets options, `log` returns the log, `change` sets
        attributes of a vehicle."""
        if call == "log":
            return [dataclasses.asdict(entry) for entry in list(self.log)]
        if call == "set":
            unknown = set(kwargs) - set(self.OPTIONS)
            if unknown:
                raise ValueError(f"no such option: {sorted(unknown)}")
            for name, value in kwargs.items():
                if name == "resolve":
                    value = {domain: tuple(address) for domain, address in value.items()}
                setattr(self, name, value)
            return None
        if call == "change":
            for name, value in kwargs.items():
                getattr(self.vehicles[args[0]], name)
                setattr(self.vehicles[args[0]], name, value)
            return None
        if call not in self.CONTROL:
            raise ValueError(f"no such call: {call}")
        result = getattr(self, call)(*args, **kwargs)
        return result if isinstance(result, (str, int, float, bool, list, dict, type(None))) else None
