#!/usr/bin/env python3
"""postgres.so and a real PostgreSQL: values and records arrive in their tables, once each, whatever happens to the
server; health names the reason and the remedy; hostile servers cost neither memory nor other sinks.

FR_OUTAGE (4) is for how many seconds the server is away."""
import datetime
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

from fr import PATIENCE, SOURCE, VIN, Daemon, check_mistakes, run_parts, wait_until
from journal_checks import endless_load
from postgres_server import HostilePostgres, Postgres, begin, login, message

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from messages import alerts, datum, envelope, errors, field, moment  # noqa: E402

OUTAGE = float(os.environ.get("FR_OUTAGE", "4"))
VEHICLES, RATE = 20, 5
SPEED, SOC, NAME = 4, 8, 64  # numbers of fields
MAX_KB = int(os.environ.get("FR_MOST_KB", "131072"))
EAGER = "retry: {min: 50 ms, max: 500 ms, attempts: 3}"
ARCHIVE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}\n'
ALL = """records:
  - {type: "*", to: archive, format: json}
  - {type: [alerts, errors, connectivity, presence], to: postgres}
fields: [{field: "*", to: postgres}]"""


def sink(connection, options="", name="postgres"):
    return f'  {name}: {{plugin: postgres, {EAGER}, options: {{connection: "{connection}"{options and ", "}{options}}}}}\n'


def daemon(connection, options="", routing=ALL, more="", **settings):
    return Daemon(routing, ARCHIVE + sink(connection, options) + more, journal="{}", **settings)


def health(d, name="postgres"):
    status = d.status()["sinks"][name]
    return status["health"], status["why"]


def wait_health(d, state, *words, name="postgres", seconds=10):
    """Health says so within 10 s."""
    try:
        wait_until(f"{name} is {state}: {words}", lambda: health(d, name)[0] == state and
                   all(word in health(d, name)[1] for word in words), seconds)
    except AssertionError as late:
        raise AssertionError(f"{late}; it is {health(d, name)}") from late


def is_up(d, name="postgres"):
    wait_health(d, "up", "connected to", name=name, seconds=20)


def is_through(d, name="postgres", seconds=60):
    wait_until("all are delivered", lambda: d.status()["sinks"][name]["lag"] == 0, seconds)


def put(d, *speeds):
    d.say(*({"VehicleSpeed": speed} for speed in speeds))


def speeds(server, more=""):
    return [row["vehicle_speed"] for row in
            server.rows(f"SELECT vehicle_speed FROM fleetroute.telemetry {more} ORDER BY txid")]


# ---- values ---------------------------------------------------------------------------

