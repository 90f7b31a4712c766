#!/usr/bin/env python3
"""A renewed certificate of another CA with a real daemon, fleetroute keep and a fake Tesla cloud: cars that trust the
pushed `ca` alone accept the server at each stage, and a car that sleeps does not stop the renewal for ever."""
import json
import os
import shutil
import socket
import ssl
import time

from admin import get, value
from fr import PATIENCE, Daemon, fleetroute, free_port, run_parts, wait_until, write_file
from keep import HOUR, Upkeep
from push import OTHER
from tls_pki import CERT_SIGN, DAY, IA5, Certificate, Key, basic, der, extended, extension, name, sequence, usage

from fake_tesla.owner import VIN

HOST = "car.example.com"
FILES_S = 5  # between two looks of the daemon at its files
CHECK_S = 10  # between two checks of a deferred certificate


class Authority:
    """A private CA."""

    def __init__(self, folder, title):
        self.folder = folder
        self.root = Certificate(name(("CN", title)), Key(folder), extensions=[basic(), usage(CERT_SIGN, 2)])

    def server(self, ends=300 * DAY):
        names = extension("alternative_names", sequence(der(0x82, HOST.encode())))
        made = Certificate(name(("CN", "server")), Key(self.folder), self.root,
                           [names, extended("serverAuth")], ends=ends)
        made.issuer = self.root
        return made


