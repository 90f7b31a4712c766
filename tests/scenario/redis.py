#!/usr/bin/env python3
"""redis.so and a real Redis: records arrive in channels and streams with the right values; nothing that was
acknowledged is lost while the server is away or refuses requests; health names the reason and the remedy; hostile
servers cost neither memory nor other sinks.

FR_OUTAGE (4) is for how many seconds the server is away."""
import json
import os
import shutil
import sys
import time

from fr import PATIENCE, VIN, Daemon, check_mistakes, run_parts, wait_until
from journal_checks import endless_load, in_order_for_each_vehicle
from outages_watch import Watch
from redis_server import HostileRedis, Redis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from messages import datum, envelope, field, moment  # noqa: E402

OUTAGE = float(os.environ.get("FR_OUTAGE", "4"))
VEHICLES, RATE = 20, 5
MAX_KB = int(os.environ.get("FR_MOST_KB", "131072"))
SPEED = 4
EAGER = "retry: {min: 50 ms, max: 500 ms, attempts: 3}"
ARCHIVE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}\n'
BOTH = 'records: [{type: "*", to: [archive, redis], format: json}]'
CHANNEL = f"tesla_V_{{{VIN}}}"


def sink(options, name="redis"):
    return f"  {name}: {{plugin: redis, {EAGER}, options: {{{options}}}}}\n"


def daemon(options, routing=BOTH, more="", **settings):
    return Daemon(routing, ARCHIVE + sink(options) + more, journal="{}", **settings)


def health(d, name="redis"):
    status = d.status()["sinks"][name]
    return status["health"], status["why"]


def wait_health(d, state, *words, name="redis", seconds=10):
    """Health says so within 10 s."""
    try:
        wait_until(f"{name} is {state}: {words}", lambda: health(d, name)[0] == state and
                   all(word in health(d, name)[1] for word in words), seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}; it is {health(d, name)}") from late


def is_up(d, name="redis"):
    wait_health(d, "up", "connected to", name=name, seconds=20)


def put(d, *speeds):
    d.say(*({"VehicleSpeed": speed} for speed in speeds))


def payloads(redis, stream=CHANNEL):
    return [json.loads(entry["payload"]) for entry in redis.entries(stream)]


def speeds(redis, stream=CHANNEL):
    return [p["data"]["VehicleSpeed"] for p in payloads(redis, stream)]


# ---- values ---------------------------------------------------------------------------

def trip():
    """Each record of a whole trip is in the channel and in the stream of its type, equal to the archive's."""
    with Redis() as redis, daemon(
            f"port: {redis.port}", more=sink(f"mode: stream, max_length: 100000, socket: {redis.path}", "stream"),
            routing='records: [{type: "*", to: [archive, redis, stream], format: json}]') as d:
        is_up(d)
        is_up(d, "stream")
        subscriber = redis.subscriber()
        out = d.simulate("--speed", 40).stdout
        messages = int(next(word for word in out.split() if word.isdigit()))
        assert messages > 100, out
        wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 2)
        wait_until("all are delivered", lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()))
        subscriber.close()
        for kind in ("V", "connectivity", "presence", "alerts", "errors"):
            expected, name = d.records(f"{kind}.jsonl"), f"tesla_{kind}_{{{VIN}}}"
            assert payloads(redis, name) == expected, kind
            assert [json.loads(p) for channel, p in subscriber.messages if channel == name] == expected, kind
            for entry, record in zip(redis.entries(name), expected):
                assert entry["vin"].decode() == record["vin"] and entry["type"].decode() == kind, entry
                assert entry["txid"].decode() == record["txid"], (entry, record)
                assert "repeated" not in entry, entry
        assert len(payloads(redis)) == messages
        gears = [p["data"]["Gear"] for p in payloads(redis) if "Gear" in p["data"]]
        assert gears == ["P", "D", "P"], gears