def column_of(name):
    """VehicleSpeed is in vehicle_speed, ACChargingPower in ac_charging_power."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def values_of(row):
    """The values of a row of the wide table that are not NULL, without those of the record."""
    return {k: v for k, v in row.items() if v is not None and k not in ("vin", "time", "txid", "received_at")}


def expected_values(record):
    values = {column_of(k): v for k, v in record["data"].items() if v is not None}
    for name in [k for k, v in values.items() if isinstance(v, dict) and "latitude" in v]:
        place = values.pop(name)
        values[f"{name}_latitude"], values[f"{name}_longitude"] = place["latitude"], place["longitude"]
    return values


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def trip():
    """Each value of a whole trip is in the table, in a column of its type, equal to the archive's; so are alerts,
    errors and connections. Every query of the dashboard works with these tables."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        d.simulate("--speed", 40)
        wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 2)
        car = d.car()
        car.send(envelope("alerts", alerts(["VCFRONT_a1", "it's \"b\""]), VIN))
        car.send(envelope("errors", errors(["e1"]), VIN))
        assert car.receive_reply()[0] == car.receive_reply()[0] == "ack"
        car.close()
        wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 4)
        is_through(d)
        rows = {row["txid"]: row for row in server.rows("SELECT * FROM fleetroute.telemetry")}
        records = d.records("V.jsonl")
        assert len(rows) == len(records) > 100, (len(rows), len(records))
        for record in records:
            row = rows[record["txid"]]
            assert values_of(row) == expected_values(record), (row, record)
            assert row["vin"] == VIN and seconds(row["time"]) == seconds(record["created_at"]), (row, record)
            assert seconds(row["received_at"]) == seconds(record["received_at"]), (row, record)
        check_records(server, d)
        check_dashboard(server)
        types = {row["column_name"]: row["data_type"] for row in server.rows(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'telemetry'")}
        assert types["vehicle_speed"] == types["location_latitude"] == "double precision", types
        assert (types["charge_limit_soc"], types["gear"], types["locked"], types["door_state"]) == \
            ("bigint", "text", "boolean", "jsonb"), types
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 0


def check_records(server, d):
    found = server.rows("SELECT * FROM fleetroute.alerts ORDER BY position")
    alert = d.records("alerts.jsonl")[0]
    assert [row["name"] for row in found] == [a["name"] for a in alert["alerts"]] == ["VCFRONT_a1", "it's \"b\""], found
    assert found[0]["audiences"] == alert["alerts"][0]["audiences"] and found[0]["txid"] == alert["txid"], found
    assert seconds(found[0]["started_at"]) == seconds(alert["alerts"][0]["startedAt"]), found
    found = server.rows("SELECT * FROM fleetroute.errors")
    assert [(row["name"], row["body"]) for row in found] == [("e1", "body")], found
    found = server.rows("SELECT * FROM fleetroute.connectivity ORDER BY time")
    assert [(row["status"], row["connection_id"], row["network_interface"]) for row in found] == \
        [(r["status"], r["connectionId"], r["networkInterface"]) for r in d.records("connectivity.jsonl")], found
    found = server.rows("SELECT * FROM fleetroute.records ORDER BY time")
    assert [row["payload"] for row in found] == d.records("presence.jsonl"), found
    assert {row["type"] for row in found} == {"presence"}, found


def check_dashboard(server):
    """Each query of the dashboard returns rows, with Grafana's macros in place."""
    with open(os.path.join(SOURCE, "etc/grafana/fleetroute-postgres.json")) as f:
        board = json.load(f)
    queries = [target["rawSql"] for panel in board["panels"] for target in panel.get("targets", ())]
    queries += [v["query"] for v in board["templating"]["list"] if v["type"] == "query"]
    assert len(queries) > 5, queries
    for sql in queries:
        sql = re.sub(r"\$__timeFilter\(([a-z_.]+)\)", r"\1 BETWEEN now() - interval '1 h' AND now()", sql)
        sql = sql.replace("$__timeFrom()", "now() - interval '1 h'").replace("$__timeTo()", "now()")
        sql = sql.replace("${vin:sqlstring}", f"'{VIN}'")
        assert "$" not in sql, sql
        rows = server.rows(sql.rstrip("; \n"))
        assert rows, sql
        assert any(v is not None for row in rows for v in row.values()), (sql, rows)


def narrow():
    """The other layout: a row for each value, in the value column of its type."""
    with Postgres() as server, daemon(server.connection, "layout: narrow, table_prefix: car_") as d:
        is_up(d)
        d.say({"VehicleSpeed": 50.5, "Gear": "D", "Locked": True, "ChargeLimitSoc": 80, "VehicleName": "a",
               "Location": {"latitude": 1.5, "longitude": -2.5}})
        is_through(d)
        rows = {row["field"]: row for row in server.rows("SELECT * FROM fleetroute.car_telemetry_values")}
        said = d.records("V.jsonl")[0]
        assert set(rows) == set(said["data"]), rows
        for name, where, value in (("VehicleSpeed", "number", 50.5), ("Gear", "text", "D"), ("Locked", "boolean", True),
                                   ("ChargeLimitSoc", "integer", 80), ("ChargeLimitSoc", "number", 80),
                                   ("VehicleName", "text", "a"), ("Location", "latitude", 1.5),
                                   ("Location", "longitude", -2.5)):
            assert rows[name][where] == value, (name, rows[name])
        assert rows["VehicleSpeed"]["unit"] == "mph" and rows["VehicleSpeed"]["text"] is None, rows["VehicleSpeed"]
        assert server.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'fleetroute' AND "
                           "tablename NOT LIKE 'car\\_%'") == "0"


def narrow_repeated():
    """Values that are there already cost their batch another attempt, and nothing else: each is there once, beside new
    ones in the same batch. A unique index of the administrator refuses its row only."""
    with Postgres() as server, daemon(server.connection, "layout: narrow") as d:
        count = "SELECT count(*) FROM fleetroute.telemetry_values"
        is_up(d)
        for n in range(40):  # after 32 batches the sink expects new rows only
            put(d, n)
            is_through(d)
        assert server.value(count) == 40
        line = {"type": "V", "vin": VIN, "txid": "again", "created_at": "2026-01-01T00:00:00.000Z",
                "received_at": "2026-01-01T00:00:00.000Z", "data": {"VehicleSpeed": 200}}
        d.say(json.dumps(line))
        is_through(d)
        line["data"]["Soc"] = 1
        d.say(json.dumps(line), {"VehicleSpeed": 201})
        is_through(d)
        is_up(d)
        assert server.value(count) == 43 and d.status()["sinks"]["postgres"]["dead_letters"] == 0
        server.psql("CREATE UNIQUE INDEX own ON fleetroute.telemetry_values (number) WHERE field = 'Soc'")
        d.say({"VehicleSpeed": 300, "Soc": 1}, {"VehicleSpeed": 301, "Soc": 2})
        is_through(d)
        wait_health(d, "degraded", "field Soc", "duplicate key value violates unique constraint")
        assert server.value(count) == 46 and d.status()["sinks"]["postgres"]["dead_letters"] == 1


def odd_texts():
    """Texts that PostgreSQL does not accept as they are, and names with quotes: nothing of them is read as SQL."""
    schema = 'fl"eet; DROP'
    routing = ALL.replace('fields: [{field: "*", to: postgres}]', 'fields:\n  - {field: "*", to: postgres}') + """
  - {field: Soc, to: postgres, as: "x\\"; DROP TABLE t; --'"}
  - {field: BatteryLevel, to: postgres, as: time}
  - {field: Odometer, to: postgres, as: Größe}"""
    with Postgres() as server, daemon(server.connection, f"schema: '{schema}', table_prefix: \"a'b\"",
                                      routing=routing) as d:
        is_up(d)
        car = d.car()
        for text in ("a\0b", "', (SELECT 1)); --", "$1 \\ \" {NULL}", "\U0001f697"):
            car.send(envelope("V", datum(NAME, field(1, text)) + field(2, moment()), VIN))
            assert car.receive_reply()[0] == "ack"
        car.send(envelope("alerts", alerts(["a\0b\\u0000"]), VIN))
        assert car.receive_reply()[0] == "ack"
        car.close()
        d.say({"Soc": 7.5, "BatteryLevel": 8.5, "Odometer": 9.5})
        is_through(d)
        table = '"fl""eet; DROP"."a\'btelemetry"'
        names = {row["vehicle_name"] for row in server.rows(f"SELECT vehicle_name FROM {table} WHERE vehicle_name <> ''")}
        assert names == {"a\ufffdb", "', (SELECT 1)); --", "$1 \\ \" {NULL}", "\U0001f697"}, names
        values = values_of(server.rows(f"SELECT * FROM {table} WHERE soc IS NOT NULL")[0])
        assert len(values) == 6 and values["time_"] == 8.5 and values["x___drop_table_t_____"] == 7.5, values
        assert any(re.fullmatch("gr__+e_[0-9a-f]{8}", name) for name in values), values
        alert = server.rows('SELECT name FROM "fl""eet; DROP"."a\'balerts"')
        assert [row["name"] for row in alert] == ["a\ufffdb\\u0000"], alert
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 0, health(d)


def large_texts():
    """The size of a transaction is bounded, whatever texts a vehicle sends: the server refuses messages over 1 GB, and
    the sink would send the same one again for ever."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        server.stop()
        wait_health(d, "down")
        car = d.car()
        for number in range(20):
            car.send(envelope("V", datum(NAME, field(1, f"{number} " + "x" * 300_000)) + field(2, moment()), VIN))
            assert car.receive_reply()[0] == "ack"
        car.close()
        server.start()
        is_through(d)
        rows = server.rows("SELECT xmin::text AS batch, count(*) AS n FROM fleetroute.telemetry GROUP BY xmin")
        assert sum(row["n"] for row in rows) == 20 and max(row["n"] for row in rows) <= 4, rows


# ---- outages --------------------------------------------------------------------------

def same_rows(server, d):
    """Each archived record has one row with its values, and there are no others."""
    rows = {row["txid"]: row for row in server.rows("SELECT * FROM fleetroute.telemetry")}
    records = {r["txid"]: r for r in d.records("V.jsonl")}
    assert set(d.lines("acknowledged")) <= set(records), "the archive lacks records"
    assert set(rows) == set(records), (len(rows), len(records))
    assert server.value("SELECT count(*) FROM fleetroute.telemetry") == len(rows)
    for txid, record in records.items():
        assert values_of(rows[txid]) == expected_values(record), (rows[txid], record)
    return len(rows)


def outage():
    """The server is killed under load and started again, then stopped and started: nothing is lost, nothing is there
    twice, and the other sink goes on."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        with endless_load(d, "--vehicles", VEHICLES, "--rate", RATE, "--patience", 60):
            d.wait_count("acknowledged", 2 * VEHICLES, 60)
            for end in (server.kill, server.stop):
                end()
                begun = time.monotonic()
                wait_health(d, "down", server.folder)
                while time.monotonic() - begun < OUTAGE / 2:  # the outage itself is the thing tested
                    time.sleep(0.2)
                    assert d.status()["sinks"]["archive"]["health"] == "up"
                assert d.status()["sinks"]["postgres"]["lag"] > 0
                server.start()
                wait_until("it has caught up",
                           lambda: d.status()["sinks"]["postgres"]["lag"] < 3 * VEHICLES * RATE, 60)
                is_up(d)
        is_through(d, "archive")
        is_through(d)
        print(f"{same_rows(server, d)} records, {d.max_kb} kB")
        assert d.max_kb < MAX_KB, d.max_kb


def terminated():
    """The backend is terminated again and again in the middle of its work."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        with endless_load(d, "--vehicles", VEHICLES, "--rate", RATE, "--patience", 60):
            for n in range(6):
                wait_until("something is delivered", lambda: d.status()["sinks"]["postgres"]["lag"] < 500 and
                           health(d)[0] == "up", 60)
                for pid in server.backends():
                    if n % 2:
                        server.psql(f"SELECT pg_terminate_backend({pid})")
                    else:
                        os.kill(pid, signal.SIGKILL)  # the whole server recovers
                        wait_until("postgres answers", server.answers, 60)
        is_through(d, "archive")
        is_through(d)
        print(f"{same_rows(server, d)} records")


def daemon_killed():
    """The daemon is killed while batches have no answer, and delivers them again: still one row each."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        put(d, *range(500))
        with Stopped(server.backends()):
            put(d, *range(500, 1000))
            wait_until("they wait", lambda: d.status()["sinks"]["postgres"]["lag"] > 0)
            d.kill()
        d.start()
        is_through(d)
        assert sorted(speeds(server)) == list(range(1000)), speeds(server)


class Stopped:
    """Processes that do nothing within the block."""

    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)


