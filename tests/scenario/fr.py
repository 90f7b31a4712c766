"""What the scenario tests share: a daemon in a folder of its own, cars of any manners, Kafka.

Every wait is for a condition, with a limit; a limit that passes fails the test. The real
programs are run from the build folder (the working folder, as `make check` has it).
"""
import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("FR_BUILD", os.getcwd())
SOURCE = os.environ.get("top_srcdir") or os.environ.get("FR_SOURCE") or os.getcwd()
VIN = "5YJ3E1EA7KF000001"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


if os.environ.get("FR_SKIP_SCENARIOS"):
    skip("FR_SKIP_SCENARIOS is set")


def wait_until(what, condition, seconds=20):
    """Wait until condition() is true and return what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


# Below the range from which the kernel takes the ports of outgoing connections: a free port of that
# range may be taken by a vehicle before its server listens.
PORTS = range(15000, 32000)


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port():
    while True:
        port = random.choice(PORTS)
        if is_free(port):
            return port


def free_port_pair():
    """A free port whose neighbour is free too: Kafka's controller takes that one."""
    while True:
        port = random.choice(PORTS)
        if is_free(port) and is_free(port + 1):
            return port


def fleetroute(*arguments, check=True, **more):
    return subprocess.run([f"{BUILD}/fleetroute", *map(str, arguments)], check=check, text=True,
                          capture_output=True, **more)


class Daemon:
    """fleetrouted with a configuration; ends with the `with` block and must end well."""

    def __init__(self, routing, sinks, extra="", address="127.0.0.1", journal="off"):
        self.folder = tempfile.mkdtemp(prefix="fr-scenario.")
        self.port = free_port()
        self.control = f"{self.folder}/c.sock"
        self.routing, self.sinks, self.extra, self.address = routing, sinks, extra, address
        self.journal, self.environment = journal, None
        self.prefix = []  # what the daemon and its vehicles are run with: ip netns exec …
        self.process = None
        self.most_kb = 0
        self.exported = {}
        fleetroute("simulate", "--pki", self.folder, "--pki-only")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self):
        # A sanitizer starts a program that names the functions of a report.
        unconfined = "\nsandbox: false" if os.environ.get("FR_UNCONFINED") and "sandbox:" not in self.extra else ""
        with open(self.path("fleetroute.yaml"), "w") as f:
            f.write(f"""listen: {{address: {self.address}, port: {self.port}}}
tls: {{certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}}
control: c.sock
state: state
journal: {self.journal}
plugin_dir: {BUILD}/.libs
{self.extra}{unconfined}
sinks:
{self.sinks.replace('@', self.folder)}
""")
        with open(self.path("routing.yaml"), "w") as f:
            f.write(self.routing)

    def __enter__(self):
        self.start()
        return self

    def start(self):
        self.write()
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([*self.prefix, f"{BUILD}/fleetrouted", "-c",
                                             self.path("fleetroute.yaml")],
                                            stderr=log, env=self.environment)
        wait_until("the daemon starts", lambda: self.ended() or self.status(check=False))
        assert not self.ended(), self.log_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, kind, value, trace):
        code = self.end()
        if kind:
            print(self.log_text()[-6000:])
        else:
            assert code == 0, f"the daemon ended with {code}\n{self.log_text()[-6000:]}"
            shutil.rmtree(self.folder)

    def end(self):
        """Ask it to end; its exit status."""
        if not self.ended():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def ended(self):
        return self.process.poll() is not None

    def log_text(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()

    def status(self, check=True):
        answer = fleetroute("status", "-s", self.control, "--json", check=False)
        if answer.returncode != 0:
            assert not check, answer.stderr
            return None
        status = json.loads(answer.stdout)
        self.most_kb = max(self.most_kb, status["resident_kb"])
        return status

    def count(self, counter):
        return self.status()["counters"][counter]

    def wait_count(self, counter, least, seconds=20):
        wait_until(f"{counter} >= {least}", lambda: self.count(counter) >= least, seconds)

    def simulate(self, *arguments, **more):
        return fleetroute("simulate", "--pki", self.folder, "--connect", f"127.0.0.1:{self.port}",
                          "-q", *arguments, **more)

    def simulate_beside(self, *arguments):
        return subprocess.Popen([*self.prefix, f"{BUILD}/fleetroute", "simulate", "--pki", self.folder, "--connect",
                                 f"127.0.0.1:{self.port}", "-q", *map(str, arguments)],
                                stdout=subprocess.PIPE, text=True)

    def say(self, *lines, new=True):
        """Put records into the journal, as if a car had sent them now: a dict of values for each,
        or a whole line of JSON; "age" in seconds and "vin" are taken out of a dict."""
        text = ""
        for line in lines:
            if isinstance(line, dict):
                line = dict(line)
                at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - line.pop("age", 0)))
                self.said = getattr(self, "said", 0) + 1
                line = json.dumps({"type": "V", "vin": line.pop("vin", VIN),
                                   "txid": f"said-{self.said:09d}", "created_at": f"{at}.000Z",
                                   "received_at": f"{at}.000Z", "data": line})
            text += line + "\n"
        out = fleetroute("replay", "-s", self.control, *(["--as-new"] if new else []), "-",
                         input=text)
        assert f"{len(lines)} stored" in out.stdout, out

    def reload(self, check=True):
        self.write()
        return fleetroute("reload", "-s", self.control, check=check)

    def car(self, **more):
        return Car(self, **more)

    def certificate(self, vin=VIN, flaw="good"):
        """The paths of a vehicle's certificate and key, made at the first call."""
        if (vin, flaw) not in self.exported:
            fleetroute("simulate", "--pki", self.folder, "--export", vin, "--flaw", flaw)
            paths = self.path(f"{vin}-{flaw}.pem"), self.path(f"{vin}-{flaw}.key")
            shutil.copy(self.path(f"{vin}.pem"), paths[0])
            shutil.copy(self.path(f"{vin}.key"), paths[1])
            self.exported[vin, flaw] = paths
        return self.exported[vin, flaw]

    def lines(self, name):
        """The lines of a file that are whole: somebody may be writing the next one."""
        try:
            with open(self.path(name)) as f:
                return f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def records(self, name):
        return [json.loads(line) for line in self.lines(name)]


