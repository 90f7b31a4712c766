#!/usr/bin/env python3
"""The file sink with many paths, hostile names, and files that are moved, deleted or blocked."""
import gzip
import json
import os
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from faults import Faults  # noqa: E402
from fr import Daemon, VIN, run_parts, wait_until  # noqa: E402
from messages import alerts, envelope  # noqa: E402

ALL = 'records: [{type: "*", to: archive, ack: archive}]'


def sink(path, options="", more=""):
    return f'  archive: {{plugin: file, retry: {{min: 20 ms, max: 50 ms}}, {more} ' \
           f'options: {{path: "@/{path}", {options}}}}}\n'


ROTATING = 100  # so many alerts are more than 10 kB


def acknowledged(car, count):
    for _ in range(count):
        reply = car.receive_reply()
        assert reply[0] == "ack", reply


def send_alerts(car, numbers):
    """Send alerts and wait until they are durable. A sink rotates a file at most once for each batch, and
    a batch can be all that waits; alerts that are sent later are in a later batch."""
    for i in numbers:
        car.send(envelope("alerts", alerts([f"a{i}" * 20]), VIN))
    acknowledged(car, len(numbers))


def many_paths():
    """One file for each of 600 vehicles: no pause, and the number of open files is bounded."""
    vins = [f"5YJ3E1EA7KF{i:06d}" for i in range(600)]
    spent = {}
    for path in ("all", "%{vin}"):
        with Daemon("records: [{type: V, to: archive}]", sink(f"out/{path}.jsonl"), journal="{}") as d:
            begun = time.monotonic()
            d.say(*({"vin": vin, "Soc": n} for n in range(10) for vin in vins))
            wait_until("all is written", lambda: d.status()["sinks"]["archive"]["delivered"] == 6000, 60)
            spent[path] = time.monotonic() - begun
            if path == "all":
                continue
            for vin in vins:
                assert [r["data"]["Soc"] for r in d.records(f"out/{vin}.jsonl")] == list(range(10)), vin
            assert len(os.listdir(f"/proc/{d.process.pid}/fd")) < 400
    print(f"6,000 records took {spent['all']:.2f} s to one file and {spent['%{vin}']:.2f} s to 600")


def moved_and_deleted_files():
    """A moved or deleted file is detected within a second and created again."""
    with Daemon(ALL, sink("out/%{type}.jsonl")) as d:
        car, n = d.car(), 0

        def send():
            nonlocal n
            n += 1
            car.send(envelope("alerts", alerts([f"a{n}"]), VIN))
            assert car.receive_reply()[0] == "ack"
            return f"a{n}"

        def names(path):
            return [r["alerts"][0]["name"] for r in d.records(path)]

        assert names("out/alerts.jsonl") == [] and send() and names("out/alerts.jsonl") == ["a1"]
        os.rename(d.path("out/alerts.jsonl"), d.path("out/old"))
        wait_until("the move is detected", lambda: "was moved away" in d.log_text(), 5)
        assert names("out/old") == ["a1"] and [send()] == names("out/alerts.jsonl")
        os.unlink(d.path("out/alerts.jsonl"))
        assert [send()] == names("out/alerts.jsonl")  # detected before the acknowledgement
        assert "was deleted" in d.log_text()
        shutil.rmtree(d.path("out"))
        assert [send()] == names("out/alerts.jsonl")
        wait_until("the log has the number of missing files", lambda: any(int(n) >= 3 for n in re.findall(
            r"files moved or deleted so far: (\d+)", d.log_text())))
        assert d.status()["sinks"]["archive"]["health"] == "up"
        car.close()