def frozen():
    """A server that stops answering, with and without records that wait."""
    with Postgres() as server, daemon(server.connection, "timeout: 2 s") as d:
        is_up(d)
        with Stopped(server.processes()):
            wait_health(d, "down", "did not answer within `timeout:` (2000 ms)")
        is_up(d)
        with Stopped(server.processes()):
            put(d, 1, 2, 3)
            wait_health(d, "down", "did not answer within `timeout:` (2000 ms)")
            wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == 3)
        is_through(d)
        is_up(d)
        assert speeds(server) == [1, 2, 3], speeds(server)


def failover():
    """Of two servers in the connection string, the one is used that accepts writes."""
    with Postgres() as first, Postgres() as second:
        second.psql("ALTER SYSTEM SET default_transaction_read_only = on")
        second.psql("SELECT pg_reload_conf()")
        with daemon(f"host={first.folder},{second.folder} port={first.port},{second.port} user=fleet dbname=fleet") as d:
            wait_health(d, "up", first.folder, seconds=20)
            put(d, 1, 2)
            is_through(d)
            first.kill()
            put(d, 3, 4)
            wait_health(d, "down", "read-only", "(the server must be the primary, not a standby)", seconds=20)
            second.psql("SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only")
            second.psql("SELECT pg_reload_conf()")
            wait_health(d, "up", second.folder, seconds=20)
            is_through(d)
            assert speeds(second)[-2:] == [3, 4], speeds(second)


