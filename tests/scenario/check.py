#!/usr/bin/env python3
"""The words for people: what `check`, `status`, `values` and the log print about a configuration."""
import grp
import os
import pwd
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from fr import BUILD, SOURCE, VIN, Daemon, check_mistakes, fleetroute, free_port, run_parts, wait_until, write_file
from mosquitto import Mosquitto
from tls_pki import DAY, Certificate, Key, name

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


def all_mistakes_of_a_plugin():
    """An unknown option and a value of a wrong type do not hide what the plugin finds in another option."""
    sinks = """  mqtt:
    plugin: mqtt
    options:
      hots: 127.0.0.1
      port: 99999
      retain: perhaps"""
    d = Daemon('records: [{type: "*", to: mqtt}]', sinks)
    check_mistakes(d, ("hots:", 'did you mean "host"'), ("port:", "65535"), ("retain:", "perhaps"))


def serve_certificate(d, begins, ends):
    """Replace the server's certificate by one with another validity."""
    key = Key(d.folder)
    own = Certificate(name(("CN", "localhost")), key, begins=begins, ends=ends)
    shutil.copy(key.path, d.path("server.key"))
    write_file(d.path("server.pem"), own.pem())


def certificate_age():
    for begins, ends, code, words in ((-9 * DAY, -DAY, 1, ": it has expired on 20"),
                                      (DAY, 90 * DAY, 1, ": it is not valid before 20"),
                                      (-300 * DAY, 10.5 * DAY, 0, ", in 10 days; renew it"),
                                      (-300 * DAY, 1.5 * DAY, 0, ", in 1 day; renew it")):
        d = prepared()
        serve_certificate(d, int(begins), int(ends))
        got, text = check(d)
        assert got == code and "fleetroute.yaml:2:20: " in text and words in text, text
        assert ("warning: certificate: " in text) == (code == 0), text
    d = prepared()
    serve_certificate(d, -DAY, 6 * DAY)  # a certificate of a week is not soon to expire on its second day
    assert check(d)[0] == 0 and "warning" not in check(d)[1], check(d)


def certificate_in_the_daemon():
    """The daemon starts all the same: the log has one error, the status and /readyz have the cause."""
    port = free_port()
    d = Daemon(ALL, ARCHIVE, f"admin: {{port: {port}}}")
    serve_certificate(d, -9 * DAY, -DAY)
    with d:
        expired = f"error: the server certificate {d.path('server.pem')}: it has expired on "
        wait_until("it is logged", lambda: expired in d.log_text())
        text = fleetroute("status", "-s", d.control).stdout
        assert re.search("^certificate +down +it has expired on .*; replace it$", text, re.M), text
        assert d.status()["certificate"]["health"] == "down"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
            raise AssertionError("it is ready")
        except urllib.error.HTTPError as error:
            assert error.code == 503 and b"certificate: down: it has expired on" in error.read()
        serve_certificate(d, -300 * DAY, 10 * DAY)
        wait_until("the renewed one is served", lambda: d.status()["certificate"]["health"] == "warning")
        wait_until("it is logged", lambda: ": it expires on 20" in d.log_text())
        serve_certificate(d, -DAY, 300 * DAY)
        wait_until("the next one is served", lambda: "299 days left" in d.status()["certificate"]["why"])
        assert d.log_text().count("error: ") == 2, d.log_text()


def vins_and_unused_sinks():
    d = prepared("vehicles:\n  - 5YJ3E1EA7KF000001\n  - 5YJ3E1EA8KF000001\n" + ALL,
                 ARCHIVE + "\n  idle: {plugin: file, options: {path: \"@/x\"}}")
    code, text = check(d)
    assert code == 0 and check(d, "--strict")[0] == 1, text
    assert "routing.yaml:2:5: warning: the VIN 5YJ3E1EA7KF000001 is probably mistyped" in text and "give 8;" in text, text
    assert "routing.yaml:3" not in text, text
    assert re.search(r"fleetroute.yaml:\d+:9: warning: the sink idle gets nothing: no route of ", text), text
    write_file(d.path("routing.yaml"), "vehicles: [5YJ3E1EA7KFO00001]\n" + ALL)
    code, text = check(d)
    assert code == 1 and "routing.yaml:1:12: " in text and "the letter O in position 12" in text, text


def with_token(folder, **more):
    sinks = f"""  home:
    plugin: ha_websocket
    options: {{token_file: "{folder}/token", entities: {SOURCE}/etc/entities.yaml}}"""
    return prepared("records: [{type: V, to: home}]", sinks, "user: daemon", **more)