def as_tesla():
    """The default: the channel's name and the vehicle's protobuf message of Tesla's server; a value is JSON."""
    routing = "records: [{type: V, to: redis}]\nfields: [{field: VehicleSpeed, to: redis, unit: km/h, as: speed}]"
    with Redis() as redis, daemon(f"port: {redis.port}", routing=routing) as d:
        is_up(d)
        subscriber = redis.subscriber()
        car = d.car()
        sent = datum(SPEED, field(5, 35.0))
        car.send(envelope("V", sent + field(2, moment(1_700_000_000)) + field(3, VIN), VIN))
        assert car.receive_reply()[0] == "ack"
        wait_until("both arrive", lambda: len(subscriber.messages) >= 2)
        car.close()
        subscriber.close()
        messages = dict(subscriber.messages)
        assert sent in messages[CHANNEL] and VIN.encode() in messages[CHANNEL], messages
        value = json.loads(messages[f"tesla_fields_{{{VIN}}}"])
        assert value["field"] == "speed" and abs(value["value"] - 56.327) < 0.01 and value["unit"] == "km/h", value


def bounded_stream():
    """MAXLEN: a stream keeps about the newest entries. Fields describe the record."""
    routing = "records: [{type: V, to: redis, format: json}]"
    options = "mode: stream, max_length: 100, topic: 'cars/%{type}'"
    with Redis() as redis, daemon(f"port: {redis.port}, database: 3, {options}", routing=routing) as d:
        redis.command("CONFIG", "SET", "stream-node-max-entries", "10")
        is_up(d)
        put(d, *range(1000))
        wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["delivered"] == 1000)
        redis_entries = entries_of_database(redis, 3, "cars/V")
        assert 100 <= len(redis_entries) < 130, len(redis_entries)
        assert json.loads(redis_entries[-1][b"payload"])["data"]["VehicleSpeed"] == 999
        assert set(redis_entries[-1]) == {b"vin", b"type", b"txid", b"received_at", b"created_at", b"payload"}
        assert abs(int(redis_entries[-1][b"created_at"]) / 1000 - time.time()) < 600


def entries_of_database(redis, number, stream):
    words = redis.command("EVAL", "redis.call('SELECT', ARGV[1]); return redis.call('XRANGE', KEYS[1], '-', '+')",
                          "1", stream, number)
    return [dict(zip(fields[::2], fields[1::2])) for _, fields in words]


# ---- outages --------------------------------------------------------------------------

def outage():
    """The server is killed under load and started again: nothing that was acknowledged is missing, records are in
    order for each vehicle, and the other sink goes on."""
    with Redis() as redis, daemon(f"port: {redis.port}, mode: stream, max_length: 0, topic: all",
                                  routing="records: [{type: V, to: [archive, redis], format: json}]") as d:
        is_up(d)
        with endless_load(d, "--vehicles", VEHICLES, "--rate", RATE, "--patience", 60):
            d.wait_count("acknowledged", 2 * VEHICLES, 60)
            watch = Watch(d)
            time.sleep(OUTAGE)  # the same time with the server, to compare
            watch.look("with Redis")
            redis.kill()
            begun = time.monotonic()
            wait_health(d, "down", f"localhost:{redis.port}: ")
            while time.monotonic() - begun < OUTAGE:  # the outage itself is the thing tested
                time.sleep(0.2)
                assert d.status()["sinks"]["archive"]["health"] == "up"
            wait_until("the other sink has what was committed a moment ago",
                       lambda: d.status()["sinks"]["archive"]["lag"] < 3 * VEHICLES * RATE)
            watch.look("without Redis")
            assert d.status()["sinks"]["redis"]["lag"] > 0
            redis.start()
            wait_until("redis has caught up", lambda: d.status()["sinks"]["redis"]["lag"] < 3 * VEHICLES * RATE, 60)
            is_up(d)
            watch.look("Redis is back")
        wait_until("all are through", lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()), 60)
        acknowledged, records = set(d.lines("acknowledged")), payloads(redis, "all")
        missing = acknowledged - {r["txid"] for r in records}
        assert not missing, f"{len(missing)} of {len(acknowledged)} are missing"
        in_order_for_each_vehicle(records)
        assert d.max_kb < MAX_KB, d.max_kb
        repeated = sum("repeated" in entry for entry in redis.entries("all"))
        print(f"{len(acknowledged)} acknowledged, {len(records)} in the stream, {repeated} sent again, {d.max_kb} kB")