class Car:
    """A client that can misbehave in every way that TLS, HTTP and WebSocket leave open."""

    def __init__(self, daemon, vin=VIN, flaw="good", upgrade=True, certificate=True, source=None,
                 receive_buffer=None, files=None):
        """`source`: the address to connect from; `receive_buffer`: SO_RCVBUF in bytes; `files`: a
        certificate and a key to show instead of the VIN's."""
        self.daemon = daemon
        raw = socket.socket()
        raw.settimeout(15)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            raw.bind((source, 0))
        raw.connect(("127.0.0.1", daemon.port))
        context = ssl.create_default_context(cafile=daemon.path("server-ca.pem"))
        if files:
            context.load_cert_chain(*files)
        elif certificate:
            context.load_cert_chain(*daemon.certificate(vin, flaw))
        self.socket = context.wrap_socket(raw, server_hostname="localhost")
        self.buffer = b""
        if upgrade:
            answer = self.request()
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            assert b"extensions" not in answer.lower(), answer

    def request(self, path="/", headers=""):
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                             f"{headers}\r\n").encode())
        return self.head()

    def head(self):
        """An HTTP answer's head, with the body where there is one."""
        while b"\r\n\r\n" not in self.buffer:
            got = self.socket.recv(4096)
            assert got, f"the connection ended after {self.buffer!r}"
            self.buffer += got
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b"Content-Length" in head:
            try:
                while got := self.socket.recv(4096):
                    self.buffer += got
            except OSError:
                pass
            head += b"\n" + self.buffer
        return head

    def send(self, payload, opcode=2, final=True, masked=True):
        head = bytes([(0x80 if final else 0) | opcode])
        bit = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([bit | len(payload)])
        elif len(payload) < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
        if masked:
            key = b"\x11\x22\x33\x44"
            wide = key * (len(payload) // 4 + 1)
            payload = bytes(a ^ b for a, b in zip(payload, wide)) if len(payload) < 65536 else \
                (int.from_bytes(payload, "big") ^
                 int.from_bytes(wide[:len(payload)], "big")).to_bytes(len(payload), "big")
            head += key
        self.socket.sendall(head + payload)

    def receive(self):
        """(opcode, payload) of the next frame; None when the connection has ended."""
        while True:
            if len(self.buffer) >= 2:
                size, at = self.buffer[1] & 0x7f, 2
                if size == 126 and len(self.buffer) >= 4:
                    size, at = struct.unpack(">H", self.buffer[2:4])[0], 4
                if len(self.buffer) >= at + size and (self.buffer[1] & 0x7f) < 127:
                    frame = self.buffer[0] & 0x0f, self.buffer[at:at + size]
                    self.buffer = self.buffer[at + size:]
                    return frame
            try:
                got = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return None
            if not got:
                return None
            self.buffer += got

    def receive_reply(self):
        """'ack' or 'error', and the txid it is about."""
        frame = self.receive()
        assert frame and frame[0] == 2, frame
        kind = {4: "error", 5: "ack"}[frame[1][35]]
        size = struct.unpack("<I", frame[1][40:44])[0] + 40  # the txid's vector
        length = struct.unpack("<I", frame[1][size:size + 4])[0]
        return kind, frame[1][size + 4:size + 4 + length].decode()

    def receive_close(self):
        """The close code; 1006 where the connection just ends."""
        while True:
            frame = self.receive()
            if frame is None:
                return 1006
            if frame[0] == 8:
                return struct.unpack(">H", frame[1][:2])[0]

    def close(self):
        self.socket.close()


def vector(name):
    with open(f"{SOURCE}/tests/vectors/{name}.hex") as f:
        return bytes.fromhex(f.read().replace("\n", ""))


class Kafka:
    """A real broker; the jars come from Maven Central once."""

    def __init__(self, host="127.0.0.1", properties=""):
        if not shutil.which("mvn") or not shutil.which("kcat"):
            skip("a JDK, Maven and kcat are needed for a real Kafka")
        self.folder = tempfile.mkdtemp(prefix="fr-kafka.")
        if properties:
            with open(f"{self.folder}/more.properties", "w") as f:
                f.write(properties)
        self.port = free_port_pair()
        self.host = host
        self.address = f"{host}:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        subprocess.run([f"{SOURCE}/tests/kafka.sh", "start", self.folder, str(self.port),
                        self.host], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        subprocess.run([f"{SOURCE}/tests/kafka.sh", "stop", self.folder], check=True)

    def admin(self, command, *arguments):
        """Run one of Kafka's own tools: TopicCommand, ConfigCommand, AclCommand."""
        package = "org.apache.kafka.tools" if command == "TopicCommand" else "kafka.admin"
        jars = os.environ.get("FR_KAFKA_CACHE", os.path.expanduser("~/.cache/fleetroute-kafka"))
        done = subprocess.run(["java", "-cp", f"{jars}/{os.environ.get('KAFKA_VERSION', '3.9.1')}/lib/*",
                               f"{package}.{command}", "--bootstrap-server", self.address, *arguments],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def topic_setting(self, topic, name):
        """A topic's own setting, from the broker's metadata."""
        out = self.admin("ConfigCommand", "--describe", "--entity-type", "topics", "--entity-name",
                         topic)
        return re.search(rf"{re.escape(name)}=(\S+)", out).group(1)

    def read(self, topic, form):
        return subprocess.run(["kcat", "-b", self.address, "-C", "-t", topic, "-o", "beginning", "-e",
                               "-q", "-f", form], check=True, capture_output=True).stdout