def names():
    """A name of the hosts file is resolved; one that does not exist is reported, and does not stop the next server."""
    with Postgres() as server, daemon(f"host=localhost port={server.port} user=fleet dbname=fleet",
                                      "password_file: '@/password'") as d:
        write_password(d, "secret")
        is_up(d)
        d.sinks = ARCHIVE + sink(f"host=none.invalid port={server.port} user=fleet dbname=fleet")
        d.reload()
        wait_health(d, "down", "none.invalid", "(check the host in `connection:`)")
        d.sinks = ARCHIVE + sink(f"host=none.invalid,{server.folder} port={server.port} user=fleet dbname=fleet")
        d.reload()
        wait_health(d, "up", "connected to", seconds=30)


def full_disk():
    """The disk of the database is full: all records wait until there is space again."""
    with Postgres("autovacuum = off", disk="32m") as server, daemon(server.connection) as d:
        is_up(d)
        put(d, 0)
        is_through(d)
        server.psql("CREATE TABLE filler (t text); ALTER TABLE filler ALTER t SET STORAGE PLAIN")
        done = server.run("INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, 10000)")
        assert "No space left on device" in done.stderr, done
        rows = 0
        while health(d)[0] == "up" and rows < 20000:  # until the free pages of the table are used
            put(d, *range(rows + 1, rows + 501))
            rows += 500
            wait_until("they are delivered or wait", lambda: d.status()["sinks"]["postgres"]["lag"] == 0 or
                       health(d)[0] == "down")
        wait_health(d, "down", "No space left on device", "(the server's disk is full")
        wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == rows + 1)
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 0
        server.psql("DROP TABLE filler; CHECKPOINT")
        is_through(d)
        is_up(d)
        assert sorted(speeds(server)) == list(range(rows + 1))