def frozen():
    """A server that stops answering: the request's time-out ends the connection, and what had no answer is sent
    again, marked as repeated."""
    with Redis() as redis, daemon(f"port: {redis.port}, mode: stream, timeout: 1 s", routing=BOTH) as d:
        is_up(d)
        redis.process.send_signal(19)  # SIGSTOP
        try:
            put(d, 1, 2, 3)
            # The health has this reason until the next login, which times out too; the log keeps it.
            wait_until("the request times out", lambda: "did not answer a request within `timeout:` (1000 ms)" in d.log_text(),
                       20)
            wait_health(d, "down", "did not answer")
        finally:
            redis.process.send_signal(18)  # SIGCONT
        wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["lag"] == 0)
        is_up(d)
        # Whether the old connection's requests were executed is the server's secret.
        assert speeds(redis)[-3:] == [1, 2, 3], speeds(redis)
        assert all(entry.get("repeated") == b"1" for entry in redis.entries(CHANNEL)[-3:]), redis.entries(CHANNEL)


def stop_while_away():
    """The daemon stops at once although a request has no answer, and delivers the record after its next start."""
    with Redis() as redis, daemon(f"port: {redis.port}, mode: stream", routing=BOTH) as d:
        is_up(d)
        redis.process.send_signal(19)
        try:
            put(d, 1, 2)
            wait_until("a request is sent", lambda: d.status()["sinks"]["redis"]["lag"] > 0)
            begun = time.monotonic()
            assert d.end() == 0
            assert time.monotonic() - begun < 8 * PATIENCE, time.monotonic() - begun
        finally:
            redis.process.send_signal(18)
        d.start()
        is_up(d)
        wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["lag"] == 0)
        assert speeds(redis)[-2:] == [1, 2], speeds(redis)


def idle():
    """A server that hangs while no record is sent."""
    with Redis() as redis, daemon(f"port: {redis.port}, timeout: 1 s", routing="records: [{type: V, to: redis}]") as d:
        is_up(d)
        redis.process.send_signal(19)
        try:
            wait_health(d, "down", "did not answer")
        finally:
            redis.process.send_signal(18)
        is_up(d)


# ---- answers that refuse --------------------------------------------------------------

def write_password(d, password):
    with open(d.path("password.new"), "w") as f:
        f.write(password + "\n")
    os.rename(d.path("password.new"), d.path("password"))


def passwords():
    """No password, a missing file, a wrong one; the corrected file is used without a reload."""
    with Redis("requirepass secret") as redis:
        with daemon(f"port: {redis.port}, mode: stream") as d:
            wait_health(d, "down", "NOAUTH", "(set `password_file:`)")
        with daemon(f"port: {redis.port}, mode: stream, password_file: @/password") as d:
            wait_health(d, "down", "/password: No such file or directory")
            write_password(d, "guess")
            wait_health(d, "down", "WRONGPASS", "(check `username:` and `password_file:`)")
            put(d, 7)
            write_password(d, "secret")
            is_up(d)
            wait_until("it is delivered", lambda: d.status()["sinks"]["redis"]["lag"] == 0)
            entries = redis.command("XRANGE", CHANNEL, "-", "+", login=("secret",))
            assert len(entries) == 1, entries
            assert "guess" not in d.log_text() and "secret" not in d.log_text()
    with Redis() as redis, daemon(f"port: {redis.port}, password_file: @/password") as d:
        write_password(d, "needless")
        wait_health(d, "down", "remove `password_file:`")


