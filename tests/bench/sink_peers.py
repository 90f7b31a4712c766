"""The real servers behind each sink plugin, for sinks.py and all_sinks.py: one row of KINDS for each way to use a plugin.
A row whose plugin is not built, or whose server is not installed, is skipped."""
import contextlib
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.realpath(os.path.join(HERE, "../.."))
os.environ.setdefault("top_srcdir", TOP)
sys.path[:0] = [f"{TOP}/tests/scenario", f"{TOP}/tests/attack"]
from fr import BUILD, Kafka, free_port, wait_until  # noqa: E402

try:
    from zeromq_subscriber import zmq as pyzmq  # noqa: E402
except SystemExit:  # not installed
    pyzmq = None

HZ = os.sysconf("SC_CLK_TCK")
ENTITIES = f"{TOP}/etc/entities.yaml"


class Sink:
    """A configured sink. `options`: its YAML; `records`, `fields`: items of routing.yaml; `process`: the server's pid;
    `received`: a function that returns how many messages the consumer has, or None."""

    def __init__(self, plugin, options, records="", fields="", process=None, received=None, more="", begin=None):
        self.plugin, self.options, self.records, self.fields = plugin, options, records, fields
        self.process, self.received, self.more, self.begin = process, received, more, begin

    def yaml(self, name):
        return f"  {name}: {{plugin: {self.plugin}, {self.more} options: {{{self.options}}}}}\n"


def every_record(form):
    return f'{{type: "*", to: @, format: {form}}}'


VALUES = '{field: "*", to: @}'
METRIC = '{field: "*", to: @, unit: metric}'
PRESENCE = "{type: presence, to: @}"


def folder(stack, name):
    path = tempfile.mkdtemp(prefix=f"fr-bench-{name}.")
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def start(stack, *command, **more):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)

    def end():
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    stack.callback(end)
    return process


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Counter:
    """Counts what a function returns, on a thread, until it returns None."""

    def __init__(self, stack, receive):
        self.count, self.receive, self.ended = 0, receive, False
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        stack.callback(self.stop, thread)

    def run(self):
        while not self.ended:
            try:
                self.count += self.receive()
            except Exception:  # the server has ended
                return

    def stop(self, thread):
        self.ended = True
        thread.join(5)


# ---- one function for each kind ------------------------------------------------------

def file(stack, kafka):
    return Sink("file", f'path: "{folder(stack, "file")}/%{{type}}.jsonl"', every_record("json"))


def kafka_sink(stack, kafka):
    broker = kafka or stack.enter_context(Kafka())
    process = None
    if isinstance(broker, Kafka):
        with open(f"{broker.folder}/kafka.pid") as f:
            process = int(f.read())
    address = broker.address if isinstance(broker, Kafka) else broker
    return Sink("kafka", f'brokers: "{address}"', every_record("protobuf"), process=process)


def mosquitto(stack):
    where, port = folder(stack, "mosquitto"), free_port()
    with open(f"{where}/conf", "w") as f:
        f.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\n")
    process = start(stack, "mosquitto", "-c", f"{where}/conf")
    wait_until("mosquitto listens", lambda: listens(port))
    return process.pid, port


def mqtt(layout):
    def make(stack, kafka):
        pid, port = mosquitto(stack)
        home = layout in ("homeassistant", "teslamate")
        options = f"port: {port}, layout: {layout}" + (f", entities: {ENTITIES}" if layout == "homeassistant" else "")
        return Sink("mqtt", options, PRESENCE if home else "", METRIC if layout == "homeassistant" else VALUES, pid)
    return make


def redis(mode):
    def make(stack, kafka):
        from redis_server import Redis
        server = stack.enter_context(Redis("appendfsync everysec"))
        return Sink("redis", f"port: {server.port}, mode: {mode}", every_record("protobuf"), process=server.process.pid)
    return make


def zmq(stack, kafka):
    port, context = free_port(), pyzmq.Context()
    subscriber = context.socket(pyzmq.SUB)
    subscriber.setsockopt(pyzmq.RCVTIMEO, 200)
    subscriber.subscribe("")
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    stack.callback(context.destroy, linger=0)

    def receive():
        try:
            return len(subscriber.recv_multipart()) > 0
        except pyzmq.Again:
            return 0
    counter = Counter(stack, receive)
    return Sink("zmq", f'bind: "tcp://127.0.0.1:{port}", wait_for_subscriber: true', every_record("tesla-json"),
                received=lambda: counter.count)


def ha_websocket(stack, kafka):
    from home import HomeAssistant, Way
    way = stack.enter_context(Way("ha_websocket"))
    home = stack.enter_context(HomeAssistant())
    way.join(home)
    options = way.sink(home).split("options: {", 1)[1].rsplit("}}", 1)[0]
    return Sink("ha_websocket", options, PRESENCE, METRIC, getattr(home.process, "pid", None))


def influx(stack, kafka):
    from http_peers import Influx
    server = stack.enter_context(Influx())
    return Sink("http", f"url: '{server.url}', format: influx", "", METRIC, server.process.pid)


