#!/usr/bin/env python3
"""The words for people: what `check`, `status`, `values` and the log print about a configuration."""
from fr import VIN, Daemon, fleetroute, run_parts, wait_until

ARCHIVE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
ALL = 'records: [{type: "*", to: archive}]'


def prepared(routing=ALL, sinks=ARCHIVE, extra="", journal="off"):
    """A configuration in a folder, without a running daemon."""
    d = Daemon(routing, sinks, extra, journal=journal)
    d.write()
    return d


def check(d, *options):
    out = fleetroute("check", "-c", d.path("fleetroute.yaml"), *options, check=False)
    return out.returncode, out.stdout + out.stderr


def plurals():
    code, text = check(prepared("vehicles: [5YJ3E1EA7KF000001]\n" + ALL))
    assert code == 0 and "1 sink, 1 record route, 0 field routes, 1 vehicle\n" in text, text
    with Daemon(ALL, ARCHIVE) as d:
        car = d.car()
        wait_until("it is connected", lambda: d.status()["connections"] == 1)
        text = fleetroute("status", "-s", d.control).stdout
        assert "1 vehicle connected" in text and "0 messages" in text, text
        car.close()


def values_for_people():
    """`values` prints numbers and truths as `tail` does."""
    with Daemon(ALL, ARCHIVE, journal="{}") as d:
        d.say({"Soc": 71.123456789, "Locked": True, "Location": {"latitude": 52.5, "longitude": 13.25}})
        wait_until("it is stored", lambda: "Soc" in fleetroute("values", "-s", d.control, VIN, check=False).stdout)
        lines = {line.split()[0]: line for line in fleetroute("values", "-s", d.control, VIN).stdout.splitlines()}
        assert " 71.1235 %  (" in lines["Soc"], lines
        assert " yes  (" in lines["Locked"] and " 52.500000, 13.250000  (" in lines["Location"], lines


if __name__ == "__main__":
    run_parts(plurals, values_for_people)