def permissions():
    """A user without the command waits as a whole; one without a name's permission fails for that name only."""
    user = ("ACL", "SETUSER", "fleet", "on", ">secret", "resetkeys", "resetchannels", "-@all", "+ping")
    options = "username: fleet, password_file: @/password"
    with Redis() as redis, daemon(f"port: {redis.port}, mode: stream, {options}",
                                  more=sink(f"port: {redis.port}, {options}", "publish"),
                                  routing="records: [{type: [V, alerts], to: [redis, publish], format: json}]") as d:
        redis.command(*user)
        write_password(d, "secret")
        is_up(d)
        is_up(d, "publish")
        put(d, 1)
        for name, command in (("redis", "xadd"), ("publish", "publish")):
            wait_health(d, "down", "NOPERM", f"'{command}'", "(allow this user the command", name=name)
        subscriber = redis.subscriber()
        redis.command("ACL", "SETUSER", "fleet", "+xadd", "+publish", "~tesla_V_*", "&tesla_V_*")
        for name in ("redis", "publish"):
            wait_until("the record is delivered", lambda: d.status()["sinks"][name]["delivered"] == 1)
        assert speeds(redis) == [1]
        d.say('{"type": "alerts", "vin": "%s", "txid": "a-1", "created_at": "2026-01-01T00:00:00.000Z", '
              '"received_at": "2026-01-01T00:00:00.000Z", "alerts": []}' % VIN)
        put(d, 2)
        for name in ("redis", "publish"):
            wait_health(d, "degraded", f"tesla_alerts_{{{VIN}}}: NOPERM", "(allow this user the name", name=name)
            wait_until("V goes on", lambda: d.status()["sinks"][name]["delivered"] == 2)
            wait_until("the alert is a dead letter", lambda: d.status()["sinks"][name]["dead_letters"] == 1)
        wait_until("both are published", lambda: len(subscriber.messages) == 2)
        subscriber.close()


def wrong_type():
    """A key that is no stream: only its records fail."""
    with Redis() as redis, daemon(f"port: {redis.port}, mode: stream") as d:
        redis.command("SET", f"tesla_presence_{{{VIN}}}", "mine")
        is_up(d)
        car = d.car()
        car.send(envelope("V", datum(SPEED, field(5, 35.0)) + field(2, moment()), VIN))
        assert car.receive_reply()[0] == "ack"
        wait_health(d, "degraded", "stream tesla_presence_", "WRONGTYPE", "(another program uses this key")
        wait_until("V is delivered", lambda: len(redis.entries(CHANNEL)) == 1)
        car.close()
        assert redis.command("GET", f"tesla_presence_{{{VIN}}}") == b"mine"


def full_memory():
    """maxmemory is reached: all records wait, in order, until the administrator has raised it."""
    with Redis("maxmemory-policy noeviction") as redis, daemon(f"port: {redis.port}, mode: stream") as d:
        is_up(d)
        put(d, 1)
        wait_until("one is delivered", lambda: d.status()["sinks"]["redis"]["delivered"] == 1)
        redis.command("CONFIG", "SET", "maxmemory", "100kb")
        put(d, *range(2, 50))
        wait_health(d, "down", "OOM", "(raise maxmemory of the server, or lower `max_length:`)")
        assert d.status()["sinks"]["redis"]["dead_letters"] == 0
        redis.command("CONFIG", "SET", "maxmemory", "0")
        is_up(d)
        wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["delivered"] == 49)
        assert speeds(redis) == list(range(1, 50)), speeds(redis)


