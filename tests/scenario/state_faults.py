#!/usr/bin/env python3
"""The state folder on a disk that is full, read-only or failing: the log, /readyz and the status name it, what is
acknowledged is kept, and it goes on by itself."""
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from faults import Faults  # noqa: E402
from fr import BUILD, PATIENCE, SOURCE, Daemon, free_port, run_parts, wait_until  # noqa: E402
from home_assistant import FakeHome  # noqa: E402
from mqtt_broker import FakeBroker  # noqa: E402

SECOND = "5YJ3E1EA7KF000002"
WITHIN = 10  # seconds until a fault is named
LETTERS = "state/dead-letters/odd.jsonl"
CAUSES = {"EIO": ("Input/output error", "check the kernel's log and the disk"),
          "ENOSPC": ("No space left on device", "free space on its disk"),
          "EDQUOT": ("Disk quota exceeded", "free space on its disk"),
          "EROFS": ("Read-only file system", "mount its file system read-write")}


def daemon(routing, sinks, **more):
    d = Daemon(routing, sinks, **more)
    d.admin_port = free_port()
    d.extra = f"admin: {{port: {d.admin_port}}}"
    return d


def readyz(d):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{d.admin_port}/readyz", timeout=5 * PATIENCE) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.read().decode()


def named(d, sink, begun, *words):
    """The log since `begun` (an offset), /readyz and the status of a sink hold all of the words, in time."""
    for where, text in (("the log", lambda: d.log_text()[begun:]), ("/readyz", lambda: readyz(d)),
                        ("the status", lambda: d.status()["sinks"][sink]["why"])):
        wait_until(f"{where} names it: {words}",
                   lambda: any(all(w in line for w in words) for line in text().splitlines()), WITHIN)
    assert d.status()["sinks"][sink]["health"] != "up"


def odd(d):
    return d.status()["sinks"]["odd"]


def odd_daemon():
    return daemon('records: [{type: V, to: odd}]', '  odd: {plugin: fault, retry: {min: 20 ms, max: 200 ms}, '
                  f'options: {{path: "@/odd", refuse: {SECOND}}}}}', journal="{}")


def letters(d, name=LETTERS):
    return [r["record"]["data"]["Soc"] for r in d.records(name)]


def refuse(d, n):
    """A record that is refused, and one behind it that is not."""
    d.say({"Soc": n, "vin": SECOND}, {"Soc": n})


def dead_letters_on_a_failing_disk():
    """Each call that a dead letter needs, with each error: the delivery waits, nothing is lost or doubled."""
    d = odd_daemon()
    faults = Faults(d)
    with d:
        n = 0
        for error, *rules in (("EIO", "mkdir state/dead-letters"), ("EIO", "sync state/dead-letters"),
                              ("EROFS", f"open {LETTERS}"), ("ENOSPC", f"write {LETTERS}"),
                              ("EIO", f"sync {LETTERS}"),
                              # What is written and not on the disk cannot be cut off at once.
                              ("EDQUOT", f"sync {LETTERS}", f"truncate {LETTERS}")):
            begun = len(d.log_text())
            faults.set(*(f"{rule} {error}" for rule in rules))
            refuse(d, n)
            named(d, "odd", begun, "dead letters cannot be written", d.path("state/dead-letters"), *CAUSES[error])
            wait_until("the other vehicle goes on", lambda: len(d.records("odd")) == n + 1, 5)
            assert odd(d)["dead_letters"] == n and odd(d)["lag"] >= 1, odd(d)
            assert "dead letters cannot be written" in odd(d)["last_error"]
            faults.clear()
            n += 1
            wait_until("it goes on", lambda: odd(d)["dead_letters"] == n and odd(d)["lag"] == 0)
            assert letters(d) == list(range(n)), letters(d)
            assert "cannot be written" not in odd(d)["why"] and "cannot be written" not in readyz(d)
            assert "dead letters are written again" in d.log_text()[begun:]
        assert [r["data"]["Soc"] for r in d.records("odd")] == list(range(n))
        assert d.log_text().count("fault_io: truncate") >= 2, "the line was not there to be cut off"


def many_refused_records_of_a_vehicle():
    """They all wait while no dead letter can be written, and are tried with pauses, not one after the other."""
    d = odd_daemon()
    faults = Faults(d)
    with d:
        faults.set(f"write {LETTERS} EIO")
        for n in range(4):
            d.say({"Soc": n, "vin": SECOND})
        wait_until("it is named", lambda: "dead letters cannot be written" in odd(d)["last_error"])
        before = odd(d)["refused"] + odd(d)["failed"]
        time.sleep(2)  # the time in which tries are counted
        tries = odd(d)["refused"] + odd(d)["failed"] - before
        assert tries < 50, f"{tries} tries in 2 s"
        faults.clear()
        wait_until("it goes on", lambda: odd(d)["dead_letters"] == 4 and odd(d)["lag"] == 0)
        assert sorted(letters(d)) == list(range(4)), letters(d)


