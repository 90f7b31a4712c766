"""Shared by the scenario tests: a daemon in its own folder, cars with or without misbehaviour, Kafka.

Every wait is for a condition, with a time limit; the test fails when the limit is exceeded. The programs
of the build folder are run (FR_BUILD, or the working folder, as `make check` sets it).
"""
import base64
import contextlib
import fcntl
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


# How many times longer than named a condition may take: for builds with sanitizers, and for machines that run
# several tests at a time.
PATIENCE = float(os.environ.get("FR_PATIENCE", "1"))


def wait_until(what, condition, seconds=20):
    """Wait until condition() is true and return its value."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def run_parts(*parts, context=None, each=None):
    """Run the functions `parts` of a scenario, or only those named on the command line.

    Prints the duration of each part. `context` and `each` are functions that return a context manager;
    its value is the argument of the part. `context` is entered once, `each` for every part.
    """
    by_name = {part.__name__: part for part in parts}
    unknown = [name for name in sys.argv[1:] if name not in by_name]
    if unknown:
        sys.exit(f"no such part: {', '.join(unknown)}; the parts are: {', '.join(by_name)}")
    with (context or contextlib.nullcontext)() as shared:
        for name in sys.argv[1:] or by_name:
            begun = time.monotonic()
            if each is not None:
                with each() as own:
                    by_name[name](own)
            else:
                by_name[name](*(() if context is None else (shared,)))
            print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)


# Below the kernel's range for outgoing connections: a vehicle could take a free port of that range before
# the server listens.
PORTS = range(15000, 32000)
# A port belongs to the process that holds the lock on its file, also while no server listens there.
# Scenarios run in parallel, and each stops and starts its daemons.
LOCKS = os.path.join(tempfile.gettempdir(), f"fr-ports-{os.getuid()}")
_locked = []


def lock_port(port):
    os.makedirs(LOCKS, exist_ok=True)
    lock = open(os.path.join(LOCKS, str(port)), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _locked.append(lock)
    return True


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return lock_port(port)


def free_port():
    while True:
        port = random.choice(PORTS)
        if is_free(port):
            return port


def free_port_pair():
    """Return a free port. The next port is free too; Kafka's controller uses it."""
    while True:
        port = random.choice(PORTS)
        if is_free(port) and is_free(port + 1):
            return port


def fleetroute(*arguments, check=True, **more):
    done = subprocess.run([f"{BUILD}/fleetroute", *map(str, arguments)], text=True, capture_output=True,
                          **more)
    if check and done.returncode != 0:
        print(done.stdout, done.stderr, sep="", file=sys.stderr, flush=True)
        done.check_returncode()
    return done


def write_file(path, text):
    """Replace a file in one step: another process never reads a part of it."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


class Daemon:
    """fleetrouted with a configuration. The `with` block ends the daemon and checks its exit status."""

    def __init__(self, routing, sinks, extra="", address="127.0.0.1", journal="off"):
        self.folder = tempfile.mkdtemp(prefix="fr-scenario.")
        self.port = free_port()
        self.control = f"{self.folder}/c.sock"
        self.routing, self.sinks, self.extra, self.address = routing, sinks, extra, address
        self.journal, self.environment = journal, None
        self.listen = ""  # further keys of `listen:`
        self.host = "localhost"  # that vehicles expect in its certificate
        self.peer = "127.0.0.1"  # the address to which vehicles connect
        self.prefix = []  # command prefix of the daemon and its vehicles: ip netns exec …
        self.process = None
        self.max_kb = 0
        self.exported = {}
        fleetroute("simulate", "--pki", self.folder, "--pki-only")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self):
        # A sanitizer starts a symbolizer process; the sandbox would forbid that.
        unconfined = "\nsandbox: false" if os.environ.get("FR_UNCONFINED") and "sandbox:" not in self.extra else ""
        write_file(self.path("fleetroute.yaml"), f"""listen: {{address: "{self.address}", port: {self.port}{self.listen}}}
