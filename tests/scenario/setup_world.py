"""An owner who runs `fleetroute setup`: a folder with certificates, the fake Tesla cloud, a browser that grants
access, and the car. In a network of its own, in which telemetry.example.com is this machine (doctor_world)."""
import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time

from doctor_world import ADDRESS, NAME, Certificates, hosts
from fr import BUILD, PATIENCE, VIN, fleetroute, wait_until, write_file

MARK = "# Written by fleetroute setup, which may change this section."
CLIENT, SECRET = "fake-client-id", "fake-client-secret-2f9a71"
SCOPES = "openid offline_access vehicle_device_data vehicle_location"
REDIRECT = f"https://{NAME}/callback"
LINK = re.compile(r"https://\S+/oauth2/v3/authorize\?\S+")


def private_file(path, text):
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


class Home:
    """The owner's machine. `answers` are those of --answers; a value None removes a key."""

    def __init__(self, fake, answers=None, vehicle=None):
        hosts(ADDRESS)
        self.fake = fake
        self.folder = tempfile.mkdtemp(prefix="fr-setup.")
        self.certificates = Certificates(self.path("tls", make=True))
        self.certificates.server()
        fleetroute("simulate", "--pki", self.path("pki"), "--pki-only")
        shutil.copy(self.path("pki/vehicle-ca.pem"), self.path("tls/vehicle-ca.pem"))
        write_file(self.path("roots.pem"), open(fake.ca).read() + self.certificates.text("root.pem"))
        # What a real machine has from the package: the paths of the installation and Tesla's addresses.
        self.plumbing = f"""# The owner's remark.
control: c.sock
state: state
plugin_dir: {BUILD}/.libs

{MARK}
tesla:
  folder: tesla
  base_url: {fake.url("eu")}
  auth_url: {fake.url("auth")}
  api_ca: roots.pem
  # budget: 3
"""
        write_file(self.path("fleetroute.yaml"), self.plumbing)
        fake.app(CLIENT, SECRET, NAME, REDIRECT, f"https://{NAME}", SCOPES.split())
        fake.resolve[NAME] = (ADDRESS, 443)
        fake.trust = self.certificates.root
        fake.vehicle(VIN, **{"paired": False, "pair_after": 2, **(vehicle or {})})
        self.answers = {"account": "yes", "domain": NAME, "certificate": self.path("tls/server.pem"),
                        "key": self.path("tls/server.key"), "vehicle_ca": self.path("tls/vehicle-ca.pem"),
                        "client_id": CLIENT, "client_secret_file": self.path("secret"), "region": "eu",
                        "redirect_file": self.path("redirect"),
                        "vehicles": [{"vin": VIN, "name": "Melan Y"}], "sinks": "file",
                        "archive": self.path("archive/%{type}.jsonl"), "budget": 10, "wait": "60 s"}
        self.answers.update(answers or {})
        private_file(self.path("secret"), SECRET + "\n")
        self.output, self.codes, self.cars, self.problems = "", [], [], []

    def path(self, name, make=False):
        path = os.path.join(self.folder, name)
        if make:
            os.mkdir(path)
        return path

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for pid in self.processes(b"fleetroute", b"simulate"):
            os.kill(pid, signal.SIGTERM)
        self.end_daemon()
        for car in self.cars:
            car.join(60)
        if kind:
            print(self.output[-8000:])
        else:
            shutil.rmtree(self.folder)
            assert not self.problems, self.problems

    def environment(self):
        """The test's root is a CA of the system."""
        return {**os.environ, "SSL_CERT_FILE": self.certificates.root, "SSL_CERT_DIR": "/nonexistent"}

    # ---- the daemon that setup starts ----

    def processes(self, program, word):
        """Processes of this folder: `word` is an argument, and a path of the folder is another one."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"/" + program) and word in words and \
                    any(w.startswith(self.folder.encode()) for w in words):
                found.append(int(name))
        return found

    def daemons(self):
        return self.processes(b"fleetrouted", b"-c")

    def end_daemon(self):
        for pid in self.daemons():
            os.kill(pid, signal.SIGTERM)
        wait_until("the daemon ends", lambda: not self.daemons())

    # ---- one run of setup ----

    def command(self, *options):
        return [f"{BUILD}/fleetroute", "setup", "-c", self.path("fleetroute.yaml"), *options]

    def write_answers(self):
        private_file(self.path("answers"), "".join(f"{key}: {json.dumps(value)}\n" for key, value in
                                                   self.answers.items() if value is not None))

    def run(self, on_line=None, options=(), check=True, environment=None, typed=None):
        """Run setup with the answers; react as a browser and as the car. `on_line` gets each line and may kill the
        process. `typed` is on its standard input; then it has no terminal. Returns (exit status, output)."""
        self.write_answers()
        process = subprocess.Popen(self.command("--answers", self.path("answers"), *options), text=True,
                                   stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=bool(typed),
                                   env={**self.environment(), **(environment or {})})
        if typed:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(typed)
        begun, output = time.monotonic(), ""
        try:
            for line in process.stdout:
                output += line
                self.output += line
                self.look_at_processes()
                self.react(line)
                if on_line is not None:
                    on_line(process, line)
                assert time.monotonic() - begun < 120 * PATIENCE, output
        finally:
            process.stdout.close()
            process.kill() if process.poll() is None and time.monotonic() - begun > 120 * PATIENCE else None
        code = process.wait(30)
        self.seconds = time.monotonic() - begun
        assert not check or code == 0, (code, output)
        return code, output

    def react(self, line):
        """What a person in front of the screen does."""
        if found := LINK.search(line):
            address = self.fake.authorise(found[0])
            self.codes += re.findall(r"code=([^&]+)", address)
            private_file(self.path("redirect"), address + "\n")
        if line.startswith("Waiting for the first record") and not any(c.is_alive() for c in self.cars):
            self.cars.append(threading.Thread(target=self.drive, daemon=True))
            self.cars[-1].start()

    def drive(self):
        try:
            self.fake.stream(VIN, f"{BUILD}/fleetroute", "--speed", "50", "-q", pki=self.path("pki"))
        except subprocess.CalledProcessError as error:
            if error.returncode != -signal.SIGTERM:
                self.problems.append((error.returncode, error.stderr))
        except (OSError, ValueError) as error:
            self.problems.append(repr(error))

    # ---- secrets ----

    def secrets(self):
        found = [SECRET, *sum(self.fake.tokens().values(), []), *self.codes, *getattr(self, "more_secrets", [])]
        if os.path.exists(self.path("keys/command-key.pem")):
            with open(self.path("keys/command-key.pem")) as f:
                found += [line.strip() for line in f if "-----" not in line][:1]
        return [text for text in found if len(text) > 8]

    def look_at_processes(self):
        """No secret on a command line or in an environment of a process that runs now."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as f:
                    words = f.read()
            except OSError:
                continue
            if b"fleetroute" in words:
                assert not any(s.encode() in words for s in self.secrets()), words

    def assert_no_secrets(self, *texts):
        """Neither in the output nor in a file that others may read."""
        secrets = self.secrets()
        assert len(secrets) >= 5, secrets
        for text in (self.output, *texts):
            assert not any(s in text for s in secrets), [s for s in secrets if s in text]
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if not stat.S_ISREG(os.lstat(path).st_mode) or os.stat(path).st_mode & 0o077 == 0:
                    continue
                with open(path, "rb") as f:
                    content = f.read()
                assert not any(s.encode() in content for s in secrets), path

    # ---- outcome ----

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def records(self, folder="archive"):
        found = []
        for name in os.listdir(self.path(folder)) if os.path.isdir(self.path(folder)) else []:
            with open(self.path(f"{folder}/{name}")) as f:
                found += [json.loads(line) for line in f.read().split("\n")[:-1]]
        return found

    def assert_streaming(self):
        """The car has the configuration, its first records are in the file, and doctor agrees."""
        assert self.fake.config(VIN) is not None
        wait_until("a field is in the file", lambda: any(r.get("vin") == VIN for r in self.records()))
        self.assert_no_secrets()
        for name in ("tesla/tokens.json", "keys/command-key.pem", "tesla-secret"):
            assert stat.S_IMODE(os.stat(self.path(name)).st_mode) == 0o600, name