class Renewal(Upkeep):
    """Two vehicles with their first push, and a daemon with a certificate of the CA "First"."""

    def __init__(self):
        self.daemon = None
        super().__init__()
        self.keys = f"{self.path}/pki"
        os.mkdir(self.keys)
        self.first, self.second = Authority(self.keys, "First"), Authority(self.keys, "Second")
        self.roots(self.first)
        self.admin = free_port()
        tesla = (f"admin: {{port: {self.admin}}}\ntesla:\n  domain: {HOST}\n  client_id: {self.owner.ID}\n"
                 f"  client_secret_file: {self.path}/secret\n  key: {self.path}/keys/command-key.pem\n"
                 f"  folder: {self.path}/state\n  ca: {self.path}/roots.pem\n  base_url: {self.fake.url('eu')}\n"
                 f"  auth_url: {self.fake.url('auth')}\n  api_ca: {self.fake.ca}\n")
        routes = f"vehicles: [{VIN}, {OTHER}]\nfields: [{{field: [Soc, Gear], to: archive, every: 60 s}}]\n"
        self.daemon = Daemon(routes, '  archive: {plugin: file, options: {path: "@/V.jsonl"}}', tesla)
        self.daemon.host = HOST
        self.install(self.first.server())
        self.daemon.write()
        self.trusted = {}  # `ca` in each car
        self.now = time.time()
        self.unblock()
        self.set_clock()
        self.push("--no-wait")
        self.take()
        self.daemon.start()

    def __exit__(self, kind, *more):
        self.daemon.__exit__(kind, *more)
        super().__exit__(kind, *more)

    def command(self, name, *arguments):
        path = self.daemon.path("fleetroute.yaml") if self.daemon else f"{self.path}/fleetroute.yaml"
        done = fleetroute(name, "-c", path, *arguments, check=False, env=self.environment())
        self.no_secrets(done.stdout + done.stderr)
        return done

    def roots(self, *authorities):
        write_file(f"{self.path}/roots.pem", "".join(a.root.pem() for a in authorities))

    def install(self, certificate):
        """What certbot does."""
        self.certificate = certificate
        write_file(self.daemon.path("server.pem"), certificate.pem() + certificate.issuer.pem())
        shutil.copy(certificate.key.path, self.daemon.path("server.key.new"))
        os.rename(self.daemon.path("server.key.new"), self.daemon.path("server.key"))

    def take(self, *vins):
        """The cars are online, and a run of keep reads back what they have."""
        for vin in vins or self.vins:
            self.fake.vehicles[vin].state, self.fake.vehicles[vin].sync_after = "online", 0
        self.now += DAY + HOUR
        done = self.keep()
        for vin in self.vins:
            if self.fake.vehicles[vin].synced:
                self.trusted[vin] = self.fake.config(vin)["ca"]
        return done

    def connect(self, vin):
        """The car connects, and trusts its `ca` alone. Returns the certificate of the server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.trusted[vin])
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT & ~ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_cert_chain(*self.daemon.certificate(vin))
        with socket.create_connection(("127.0.0.1", self.daemon.port), 10 * PATIENCE) as raw:
            with context.wrap_socket(raw, server_hostname=HOST) as tls:
                return tls.getpeercert(binary_form=True)

    def serves(self, certificate):
        """Every car accepts the server, which has this certificate."""
        return {self.connect(vin) for vin in self.vins} == {certificate.bytes}

    def trust_both(self):
        """The cars accept each certificate, so that a test can look at it."""
        self.trusted = {vin: self.first.root.pem() + self.second.root.pem() for vin in self.vins}

    def deferred(self):
        return self.daemon.status()["deferred_certificate"]

    def wait_deferred(self):
        return wait_until("the certificate is deferred", self.deferred, FILES_S + 10)

    def wait_served(self, certificate, seconds=FILES_S + CHECK_S + 10):
        wait_until("the renewed certificate is served", lambda: self.serves(certificate), seconds)
        wait_until("none is deferred", lambda: self.deferred() is None, 5)

    def ca_files(self):
        return sorted(name for name in os.listdir(f"{self.path}/state") if name.startswith("ca-"))

    def named(self):
        return sorted({f"ca-{v[key]}.pem" for v in self.state()[0]["vehicles"].values()
                       for key in ("ca", "former_ca") if v[key]})


def roots(pem):
    """The certificates of a `ca`, as DER."""
    end = "-----END CERTIFICATE-----\n"
    return [ssl.PEM_cert_to_DER_cert(part + end) for part in pem.split(end)[:-1]]


def renewal(r):
    """The former certificate is served until both cars have the new CA, which keep pushes with the former one."""
    old = r.certificate
    assert r.serves(old) and roots(r.trusted[VIN]) == [r.first.root.bytes], r.trusted
    assert r.ca_files() == r.named() and len(r.ca_files()) == 1, (r.ca_files(), r.state())
    assert os.stat(f"{r.path}/state/{r.ca_files()[0]}").st_mode & 0o777 == 0o640
    new = r.second.server()
    r.roots(r.second)
    r.install(new)
    waits = r.wait_deferred()
    assert waits["vehicles"] == 2 and abs(waits["until_s"] - time.time() - 299 * DAY) < 600, waits
    metrics = get(r.admin, "/metrics")[1]
    assert value(metrics, "fleetroute_certificate_deferred_vehicles") == 2
    assert r.serves(old)

    # A reload does not serve it either, but takes a changed CA bundle.
    other = f"{r.path}/bundle"
    fleetroute("simulate", "--pki", other, "--pki-only")
    fleetroute("simulate", "--pki", other, "--export", VIN)
    with open(f"{other}/vehicle-ca.pem") as more, open(r.daemon.path("vehicle-ca.pem")) as bundle:
        both = bundle.read() + more.read()
    write_file(r.daemon.path("vehicle-ca.pem"), both)
    assert "waits until vehicles have its CA" in fleetroute("reload", "-s", r.daemon.control).stdout, r.daemon.log_text()
    write_file(r.daemon.path("server-ca.pem"), r.first.root.pem())
    r.daemon.car(files=(f"{other}/{VIN}.pem", f"{other}/{VIN}.key")).socket.close()
    assert r.serves(old) and r.deferred()
    assert r.daemon.log_text().count("is not served yet") == 1, r.daemon.log_text()

    # doctor: a warning at most.
    report = json.loads(r.command("doctor", "--json").stdout)
    links = {link["id"]: link for link in report["links"]}
    for link in ("ca", "proxy"):
        assert links[link]["level"] == "warning" and "waits until vehicles have its CA" in json.dumps(links[link]), links[link]

    # keep pushes both; one car sleeps. It has the former `ca`, so the former certificate stays.
    r.fake.vehicles[OTHER].state = "asleep"
    r.now += 2 * HOUR
    done = r.keep()
    assert done.stdout.count("the CA of the server changed") == 2, done.stdout
    pushed = r.fake.config(VIN)["ca"]
    assert roots(pushed) == [r.second.root.bytes, r.first.root.bytes], pushed
    assert r.ca_files() == r.named() and len(r.ca_files()) == 2, (r.ca_files(), r.state())
    done = r.take(VIN)
    assert r.trusted[VIN] == pushed != r.trusted[OTHER] and not r.fake.vehicles[OTHER].synced
    wait_until("one vehicle is waited for", lambda: r.deferred()["vehicles"] == 1, CHECK_S + FILES_S + 10)
    assert r.serves(old)

    # It wakes: the renewed one is served. Both cars accept it.
    r.take(OTHER)
    r.wait_served(new)
    assert r.ca_files() == r.named() and len(r.ca_files()) == 1, (r.ca_files(), r.state())
    assert value(get(r.admin, "/metrics")[1], "fleetroute_certificate_deferred_vehicles") == 0

    # The former root is no reason for a push; the next push for another reason drops it.
    posts = r.posts()
    r.now += DAY
    r.keep()
    r.now += DAY
    r.keep()
    assert r.posts() == posts and r.fake.config(VIN)["ca"] == pushed
    r.daemon.routing = r.daemon.routing.replace("60 s", "30 s")
    r.daemon.write()
    r.now += 2 * HOUR
    r.keep(words=("routing.yaml changed",))
    assert roots(r.fake.config(VIN)["ca"]) == [r.second.root.bytes]
    r.take()
    assert r.serves(new)


def same_ca(r):
    """A renewal of the same CA is served at once and causes no push."""
    new = r.first.server()
    posts = r.posts()
    r.install(new)
    r.wait_served(new)
    r.now += 2 * HOUR
    r.keep()
    assert r.posts() == posts
    assert "is not served yet" not in r.daemon.log_text()


def margin(r):
    """One day before the former certificate ends the renewed one is served, whatever the cars have."""
    old, new = r.first.server(DAY + 30), r.second.server()
    r.install(old)
    r.wait_served(old)
    r.fake.vehicles[VIN].state = r.fake.vehicles[OTHER].state = "asleep"
    r.roots(r.second)
    r.install(new)
    until = r.wait_deferred()["until_s"]
    assert r.serves(old)
    r.now += 2 * HOUR
    r.keep()
    trusted = dict(r.trusted)
    r.trust_both()
    wait_until("the margin", lambda: time.time() >= until, 60)
    r.wait_served(new)
    assert "the former one ends within a day" in r.daemon.log_text()
    r.trusted = trusted
    try:
        r.connect(VIN)
        raise AssertionError("the car accepts a CA that it does not have")
    except ssl.SSLCertVerificationError:
        pass
    r.take()
    assert r.serves(new)


def no_file(r):
    """Without the file of the pushed `ca`, or without a state, the renewed certificate is served as it is found."""
    new = r.second.server()
    for name in r.ca_files():
        os.remove(f"{r.path}/state/{name}")
    r.trust_both()
    r.roots(r.second)
    r.install(new)
    r.wait_served(new)
    assert "is not served yet" not in r.daemon.log_text()


if __name__ == "__main__":
    run_parts(renewal, same_ca, margin, no_file, each=Renewal)