# ---- refusals -------------------------------------------------------------------------

def write_password(d, password):
    with open(d.path("password.new"), "w") as f:
        f.write(password + "\n")
    os.rename(d.path("password.new"), d.path("password"))


def credentials():
    """No password, a wrong one, no database, no permission: down with the remedy, nothing is dropped, and each repair
    is used without a reload."""
    with Postgres() as server, daemon(server.tcp, "password_file: '@/password'") as d:
        wait_health(d, "down", "/password: No such file or directory")
        put(d, 7)
        write_password(d, "guess")
        wait_health(d, "down", "password authentication failed", "(check the user in `connection:`")
        server.psql("ALTER DATABASE fleet RENAME TO other", "postgres")
        write_password(d, "secret")
        wait_health(d, "down", 'database "fleet" does not exist', "(create the database")
        server.psql("ALTER DATABASE other OWNER TO postgres; ALTER DATABASE other RENAME TO fleet", "postgres")
        wait_health(d, "down", "permission denied for database", "(see the roles and grants")
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 0
        server.psql("GRANT CREATE ON DATABASE fleet TO fleet", "postgres")
        is_up(d)
        is_through(d)
        assert speeds(server) == [7], speeds(server)
        server.psql("REVOKE INSERT ON fleetroute.telemetry FROM fleet")
        put(d, 8)
        wait_health(d, "down", "permission denied for table telemetry")
        server.psql("GRANT INSERT ON fleetroute.telemetry TO fleet")
        is_up(d)
        is_through(d)
        assert speeds(server) == [7, 8], speeds(server)
        d.sinks = ARCHIVE + sink(server.tcp)
        d.reload()
        wait_health(d, "down", "no password supplied", "(set `password_file:`)")
        assert "guess" not in d.log_text() and "secret" not in d.log_text()


def changed_column():
    """An administrator gives a column another type: only this field's values fail, and go on after the repair. A
    related type is used as it is; a column that is dropped is made again, and so is a table."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        d.say({"VehicleSpeed": 1, "Soc": 50.5, "Gear": "P", "Odometer": 1.5})
        is_through(d)
        server.psql("ALTER TABLE fleetroute.telemetry ALTER vehicle_speed TYPE boolean USING NULL, "
                    "ALTER soc TYPE numeric(6, 2), ALTER gear TYPE varchar(20), ALTER odometer TYPE text")
        d.say({"VehicleSpeed": 2, "Soc": 51.5, "Gear": "D", "Odometer": 2.5})
        wait_health(d, "degraded", "field VehicleSpeed", "the column vehicle_speed has the type boolean, and double "
                    "precision is needed (ALTER TABLE")
        is_through(d)
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 1
        assert server.psql("SELECT soc, gear, odometer FROM fleetroute.telemetry ORDER BY txid") == \
            "50.50|P|1.5\n51.50|D|2.5"
        server.psql("ALTER TABLE fleetroute.telemetry ALTER vehicle_speed TYPE double precision USING NULL")
        server.psql("ALTER TABLE fleetroute.telemetry DROP soc")

        def arrives():
            d.say({"VehicleSpeed": 3, "Soc": 52.5})
            is_through(d)
            return 3 in speeds(server)
        wait_until("the repaired column is used", arrives, 30)
        assert server.psql("SELECT DISTINCT soc FROM fleetroute.telemetry WHERE soc IS NOT NULL") == "52.5"
        server.psql("DROP TABLE fleetroute.telemetry")
        d.say({"VehicleSpeed": 4})
        is_through(d)
        assert speeds(server) == [4], speeds(server)


def foreign_table():
    """A role that may not add columns: a field that a vehicle has invented fails alone; one that fleetroute knows is
    the administrator's matter, and nothing is lost until the column is there."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        put(d, 1)
        is_through(d)
        server.psql("ALTER TABLE fleetroute.telemetry OWNER TO postgres; "
                    "GRANT SELECT, INSERT, UPDATE ON fleetroute.telemetry TO fleet")
        car = d.car()
        car.send(envelope("V", datum(SPEED, field(5, 2.0)) + datum(9999, field(5, 5.0)) + field(2, moment()), VIN))
        assert car.receive_reply()[0] == "ack"
        wait_health(d, "degraded", "9999", "the server refuses a column for it")
        put(d, 3)
        is_through(d)
        assert sorted(speeds(server)) == [1, 2, 3] and d.status()["sinks"]["postgres"]["dead_letters"] == 1
        d.say({"VehicleSpeed": 4, "Soc": 50.5})
        wait_health(d, "down", "a column cannot be added", "roles and grants")
        server.psql("ALTER TABLE fleetroute.telemetry ADD soc double precision")
        is_through(d)
        assert speeds(server, "WHERE soc = 50.5") == [4] and d.status()["sinks"]["postgres"]["dead_letters"] == 1


