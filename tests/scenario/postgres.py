#!/usr/bin/env python3
"""postgres.so and a real PostgreSQL: values and records arrive in their tables, once each, whatever happens to the
server; health names the reason and the remedy; hostile servers cost neither memory nor other sinks.

FR_OUTAGE (4) is for how many seconds the server is away."""
import json
import os
import shutil
import sys
import time

from fr import PATIENCE, VIN, Daemon, fleetroute, run_parts, wait_until
from journal_checks import endless_load
from postgres_server import HostilePostgres, Postgres

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from messages import datum, envelope, field, moment  # noqa: E402

OUTAGE = float(os.environ.get("FR_OUTAGE", "4"))
VEHICLES, RATE = 20, 5
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

def trip():
    """Each value of a whole trip is in the table, in a column of its type, equal to the archive's."""
    with Postgres() as server, daemon(server.connection) as d:
        is_up(d)
        d.simulate("--speed", 40)
        wait_until("the car is gone", lambda: len(d.lines("connectivity.jsonl")) == 2)
        is_through(d)
        print(server.psql("SELECT * FROM fleetroute.telemetry LIMIT 2"))
        print(server.psql("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'fleetroute.telemetry'::regclass AND attnum > 0"))
        for t in ("alerts", "errors", "connectivity", "records", "schema_version"):
            print(t, server.psql(f"SELECT count(*) FROM fleetroute.{t}"), server.psql(f"SELECT * FROM fleetroute.{t} LIMIT 2"))
        for name in ("V", "alerts", "connectivity"):
            print(*d.lines(f"{name}.jsonl")[:1])
        print(json.dumps(d.status()["sinks"]["postgres"]))


run_parts(trip)
