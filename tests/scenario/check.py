#!/usr/bin/env python3
"""The words for people: what `check`, `status`, `values` and the log print about a configuration."""
import os
import shutil
import socketserver
import tempfile
import threading
import time

from fr import BUILD, SOURCE, VIN, Daemon, fleetroute, run_parts, wait_until, write_file
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
    """At most 300 lines a minute, however often vehicles connect."""
    begun = time.monotonic()
    with Daemon(ALL, ARCHIVE) as d:
        for _ in range(170):
            d.car().close()
        wait_until("all have ended", lambda: d.status()["connections"] == 0)
        lines, minutes = d.log_text().count("connected from"), 1 + int((time.monotonic() - begun) / 60)
        assert lines == 300 or (minutes > 1 and lines <= 300 * minutes), lines


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


def missing_plugin():
    """The package and the nearest name; the folder has only the plugin file."""
    d = prepared(sinks=ARCHIVE + "\n  home: {plugin: ha_websocket}\n  cars: {plugin: mqtd}\n  more: {plugin: xyzzy}\n"
                 "  word: {plugin: homeassistant}")
    os.mkdir(d.path("plugins"))
    shutil.copy(f"{BUILD}/.libs/file.so", d.path("plugins"))
    text = open(d.path("fleetroute.yaml")).read().replace(f"plugin_dir: {BUILD}/.libs", "plugin_dir: plugins")
    write_file(d.path("fleetroute.yaml"), text)
    code, text = check(d)
    folder = d.path("plugins")
    for words in (f'"ha_websocket": there is no {folder}/ha_websocket.so; the Debian package fleetroute-homeassistant '
                  "has it: apt install fleetroute-homeassistant\n",
                  f'"mqtd": there is no {folder}/mqtd.so; did you mean "mqtt"? the Debian package fleetroute-mqtt has it',
                  f'"xyzzy": there is no {folder}/xyzzy.so; the plugins there are file\n',
                  '"homeassistant": there is no ', 'did you mean "ha_websocket"? the Debian package'):
        assert words in text, text
    assert code == 1


class PlainHome(socketserver.BaseRequestHandler):
    """What aiohttp, the server of Home Assistant, answers to a ClientHello."""

    def handle(self):
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nInvalid method encountered")


def http_behind_https():
    """An https URL of a port without TLS."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PlainHome) as home:
        threading.Thread(target=home.serve_forever, daemon=True).start()
        sinks = f"""  home:
    plugin: ha_websocket
    options: {{url: "https://127.0.0.1:{home.server_address[1]}", token_file: "@/token", entities: {SOURCE}/etc/entities.yaml}}"""
        d = prepared("records: [{type: V, to: home}]", sinks)
        write_file(d.path("token"), "secret\n")
        with d:
            wait_until("it has the remedy", lambda: 'use "http://" instead of' in d.status()["sinks"]["home"]["why"])
        home.shutdown()


def wrong_indentation():
    d = prepared()
    write_file(d.path("routing.yaml"), "records:\n  - {type: V, to: archive}\n - {type: alerts, to: archive}\n")
    code, text = check(d)
    assert code == 1 and "routing.yaml:3:2: wrong indentation: this line begins in column 2; " in text, text


def values_for_people():
    """`values` prints numbers and truths as `tail` does."""
    with Daemon(ALL, ARCHIVE, journal="{}") as d:
        d.say({"Soc": 71.123456789, "Locked": True, "Location": {"latitude": 52.5, "longitude": 13.25}})
        wait_until("it is stored", lambda: "Soc" in fleetroute("values", "-s", d.control, VIN, check=False).stdout)
        lines = {line.split()[0]: line for line in fleetroute("values", "-s", d.control, VIN).stdout.splitlines()}
        assert " 71.1235 %  (" in lines["Soc"], lines
        assert " yes  (" in lines["Locked"] and " 52.500000, 13.250000  (" in lines["Location"], lines


if __name__ == "__main__":
    run_parts(plurals, connections_in_the_log, connections_do_not_fill_the_log, quiet_start, missing_plugin, http_behind_https, wrong_indentation, values_for_people)
