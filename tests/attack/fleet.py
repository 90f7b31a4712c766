"""An honest fleet beside every kind of sink, for campaign.py and soak.py: a daemon with Kafka, mosquitto
in both layouts, files by VIN and, where it is given, Home Assistant; vehicles that number their messages;
samples of the daemon's memory, descriptors and health; and the proof for each sink."""
import collections
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from hostile import SOURCE, Daemon, wait_until  # first: it adds the folder of `mosquitto` to the path
from verifier import Histogram, Ledger, Sink, lines
import mosquitto

EAGER = "retry: {least: 50 ms, most: 1 s}"
RESENT_MOST = 50  # messages of a topic that the broker may send its subscriber again
MAY_COME_AGAIN = 10  # records at the beginning of a file
ODOMETER, ENERGY = 5, 103  # the fields that count the messages of the fleet and of those in Home Assistant
TOPIC_OF_VALUE = re.compile(r"fleetroute/(\w+)/(odometer|lifetime_energy_used_driving)$")
HOME_ENTITY = re.compile(r"sensor\.tesla_model_3_(\d{6})_lifetime_energy_used_driving$")


class Mosquitto(mosquitto.Mosquitto):
    """A line of `received` is the time of arrival, the message id, the topic and the payload."""

    TOPICS = ("tesla/+/V", "fleetroute/+/odometer", "fleetroute/+/lifetime_energy_used_driving")

    def __init__(self):
        topics = [word for topic in self.TOPICS for word in ("-t", topic)]
        super().__init__(tempfile.mkdtemp(prefix="fr-broker."), "verifier", *topics, "-F", "%U\t%m\t%t\t%p")
        self.stops = []

    def stop(self):
        self.stops.append(time.time() * 1000)
        super().stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for process in (self.subscriber, self.broker):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)


