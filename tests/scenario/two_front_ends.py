#!/usr/bin/env python3
"""Two front-ends, one Kafka, two consumers in one group that feed files and a real mosquitto. Vehicles move
between the front-ends: they close, they open the new connection first, or the old one stays open and unread.
A consumer is restarted and one is killed, a front-end is killed and comes back, and one does not come back.
No vehicle that has a connection somewhere is published as away; each that has left is, within a bound; no
record is lost; the order of each vehicle is kept, and what arrives late is marked.

FR_SCALE: 5,000 vehicles instead of 300. FR_ROUNDS (3): how often all move."""
import collections
import datetime
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from fr import BUILD, PATIENCE, VIN, Daemon, Kafka, run_parts, skip, wait_until
from mosquitto import Mosquitto

SCALE = bool(os.environ.get("FR_SCALE"))
ROUNDS = int(os.environ.get("FR_ROUNDS", "3"))
GROUPS, SIZE = (50, 100) if SCALE else (12, 25)
RATE = 0.2 if SCALE else 1
# In seconds.
GRACE, HOLD = 2, 10 if SCALE else 4
LEASE = 60 if SCALE else int(15 * min(PATIENCE, 4))
PEER_TIMEOUT = 30 if SCALE else int(12 * min(PATIENCE, 4))
SESSION = 10  # until Kafka gives the partitions of a killed consumer to another one
WITHIN = 60 if SCALE else 30  # for the machine, beside the promised bounds
# A connection of a vehicle that became silent may be open, for its front-end, for this time.
NOTICED = PEER_TIMEOUT + GRACE + HOLD + WITHIN

if not shutil.which("mosquitto") or not shutil.which("mosquitto_sub"):
    skip("mosquitto and mosquitto_sub are needed")


class Lines:
    """The complete lines of a growing file, each parsed once."""

    def __init__(self, path, parse=json.loads):
        self.path, self.parse, self.position, self.parsed = path, parse, 0, []

    def all(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.position)
                text = f.read()
        except FileNotFoundError:
            return self.parsed
        end = text.rfind(b"\n") + 1
        self.position += end
        self.parsed += [self.parse(line) for line in text[:end].splitlines()]
        return self.parsed


def front_end(kafka, name, like=None, properties=""):
    """A daemon that vehicles connect to. Its file `connectivity.jsonl` has each connection as it sees them."""
    d = Daemon('records: [{type: "*", to: kafka}, {type: connectivity, to: seen}]',
               f'  kafka: {{plugin: kafka, options: {{brokers: "{kafka.address}", repeated_header: true, '
               f'properties: {{{properties}}}}}}}\n'
               '  seen: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}',
               f"front_end: {{name: {name}, lease: {LEASE} s}}\n"
               f"limits: {{presence_grace: {GRACE} s, peer_timeout: {PEER_TIMEOUT} s}}",
               journal="{values_every: 200 ms}")
    for file in os.listdir(like.folder) if like else ():  # one name and one CA, as behind a load balancer
        if file.endswith((".pem", ".key")):
            shutil.copy(like.path(file), d.path(file))
    d.killed = []
    d.seen = Lines(d.path("connectivity.jsonl"))
    return d


def consumer(kafka, peer=None, hold=HOLD, more=""):
    mqtt = f"\n  mqtt: {{plugin: mqtt, delivery: log, options: {{port: {peer.port}, layout: tesla}}}}" if peer else ""
    d = Daemon("records: [{type: [V, connectivity], to: archive}, {type: presence, to: "
               f"{'[archive, mqtt]' if peer else 'archive'}}}]",
               '  archive: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}' + mqtt,
               f'sources:\n  cars: {{plugin: kafka, presence_hold: {hold} s, {more}options: '
               f'{{brokers: "{kafka.address}", group: home}}}}\n', journal="{}")
    d.data, d.presence = Lines(d.path("V.jsonl")), Lines(d.path("presence.jsonl"))
    return d


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# ---- vehicles ----------------------------------------------------------------------------------------------