tls: {{certificate: server.pem, key: server.key, vehicle_ca: vehicle-ca.pem}}
control: c.sock
state: state
journal: {self.journal}
plugin_dir: {BUILD}/.libs
{self.extra}{unconfined}
sinks:
{self.sinks.replace('@', self.folder)}
""")
        write_file(self.path("routing.yaml"), self.routing)

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

    def freeze(self):
        """Stop all threads, until SIGCONT. The signal alone does not wait for a thread that runs."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = f"/proc/{self.process.pid}/task"

        def stopped():
            states = []
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/stat") as f:
                    states.append(f.read().rsplit(")", 1)[1].split()[0])
            return set(states) == {"T"}
        wait_until("all threads are stopped", stopped)

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
        """Send SIGTERM and return the exit status."""
        if not self.ended():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15 * PATIENCE)
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
        self.max_kb = max(self.max_kb, status["resident_kb"])
        return status

    def count(self, counter):
        return self.status()["counters"][counter]

    def wait_count(self, counter, minimum, seconds=20):
        wait_until(f"{counter} >= {minimum}", lambda: self.count(counter) >= minimum, seconds)

    def simulate(self, *arguments, **more):
        return fleetroute("simulate", "--pki", self.folder, "--connect", f"127.0.0.1:{self.port}",
                          "-q", *arguments, **more)

    def simulate_beside(self, *arguments):
        return subprocess.Popen([*self.prefix, f"{BUILD}/fleetroute", "simulate", "--pki", self.folder, "--connect",
                                 f"127.0.0.1:{self.port}", "-q", *map(str, arguments)],
                                stdout=subprocess.PIPE, text=True)

    def say(self, *lines, new=True):
        """Put records into the journal, as if a car had sent them now. Each is a dict of values or
        a whole line of JSON. The keys "age" (seconds) and "vin" of a dict are not values."""
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
        """Return the paths of a vehicle's certificate and key. The first call creates them."""
        if (vin, flaw) not in self.exported:
            fleetroute("simulate", "--pki", self.folder, "--export", vin, "--flaw", flaw)
            paths = self.path(f"{vin}-{flaw}.pem"), self.path(f"{vin}-{flaw}.key")
            shutil.copy(self.path(f"{vin}.pem"), paths[0])
            shutil.copy(self.path(f"{vin}.key"), paths[1])
            self.exported[vin, flaw] = paths
        return self.exported[vin, flaw]

    def lines(self, name):
        """Return the complete lines of a file; the last line may still be incomplete."""
        try:
            with open(self.path(name)) as f:
                return f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def records(self, name):
        return [json.loads(line) for line in self.lines(name)]


def check_mistakes(d, *expected):
    """`fleetroute check` finds mistakes. Each pair is the begin of a line of the configuration, and words of the
    message about it."""
    d.write()
    done = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    with open(d.path("fleetroute.yaml")) as f:
        lines = [line.strip() for line in f]
    for begin, words in expected:
        at = next(i for i, line in enumerate(lines) if line.startswith(begin)) + 1
        assert any(f"fleetroute.yaml:{at}:" in row and words in row for row in text.splitlines()), (begin, text)


class Car:
    """A client that can misbehave in TLS, HTTP and WebSocket."""

    def __init__(self, daemon, vin=VIN, flaw="good", upgrade=True, certificate=True, source=None,
                 receive_buffer=None, files=None, timeout=15, to=None, first=()):
        """`timeout`: seconds for each operation, times FR_PATIENCE; `source`: the local address; `receive_buffer`: SO_RCVBUF
        in bytes; `files`: a certificate and a key to use instead of the VIN's; `to`: address and port instead of
        the daemon's; `first`: octets to send before TLS, each item by itself."""
        self.daemon = daemon
        to = to or (daemon.peer, daemon.port)
        raw = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET)
        raw.settimeout(timeout * PATIENCE)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            raw.bind((source, 0))
        raw.connect(to)
        if first:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octets in first:
            raw.sendall(octets)
        context = ssl.create_default_context(cafile=daemon.path("server-ca.pem"))
        if files:
            context.load_cert_chain(*files)
        elif certificate:
            context.load_cert_chain(*daemon.certificate(vin, flaw))
        self.socket = context.wrap_socket(raw, server_hostname=daemon.host)
        self.buffer, self.pings = b"", 0
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
        """Return the head of an HTTP answer, with the body if there is one."""
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
        """Return (opcode, payload) of the next frame that is not a ping, or None if the connection has
        ended. Pings are answered and counted."""
        while True:
            frame = self.receive_frame()
            if frame is None or frame[0] != 9:
                return frame
            self.pings += 1
            self.send(frame[1], opcode=10)

    def receive_frame(self):
        """Return (opcode, payload) of the next frame, or None if the connection has ended."""
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
        """Return 'ack' or 'error', and the txid."""
        frame = self.receive()
        assert frame and frame[0] == 2, frame
        kind = {4: "error", 5: "ack"}[frame[1][35]]
        size = struct.unpack("<I", frame[1][40:44])[0] + 40  # the txid's vector
        length = struct.unpack("<I", frame[1][size:size + 4])[0]
        return kind, frame[1][size + 4:size + 4 + length].decode()

    def receive_close(self):
        """Return the close code, or 1006 if the connection ends without a close frame."""
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
    """A real broker. Its jars are downloaded from Maven Central once."""

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
        """Run a Kafka tool: TopicCommand, ConfigCommand, AclCommand."""
        package = "org.apache.kafka.tools" if command == "TopicCommand" else "kafka.admin"
        jars = os.environ.get("FR_KAFKA_CACHE", os.path.expanduser("~/.cache/fleetroute-kafka"))
        done = subprocess.run(["java", "-cp", f"{jars}/{os.environ.get('KAFKA_VERSION', '3.9.1')}/lib/*",
                               f"{package}.{command}", "--bootstrap-server", self.address, *arguments],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def topic_setting(self, topic, name):
        """Return a setting of a topic, from the broker's metadata."""
        out = self.admin("ConfigCommand", "--describe", "--entity-type", "topics", "--entity-name",
                         topic)
        return re.search(rf"{re.escape(name)}=(\S+)", out).group(1)

    def read(self, topic, form):
        return subprocess.run(["kcat", "-b", self.address, "-C", "-t", topic, "-o", "beginning", "-e",
                               "-q", "-f", form], check=True, capture_output=True).stdout