class Samples(threading.Thread):
    """The daemon's memory, descriptors and sinks, once a second, until stop()."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.d, self.rows, self.unhealthy = daemon, [], {}
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(1):
            try:
                status = self.d.status(check=False)
                descriptors = len(os.listdir(f"/proc/{self.d.process.pid}/fd"))
                with open(f"/proc/{self.d.process.pid}/status") as f:
                    own_kb = int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])
            except (OSError, ValueError, TypeError):  # it has ended
                continue
            if status is None:
                continue
            self.rows.append((time.monotonic(), status["resident_kb"], descriptors, own_kb))
            for name, sink in status["sinks"].items():
                if sink["health"] != "up":
                    whys = self.unhealthy.setdefault(name, {})
                    why = f"{sink['health']}: {sink['why']}"
                    whys[why] = whys.get(why, 0) + 1

    def stop(self):
        self.ended.set()
        self.join()

    def most_kb(self, begin=0.0, end=float("inf")):
        return max((kb for at, kb, *_ in self.rows if begin <= at < end), default=0)

    def curve(self, points=10):
        """Memory and descriptors at some times of the run: resident, and of that what is no file's page (the
        journal is a mapped file)."""
        step = max(1, len(self.rows) // points)
        begun = self.rows[0][0] if self.rows else 0
        return ", ".join(f"{at - begun:.0f} s: {kb / 1024:.0f} ({own / 1024:.0f}) MB, {fds} fds"
                         for at, kb, fds, own in self.rows[::step])


class Fleet:
    """The daemon with its sinks. `vehicles` report their Odometer; `at_home` more are in Home Assistant."""

    def __init__(self, kafka, mosquitto, home=None, vehicles=490, at_home=10, extra=""):
        self.kafka, self.mosquitto, self.home = kafka, mosquitto, home
        self.vehicles, self.at_home = vehicles, at_home
        self.loads, self.samples = [], None
        self.set_aside = {}  # number of a vehicle: names of its files that were moved away, oldest first
        self.restarts = []  # when the daemon was started again, in ms
        options = f"port: {mosquitto.port}, retain: false"
        ha = f"port: {mosquitto.port}, layout: homeassistant, entities: {SOURCE}/etc/entities.yaml"
        sinks = f'  files: {{plugin: file, {EAGER}, options: {{path: "@/files/%{{vin}}.jsonl", rotate_size: 0}}}}\n' \
            f'  kafka: {{plugin: kafka, {EAGER}, options: {{brokers: "{kafka.address}"}}}}\n' \
            f'  mqtt: {{plugin: mqtt, delivery: log, {EAGER}, options: {{{options}}}}}\n' \
            f'  ha_mqtt: {{plugin: mqtt, delivery: log, {EAGER}, options: {{{ha}}}}}\n'
        routing = 'records: [{type: "*", to: [files, kafka, mqtt], format: json}]\nfields:\n' \
            '  - {field: [Odometer, LifetimeEnergyUsedDrive], to: ha_mqtt}\n' \
            '  - {field: [Location, GpsHeading], to: ha_mqtt, every: 10 s}\n'
        if home:
            with open(f"{home.folder}/token", "w") as f:
                f.write(home.token + "\n")
            sinks += f'  home: {{plugin: ha_websocket, {EAGER}, options: {{url: "{home.url}", ' \
                f'token_file: {home.folder}/token, entities: {SOURCE}/etc/entities.yaml}}}}\n'
            routing += '  - {field: LifetimeEnergyUsedDrive, to: home}\n'
        self.d = Daemon(routing, sinks, extra, journal="on")

    def __enter__(self):
        self.d.__enter__()
        wait_until("every sink is up", lambda: all(
            s["health"] == "up" for s in self.d.status()["sinks"].values()), 60)
        self.pid = self.d.process.pid
        self.samples = Samples(self.d)
        return self

    def __exit__(self, kind, *more):
        self.samples.stop()
        for load in self.loads:
            if load.poll() is None:
                load.kill()
                load.wait()
        self.d.__exit__(kind, *more)

    # ---- vehicles ----

    def drive(self, rate, seconds, reconnect=0):
        """Start the vehicles; wait until all have sent."""
        common = ("--rate", rate, "--duration", seconds, "--patience", 120, "--reconnect", reconnect)
        self.loads = [self.d.simulate_beside("--vehicles", self.vehicles, "--sequence", ODOMETER,
                                             "--acknowledged", self.d.path("acknowledged.0"), *common)]
        if self.at_home:
            self.loads.append(self.d.simulate_beside(
                "--vehicles", self.at_home, "--first", self.vehicles, "--sequence", ENERGY,
                "--acknowledged", self.d.path("acknowledged.1"), *common))
        self.d.wait_count("acknowledged", self.vehicles + self.at_home, 120)

    def park(self, seconds, now=False):
        """Wait for the vehicles' end, and until every sink has delivered everything. `now`: ask them to."""
        for load in self.loads if now else ():
            load.send_signal(signal.SIGINT)
        for load in self.loads:
            print("vehicles:", load.communicate(timeout=seconds)[0].strip())
            assert load.returncode == 0, load.returncode
        wait_until("all is delivered", lambda: all(
            s["behind"] == 0 for s in self.d.status()["sinks"].values()), 300)
        with open(self.d.path("acknowledged"), "w") as out:
            for n in range(len(self.loads)):
                with open(self.d.path(f"acknowledged.{n}")) as f:
                    shutil.copyfileobj(f, out)

    def delays(self):
        """The counters of all delays, to compare with later."""
        return {name: s["delay_ms"] for name, s in self.d.status()["sinks"].items()}

    # ---- the proof ----

    def verify(self, borders=()):
        """{sink: verifier.Sink} of the sinks that get everything; phases end at `borders` (wall clock, ms)."""
        ledger = Ledger(self.d.path("acknowledged"))
        assert ledger.count > 0, "nothing was acknowledged"
        sinks = {name: Sink(name, ledger, borders) for name in ("files", "kafka", "mqtt", "ha_mqtt")}
        for n in range(self.vehicles + self.at_home):
            again = 0  # what was not yet delivered when a file was deleted is rightly written to the next
            for name in (*self.set_aside.get(n, ()), f"files/5YJ3E1EA7KF{n:06d}.jsonl"):
                for line in lines(self.d.path(name)):
                    again -= sinks["files"].take_line(line, excused=again > 0)
                again = MAY_COME_AGAIN if name.endswith(".deleted") else 0
        self.read_kafka(sinks["kafka"])
        self.read_mosquitto(sinks["mqtt"], sinks["ha_mqtt"], ledger)
        for name, sink in sinks.items():
            sink.count_lost(self.superseded(sink) if name == "ha_mqtt" else lambda *_: False)
        return sinks

    def superseded(self, sink):
        """A state that was on its way when mosquitto stopped is not told any more once a newer one was: Home
        Assistant would show it as the newest. Such values are counted apart, not as lost."""
        def test(prefix, number, created):
            return number < sink.last.get(prefix, -1) and any(
                t - 5000 < created < t + 1000 for t in self.mosquitto.stops)
        return test

    def read_kafka(self, sink):
        """Arrival is the broker's time of appending: log.message.timestamp.type=LogAppendTime."""
        kcat = subprocess.Popen(["kcat", "-b", self.kafka.address, "-C", "-t", "tesla_V", "-o", "beginning",
                                 "-e", "-q", "-f", "%T\t%s\n"], stdout=subprocess.PIPE, text=True,
                                errors="replace")
        for line in kcat.stdout:
            arrived, _, record = line.partition("\t")
            sink.take_line(record, float(arrived) if arrived.isdigit() else None)
        assert kcat.wait() == 0, "kcat failed"

    def read_mosquitto(self, records, values, ledger):
        """The subscriber may lag behind; it has all when nothing came for a while. What the broker itself
        sends it again, with the same message id, is no delivery of the daemon's."""
        size, known = -1, {}
        while size != os.path.getsize(self.mosquitto.received):
            size = os.path.getsize(self.mosquitto.received)
            time.sleep(2)
        for line in lines(self.mosquitto.received):
            arrived, mid, topic, payload = (*line.rstrip("\n").split("\t", 3), "", "", "")[:4]
            recent = known.setdefault(topic, collections.deque(maxlen=RESENT_MOST))
            if (mid, payload) in recent:
                continue
            recent.append((mid, payload))
            if topic.startswith("tesla/"):
                records.take_line(payload, float(arrived) * 1000)
                continue
            found = TOPIC_OF_VALUE.match(topic)
            prefix = found and ledger.prefix_of.get(found[1])
            if prefix is None or not payload.isdigit() or not self.counts(found[1], found[2]):
                continue
            number, times = int(payload) - 1, ledger.created[prefix]
            if number < len(times):
                values.take(prefix, number, times[number], float(arrived) * 1000,
                            self.tells_again(values, prefix, number, times[number]))

    def read_home(self, watch, ledger, borders):
        """What Home Assistant showed, by home.Watch: the newest values, in order, and not every one."""
        shown = Sink("home", ledger, borders)
        ahead = time.time() - time.monotonic()
        for moment, entity, state, _ in list(watch.changes):
            found = HOME_ENTITY.match(entity)
            prefix = found and ledger.prefix_of.get(f"5YJ3E1EA7KF{found[1]}")
            if prefix is None or not re.fullmatch(r"\d+(\.0)?", state or ""):
                continue
            number, times = int(float(state)) - 1, ledger.created[prefix]
            shown.take(prefix, number, times[number], (moment + ahead) * 1000)
        return shown

    def tells_again(self, sink, prefix, number, created):
        """Whether a state, which can have no mark, may come again: the last one after each connection, and
        after a restart what came since the cursor was kept, a second before the end."""
        return number == sink.last.get(prefix) or any(t - 6000 < created <= t for t in self.restarts)

    def counts(self, vin, entity):
        """Whether this entity holds the vehicle's sequence."""
        return (entity == "odometer") == (int(vin[-6:]) < self.vehicles)


def print_proof(sinks):
    """A line for each sink; the mistakes."""
    print(f"\n{'sink':10} acknowledged  delivered  lost  doubled and unmarked  repeated  out of order")
    for name, sink in sinks.items():
        print(f"{name:10} {sink.ledger.count:12} {sink.count:10} {sum(sink.lost):5} {sum(sink.doubled):21} "
              f"{sink.repeated:9} {sum(sink.disorder):13}")
        if sink.superseded:
            print(f"{name}: {sink.superseded} states that were on their way when the broker stopped were "
                  "superseded by newer ones")
    return [f"{name}: {sink.examples}" for name, sink in sinks.items() if not sink.is_right()]


def lateness(name, sink, before, after, phase):
    """(how it was measured, p50, p99, greatest) of a sink in ms."""
    measured = sink and sink.percentiles(phase)
    if measured:
        return ("arrival at the peer", *measured)
    h = Histogram(before[name], after[name])
    return ("the daemon's histogram", h.percentile(0.5), h.percentile(0.99), h.most())