def blocked_path():
    """A folder or a FIFO at the path of one file: only the records of that file become dead letters."""
    with Daemon(ALL, sink("out/%{type}.jsonl")) as d:
        os.makedirs(d.path("out/errors.jsonl"))
        os.mkfifo(d.path("out/connectivity.jsonl"))
        car = d.car()
        for i in range(20):
            for topic in ("errors", "alerts", "connectivity"):
                car.send(envelope(topic, alerts([f"a{i}"]) if topic == "alerts" else b"", VIN))
        wait_until("the other types are written", lambda: len(d.lines("out/alerts.jsonl")) == 20, 30)
        wait_until("the status has the reason", lambda: "something else stands where the file belongs" in
                   d.status()["sinks"]["archive"]["last_error"])
        wait_until("it is dead-lettered", lambda: d.status()["sinks"]["archive"]["dead_letters"] >= 40, 30)
        car.send(envelope("alerts", alerts(["last"]), VIN))
        wait_until("the record is written", lambda: len(d.lines("out/alerts.jsonl")) == 21)
        archive = d.status()["sinks"]["archive"]
        assert archive["health"] == "degraded" and "deliveries fail" in archive["why"], archive
        car.close()


def hostile_types():
    """Record types that a vehicle invents: the number of files is bounded, and no such file is mistaken for a
    rotated one."""
    rotated = [f"V.jsonl~{n:08d}-20260101T000000Z.gz" for n in (1, 2)]
    with Daemon(ALL, sink("out/%{type}", "rotate_size: 10 kB, keep: 3"), "limits: {unknown_topics: pass}") as d:
        os.mkdir(d.path("out"))
        for name in rotated:
            with open(d.path(f"out/{name}"), "wb") as f:
                f.write(gzip.compress(b"{}\n"))
        car = d.car()
        for topic in ("V.jsonl~00000003-20260101T000000Z.gz", "alerts~00000009-20300101T000000Z",
                      "..", ".x", "a/../../b", "alerts.20260101T000000Z-000"):
            car.send(envelope(topic, b"x", VIN))
            assert car.receive_reply()[0] == "ack"
        for i in range(2000):
            car.send(envelope(f"t{i}", b"x", VIN))
        acknowledged(car, 2000)
        for i in range(0, 600, ROTATING):
            send_alerts(car, range(i, i + ROTATING))

        def at_rest():  # the size first: a file that is small now has been rotated, and is not rotated again
            small = not os.path.exists(d.path("out/alerts")) or os.path.getsize(d.path("out/alerts")) < 10000
            return small and all(n.endswith(".gz") for n in os.listdir(d.path("out")) if n.startswith("alerts~"))
        wait_until("all rotated files are compressed", at_rest)
        found = sorted(os.listdir(d.path("out")))
        assert len([n for n in found if "~" not in n]) <= 16 + 5, found  # and the known types, `other`
        assert set(rotated) <= set(found) and len({n.split("~")[0] for n in found}) < 20, found
        assert not [n for n in found if n.startswith("alerts~00000009-2030")], found
        kept = [n for n in found if n.startswith("alerts~")]
        assert len(kept) == 3, found
        names = [json.loads(line)["alerts"][0]["name"] for n in [*kept, "alerts"] if n in found
                 for line in (gzip.open if n.endswith(".gz") else open)(d.path(f"out/{n}"), "rt")]
        assert names == [f"a{i}" * 20 for i in range(600 - len(names), 600)], names
        car.close()


def keep_ignores_dates():
    """`keep:` uses the sequence numbers of rotated files, not their dates."""
    with Daemon(ALL, sink("out/%{type}", "rotate_size: 10 kB, keep: 3, compress: none")) as d:
        os.mkdir(d.path("out"))
        for n in range(1, 4):
            with open(d.path(f"out/alerts~{n:08d}-20990101T000000Z"), "w") as f:
                f.write("{}\n")
        car = d.car()
        for i in range(0, 500, ROTATING):
            send_alerts(car, range(i, i + ROTATING))

        def only_the_newest():
            kept = [n for n in os.listdir(d.path("out")) if "~" in n]
            return len(kept) == 3 and not any("-2099" in n for n in kept)
        wait_until("the sink has rotated its file and deleted the older ones", only_the_newest, 60)
        car.close()