class Group:
    """Vehicles that move together, simulated by a process. `at`: their front-end; None: they have left."""

    def __init__(self, number, pki):
        self.number, self.pki, self.at, self.process = number, pki, None, None
        self.vins = [f"5YJ3E1EA7KF{n:06d}" for n in range(number * SIZE, (number + 1) * SIZE)]
        self.since, self.runs, self.stale = 0, 0, []

    def start(self, front):
        self.runs += 1
        self.since, self.at = time.time(), front
        self.process = subprocess.Popen(
            [f"{BUILD}/fleetroute", "simulate", "--pki", self.pki.folder, "--connect", f"127.0.0.1:{front.port}",
             "-q", "--vehicles", str(SIZE), "--first", str(self.number * SIZE), "--rate", str(RATE), "--duration",
             "100000", "--patience", "20", "--acknowledged", self.acknowledged_path(self.runs)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def acknowledged_path(self, run):
        return self.pki.path(f"acknowledged-{self.number}-{run}")

    def wait(self):
        def connected():
            assert self.process.poll() is None, f"group {self.number}: the simulator has ended"
            return set(self.vins) <= {r["vin"] for r in self.at.seen.all() if r["status"] == "CONNECTED"
                                      and seconds(r["created_at"]) >= self.since}

        wait_until("the vehicles are connected", connected, WITHIN)

    def close(self, process=None):
        """End as after the duration: all is acknowledged, then the connections are closed."""
        process = process or self.process
        process.send_signal(signal.SIGINT)
        assert process.wait(60 * PATIENCE) == 0

    def silence(self):
        """The connections stay open and unread; the kernel acknowledges what the front-end sends."""
        self.process.send_signal(signal.SIGSTOP)
        self.stale.append(self.process)

    def kill(self):
        self.kill_stale()
        self.process.kill()
        self.process.wait()

    def kill_stale(self):
        for process in self.stale:
            process.kill()
            process.wait()
        self.stale = []

    def leave(self, how):
        how()
        self.at = None

    def move(self, front, how):
        before = self.process
        if how == "close":
            self.close()
        elif how == "silent":
            self.silence()
        self.start(front)
        self.wait()
        if how == "overlap":
            self.close(before)


# ---- what is true ------------------------------------------------------------------------------------------


def connections(fronts):
    """VIN -> [(begin, end)] of its connections. A connection of a killed front-end ends with it."""
    spans = collections.defaultdict(list)
    for front in fronts:
        begin, end, vins = {}, {}, {}
        for r in front.seen.all():
            vins[r["connectionId"]] = r["vin"]
            (begin if r["status"] == "CONNECTED" else end).setdefault(r["connectionId"], seconds(r["created_at"]))
        for connection, at in begin.items():
            killed = min((k for k in front.killed if k > at), default=float("inf"))
            spans[vins[connection]].append((at, min(end.get(connection, float("inf")), killed)))
    return spans


def gaps(spans):
    """The times without any connection, after the first one."""
    found, until = [], None
    for begin, end in sorted(spans):
        if until is not None and begin > until:
            found.append((until, begin))
        until = end if until is None else max(until, end)
    return found + ([(until, float("inf"))] if until not in (None, float("inf")) else [])


def is_true(spans, at):
    """Whether "away", published at this time, is true: no connection for the grace period. A next connection may
    be younger than the time that its record takes to the consumer."""
    return any(end - begin >= GRACE - 0.1 and begin + GRACE - 0.1 <= at <= end + 3 * PATIENCE
               for begin, end in gaps(spans))


# ---- what is published -------------------------------------------------------------------------------------


def parse_publication(line):
    at, topic, payload = line.decode().split("\t")
    return float(at), topic.split("/")[1], json.loads(payload)["Status"] == "CONNECTED"


class Peer:
    """mosquitto, and a subscriber that notes the time of each message."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="fr-mosquitto.")
        self.broker = Mosquitto(self.folder, "test", "-t", "tesla/+/presence", "-F", "%U\t%t\t%p")
        self.broker.start()
        self.port = self.broker.port
        self.published = Lines(self.broker.received, parse_publication)
        return self

    def __exit__(self, *_):
        self.broker.stop()
        self.broker.subscriber.kill()
        self.broker.subscriber.wait()
        shutil.rmtree(self.folder)

    def states(self):
        return {vin: connected for _, vin, connected in self.published.all()}


def assert_no_false_away(peer, fronts):
    """Returns how often a vehicle was published as away."""
    spans = connections(fronts)
    away = [(at, vin) for at, vin, connected in peer.published.all() if not connected]
    false = [(vin, at, spans[vin]) for at, vin in away if not is_true(spans[vin], at)]
    assert not false, f"{len(false)} of {len(away)} times away are false: {false[:5]}"
    return len(away)


def wait_for_states(what, peer, groups, connected, limit):
    """Wait until this is what was published last about each vehicle. Prints how long it took."""
    vins, begun = {vin for g in groups for vin in g.vins}, time.monotonic()

    def other():
        states = peer.states()
        return sorted(vin for vin in vins if states.get(vin) is not connected)

    try:
        wait_until(what, lambda: not other(), limit)
    except AssertionError:
        print(f"{what}: not {len(other())} of {len(vins)}: {other()[:10]}")
        raise
    print(f"{what}: {len(vins)} vehicles after {time.monotonic() - begun:.1f} s", flush=True)


# ---- records of vehicles -----------------------------------------------------------------------------------


def acknowledged(groups):
    """The txids of simulators that have ended; one that was killed has not written all."""
    txids = set()
    for g in groups:
        for run in range(1, g.runs + 1):
            if os.path.exists(g.acknowledged_path(run)):
                with open(g.acknowledged_path(run)) as f:
                    txids |= set(f.read().split("\n")[:-1])
    return txids


def in_kafka(kafka, topic):
    """The txids in a topic, and the number of messages that a front-end marked as repeated."""
    headers = [dict(h.split("=", 1) for h in line.split(","))
               for line in kafka.read(topic, "%h\n").decode().splitlines()]
    return [h["txid"] for h in headers], sum("repeated" in h for h in headers)


def assert_order(consumers):
    """The messages of each run of a vehicle are in order, and one that is older than one before it is marked as
    late. Returns the numbers of records that came again and of late ones."""
    twice, late, everywhere = 0, 0, set()
    for d in consumers:
        number, newest, here = {}, {}, set()
        for r in d.data.all():
            vin, at = r["vin"], r["created_at"]
            run, n = r["txid"].rsplit("-", 1)
            twice += r["txid"] in everywhere
            everywhere.add(r["txid"])
            if r["txid"] not in here and not r.get("repeated"):
                assert int(n) > number.get((vin, run), -1), (vin, r["txid"], number[vin, run])
                number[vin, run] = int(n)
                if at < newest.get(vin, ""):
                    assert r.get("late"), r
                    late += 1
            here.add(r["txid"])
            newest[vin] = max(at, newest.get(vin, ""))
    return twice, late


def assert_nothing_is_lost(kafka, consumers, groups):
    sent = acknowledged(groups)
    assert len(sent) > GROUPS * SIZE, len(sent)
    wait_until("all are in Kafka", lambda: sent <= set(in_kafka(kafka, "tesla_V")[0]), WITHIN)
    txids, marked = in_kafka(kafka, "tesla_V")
    wait_until("the consumers have all",
               lambda: set(txids) <= {r["txid"] for d in consumers for r in d.data.all()}, WITHIN)
    twice_in_kafka = len(txids) - len(set(txids))
    assert twice_in_kafka <= marked, (twice_in_kafka, marked)
    twice, late = assert_order(consumers)
    print(f"{len(sent)} acknowledged records, {len(set(txids))} in Kafka, of these {twice_in_kafka} twice; at the "
          f"consumers {twice} came again and {late} were late")


# ---- parts -------------------------------------------------------------------------------------------------


def start_all(groups, fronts):
    """A few at a time: a simulator gives up after a minute."""
    for i in range(0, len(groups), 4):
        for g in groups[i:i + 4]:
            g.start(fronts[g.number % 2])
        for g in groups[i:i + 4]:
            g.wait()


def move_all(groups, fronts, chance):
    for g in groups:
        how = chance.choice(("close", "overlap", "silent", "stay"))
        if how != "stay":
            g.move(fronts[1 - fronts.index(g.at)], how)


def wait_until_noticed(fronts, groups):
    """The front-ends have closed the connections that are open and unread."""
    vehicles = SIZE * sum(g.at is not None for g in groups)
    wait_until("silent connections are closed", lambda: sum(d.status()["connections"] for d in fronts) == vehicles,
               PEER_TIMEOUT + WITHIN)
    for g in groups:
        g.kill_stale()


def kill_front_end(front, other, groups):
    """kill -9. The load balancer leads the vehicles to the other one, but some do not return. It starts again.
    Returns the groups that are gone."""
    here = [g for g in groups if g.at is front]
    assert len(here) > 1
    front.kill()
    front.killed.append(time.time())
    for g in here:
        g.leave(g.kill)
    for g in here[1:]:
        g.start(other)
        g.wait()
    front.start()
    return here[:1]


def vehicles_that_move(kafka):
    with Peer() as peer:
        a = front_end(kafka, "a")
        b = front_end(kafka, "b", a)
        groups = [Group(n, a) for n in range(GROUPS)]
        one, two = consumer(kafka, peer), consumer(kafka, peer)
        with a, b, one, two:
            try:
                run_moves(peer, [a, b], [one, two], groups)
                run_departures(peer, [a, b], [one, two], groups)
                run_loss(peer, [a, b], groups)
                assert_nothing_is_lost(kafka, [one, two], groups)
            finally:
                for g in groups:
                    if g.process:
                        g.kill()


def run_moves(peer, fronts, consumers, groups):
    chance = random.Random(17)
    start_all(groups, fronts)
    wait_for_states("connected", peer, groups, True, WITHIN)
    for n in range(ROUNDS):
        begun = time.monotonic()
        move_all(groups, fronts, chance)
        if n == 0:
            assert consumers[0].end() == 0
            consumers[0].start()
        elif n == 1:
            consumers[1].kill()
            consumers[1].start()
        wait_until_noticed(fronts, groups)
        print(f"round {n + 1}: {time.monotonic() - begun:.0f} s", flush=True)
    assert_no_false_away(peer, fronts)
    # A vehicle that leaves and returns.
    groups[0].leave(groups[0].close)
    wait_for_states("left", peer, groups[:1], False, SESSION + NOTICED)
    groups[0].start(fronts[0])
    wait_for_states("returned", peer, groups[:1], True, WITHIN)
    groups[0].wait()


def run_departures(peer, fronts, consumers, groups):
    gone = kill_front_end(*fronts, groups)
    wait_for_states("not returned to the killed front-end", peer, gone, False, LEASE + SESSION + NOTICED)
    rest = [g for g in groups if g.at]
    closed, silent = rest[:2], rest[2:3]
    for g in closed:
        g.leave(g.close)
    for g in silent:
        g.leave(g.silence)
    wait_for_states("closed", peer, closed, False, NOTICED)
    wait_for_states("silent", peer, silent, False, NOTICED)
    wait_for_states("still connected", peer, [g for g in groups if g.at], True, WITHIN)
    count = assert_no_false_away(peer, fronts)
    suppressed = sum(d.count("presence_away_suppressed") for d in consumers)
    assert suppressed >= SIZE, suppressed
    print(f"{count} times away, all true; {suppressed} times away of one front-end about a vehicle of the other",
          flush=True)


def run_loss(peer, fronts, groups):
    """A front-end that does not come back: what it has stated last ends with the lease."""
    b = fronts[1]
    there = [g for g in groups if g.at is b]
    assert there
    b.kill()
    b.killed.append(time.time())
    for g in there:
        g.leave(g.kill)
    wait_for_states("away by the lease", peer, there, False, LEASE + NOTICED)
    for g in groups:
        if g.at:
            g.leave(g.close)
    wait_for_states("all away", peer, groups, False, NOTICED)
    assert_no_false_away(peer, fronts)
    b.start()  # what it has not delivered is not lost


def a_slow_front_end(kafka):
    """The Kafka sink of one front-end lags by 4 s: its records arrive after younger ones of the other front-end.
    They are marked as late, and presence is held for longer than this lag."""
    for topic in ("V", "connectivity", "presence"):  # a new topic would make Kafka assign the partitions again
        kafka.admin("TopicCommand", "--create", "--topic", f"tesla_{topic}", "--partitions", "2")
    a = front_end(kafka, "a", properties='linger.ms: "4000"')
    b = front_end(kafka, "b", a)
    c = consumer(kafka, hold=12)
    with a, b, c:
        wait_until("the consumer has its partitions", lambda: c.status()["sources"]["cars"]["health"] == "up", WITHIN)
        for front in (a, b, a, b, a):
            front.simulate("--vehicles", 1, "--rate", 5, "--duration", 3, "--acknowledged", a.path("part"))
            with open(a.path("part")) as f, open(a.path("all"), "a") as out:
                out.write(f.read())
        sent = a.lines("all")
        wait_until("all records", lambda: len(c.data.all()) == len(sent), WITHIN)
        newest, late = "", 0
        for r in c.data.all():
            assert r.get("late", False) == (r["created_at"] < newest), r
            late += r.get("late", False)
            newest = max(newest, r["created_at"])
        assert late >= 5, late
        assert {r["txid"] for r in c.data.all()} == set(sent)
        assert [r["status"] for r in c.presence.all()] == ["CONNECTED"], c.presence.all()
        wait_until("it is away", lambda: len(c.presence.all()) == 2, WITHIN + 12)
        assert c.presence.all()[1]["status"] == "DISCONNECTED"
        print(f"{late} of {len(sent)} records were late; connected once, away once")


def teslas_server(kafka):
    """Tesla's server has connectivity records alone. With presence_from they are merged to presence as well."""
    kafka.admin("TopicCommand", "--create", "--topic", "tesla_connectivity", "--partitions", "2")

    def put(connection, status):
        value = {"vin": VIN, "connectionId": connection, "status": status, "networkInterface": "wifi",
                 "createdAt": datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")}
        subprocess.run(["kcat", "-b", kafka.address, "-P", "-t", "tesla_connectivity", "-K", "|"], check=True,
                       input=f"{VIN}|{json.dumps(value)}\n", text=True)

    with consumer(kafka, more="presence_from: connectivity, ") as c:
        connectivity = Lines(c.path("connectivity.jsonl"))
        put("of-server-1", "CONNECTED")
        wait_until("it is connected", lambda: len(c.presence.all()) == 1, WITHIN)
        put("of-server-2", "CONNECTED")
        put("of-server-1", "DISCONNECTED")
        wait_until("all passed", lambda: len(connectivity.all()) == 3, WITHIN)
        wait_until("the old connection did not count", lambda: c.count("presence_away_suppressed") == 1)
        put("of-server-2", "DISCONNECTED")
        wait_until("it is away", lambda: len(c.presence.all()) == 2, WITHIN)
        assert [r["status"] for r in c.presence.all()] == ["CONNECTED", "DISCONNECTED"], c.presence.all()
        assert len(connectivity.all()) == 4


run_parts(vehicles_that_move, a_slow_front_end, teslas_server, each=Kafka)
