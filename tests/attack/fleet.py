"""An honest fleet and a daemon with every kind of sink, for campaign.py and soak.py: Kafka, mosquitto in both
layouts, one file for each VIN and, optionally, Home Assistant; vehicles that number their messages; samples
of the daemon's memory, descriptors and health; and a check of every record for each sink."""
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

EAGER = "retry: {min: 50 ms, max: 1 s}"
MAX_RESENT = 50  # max messages of a topic that the broker sends again to its subscriber
MAX_REPEATED_AFTER_DELETION = 10  # max repeated records without a flag, after a deleted file
ODOMETER, ENERGY = 5, 103  # fields with the sequence number: of the fleet, of vehicles in Home Assistant
TOPIC_OF_VALUE = re.compile(r"fleetroute/(\w+)/(odometer|lifetime_energy_used_driving)$")
HOME_ENTITY = re.compile(r"sensor\.tesla_model_3_(\d{6})_lifetime_energy_used_driving$")


class Mosquitto(mosquitto.Mosquitto):
    """A line of the file `received` has the arrival time, the message id, the topic and the payload."""

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
    """Samples the daemon's memory, descriptors and sink health once a second until stop()."""

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
            except (OSError, ValueError, TypeError):  # the daemon has ended
                continue
            if status is None:
                continue
            self.rows.append((time.monotonic(), status["resident_kb"], descriptors, own_kb))
            for name, sink in status["sinks"].items():
                if sink["health"] != "up":
                    reasons = self.unhealthy.setdefault(name, {})
                    reason = f"{sink['health']}: {sink['why']}"
                    reasons[reason] = reasons.get(reason, 0) + 1

    def stop(self):
        self.ended.set()
        self.join()

    def max_kb(self, begin=0.0, end=float("inf")):
        return max((kb for at, kb, *_ in self.rows if begin <= at < end), default=0)

    def curve(self, points=10):
        """Resident memory, in parentheses its anonymous part (without the mapped journal), and descriptors,
        at about `points` times of the run."""
        step = max(1, len(self.rows) // points)
        begun = self.rows[0][0] if self.rows else 0
        return ", ".join(f"{at - begun:.0f} s: {kb / 1024:.0f} ({own / 1024:.0f}) MB, {fds} fds"
                         for at, kb, fds, own in self.rows[::step])


class Fleet:
    """The daemon with its sinks. `vehicles` vehicles report their Odometer; `at_home` further vehicles are
    also in Home Assistant."""

    def __init__(self, kafka, mosquitto, home=None, vehicles=490, at_home=10, extra=""):
        self.kafka, self.mosquitto, self.home = kafka, mosquitto, home
        self.vehicles, self.at_home = vehicles, at_home
        self.loads, self.samples = [], None
        self.moved_files = {}  # {number of a vehicle: names of its files that were moved away, oldest first}
        self.restarts = []  # times of restarts of the daemon, ms since 1970
        options = f"port: {mosquitto.port}, retain: false"
        ha = f"port: {mosquitto.port}, layout: homeassistant, entities: {SOURCE}/etc/entities.yaml"
        files = 'path: "@/files/%{vin}.jsonl", rotate_size: 0'
        sinks = f'  files: {{plugin: file, {EAGER}, options: {{{files}}}}}\n' \
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

    def start_vehicles(self, rate, seconds, reconnect=0):
        """Start the vehicles; wait until as many messages as there are vehicles are acknowledged."""
        common = ("--rate", rate, "--duration", seconds, "--patience", 120, "--reconnect", reconnect)
        self.loads = [self.d.simulate_beside("--vehicles", self.vehicles, "--sequence", ODOMETER,
                                             "--acknowledged", self.d.path("acknowledged.0"), *common)]
        if self.at_home:
            self.loads.append(self.d.simulate_beside(
                "--vehicles", self.at_home, "--first", self.vehicles, "--sequence", ENERGY,
                "--acknowledged", self.d.path("acknowledged.1"), *common))
        self.d.wait_count("acknowledged", self.vehicles + self.at_home, 120)

    def wait_delivered(self, seconds, now=False):
        """Wait until the vehicles have ended and every sink has delivered all records. `now`: interrupt the
        vehicles first."""
        for load in self.loads if now else ():
            load.send_signal(signal.SIGINT)
        for load in self.loads:
            print("vehicles:", load.communicate(timeout=seconds)[0].strip())
            assert load.returncode == 0, load.returncode
        wait_until("all is delivered", lambda: all(
            s["lag"] == 0 for s in self.d.status()["sinks"].values()), 300)
        with open(self.d.path("acknowledged"), "w") as out:
            for n in range(len(self.loads)):
                with open(self.d.path(f"acknowledged.{n}")) as f:
                    shutil.copyfileobj(f, out)

    def delays(self):
        """The delay histograms of all sinks, for Histogram."""
        return {name: s["delay_ms"] for name, s in self.d.status()["sinks"].items()}

    # ---- verification ----

    def verify(self, borders=()):
        """{sink: verifier.Sink} of the sinks that deliver all records; phases end at `borders` (wall clock,
        ms)."""
        ledger = Ledger(self.d.path("acknowledged"))
        assert ledger.count > 0, "nothing was acknowledged"
        sinks = {name: Sink(name, ledger, borders) for name in ("files", "kafka", "mqtt", "ha_mqtt")}
        for n in range(self.vehicles + self.at_home):
            # Records that were in delivery when their file was deleted are written again to the next file.
            again = 0
            for name in (*self.moved_files.get(n, ()), f"files/5YJ3E1EA7KF{n:06d}.jsonl"):
                for line in lines(self.d.path(name)):
                    again -= sinks["files"].add_line(line, excused=again > 0)
                again = MAX_REPEATED_AFTER_DELETION if name.endswith(".deleted") else 0
        self.read_kafka(sinks["kafka"])
        self.read_mosquitto(sinks["mqtt"], sinks["ha_mqtt"], ledger)
        for name, sink in sinks.items():
            sink.count_lost(self.superseded(sink) if name == "ha_mqtt" else lambda *_: False)
        return sinks

    def superseded(self, sink):
        """Returns a function that tests for a superseded value: its publishing was unconfirmed when mosquitto
        stopped, and a newer value was published since. The daemon does not publish the old value again:
        Home Assistant would display it as the current one. Such a value does not count as lost."""
        def test(prefix, number, created):
            return number < sink.last.get(prefix, -1) and any(
                t - 5000 < created < t + 1000 for t in self.mosquitto.stops)
        return test

    def read_kafka(self, sink):
        """The arrival is the time at which the broker appended the record
        (log.message.timestamp.type=LogAppendTime)."""
        kcat = subprocess.Popen(["kcat", "-b", self.kafka.address, "-C", "-t", "tesla_V", "-o", "beginning",
                                 "-e", "-q", "-f", "%T\t%s\n"], stdout=subprocess.PIPE, text=True,
                                errors="replace")
        for line in kcat.stdout:
            arrived, _, record = line.partition("\t")
            sink.add_line(record, float(arrived) if arrived.isdigit() else None)
        assert kcat.wait() == 0, "kcat failed"

    def read_mosquitto(self, records, values, ledger):
        """Wait until the subscriber has received nothing for 2 s, then read what it received. A message that
        the broker itself sends again, with the same message id, is not a delivery of the daemon."""
        size, known = -1, {}
        while size != os.path.getsize(self.mosquitto.received):
            size = os.path.getsize(self.mosquitto.received)
            time.sleep(2)
        for line in lines(self.mosquitto.received):
            arrived, mid, topic, payload = (*line.rstrip("\n").split("\t", 3), "", "", "")[:4]
            recent = known.setdefault(topic, collections.deque(maxlen=MAX_RESENT))
            if (mid, payload) in recent:
                continue
            recent.append((mid, payload))
            if topic.startswith("tesla/"):
                records.add_line(payload, float(arrived) * 1000)
                continue
            found = TOPIC_OF_VALUE.match(topic)
            prefix = found and ledger.prefix_of.get(found[1])
            if prefix is None or not payload.isdigit() or not self.has_sequence(found[1], found[2]):
                continue
            number, times = int(payload) - 1, ledger.created[prefix]
            if number < len(times):
                values.add_value(prefix, number, times[number], float(arrived) * 1000,
                             self.may_repeat(values, prefix, number, times[number]))

    def read_home(self, watch, ledger, borders):
        """The states of Home Assistant by home.Watch: values in order; not every value becomes a state."""
        shown = Sink("home", ledger, borders)
        ahead = time.time() - time.monotonic()
        for moment, entity, state, _ in list(watch.changes):
            found = HOME_ENTITY.match(entity)
            prefix = found and ledger.prefix_of.get(f"5YJ3E1EA7KF{found[1]}")
            if prefix is None or not re.fullmatch(r"\d+(\.0)?", state or ""):
                continue
            number, times = int(float(state)) - 1, ledger.created[prefix]
            shown.add_value(prefix, number, times[number], (moment + ahead) * 1000)
        return shown

    def may_repeat(self, sink, prefix, number, created):
        """Whether a state may arrive twice. A state has no flag `repeated`. The last state is published again
        after each connection, and the states since the last stored cursor after a restart."""
        return number == sink.last.get(prefix) or any(t - 6000 < created <= t for t in self.restarts)

    def has_sequence(self, vin, entity):
        """Whether this entity has the sequence numbers of this vehicle."""
        return (entity == "odometer") == (int(vin[-6:]) < self.vehicles)


def print_results(sinks):
    """Print a line for each sink; returns the problems."""
    print(f"\n{'sink':10} acknowledged  delivered  lost  doubled, no flag  repeated  out of order")
    for name, sink in sinks.items():
        print(f"{name:10} {sink.ledger.count:12} {sink.count:10} {sum(sink.lost):5} {sum(sink.doubled):16} "
              f"{sink.repeated:9} {sum(sink.disorder):13}")
        if sink.superseded:
            print(f"{name}: {sink.superseded} states were unconfirmed when the broker stopped and were "
                  "superseded by newer ones")
    return [f"{name}: {sink.examples}" for name, sink in sinks.items() if not sink.is_correct()]


def sink_delays(name, sink, before, after, phase):
    """(method of measurement, p50, p99, maximum) of the delay of a sink in ms."""
    measured = sink and sink.percentiles(phase)
    if measured:
        return ("arrival at the peer", *measured)
    h = Histogram(before[name], after[name])
    return ("the daemon's histogram", h.percentile(0.5), h.percentile(0.99), h.max())