def bad_rows():
    """A row that a constraint or trigger of the administrator refuses becomes a dead letter; all others arrive. A
    value of another type than the field's fails alone."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        d.say({"VehicleSpeed": 0, "Soc": 1})
        is_through(d)
        server.psql("ALTER TABLE fleetroute.telemetry ADD CHECK (vehicle_speed <> 77 AND vehicle_speed <> 333)")
        with Stopped(server.backends()):  # so that all are in one batch
            put(d, *range(1, 500))
        is_through(d)
        wait_health(d, "degraded", "field VehicleSpeed", "violates check constraint")
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 2, d.status()["sinks"]["postgres"]
        # The records that have another value too keep it.
        assert sorted(speeds(server)) == [n for n in range(500) if n not in (77, 333)]
        car = d.car()
        car.send(envelope("V", datum(SPEED, field(1, "fast")) + datum(SOC, field(5, 60.0)) + field(2, moment()), VIN))
        assert car.receive_reply()[0] == "ack"
        car.close()
        is_through(d)
        wait_health(d, "degraded", "field VehicleSpeed: the vehicle sent a text", "(use `layout: narrow`")
        assert server.value("SELECT count(*) FROM fleetroute.telemetry WHERE soc = 60") == 1
        assert d.status()["sinks"]["postgres"]["dead_letters"] == 3


def locked():
    """Another session locks the table, as ALTER TABLE does: the records wait."""
    with Postgres() as server, daemon(server.connection, "timeout: 2 s") as d:
        is_up(d)
        put(d, 1)
        is_through(d)
        lock = subprocess.Popen(["psql", "-XAtq", "-h", server.folder, "-p", str(server.port), "-U", "postgres", "fleet"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lock.stdin.write("BEGIN; LOCK TABLE fleetroute.telemetry; SELECT 'locked';\n")
        lock.stdin.flush()
        assert lock.stdout.readline() == "locked\n"
        put(d, 2)
        wait_health(d, "down", "lock timeout", "(another session locks the table: see pg_locks)")
        lock.stdin.close()
        lock.wait()
        is_through(d)
        is_up(d)
        assert speeds(server) == [1, 2]


def two_daemons():
    """Two daemons make the tables and columns at the same time, and share them."""
    with Postgres() as server, daemon(server.connection) as first, daemon(server.connection) as second:
        for d in (first, second):
            d.say(*({"vin": f"5YJ3E1EA7KF00000{n}", "VehicleSpeed": n, "Soc": n, "Gear": "D"} for n in range(9)))
        is_through(first)
        is_through(second)
        is_up(first)
        is_up(second)
        assert server.value("SELECT count(*) FROM fleetroute.schema_version") == 1
        # Both said the same vehicles and txids in about the same second: a record that both have is there once.
        assert 9 <= server.value("SELECT count(*) FROM fleetroute.telemetry") <= 18
        server.psql("UPDATE fleetroute.schema_version SET version = 2")
        first.sinks = ARCHIVE + sink(server.connection, "timeout: 9 s")
        first.reload()
        wait_health(first, "down", "the tables have version 2", "(upgrade fleetroute-postgres")
        server.psql("UPDATE fleetroute.schema_version SET version = 1")
        is_up(first)


def retention():
    """Rows that are too old are deleted from each table, the others stay."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        put(d, 1)
        is_through(d)
        server.psql("INSERT INTO fleetroute.telemetry (vin, time, txid, received_at) SELECT 'old', now() - interval "
                    "'3 h', n, now() FROM generate_series(1, 5000) n; INSERT INTO fleetroute.records SELECT 'old', "
                    "now() - interval '3 h', 1, now(), 'x', '{}'")
        d.sinks = ARCHIVE + sink(server.connection, "retention: 2 h")
        d.reload()
        wait_until("the old rows are deleted", lambda: server.value(
            "SELECT (SELECT count(*) FROM fleetroute.telemetry WHERE vin = 'old') + (SELECT count(*) FROM "
            "fleetroute.records WHERE vin = 'old')") == 0, 30)
        assert speeds(server) == [1], speeds(server)