def dead_letters_that_stand_in_the_way():
    """A full file that cannot be renamed delays the dead letters and is named; half a line of a crash is cut."""
    d = odd_daemon()
    faults = Faults(d)
    with d:
        refuse(d, 0)
        wait_until("it is a dead letter", lambda: letters(d) == [0])
        os.rename(d.path(LETTERS), d.path(LETTERS + ".1"))
        with open(d.path(LETTERS), "w") as f:
            f.truncate(64 << 20)
        begun = len(d.log_text())
        faults.set(f"rename {LETTERS}.1 EIO")
        refuse(d, 1)
        named(d, "odd", begun, "is full and cannot be renamed", *CAUSES["EIO"])
        assert os.path.getsize(d.path(LETTERS)) == 64 << 20 and letters(d, LETTERS + ".1") == [0]
        faults.clear()
        wait_until("it goes on", lambda: letters(d) == [1])
        assert os.path.getsize(d.path(LETTERS + ".1")) == 64 << 20
        assert d.count("dead_letters_deleted") == 1
        os.truncate(d.path(LETTERS + ".1"), 0)
        d.kill()
        with open(d.path(LETTERS), "rb+") as f:
            line = f.read()
            f.write(line[:100])  # the next one, cut short
        d.start()
        refuse(d, 2)
        wait_until("it goes on", lambda: letters(d)[-1] == 2)
        # After kill -9 a letter may come twice, also the deleted one, and is recognised by its seq.
        found = set(letters(d))
        assert {1, 2} <= found <= {0, 1, 2} and len({r["seq"] for r in d.records(LETTERS)}) == len(found), found
        assert "the file is repaired" in d.log_text()