def unfinished_rotation_is_completed():
    """Rotated files that are uncompressed or half compressed after a stop are compressed at the next start;
    other files are not touched."""
    for method, packed in (("gzip", ".gz"), ("zstd", ".zst")):
        with Daemon(ALL, sink("out/%{vin}/x/%{type}.jsonl", f"compress: {method}")) as d:
            plain = "V.jsonl~00000007-20260101T000000Z"
            for folder in (f"out/{VIN}/x", "out/B/x", "out/B/y"):
                os.makedirs(d.path(folder))
                for name in (plain, plain + packed + ".part", "V.other~00000007-20260101T000000Z",
                             "V.jsonl~7-20260101T000000Z", "V.jsonl"):
                    with open(d.path(f"{folder}/{name}"), "w") as f:
                        f.write('{"seq":1}\n' * 1000)
            d.end()
            d.start()
            rest = sorted(["V.other~00000007-20260101T000000Z", "V.jsonl~7-20260101T000000Z", "V.jsonl"])
            for folder in (f"out/{VIN}/x", "out/B/x"):
                wait_until("the rotated file is compressed", lambda: sorted(os.listdir(d.path(folder))) ==
                           sorted([*rest, plain + packed]))
            assert len(os.listdir(d.path("out/B/y"))) == 5
            if method == "gzip":
                with gzip.open(d.path(f"out/{VIN}/x/{plain}.gz"), "rt") as f:
                    assert f.read() == '{"seq":1}\n' * 1000


def failing_disk():
    """A sync fails: the file is truncated to its old size, so that a retry does not write a record twice."""
    d = Daemon(ALL, sink("out/%{type}"))
    if os.environ.get("ASAN_OPTIONS"):
        print("skipped: a library cannot be preloaded into a build with sanitizers")
        return
    faults = Faults(d)
    with d:
        car = d.car()
        for i in range(10):
            car.send(envelope("alerts", alerts([f"a{i}"]), VIN))
            assert car.receive_reply()[0] == "ack"
        faults.set("sync out/alerts EIO")
        for i in range(10, 30):
            car.send(envelope("alerts", alerts([f"a{i}"]), VIN))
        wait_until("the sink is down", lambda: d.status()["sinks"]["archive"]["health"] == "down")
        assert "the disk may be failing" in d.status()["sinks"]["archive"]["last_error"]
        assert d.count("acknowledged") <= 12, d.count("acknowledged")
        time.sleep(0.5)  # time for some retries
        faults.clear()
        for i in range(10, 30):
            assert car.receive_reply()[0] == "ack"
        names = [r["alerts"][0]["name"] for r in d.records("out/alerts")]
        assert names == [f"a{i}" for i in range(30)], names
        wait_until("the sink is up", lambda: d.status()["sinks"]["archive"]["health"] == "up")
        # A failed write and the truncation after it are not reported as a moved file.
        faults.set("write out/alerts ENOSPC")
        car.send(envelope("alerts", alerts(["a30"]), VIN))
        wait_until("the sink is down", lambda: d.status()["sinks"]["archive"]["health"] == "down")
        time.sleep(1.5)  # the sink checks its files once a second
        faults.clear()
        assert car.receive_reply()[0] == "ack"
        names = [r["alerts"][0]["name"] for r in d.records("out/alerts")]
        assert names == [f"a{i}" for i in range(31)], names
        assert "while it was open" not in d.log_text(), d.log_text()
        car.close()


def sync_interval():
    """Records count as delivered after each timer interval. An interval of 0 is a configuration error."""
    with Daemon(ALL, sink("out/%{type}", "fsync: interval, fsync_interval: 1 ms")) as d:
        car = d.car()
        for i in range(3):
            car.send(envelope("alerts", alerts([f"a{i}"]), VIN))
            assert car.receive_reply()[0] == "ack"
            time.sleep(0.05)
        d.sinks = sink("out/%{type}", "fsync: interval, fsync_interval: 0")
        done = d.reload(check=False)
        assert done.returncode != 0 and "fsync_interval must be at least 1 ms" in done.stdout + done.stderr, done
        car.close()


if __name__ == "__main__":
    run_parts(many_paths, moved_and_deleted_files, blocked_path, hostile_types, keep_ignores_dates,
              unfinished_rotation_is_completed, failing_disk, sync_interval)