# ---- TLS ------------------------------------------------------------------------------

def tls():
    """A server that is not on this machine is verified, unless the connection string says otherwise."""
    with daemon("host=/nowhere dbname=x") as d, Postgres(tls=d.folder) as server, Postgres() as plain:
        write_password(d, "secret")
        wait_health(d, "down", "No such file or directory", "(is PostgreSQL running there")
        ca, seen = f"sslrootcert={d.folder}/server-ca.pem", set()
        for words, state, why in (
                (f"host=db.example hostaddr=127.0.0.1 port={server.port} {ca}", "down", ("(the host in `connection:` must be",)),
                (f"host=db.example hostaddr=127.0.0.1 port={server.port}", "down", ("certificate verify failed", "(set sslrootcert")),
                (f"host=db.example hostaddr=127.0.0.1 port={plain.port} {ca}", "down", ("SSL", "(turn on ssl at the server")),
                (f"host=db.example hostaddr=127.0.0.1 port={plain.port} sslmode=disable", "up", ()),
                (f"host=localhost port={server.port} sslmode=verify-full {ca}", "up", ())):
            d.sinks = ARCHIVE + sink(f"user=fleet dbname=fleet {words}", "password_file: '@/password'")
            d.reload()
            wait_health(d, state, *why, seconds=20)
            seen.add(health(d)[1])
        print(*sorted(seen), sep="\n")
        assert server.value("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'fleet'")


# ---- hostile servers ------------------------------------------------------------------

def garbage(client, stream):
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)) * 100)
    stream.read()


def silence(client, stream):
    stream.read()


def hang_up(client, stream):
    client.close()


def huge_login_error(client, stream):
    begin(client, stream)
    client.sendall(b"E" + struct.pack(">I", 1 << 30))
    while True:
        client.sendall(b"a" * 65536)


def login_notices(client, stream):
    begin(client, stream)
    while True:
        client.sendall(message(b"N", b"SNOTICE\0C00000\0M" + b"a" * 10000 + b"\0\0"))


def only_login(client, stream):
    login(client, stream)
    stream.read()


def notices(client, stream):
    login(client, stream)
    while True:
        client.sendall(message(b"N", b"SNOTICE\0C00000\0M" + b"a" * 10000 + b"\0\0"))


def settings(client, stream):
    login(client, stream)
    for n in range(1 << 30):
        client.sendall(message(b"S", b"name%d\0" % n + b"a" * 1000 + b"\0"))


def notifications(client, stream):
    login(client, stream)
    while True:
        client.sendall(message(b"A", struct.pack(">I", 1) + b"channel\0" + b"a" * 5000 + b"\0") * 10)


def huge_error(client, stream):
    login(client, stream)
    client.recv(1)
    client.sendall(b"E" + struct.pack(">I", 1 << 30) + b"M")
    while True:
        client.sendall(b"a" * 65536)


def endless_rows(client, stream):
    login(client, stream)
    client.recv(1)
    client.sendall(message(b"1", b"") + message(b"2", b"") + message(b"T", struct.pack(">H", 0)))
    while True:
        client.sendall(message(b"D", struct.pack(">H", 0)) * 10000)


def copy(client, stream):
    login(client, stream)
    client.recv(1)
    client.sendall(message(b"1", b"") + message(b"2", b"") + message(b"G", b"\0\0\0"))
    stream.read()


def wrong_results(client, stream):
    login(client, stream)
    client.recv(1)
    client.sendall(message(b"1", b"") + message(b"2", b"") + message(b"n", b"") + message(b"C", b"SELECT 1\0") +
                   message(b"1", b"") + message(b"2", b"") + message(b"T", struct.pack(">H", 0)) +
                   message(b"C", b"SELECT 0\0") + message(b"Z", b"I"))
    stream.read()


