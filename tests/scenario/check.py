#!/usr/bin/env python3
"""The words for people: what `check`, `status`, `values` and the log print about a configuration."""
import shutil
import tempfile

from fr import VIN, Daemon, fleetroute, run_parts, wait_until
from mosquitto import Mosquitto

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


def connections_in_the_log():
    """One line for each connection and its end, with the name; a redacted log has neither name nor VIN."""
    named = f"vehicles: [{{vin: {VIN}, name: Melan Y}}]\n" + ALL
    with Daemon(named, ARCHIVE) as d:
        car = d.car()
        wait_until("it is logged", lambda: f"info: Melan Y ({VIN}) connected from 127.0.0.1:" in d.log_text())
        car.close()
        wait_until("the end is logged", lambda: f"info: Melan Y ({VIN}) disconnected from 127.0.0.1:" in d.log_text())
        assert d.log_text().count("connected from") == 2, d.log_text()
    with Daemon(named, ARCHIVE, "log: {redact: true}") as d:
        d.car().close()
        wait_until("the end is logged", lambda: "disconnected from" in d.log_text())
        assert VIN not in d.log_text() and "Melan" not in d.log_text(), d.log_text()


def connections_do_not_fill_the_log():
    with Daemon(ALL, ARCHIVE) as d:
        for _ in range(170):
            d.car().close()
        wait_until("all have ended", lambda: d.status()["connections"] == 0)
        assert d.log_text().count("connected from") == 300, d.log_text().count("connected from")


def quiet_start():
    """A normal start has no warning, with a broker that answers and with the plugin that connects late."""
    if not shutil.which("mosquitto"):
        print("quiet_start: skipped: there is no mosquitto")
        return
    folder = tempfile.mkdtemp(prefix="fr-check.")
    broker = Mosquitto(folder, "check", "-t", "#")
    broker.start()
    with Daemon(ALL, ARCHIVE + f"\n  mqtt: {{plugin: mqtt, options: {{port: {broker.port}}}}}", journal="{}") as d:
        wait_until("it is connected", lambda: "sink mqtt is up: connected" in d.log_text())
        assert "info: sink mqtt: connecting" in d.log_text(), d.log_text()
        assert "warning" not in d.log_text() and "error" not in d.log_text(), d.log_text()
        assert d.status()["sinks"]["mqtt"]["last_error"] == ""
    broker.stop()
    broker.subscriber.terminate()
    broker.subscriber.wait()
    shutil.rmtree(folder)


def values_for_people():
    """`values` prints numbers and truths as `tail` does."""
    with Daemon(ALL, ARCHIVE, journal="{}") as d:
        d.say({"Soc": 71.123456789, "Locked": True, "Location": {"latitude": 52.5, "longitude": 13.25}})
        wait_until("it is stored", lambda: "Soc" in fleetroute("values", "-s", d.control, VIN, check=False).stdout)
        lines = {line.split()[0]: line for line in fleetroute("values", "-s", d.control, VIN).stdout.splitlines()}
        assert " 71.1235 %  (" in lines["Soc"], lines
        assert " yes  (" in lines["Locked"] and " 52.500000, 13.250000  (" in lines["Location"], lines


if __name__ == "__main__":
    run_parts(plurals, connections_in_the_log, connections_do_not_fill_the_log, quiet_start, values_for_people)