def replica():
    """A server that became a replica refuses writes; a new connection is made until it is the primary again."""
    with Redis("replica-priority 0") as redis, daemon(f"port: {redis.port}, mode: stream") as d:
        is_up(d)
        redis.command("REPLICAOF", "127.0.0.1", "1")
        put(d, 1, 2, 3)
        wait_health(d, "down", "READONLY", "must be the primary server")
        connections = redis.command("INFO", "stats").decode().split("total_connections_received:")[1].split()[0]
        redis.command("REPLICAOF", "NO", "ONE")
        is_up(d)
        wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["delivered"] == 3)
        assert int(connections) > 2, connections
        assert speeds(redis) == [1, 2, 3], speeds(redis)


def too_many_clients():
    with Redis() as redis:
        taken = [redis.subscriber()]
        redis.command("CONFIG", "SET", "maxclients", "1")
        with daemon(f"port: {redis.port}") as d:
            wait_health(d, "down", "max number of clients", "(raise maxclients of the server)")
            taken[0].close()
            is_up(d)


# ---- TLS ------------------------------------------------------------------------------

def tls():
    """The server's certificate and name are verified, in both directions, and each mistake has its reason."""
    with daemon("port: 1, tls: true, ca: @/server-ca.pem") as d:
        for name in ("server.pem", "server.key", "vehicle-ca.pem", "server-ca.pem"):
            shutil.copy(d.path(name), d.path("tls-" + name))
        certificate, key = d.certificate()
        with Redis(tls=d.folder) as redis, Redis() as plain:
            both = f"certificate: {certificate}, key: {key}"
            seen = set()
            for options, state, words in (
                    (f"port: {redis.port}, tls: true, ca: @/vehicle-ca.pem, {both}", "down",
                     ("the server's certificate is not accepted: ", "check `ca:`")),
                    (f"port: {redis.port}, tls: true, ca: @/server-ca.pem, {both}, host: 127.0.0.2", "down",
                     ("127.0.0.2:", "the server's certificate is not accepted: ", "`host:` is a name")),
                    ("port: 1, tls: true, ca: @/server-ca.pem", "down", ("Connection refused (is Redis running",)),
                    (f"port: {redis.port}, tls: true, ca: @/none.pem, {both}", "down", ("none.pem: No such file",)),
                    (f"port: {redis.port}, tls: true, ca: @/server-ca.pem", "down", ("certificate required",)),
                    (f"port: {plain.port}, tls: true, ca: @/server-ca.pem", "down", ("did not answer the connection", "(is it Redis with TLS?)")),
                    (f"port: {redis.port}", "down", ("localhost",)),
                    (f"port: {redis.port}, tls: true, ca: @/server-ca.pem, {both}, mode: stream", "up",
                     ("connected to",))):
                d.sinks = ARCHIVE + sink(options)
                d.reload()
                wait_health(d, state, *words)
                seen.add(health(d)[1])
            print(*sorted(seen), sep="\n")
            put(d, 5)
            wait_until("it is delivered", lambda: speeds(redis) == [5])


# ---- hostile servers ------------------------------------------------------------------

def pong(client, stream):
    """Answer the login."""
    stream.readline(), stream.readline(), stream.readline()
    client.sendall(b"+PONG\r\n")


def garbage(client, stream):
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)) * 100)
    stream.read()


def silence(client, stream):
    stream.read()


def hang_up(client, stream):
    client.close()


def endless_line(client, stream):
    pong(client, stream)
    stream.readline()
    while True:
        client.sendall(b"+" + b"a" * 65536)


def huge_text(client, stream):
    pong(client, stream)
    stream.readline()
    client.sendall(b"$536870912\r\n")
    while True:
        client.sendall(b"a" * 65536)


def huge_array(client, stream):
    pong(client, stream)
    stream.readline()
    client.sendall(b"*2147483647\r\n" + b"$1\r\na\r\n" * 1000)
    stream.read()


def deep_arrays(client, stream):
    pong(client, stream)
    stream.readline()
    client.sendall(b"*1\r\n" * 100000)
    stream.read()


def unasked(client, stream):
    pong(client, stream)
    client.sendall(b":1\r\n" * 100000)
    stream.read()


