"""A machine of its own for the scenarios of `fleetroute doctor`: a network and /etc/hosts of this process, in
which telemetry.example.com has a public address of this machine, and a CA with an intermediate one."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from fr import BUILD, SOURCE, VIN, Car, Daemon, fleetroute, skip, vector, write_file

sys.path.insert(0, os.path.join(SOURCE, "tests"))
from fake_tesla import pki  # noqa: E402

NAME = "telemetry.example.com"
ADDRESS = "198.51.100.7"        # reserved for documentation; not private
ELSEWHERE = "198.51.100.8"      # of this machine too, but fleetrouted does not listen there
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}'
ROUTING = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" \
          "fields:\n  - {field: [Soc, VehicleSpeed, Location], to: archive, every: 10 s}\n"

AUTHORITY = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


def enter():
    """Start this program again in namespaces of its own. Needs root."""
    if os.environ.get("FR_DOCTOR_WORLD") == str(os.getppid()):
        build_network()
        return
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "-n", "true"], check=False).returncode != 0:
        skip("network and mount namespaces need root")
    os.environ["FR_DOCTOR_WORLD"] = str(os.getpid())
    done = subprocess.run(["unshare", "-m", "-n", sys.executable, *sys.argv], check=False)
    sys.exit(done.returncode)


def build_network():
    for words in (["link", "set", "lo", "up"], ["addr", "add", f"{ADDRESS}/32", "dev", "lo"],
                  ["addr", "add", f"{ELSEWHERE}/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    # The mount keeps the file, which no other process sees.
    with tempfile.NamedTemporaryFile(prefix="fr-hosts.") as own:
        os.chmod(own.name, 0o644)
        subprocess.run(["mount", "--bind", own.name, "/etc/hosts"], check=True)
    hosts(ADDRESS)


def hosts(address, *others):
    """telemetry.example.com has this address from now on; None: it does not exist. `others`: further lines."""
    with open("/etc/hosts", "w") as f:
        f.write("127.0.0.1 localhost\n" + (f"{address} {NAME}\n" if address else "")
                + "".join(f"{line}\n" for line in others))


class Certificates:
    """A root, an intermediate CA, and certificates of the server, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.root = self.make("root", "Test Root", "authority")
        self.middle = self.make("middle", "Test Intermediate", "authority", issuer="root")

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def make(self, name, subject, extensions, issuer=None, names=(NAME,), days=90):
        write_file(self.path(name + ".cnf"), AUTHORITY.format(names=",".join("DNS:" + n for n in names)))
        key = self.path(name + ".key")
        pki.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        request = pki.openssl("req", "-new", "-key", key, "-subj", f"/CN={subject}", "-config",
                              self.path(name + ".cnf"))
        sign = ["x509", "-req", "-days", str(days), "-extfile", self.path(name + ".cnf"), "-extensions", extensions,
                "-out", self.path(name + ".pem")]
        sign += ["-CA", self.path(issuer + ".pem"), "-CAkey", self.path(issuer + ".key"), "-CAcreateserial"] \
            if issuer else ["-signkey", key]
        pki.openssl(*sign, data=request)
        return self.path(name + ".pem")

    def server(self, chain=("middle",), issuer="middle", **more):
        """Write server.pem and server.key. `chain`: what follows the server's certificate."""
        self.make("leaf", NAME, "server", issuer=issuer, **more)
        write_file(self.path("server.pem"), "".join(self.text(n + ".pem") for n in ("leaf", *chain)))
        shutil.copy(self.path("leaf.key"), self.path("server.key"))


class World:
    """A daemon on port 443 of this machine, and the configuration that `fleetroute doctor` reads."""

    def __init__(self, extra="", routing=ROUTING, sinks=FILE, journal="{path: journal}", start=True):
        hosts(ADDRESS)
        self.daemon = Daemon(routing, sinks, extra=extra, address="0.0.0.0", journal=journal)
        self.daemon.port, self.daemon.host = 443, NAME
        self.certificates = Certificates(self.daemon.folder)
        self.certificates.server()
        shutil.copy(self.certificates.root, self.daemon.path("server-ca.pem"))
        self.is_started = start

    def __enter__(self):
        if self.is_started:
            self.daemon.start()
        return self

    def __exit__(self, *details):
        self.daemon.__exit__(*details)

    def path(self, name):
        return self.daemon.path(name)

    def car(self):
        """A connected vehicle that has sent a record."""
        car = Car(self.daemon)
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        return car

    def text(self, name):
        return self.certificates.text(name)

    def environment(self, **more):
        """The test's root is a CA of the system."""
        return {**os.environ, "SSL_CERT_FILE": self.certificates.root, "SSL_CERT_DIR": "/nonexistent", **more}

    def doctor(self, *options, **environment):
        """(exit status, links of --json)."""
        done = fleetroute("doctor", "-c", self.path("fleetroute.yaml"), "--json", *options, check=False,
                          env=self.environment(**environment))
        assert done.stderr == "", done.stderr
        report = json.loads(done.stdout)
        assert done.returncode == report["status"], done
        self.report = report
        return done.returncode, report["links"]

    def expect(self, link, level, *words, subject=None, status=None, **environment):
        """One link has this level, and its line these words. Other links may follow from it."""
        code, links = self.doctor(**environment)
        found = [line for line in links if line["id"] == link and subject in (None, line["subject"])]
        match = [line for line in found if line["level"] == level and
                 all(w in f"{line['text']}; {line['remedy']}" for w in words)]
        assert match, json.dumps(found or links, indent=1)
        worst = {"ok": 0, "skipped": 0, "warning": 1, "failure": 2}[level]
        assert code == status if status is not None else code >= worst, (code, links)
        line = match[0]
        print(f"{level:8} {link:18} {line['text']}; {line['remedy']}")
        return links

    def expect_ok(self):
        code, links = self.doctor()
        bad = [line for line in links if line["level"] in ("warning", "failure")]
        assert code == 0 and not bad, json.dumps(bad, indent=1)
        return links


@contextlib.contextmanager
def changed(path, text):
    """A file has this text in the `with` block."""
    with open(path, "rb") as f:
        before = f.read()
    write_file(path, text)
    try:
        yield
    finally:
        with open(path, "wb") as f:
            f.write(before)


def levels(links):
    """The worst level of each link."""
    order, worst = ["ok", "skipped", "warning", "failure"], {}
    for line in links:
        worst[line["id"]] = max(worst.get(line["id"], "ok"), line["level"], key=order.index)
    return worst


__all__ = ["ADDRESS", "BUILD", "ELSEWHERE", "FILE", "NAME", "ROUTING", "VIN", "World", "changed", "enter", "hosts",
           "levels"]