class Home(FakeHome):
    """A Home Assistant that registers vehicles, and knows those of `trackers` (VIN to entity id)."""

    def __init__(self):
        self.trackers, self.registered = {}, []
        super().__init__(answer=self._result)

    def _result(self, command):
        if command["type"] == "config/entity_registry/list":
            return [{"platform": "mobile_app", "entity_id": entity, "unique_id": vin}
                    for vin, entity in self.trackers.items()]
        if command["type"] == "get_states":
            return [{"entity_id": entity, "state": "not_home", "attributes": {}} for entity in self.trackers.values()]
        return {"status": 200, "body": '{"success": true}'}

    def _serve_client(self, client):  # registrations come while the WebSocket is open
        threading.Thread(target=super()._serve_client, args=(client,), daemon=True).start()

    def _one(self, client, stream):
        if stream.peek(5).startswith(b"POST "):
            self._register(client, stream)
        else:
            self._serve(client, stream)

    def _register(self, client, stream):
        size = 0
        while (line := stream.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        vin = json.loads(stream.read(size))["device_id"]
        self.registered.append(vin)
        self.trackers[vin] = f"device_tracker.car_{vin[-1]}_location"
        answer = json.dumps({"webhook_id": f"hook-{len(self.registered)}-{vin}"}).encode()
        client.sendall(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(answer) + answer)

    def hooks(self):
        return {c["webhook_id"] for c in self.of_type("webhook/handle")}


HOME = '  home: {{plugin: ha_websocket, delivery: log, retry: {{min: 20 ms, max: 100 ms}}, ' \
       'options: {{url: "http://127.0.0.1:{port}", token_file: "@/token", entities: {catalogue}}}}}\n'
CATALOGUE = os.path.join(SOURCE, "etc/entities.yaml")


def home_daemon(home):
    d = daemon("fields: [{field: Soc, to: home}]", HOME.format(port=home.port, catalogue=CATALOGUE), journal="{}")
    with open(d.path("token"), "w") as f:
        f.write("secret\n")
    return d


def registrations():
    """Registrations cannot be written: the sink is degraded, values are sent all the same, and they are written
    when that works. A torn or empty file is named, and its vehicle registered again."""
    with Home() as home:
        d = home_daemon(home)
        faults = Faults(d)

        def kept(vin):
            """What is remembered of a vehicle; {} where there is no file, or a damaged one."""
            try:
                with open(d.path(f"state/sinks/home/{vin}.json")) as f:
                    found = json.load(f)
            except (FileNotFoundError, ValueError):
                return {}
            return found if isinstance(found, dict) else {}

        with d:
            for i, (error, rule) in enumerate((("ENOSPC", "write"), ("EIO", "sync"), ("EROFS", "open"), ("EIO", "rename"))):
                vin = f"5YJ3E1EA7KF00001{i}"
                begun = len(d.log_text())
                faults.set(f"{rule} state/sinks/home/ {error}")
                d.say({"Soc": i, "vin": vin})
                named(d, "home", begun, d.path(f"state/sinks/home/{vin}.json"), *CAUSES[error])
                wait_until("values are sent", lambda: d.status()["sinks"]["home"]["delivered"] == i + 1)
                assert not kept(vin) and "degraded" in readyz(d)
                faults.clear()
                wait_until("it is up", lambda: d.status()["sinks"]["home"]["health"] == "up", WITHIN)
                assert kept(vin)["webhook"] == f"hook-{i + 1}-{vin}" and kept(vin)["sensors"], kept(vin)
            assert home.registered == [f"5YJ3E1EA7KF00001{i}" for i in range(4)], home.registered
            d.kill()
            for i, damage in enumerate((lambda text: "", lambda text: text[:len(text) // 2], lambda text: "[1]")):
                path = d.path(f"state/sinks/home/5YJ3E1EA7KF00001{i}.json")
                with open(path) as f:
                    text = damage(f.read())
                with open(path, "w") as f:
                    f.write(text)
            d.start()
            d.say(*({"Soc": 50 + i, "vin": f"5YJ3E1EA7KF00001{i}"} for i in range(4)))
            wait_until("the damaged are registered again", lambda: len(home.registered) == 7)
            assert sorted(home.registered[4:]) == [f"5YJ3E1EA7KF00001{i}" for i in range(3)], home.registered
            for i in range(3):
                assert f"5YJ3E1EA7KF00001{i}.json is damaged: " in d.log_text()
                wait_until("it is kept", lambda: kept(f"5YJ3E1EA7KF00001{i}").get("webhook", "")
                           .startswith(("hook-5-", "hook-6-", "hook-7-")))
            wait_until("all is sent", lambda: d.status()["sinks"]["home"]["lag"] == 0)
            assert "hook-4-5YJ3E1EA7KF000013" in home.hooks()


def client_ids():
    """The MQTT client id cannot be kept: connected and degraded; it is kept when that works, the same one. A torn or
    empty file is named, and another id is drawn; without a folder for it the daemon starts all the same."""
    with FakeBroker() as broker:
        d = daemon("fields: [{field: Soc, to: mqtt}]", f'  mqtt: {{plugin: mqtt, options: {{port: {broker.port}}}}}\n',
                   journal="{}")
        faults = Faults(d)
        file = "state/sinks/mqtt/client-id"

        def kept():
            return d.lines(file) or (open(d.path(file)).read() if os.path.exists(d.path(file)) else None)

        def restart(text, rule):
            if d.process:
                assert d.end() == 0
            if text is None:
                shutil.rmtree(d.path("state/sinks"), ignore_errors=True)
            else:
                with open(d.path(file), "w") as f:
                    f.write(text)
            faults.set(*rule)
            connections = broker.connections
            d.start()
            wait_until("it is connected", lambda: broker.connections > connections)
            return broker.client_ids[-1].rsplit("-", 1)[1]

        ids, begun = [], 0
        os.makedirs(d.path("state"))
        try:
            for error, call in (("EIO", "mkdir"), ("ENOSPC", "write"), ("EIO", "sync"), ("EROFS", "open"), ("EIO", "rename")):
                ids.append(restart(None, [f"{call} state/sinks{'/mqtt' if call != 'mkdir' else ''} {error}"]))
                named(d, "mqtt", begun, d.path("state/sinks/mqtt"), *CAUSES[error])
                d.say({"Soc": len(ids)})
                wait_until("values are sent", lambda: d.status()["sinks"]["mqtt"]["lag"] == 0)
                faults.clear()
                wait_until("it is up", lambda: d.status()["sinks"]["mqtt"]["health"] == "up", WITHIN)
                assert kept() == ids[-1], (kept(), ids)
                begun = len(d.log_text())
            assert restart(ids[-1], []) == ids[-1], "another id with a file that is whole"
            for torn in ("", ids[-1][:5], "no digits"):
                begun = len(d.log_text())
                ids.append(restart(torn, []))
                assert "client-id is damaged" in d.log_text()[begun:] and kept() == ids[-1], (kept(), ids)
            assert len(set(ids)) == len(ids), ids
            assert d.end() == 0
        finally:
            if d.process:
                d.end()
        shutil.rmtree(d.folder)


def mount(d, options):
    """A tmpfs as the state folder; False where mounts are not allowed."""
    os.makedirs(d.path("state"), exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "fleetroute-test", d.path("state")],
                          capture_output=True, text=True)
    if done.returncode != 0:
        print("no tmpfs can be mounted here, so the test of a real disk is skipped:", done.stderr.strip())
    return done.returncode == 0


def remount(d, how):
    """Read-only is refused while a file is open for writing."""
    def done():
        return subprocess.run(["mount", "-o", f"remount,{how}", d.path("state")], capture_output=True).returncode == 0
    wait_until(f"the disk is mounted {how}", done)


def unmount(d):
    subprocess.run(["umount", "-l", d.path("state")], check=True)


def fill(d):
    with open(d.path("state/fill"), "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass


def a_real_disk():
    """A small tmpfs as the state folder, filled up and freed, mounted read-only and back; the journal is elsewhere.
    Then a start on each: it says why it ends, or which sink is degraded."""
    d = odd_daemon()
    d.journal = "{path: journal}"
    if not mount(d, "size=1m"):
        shutil.rmtree(d.folder)
        return
    with d:
        try:
            sent = 0
            for error, break_it, mend_it in (("ENOSPC", lambda: fill(d), lambda: os.unlink(d.path("state/fill"))),
                                             ("EROFS", lambda: remount(d, "ro"), lambda: remount(d, "rw"))):
                refuse(d, sent)
                wait_until("it is a dead letter", lambda: len(letters(d)) == sent + 1)
                begun = len(d.log_text())
                break_it()
                for n in range(sent + 1, sent + 21):
                    refuse(d, n)
                named(d, "odd", begun, "dead letters cannot be written", d.path(LETTERS), *CAUSES[error])
                mend_it()
                sent += 21
                wait_until("it goes on", lambda: odd(d)["dead_letters"] == sent and odd(d)["lag"] == 0)
                assert sorted(letters(d)) == list(range(sent)), letters(d)
            assert [r["data"]["Soc"] for r in d.records("odd")] == list(range(sent))
            assert d.end() == 0
        finally:
            unmount(d)


def started(d):
    """Start a daemon that may end; its log since then, once it has ended or answers."""
    d.write()
    with open(d.path("log"), "ab") as log:
        at = log.tell()
        d.process = subprocess.Popen([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")], stderr=log)
    wait_until("it starts or ends", lambda: d.ended() or d.status(check=False))
    return d.log_text()[at:]


def start_on_a_broken_disk():
    """The state folder is full or read-only at the start: with the journal in it the daemon ends and says why, also
    without a journal there yet; with a journal elsewhere the sink is degraded. Repaired, both go on."""
    for journal in ("{}", "{path: journal}"):
        for error, break_it, mend_it in (("ENOSPC", lambda: fill(d), lambda: os.unlink(d.path("state/fill"))),
                                         ("EROFS", lambda: remount(d, "ro"), lambda: remount(d, "rw"))):
            with FakeBroker() as broker:
                d = daemon("fields: [{field: Soc, to: mqtt}]", f'  mqtt: {{plugin: mqtt, options: {{port: {broker.port}}}}}\n',
                           journal=journal)
                if not mount(d, "size=4m"):
                    shutil.rmtree(d.folder)
                    return
                try:
                    for new in (True, False):
                        break_it()
                        log = started(d)
                        if journal == "{}":
                            # A journal with free pages in its file may start on a full disk.
                            assert d.ended() or (error == "ENOSPC" and not new), log
                            assert not d.ended() or d.process.returncode == 1, (d.process.returncode, log)
                            assert not d.ended() or any(all(w in line for w in (*CAUSES[error], d.path("state/journal")))
                                                        for line in log.splitlines()), log
                        elif new:
                            named(d, "mqtt", 0, d.path("state/sinks/mqtt"), *CAUSES[error])
                        mend_it()
                        if d.ended():
                            d.start()
                        wait_until("it is up", lambda: d.status()["sinks"]["mqtt"]["health"] == "up", WITHIN)
                        d.say({"Soc": 1})
                        wait_until("it is sent", lambda: d.status()["sinks"]["mqtt"]["lag"] == 0)
                        assert d.end() == 0
                finally:
                    d.end()
                    unmount(d)
                shutil.rmtree(d.folder)


if __name__ == "__main__":
    if os.environ.get("ASAN_OPTIONS"):
        print("a library cannot be preloaded into a build with a sanitizer: injected faults are skipped")
        run_parts(a_real_disk, start_on_a_broken_disk)
    else:
        run_parts(dead_letters_on_a_failing_disk, many_refused_records_of_a_vehicle,
                  dead_letters_that_stand_in_the_way, registrations, client_ids, a_real_disk,
                  start_on_a_broken_disk)