def slow_bytes(client, stream):
    pong(client, stream)
    stream.readline()
    for byte in b":" + b"1" * 1000:
        client.sendall(bytes([byte]))
        time.sleep(0.2)


def swallow(client, stream):
    pong(client, stream)
    stream.read()


def hostile():
    """Each broken server: health names a reason within 10 s, memory is bounded, the other sink goes on, and a good
    server on the same port gets all records in order."""
    with daemon("port: 1, timeout: 1 s") as d:
        for number, behave in enumerate((garbage, silence, hang_up, endless_line, huge_text, huge_array, deep_arrays,
                                         slow_bytes, swallow)):
            with HostileRedis(behave) as server:
                d.sinks = ARCHIVE + sink(f"port: {server.port}, timeout: 1 s")
                d.reload()
                put(d, *range(number * 100, number * 100 + 100))
                wait_health(d, "down", f"localhost:{server.port}: ")
                wait_until("it is tried again", lambda: server.connections >= 3)
                for _ in range(10):  # it stays so while the server logs in and answers nothing else
                    assert health(d)[0] == "down", health(d)
                    time.sleep(0.1)
                wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == number * 100 + 100)
                print(f"{behave.__name__}: {health(d)[1]}; {d.max_kb} kB")
        assert d.max_kb < MAX_KB, d.max_kb
        with Redis() as redis:
            d.sinks = ARCHIVE + sink(f"port: {redis.port}, mode: stream")
            d.reload()
            is_up(d)
            wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["lag"] == 0)
            assert speeds(redis) == list(range(900)), speeds(redis)


def unasked_answers():
    """A server that sends answers without a request: those that come early are a mistake of the server. Those that
    come late look like true ones, so the records of this time may be lost; the next server gets the next ones."""
    with daemon("port: 1, timeout: 1 s") as d:
        with HostileRedis(unasked) as server:
            d.sinks = ARCHIVE + sink(f"port: {server.port}, timeout: 1 s")
            d.reload()
            put(d, *range(100))
            wait_until("it is tried again", lambda: server.connections >= 3)
            wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == 100)
        assert d.max_kb < MAX_KB, d.max_kb
        with Redis() as redis:
            d.sinks = ARCHIVE + sink(f"port: {redis.port}, mode: stream")
            d.reload()
            is_up(d)
            put(d, *range(100, 200))
            wait_until("all are delivered", lambda: d.status()["sinks"]["redis"]["lag"] == 0)
            assert speeds(redis)[-100:] == list(range(100, 200)), speeds(redis)


# ---- configuration --------------------------------------------------------------------

def mistakes():
    """Each mistake in an option with its line and column, and the nearest valid name."""
    d = Daemon(BOTH, ARCHIVE + """  redis:
    plugin: redis
    options:
      mod: stream
      mode: strem
      port: 70000
      topic: "%{vim}"
      timeout: 5 ms
      ca: /ca.pem
      username: fleet
      socket: redis.sock
      max_length: -1
""")
    check_mistakes(d, ("mod: stream", 'did you mean "mode"?'), ("mode: strem", "one of publish|stream"),
          ("max_length: -1", "max_length must be a whole number"))
    for line in ("mod: stream", "mode: strem", "max_length: -1"):  # options are checked when they have their types
        d.sinks = d.sinks.replace(f"      {line}\n", "")
    check_mistakes(d, ("port: 70000", "port must be between 1 and 65535"), ("topic: ", "topic: the word in braces is not valid"),
          ("timeout: 5 ms", "timeout must be between 100 ms and 60 s"), ("ca: ", "ca has no effect without `tls: true`"),
          ("username: ", "username needs `password_file:`"), ("socket: ", "socket must be an absolute path"))
    shutil.rmtree(d.folder)


run_parts(trip, as_tesla, bounded_stream, outage, frozen, stop_while_away, idle, passwords, permissions, wrong_type,
          full_memory, replica, too_many_clients, tls, hostile, unasked_answers, mistakes)