def webhook(stack, kafka):
    from http_peers import WebServer
    server = stack.enter_context(WebServer())
    return Sink("http", f"url: '{server.url}', format: json", every_record("json"),
                received=lambda: len(server.requests))


def postgres(layout):
    def make(stack, kafka):
        from postgres_server import Postgres
        server = stack.enter_context(Postgres())
        return Sink("postgres", f'connection: "host={server.folder} port={server.port} dbname=fleet user=fleet", '
                    f"layout: {layout}", PRESENCE, VALUES, server.process.pid)
    return make


def teslamate(stack, kafka):
    """With one client that reads the stream of the simulated car."""
    from fr import VIN
    from teslamate_client import Raw
    port, token = free_port(), "a-token-of-the-bench-0123456789"
    path = f"{folder(stack, 'teslamate')}/tokens"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(token + "\n")
    clients = []

    def receive():
        if not clients:
            if not listens(port):
                time.sleep(0.1)
                return 0
            clients.append(Raw(port))
            clients[0].upgrade()
            clients[0].subscribe(VIN, token)
        clients[0].any_row()
        return 1
    counter = Counter(stack, receive)
    return Sink("teslamate", f'listen: "127.0.0.1:{port}", token_file: "{path}"', PRESENCE, VALUES,
                received=lambda: counter.count)


# The name of a row, the plugin, and a program that it needs.
KINDS = {
    "file": ("file", None, file),
    "kafka": ("kafka", "java", kafka_sink),
    "mqtt_tesla": ("mqtt", "mosquitto", mqtt("tesla")),
    "mqtt_values": ("mqtt", "mosquitto", mqtt("values")),
    "mqtt_home": ("mqtt", "mosquitto", mqtt("homeassistant")),
    "mqtt_teslamate": ("mqtt", "mosquitto", mqtt("teslamate")),
    "redis_publish": ("redis", "redis-server", redis("publish")),
    "redis_stream": ("redis", "redis-server", redis("stream")),
    "zmq": ("zmq", None, zmq),
    "ha_websocket": ("ha_websocket", None, ha_websocket),
    "http_json": ("http", None, webhook),
    "http_influx": ("http", "influxd", influx),
    "postgres_wide": ("postgres", "psql", postgres("wide")),
    "postgres_narrow": ("postgres", "psql", postgres("narrow")),
    "teslamate": ("teslamate", None, teslamate),
}


def options_of(plugin):
    done = subprocess.run([f"{BUILD}/fleetroute", "check", "--options", plugin], capture_output=True, text=True,
                          env={**os.environ, "FLEETROUTE_PLUGIN_DIR": f"{BUILD}/.libs"})
    return done.stdout if done.returncode == 0 else ""


def available(names=None):
    """The names of the rows that can run here; prints those that cannot."""
    found = []
    for name in names or KINDS:
        plugin, program, _ = KINDS[name]
        options = options_of(plugin)
        if not options:
            print(f"{name}: {plugin}.so is not built", file=sys.stderr)
        elif name == "mqtt_teslamate" and "teslamate" not in options.lower():
            print(f"{name}: mqtt.so has no layout teslamate", file=sys.stderr)
        elif name == "zmq" and pyzmq is None:
            print(f"{name}: pyzmq is not installed", file=sys.stderr)
        elif program and not shutil.which(program):
            print(f"{name}: {program} is not installed", file=sys.stderr)
        else:
            found.append(name)
    return found


def routing(sinks):
    """The text of routing.yaml for {name: Sink}."""
    parts = []
    for key in ("records", "fields"):
        items = [getattr(s, key).replace("@", name) for name, s in sinks.items() if getattr(s, key)]
        if items:
            parts.append(f"{key}:\n" + "".join(f"  - {item}\n" for item in items))
    return "".join(parts)


# ---- measuring -----------------------------------------------------------------------

def seconds(stat, ended=False):
    """CPU time of a line of /proc/PID/stat, in s; with `ended`, that of children that have ended, too."""
    words = stat.rsplit(")", 1)[1].split()
    return sum(int(word) for word in words[11:15 if ended else 13]) / HZ


def cpu_of(pid):
    """CPU time of a process and of its children, in s: PostgreSQL has a process for each connection."""
    total = 0.0
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            with open(path) as f:
                stat = f.read()
            if path == f"/proc/{pid}/stat" or stat.rsplit(")", 1)[1].split()[1] == str(pid):
                total += seconds(stat, ended=True)
    return total


def sink_cpu(pid):
    """{name of a sink: CPU time in s} of the daemon's threads, with those of the plugin's library."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/comm") as f:
                name = f.read().strip()
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                used = seconds(f.read())
            for prefix, library in (("sink:", None), ("rdk:", "kafka"), ("ZMQbg/", "zmq")):
                if name.startswith(prefix):
                    key = library or name.removeprefix(prefix)
                    found[key] = found.get(key, 0) + used
    return found