def endless_scram(client, stream):
    """Ask for 2^31 - 1 iterations, for which libpq computes for many minutes."""
    begin(client, stream)
    client.sendall(message(b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0"))
    (length,) = struct.unpack(">xI", stream.read(5))
    nonce = stream.read(length - 4).split(b"r=")[1]
    client.sendall(message(b"R", struct.pack(">I", 11) + b"r=" + nonce + b"more,s=c2FsdA==,i=2147483647"))


def endless_login():
    """A server that asks for a login of many minutes: health says so within 10 s, the other sink goes on, a reload
    changes to another server meanwhile, and SIGTERM ends the daemon in its bound."""
    with HostilePostgres(endless_scram) as hostile_server, Postgres() as server, \
            daemon(server.tcp, "password_file: '@/password'") as d:
        write_password(d, "secret")
        is_up(d)
        bad = ARCHIVE + sink(f"host=127.0.0.1 port={hostile_server.port} user=fleet dbname=fleet",
                             "password_file: '@/password', timeout: 1 s")
        d.sinks = bad
        d.reload()
        put(d, 1, 2)
        wait_health(d, "down", f"{hostile_server.port}/fleet: the server did not complete the login within 1000 ms")
        wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == 2)
        wait_health(d, "down", "the server asks for a login that takes minutes", seconds=30)
        assert hostile_server.connections == 2, hostile_server.connections  # each one costs a thread
        d.sinks = ARCHIVE + sink(server.tcp, "password_file: '@/password'")
        d.reload()
        is_up(d)
        is_through(d)
        assert speeds(server) == [1, 2], speeds(server)
        d.sinks = bad
        d.reload()
        wait_until("it computes", lambda: hostile_server.connections > 2)
        wait_health(d, "down", "did not complete the login")
        begun = time.monotonic()
        assert d.end() == 0
        assert time.monotonic() - begun < 15 * PATIENCE, time.monotonic() - begun


def hostile():
    """Each broken server: health names a reason within 10 s, memory is bounded, the other sink goes on, and a good
    server gets all records."""
    with daemon("host=/nowhere dbname=x") as d:
        behaviours = (garbage, silence, hang_up, huge_login_error, login_notices, only_login, notices, settings,
                      notifications, huge_error, endless_rows, copy, wrong_results)
        for number, behave in enumerate(behaviours):
            with HostilePostgres(behave) as server:
                d.sinks = ARCHIVE + sink(f"host=127.0.0.1 port={server.port} user=fleet dbname=fleet", "timeout: 1 s")
                d.reload()
                put(d, *range(number * 10, number * 10 + 10))
                wait_health(d, "down", f"127.0.0.1:{server.port}/fleet: ")
                wait_until("it is tried again", lambda: server.connections >= 2)
                wait_until("the other sink has all", lambda: len(d.lines("V.jsonl")) == number * 10 + 10)
                print(f"{behave.__name__}: {health(d)[1]}; {d.max_kb} kB", flush=True)
        assert d.max_kb < MAX_KB, d.max_kb
        with Postgres() as server:
            d.sinks = ARCHIVE + sink(server.connection)
            d.reload()
            is_up(d)
            is_through(d)
            assert speeds(server) == list(range(10 * len(behaviours))), speeds(server)


# ---- configuration --------------------------------------------------------------------

def mistakes():
    """Each mistake in an option with its line and column, and the nearest valid name."""
    d = Daemon(ALL, ARCHIVE + """  postgres:
    plugin: postgres
    options:
      layuot: wide
      layout: long
      connection: "dbname=x password=secret"
      schema: ""
      timeout: 5 ms
      retention: 5 s
      table_prefix: a_prefix_that_is_longer_than_32_bytes
""")
    check_mistakes(d, ("layuot: wide", 'did you mean "layout"?'), ("layout: long", "one of wide|narrow"))
    d.sinks = d.sinks.replace("      layuot: wide\n", "").replace("      layout: long\n", "")
    check_mistakes(d, ("connection: ", "a password does not belong here: use `password_file:`"),
          ("schema: ", "schema must not be empty"), ("timeout: 5 ms", "timeout must be between 1 s and 10 minutes"),
          ("retention: 5 s", "retention must be at least 1 h"), ("table_prefix: ", "at most 32 bytes"))
    for connection, words in (("dbnam=x", 'invalid connection option "dbnam"'), ("host=a", "dbname is missing"),
                              ("host=a,b port=1,2,3 dbname=x", "port must have one word")):
        d.sinks = ARCHIVE + f"  postgres:\n    plugin: postgres\n    options:\n      connection: '{connection}'\n"
        check_mistakes(d, ("connection: ", words))
    shutil.rmtree(d.folder)


run_parts(trip, narrow, narrow_repeated, odd_texts, large_texts, outage, terminated, daemon_killed, frozen, failover, names, full_disk,
          credentials, changed_column, foreign_table, bad_rows, locked, two_daemons, retention, tls, endless_login, hostile, mistakes)