def as_the_user():
    """A token that only root can read; the command that is printed repairs it."""
    with tempfile.TemporaryDirectory() as folder:
        d = with_token(folder)
        os.makedirs(d.path("state"))
        write_file(f"{folder}/token", "secret\n")
        os.chmod(f"{folder}/token", 0o600)
        os.chmod(folder, 0o755)
        group = grp.getgrgid(pwd.getpwnam("daemon").pw_gid).gr_name
        code, text = check(d)
        token = next(line for line in text.splitlines() if "token_file" in line)
        assert code == 1 and re.match(r".*fleetroute.yaml:\d+:\d+: token_file: the user daemon cannot read ", token)
        command = f"chown root:{group} {folder}/token && chmod 640 {folder}/token"
        assert token.endswith(f"{folder}/token: {command}"), token
        assert f"state: the user daemon cannot write in {d.path('state')}: " in text, text
        assert f"warning: the configuration: the user daemon cannot read {d.path('fleetroute.yaml')}, so a reload" in text
        if os.getuid() != 0:
            return
        subprocess.run(command, shell=True, check=True)
        assert "token_file" not in check(d)[1], check(d)
        os.chmod(folder, 0o700)
        assert f"{folder}/token: chgrp {group} {folder} && chmod g+x {folder}\n" in check(d)[1], check(d)
        os.chmod(folder, 0o755)
        for command in re.findall(r": ((?:chgrp|chown|install) .*)", check(d)[1]):
            subprocess.run(command, shell=True, check=True)
        for command in re.findall(r": ((?:chgrp|chown|install) .*)", check(d)[1]):
            subprocess.run(command, shell=True, check=True)
        code, text = check(d)
        assert code == 0 and "the user" not in text, text


def missing_secret_files():
    """Without `user:` too, each file that a plugin needs and that does not exist is an error."""
    d = prepared('fields: [{field: Soc, to: [m, w]}]', f"""  m:
    plugin: mqtt
    options: {{layout: values, host: 127.0.0.1, password_file: /nonexistent/a}}
  w:
    plugin: http
    options:
      url: http://127.0.0.1:1880/tesla
      header_files: {{Authorization: /nonexistent/b}}
    path: /x""")
    code, text = check(d)
    assert code == 1 and "a sink has no \"path\"; an option of the plugin must be indented below `options:`" in text, text
    d.sinks = d.sinks.replace("\n    path: /x", "")
    d.write()
    code, text = check(d)
    for mistake in ("password_file: /nonexistent/a", "Authorization: /nonexistent/b"):
        assert code == 1 and re.search(
            rf"fleetroute.yaml:\d+:\d+: {mistake}: No such file or directory; create the file, or correct the path",
            text), text


def as_another_user():
    """Without root, the permission bits decide."""
    if os.getuid() != 0:
        return  # as_the_user() tests it
    with tempfile.TemporaryDirectory() as folder:
        d = with_token(folder)
        for path in (folder, d.folder):
            os.chmod(path, 0o755)
        for path in os.listdir(d.folder):
            os.chmod(d.path(path), 0o644)
        write_file(f"{folder}/token", "secret\n")
        os.chmod(f"{folder}/token", 0o600)
        out = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False, user="games", group="games",
                         extra_groups=[])
        assert "token_file: the user daemon cannot read" in out.stdout, out
        os.chmod(f"{folder}/token", 0o644)
        out = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False, user="games", group="games",
                         extra_groups=[])
        assert "token_file" not in out.stdout, out


def under_the_unit():
    """The files that the shipped unit keeps from the daemon."""
    with open(f"{SOURCE}/packaging/debian/fleetroute.service") as f:
        unit = f.read().replace("User=fleetroute", "User=daemon")
    d = prepared(sinks=ARCHIVE + '\n  mine: {plugin: file, options: {path: "/srv/cars/%{type}"}}\n'
                 '  ours: {plugin: file, options: {path: "/var/lib/fleetroute/x/%{type}"}}\n'
                 f'  home: {{plugin: ha_websocket, options: {{token_file: /home/me/token, '
                 f'entities: {SOURCE}/etc/entities.yaml}}}}')
    write_file(d.path("unit"), unit)
    code, text = check(d, "--unit", d.path("unit"))
    seen = f"certificate: the daemon does not see {d.path('server.pem')}, because fleetroute.service has PrivateTmp=;"
    assert code == 1 and seen in text and "key: the daemon does not see" in text, text
    assert "token_file: the daemon does not see /home/me/token, because fleetroute.service has ProtectHome=;" in text
    assert "path: the daemon cannot write in /srv/cars, because fleetroute.service has ProtectSystem=strict;" in text
    assert "ReadWritePaths=/srv/cars below [Service]" in text and "/var/lib/fleetroute/x," not in text, text
    code, text = check(d)
    assert "fleetroute.service" not in text, text
    code, text = check(d, "--unit", d.path("none"))
    assert code == 1 and "cannot read the unit" in text, text


def values_for_people():
    """`values` prints numbers and truths as `tail` does."""
    with Daemon(ALL, ARCHIVE, journal="{}") as d:
        d.say({"Soc": 71.123456789, "Locked": True, "Location": {"latitude": 52.5, "longitude": 13.25}})
        wait_until("it is stored", lambda: "Soc" in fleetroute("values", "-s", d.control, VIN, check=False).stdout)
        lines = {line.split()[0]: line for line in fleetroute("values", "-s", d.control, VIN).stdout.splitlines()}
        assert " 71.1235 %  (" in lines["Soc"], lines
        assert " yes  (" in lines["Locked"] and " 52.500000, 13.250000  (" in lines["Location"], lines


if __name__ == "__main__":
    run_parts(plurals, connections_in_the_log, connections_do_not_fill_the_log, quiet_start, missing_plugin, http_behind_https, wrong_indentation, all_mistakes_of_a_plugin, certificate_age, certificate_in_the_daemon,
              vins_and_unused_sinks, as_the_user, missing_secret_files, as_another_user, under_the_unit, values_for_people)
