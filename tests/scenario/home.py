"""A real Home Assistant for the scenarios: start, onboarding, REST and WebSocket access.

FR_HA names the release: 2024.3.3 (a venv, in CI) or 2026.2.3 (a Debian 13 made by debootstrap,
as root). tests/home_assistant.sh installs either.
"""
import base64
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict

from fr import PATIENCE, SOURCE, free_port, skip, wait_until

RELEASE = os.environ.get("FR_HA", "2024.3.3")
HOME = (37.4, -122.1)  # where the simulated trip ends

CONFIGURATION = """
homeassistant:
  name: Home
  latitude: {home[0]}
  longitude: {home[1]}
  elevation: 10
  unit_system: metric
  time_zone: UTC
  currency: EUR
  country: DE
http: {{server_host: 127.0.0.1, server_port: {port}{https}}}
api:
websocket_api:
mobile_app:
config:
persistent_notification:
logger: {{default: warning}}
"""


class Socket:
    """A WebSocket to Home Assistant's API, signed in."""

    def __init__(self, home):
        self.socket = socket.create_connection(("127.0.0.1", home.port), timeout=30 * PATIENCE)
        if home.https:
            context = ssl.create_default_context(cafile=home.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.buffer, self.last = b"", 0
        self.socket.sendall((f"GET /api/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        self.buffer = self.buffer.split(b"\r\n\r\n", 1)[1]
        assert self.read()["type"] == "auth_required"
        self.write({"type": "auth", "access_token": home.access})
        assert self.read()["type"] == "auth_ok"

    def more(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise ConnectionError("Home Assistant hung up")
        self.buffer += got

    def take(self, size):
        while len(self.buffer) < size:
            self.more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def read(self):
        text = b""
        while True:
            first, second = self.take(2)
            size = second & 0x7f
            if size > 125:
                size = struct.unpack(*((">H", self.take(2)) if size == 126 else (">Q", self.take(8))))[0]
            payload = self.take(size)
            if first & 0x0f == 9:  # Home Assistant closes the connection if a ping is not answered
                self.socket.sendall(b"\x8a" + bytes([0x80 | size]) + b"\0\0\0\0" + payload)
            if first & 0x0f == 8:
                raise ConnectionError("Home Assistant closed the WebSocket")
            if first & 0x0f in (0, 1):
                text += payload
                if first & 0x80:
                    return json.loads(text)

    def write(self, message):
        payload = json.dumps(message).encode()
        size = struct.pack("B", 0x80 | len(payload)) if len(payload) < 126 else \
            struct.pack(">BH", 0xfe, len(payload)) if len(payload) < 65536 else \
            struct.pack(">BQ", 0xff, len(payload))
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + payload)

    def command(self, kind, **more):
        """Return the result of a command. Other messages received meanwhile are dropped."""
        self.last += 1
        self.write({"id": self.last, "type": kind, **more})
        while True:
            message = self.read()
            if message.get("id") == self.last and message["type"] == "result":
                assert message["success"], message
                return message["result"]

    def close(self):
        self.socket.close()


class Watch:
    """Collect every state change and its time of receipt, until Home Assistant
    ends or the watch is closed. Of other kinds of events each has its time of receipt as `seen`."""

    def __init__(self, home, kinds=("state_changed",)):
        self.changes, self.events = [], []
        self.of = defaultdict(list)  # entity: its part of `changes`
        self.socket = Socket(home)
        for kind in kinds:
            self.socket.command("subscribe_events", event_type=kind)
        self.socket.socket.settimeout(None)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        try:
            while True:
                message = self.socket.read()
                if message.get("type") != "event":
                    continue
                event = message["event"]
                if event["event_type"] == "state_changed":
                    new = event["data"]["new_state"]
                    change = (time.monotonic(), event["data"]["entity_id"],
                              new and new["state"], new and new["attributes"])
                    self.changes.append(change)
                    self.of[change[1]].append(change)
                else:
                    self.events.append(event | {"seen": time.monotonic()})
        except (ConnectionError, OSError, ValueError):
            pass

    def states(self, entity):
        return [state for _, _, state, _ in list(self.of[entity])]

    def close(self):
        try:
            self.socket.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.socket.close()


class HomeAssistant:
    def __init__(self, more="", https=None):
        if os.environ.get("FR_SKIP_HOME_ASSISTANT"):
            skip("FR_SKIP_HOME_ASSISTANT is set")
        if RELEASE >= "2026" and (os.geteuid() != 0 or not shutil.which("debootstrap")):
            skip("Home Assistant 2026 needs root and debootstrap")
        out = subprocess.run([f"{SOURCE}/tests/home_assistant.sh", "install", RELEASE], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.split()
        self.command, root = out[:-1], out[-1].rstrip("/")
        self.folder = tempfile.mkdtemp(prefix="fr-home.", dir=f"{root}/tmp")
        self.inside = self.folder[len(root):]
        self.port = free_port()
        self.https = https is not None
        self.ca = https and https["ca"]
        self.process, self.token, self.access = None, None, None
        if https:
            for name in ("certificate", "key"):
                shutil.copy(https[name], f"{self.folder}/{name}.pem")
        self.configure(more)

    def configure(self, more):
        https = f", ssl_certificate: {self.inside}/certificate.pem, ssl_key: {self.inside}/key.pem" \
            if self.https else ""
        with open(f"{self.folder}/configuration.yaml", "w") as f:
            f.write(CONFIGURATION.format(home=HOME, port=self.port, https=https) + more)
        shutil.copytree(f"{SOURCE}/etc/home-assistant/blueprints",
                        f"{self.folder}/blueprints/automation/fleetroute", dirs_exist_ok=True)

    @property
    def url(self):
        return f"{'https' if self.https else 'http'}://localhost:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind:
            print(self.log_text()[-5000:])
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_text(self):
        with open(f"{self.folder}/hass.out", errors="replace") as f:
            return f.read()

    def start(self):
        with open(f"{self.folder}/hass.out", "ab") as log:
            self.process = subprocess.Popen([*self.command, "-c", self.inside], stdout=log,
                                            stderr=log, start_new_session=True)
        wait_until("Home Assistant answers", self.answers, 180)
        if self.token is None:
            self.onboard()
            wait_until("Home Assistant runs", self.answers, 300)  # it may install packages first

    def answers(self):
        assert self.process.poll() is None, self.log_text()[-3000:]
        try:
            self.ask("GET", "/api/onboarding" if self.token is None else "/api/config")
            return self.token is None or self.get("/api/config")["state"] == "RUNNING"
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def stop(self, how=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, how)
        try:
            self.process.wait(60 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def kill(self):
        self.stop(signal.SIGKILL)

    # ---- REST ----

    def ask(self, method, path, body=None, form=None):
        headers = {}
        if self.access:
            headers["Authorization"] = "Bearer " + self.access
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        elif form is not None:
            data = "&".join(f"{k}={urllib.request.quote(v, safe='')}" for k, v in form.items()).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=self.ca) if self.https else None
        with urllib.request.urlopen(request, timeout=30 * PATIENCE, context=context) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body):
        return self.ask("POST", path, body)

    def onboard(self):
        client = self.url + "/"
        code = self.post("/api/onboarding/users",
                         {"client_id": client, "name": "Owner", "username": "owner",
                          "password": "owner-pass", "language": "en"})["auth_code"]
        self.access = self.ask("POST", "/auth/token",
                               form={"client_id": client, "grant_type": "authorization_code",
                                     "code": code})["access_token"]
        # The other steps would add integrations that need internet access.
        self.new_token()

    def new_token(self):
        socket_ = Socket(self)
        self.token = socket_.command("auth/long_lived_access_token",
                                     client_name=secrets.token_hex(4), lifespan=365)
        socket_.close()
        self.access = self.token

    def open_socket(self):
        return Socket(self)

    def call(self, kind, **more):
        """Send one command over a new WebSocket."""
        socket_ = Socket(self)
        try:
            return socket_.command(kind, **more)
        finally:
            socket_.close()

    def service(self, domain, service, **data):
        return self.post(f"/api/services/{domain}/{service}", data)

    # ---- states ----

    def state(self, entity):
        """Return the state as JSON, or None if there is no such entity."""
        try:
            return self.get(f"/api/states/{entity}")
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return None
            raise

    def is_now(self, entity):
        state = self.state(entity)
        return state and state["state"]

    def entities(self):
        return {s["entity_id"]: s for s in self.get("/api/states")}

    def wait(self, entity, expected, seconds=10):
        """Wait until the entity's state matches `expected`: a text, a number (nearly), or a function."""
        def right():
            now = self.is_now(entity)
            if callable(expected):
                return now is not None and expected(now)
            if isinstance(expected, (int, float)) and not isinstance(expected, bool):
                try:
                    # ha_websocket rounds to the digits that are displayed.
                    return abs(float(now) - expected) < (0.06 if "." in now else 0.56)
                except (TypeError, ValueError):
                    return False
            return now == expected
        try:
            wait_until(f"{entity} is {expected}", right, seconds)
        except AssertionError:
            raise AssertionError(f"{entity} is {self.is_now(entity)!r}, not {expected!r}") from None

    def add_mqtt(self, port):
        flow = self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        done = self.post(f"/api/config/config_entries/flow/{flow['flow_id']}",
                         {"broker": "127.0.0.1", "port": port})
        assert done["type"] == "create_entry", done

    def log_warnings(self, *about):
        """Return the log lines of level warning or higher that contain one of these words, but not those
        about the speed of this machine."""
        slow = re.compile(r"Updating state for .* took [\d.]+ seconds|is taking over \d+ seconds")
        return [line for line in self.log_text().splitlines()
                if (" WARNING " in line or " ERROR " in line) and any(a in line for a in about)
                and not slow.search(line)]


# ---- shared by the scenarios ----

AWAY = {"latitude": 37.38, "longitude": -122.13}
AT_HOME = {"latitude": HOME[0], "longitude": HOME[1]}
ENTITIES = f"{SOURCE}/etc/entities.yaml"
CAR = "vehicles: [{vin: 5YJ3E1EA7KF000001, name: Melan Y}]\n"

# A garage door that the shipped blueprint opens.
GARAGE = """
input_boolean: {garage: {name: garage}}
cover:
  - platform: template
    covers:
      garage:
        value_template: "{{ is_state('input_boolean.garage', 'on') }}"
        open_cover: {service: input_boolean.turn_on, target: {entity_id: input_boolean.garage}}
        close_cover: {service: input_boolean.turn_off, target: {entity_id: input_boolean.garage}}
automation:
  - id: garage
    alias: Garage
    use_blueprint:
      path: fleetroute/garage_door.yaml
      input: {car: device_tracker.melan_y_location, door: cover.garage, pause: 0}
  - id: welcome
    alias: Welcome
    trigger: [{platform: state, entity_id: device_tracker.melan_y_location, from: not_home, to: home}]
    action: [{event: welcome}]
"""


class Door:
    """The garage door and the number of runs of its automation."""

    def __init__(self, home):
        self.home = home
        self.last = self.triggered()

    def triggered(self):
        state = self.home.state("automation.garage")
        return state and state["attributes"].get("last_triggered") or ""

    def close(self):
        self.home.service("cover", "close_cover", entity_id="cover.garage")
        self.home.wait("cover.garage", "closed")

    def opened(self, seconds=5):
        """Wait until one run of the automation has opened the door, and close the door."""
        self.home.wait("cover.garage", "open", seconds)
        now = self.triggered()
        assert now > self.last, (now, self.last)
        self.last = now
        self.close()

    def stayed(self):
        """Check that the door has not moved since."""
        assert self.home.is_now("cover.garage") == "closed", self.home.state("cover.garage")
        # After kill -9 Home Assistant may restore an earlier time, never a later one.
        assert self.triggered() <= self.last, (self.triggered(), self.last)


class Broker:
    """A real mosquitto."""

    def __init__(self, *lines):
        self.folder = tempfile.mkdtemp(prefix="fr-broker.")
        self.port = free_port()
        self.lines = lines
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def start(self):
        with open(f"{self.folder}/mosquitto.conf", "w") as f:
            f.write("\n".join(self.lines or (f"listener {self.port} 127.0.0.1",
                                             "allow_anonymous true")).replace("@", self.folder) + "\n")
        os.chmod(self.folder, 0o755)
        self.process = subprocess.Popen(["mosquitto", "-c", f"{self.folder}/mosquitto.conf"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("mosquitto listens", self.listens)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder)


class Way:
    """One of the two connections from fleetroute to Home Assistant: the plugin ha_websocket or mqtt."""

    def __init__(self, plugin):
        self.plugin = plugin
        self.broker = Broker() if plugin == "mqtt" else None

    def __enter__(self):
        if self.broker:
            self.broker.start()
        return self

    def __exit__(self, *_):
        if self.broker:
            self.broker.__exit__()

    def join(self, home):
        """Configure Home Assistant for this connection."""
        if self.broker:
            home.add_mqtt(self.broker.port)

    def sink(self, home, more=""):
        """Return the configuration of the sink `home`."""
        if self.broker:
            options = f"layout: homeassistant, port: {self.broker.port}"
        else:
            with open(f"{home.folder}/token", "w") as f:
                f.write(home.token + "\n")
            options = f'url: "{home.url}", token_file: {home.folder}/token'
            if home.https:
                options += f", ca: {home.ca}"
        return f"  home: {{plugin: {self.plugin}, options: {{{options}, entities: {ENTITIES}{more}}}}}"


def ways():
    """Return both plugins, or the one that FR_WAY names."""
    return [os.environ["FR_WAY"]] if "FR_WAY" in os.environ else ["ha_websocket", "mqtt"]
