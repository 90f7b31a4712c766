"""The endpoints of the application's owner: registration of a domain, its key, errors of all vehicles."""
import http.client
import ipaddress
import socket
import ssl

from . import pki
from .messages import Answer, Refusal

WELL_KNOWN = "/.well-known/appspecific/com.tesla.3p.public-key.pem"
MAX_KEY_BYTES = 16384


class Connection(http.client.HTTPSConnection):
    """HTTPS to a domain at an address that a name server does not know."""

    def __init__(self, domain, address, trust, seconds):
        super().__init__(domain, 443, timeout=seconds, context=ssl.create_default_context(cafile=trust))
        self.address = address

    def connect(self):
        raw = socket.create_connection(self.address, self.timeout)
        self.sock = self._context.wrap_socket(raw, server_hostname=self.host)


def fetch_key(fake, domain):
    """The public key that the domain serves: 65 bytes. Refuses with 424 and the reason."""
    address = fake.resolve.get(domain)
    if address is None:
        raise Refusal(424, "Failed Dependency", f"{domain}: the name cannot be resolved")
    connection = Connection(domain, address, fake.trust, fake.fetch_seconds)
    try:
        connection.request("GET", WELL_KNOWN, headers={"User-Agent": "fake Tesla"})
        answer = connection.getresponse()
        text = answer.read(MAX_KEY_BYTES + 1)
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        if len(text) > MAX_KEY_BYTES or not text.lstrip().startswith(b"-----BEGIN PUBLIC KEY-----"):
            raise ValueError("no PEM of a public key")
        return pki.public_point(text)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Refusal(424, "Failed Dependency",
                      f"https://{domain}{WELL_KNOWN} cannot be read: {error}") from None
    finally:
        connection.close()


def root_of(host):
    return ".".join(host.split(".")[-2:])


def register(fake, request, access):
    """POST partner_accounts. Without the fake's lock while the key is fetched."""
    domain = request.json().get("domain")
    if not isinstance(domain, str) or not domain or domain != domain.lower() or "/" in domain or ":" in domain:
        raise Refusal(400, "invalid_field", "domain is not a host name in lower case")
    app = access.app
    if is_address(domain) or root_of(domain) != root_of(app.origin.split("://", 1)[-1].split(":")[0].strip("/")):
        raise Refusal(412, "Precondition Failed", f"root domain of {domain} is not that of an allowed origin")
    key = fetch_key(fake, domain)
    with fake.lock:
        other = {k for (role, _, client), k in fake.registrations.items()
                 if role == request.role and client != app.client_id} | fake.taken_keys
        if key in other:
            raise Refusal(422, "Validation failed: Public key hash has already been taken")
        for row in [r for r in fake.registrations if r[0] == request.role and r[2] == app.client_id]:
            del fake.registrations[row]
        fake.registrations[request.role, domain, app.client_id] = key
        stamp = fake.timestamp()
        return Answer(200, {"response": {
            "account_id": "8f6a2c1e-0000-4000-8000-000000000001", "ca": None, "client_id": app.client_id,
            "created_at": stamp, "csr": None, "csr_updated_at": None, "description": "a fake application",
            "domain": domain, "enterprise_tier": "free", "issuer": None, "name": "fake", "public_key": key.hex(),
            "updated_at": stamp}})


def is_address(domain):
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        return False
    return True


def public_key(fake, request, access):
    key = fake.registrations.get((request.role, request.query.get("domain"), access.app.client_id))
    if key is None:
        raise Refusal(404, "not_found", "no public key is registered for this domain in this region")
    return Answer(200, {"response": {"public_key": key.hex()}})


def rows_of(fake, app, vin=None):
    """The error rows of vehicles; their optional columns are those that the test gave."""
    return [{"name": app.client_id, "vin": row["vin"], **row["columns"]} for row in fake.telemetry_errors
            if vin in (None, row["vin"])]


def shaped(fake, name, value):
    """Both shapes are seen: a list alone, and a list in an object."""
    return Answer(200, {"response": value if fake.errors_shape == "list" else {name: value}})


def telemetry_errors(fake, request, access):
    return shaped(fake, "fleet_telemetry_errors", rows_of(fake, access.app))


def error_vins(fake, request, access):
    return shaped(fake, "fleet_telemetry_error_vins", sorted({row["vin"] for row in rows_of(fake, access.app)}))
