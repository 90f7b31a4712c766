#!/usr/bin/env python3
"""The journal with sick disks, sick peers and operators in a hurry: what is acknowledged is delivered,
what is lost is counted, and it goes on by itself."""
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from fr import BUILD, PATIENCE, Daemon, fleetroute, free_port, run_parts, wait_until
from faults import Faults
from journal_checks import endless_load, in_order_for_each_vehicle

ALL = 'records: [{type: "*", to: archive}]'
EAGER = 'retry: {min: 20 ms, max: 100 ms}'
GONE = f'  archive: {{plugin: file, {EAGER}, options: {{path: "@/gone/%{{type}}.jsonl", rotate_size: 0}}}}'


def read_acknowledged(d):
    return d.lines("acknowledged")


def delivered(d):
    return [r["txid"] for r in d.records("gone/V.jsonl")]


def restarts_delete_nothing_undelivered():
    """A full journal, its sink down, and five restarts: every acknowledged record is delivered."""
    both = '  well: {plugin: file, options: {path: "@/well/%{type}.jsonl", rotate_size: 0}}\n' + GONE
    with Daemon('records: [{type: "*", to: [well, archive]}]', both, journal="{size: 4 MB}") as d:
        open(d.path("gone"), "w").close()
        beside = d.simulate_beside("--vehicles", 10, "--rate", 0, "--window", 64, "--data", 20,
                                   "--duration", 600, "--acknowledged", d.path("acknowledged"))
        wait_until("it is full", lambda: d.status()["journal"]["health"] == "down", 30)
        beside.kill()
        beside.communicate()
        first = d.status()["journal"]["first"]
        for _ in range(5):
            d.kill()
            d.start()
            assert d.status()["journal"]["first"] == first, "undelivered records are deleted"
            assert d.status()["sinks"]["archive"]["lag"] > 500
        assert d.count("journal_records_deleted_undelivered") == 0
        os.unlink(d.path("gone"))
        wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 60)
        assert len(read_acknowledged(d)) > 500 and set(read_acknowledged(d)) <= set(delivered(d))


def tools_do_not_block_the_journal():
    """`journal dump` into a pipe that is not read, and killed: pages are used again all the same.
    More goes through than the file may hold."""
    with Daemon(ALL, GONE.replace("@/gone", "@/well"), journal="{size: 4 MB}") as d:
        d.simulate("--vehicles", 10, "--rate", 0, "--window", 64, "--data", 30, "--duration", 1)
        dump = [f"{BUILD}/fleetroute", "journal", "dump", "-c", d.path("fleetroute.yaml")]
        blocked = subprocess.Popen(dump, stdout=subprocess.PIPE)
        blocked.stdout.read(1)
        stopped = subprocess.Popen(dump, stdout=subprocess.PIPE)
        stopped.stdout.read(1)
        stopped.kill()
        stopped.wait()
        commits, first = d.status()["journal"]["commits"], d.status()["journal"]["next"]
        while d.status()["journal"]["next"] < first + 120_000:
            d.simulate("--vehicles", 20, "--rate", 0, "--window", 64, "--data", 60, "--duration", 2)
            wait_until("it is written", lambda: d.status()["journal"]["health"] == "up", 5)
        assert d.status()["journal"]["commits"] > commits + 100
        assert "map full" not in d.log_text(), d.log_text()
        assert blocked.poll() is None, "it was not blocked"
        blocked.kill()
        blocked.communicate()
        stopped.stdout.close()


def rewind_stays_within_the_journal():
    """Beyond the end is refused and nothing is skipped; before the oldest becomes the oldest;
    an unknown sink is refused. With the daemon and without."""
    with Daemon(ALL, GONE.replace("@/gone", "@/well"), journal="{}") as d:
        def rewind(sink, to):
            return fleetroute("journal", "rewind", sink, "--to", to, "-c",
                              d.path("fleetroute.yaml"), check=False)

        d.say(*({"Soc": n} for n in range(100)))
        wait_until("all is delivered", lambda: len(d.records("well/V.jsonl")) == 100)
        for runs in (True, False):
            for place in (102, 10 ** 18, 10 ** 19):
                r = rewind("archive", place)
                assert r.returncode != 0 and "beyond the end" in r.stderr, (runs, r)
            r = rewind("missing", 1)
            assert r.returncode != 0 and "there is no sink missing" in r.stderr, (runs, r)
            r = rewind("archive", 0)
            assert r.returncode == 0 and "it is the oldest" in r.stdout and "record 1\n" in r.stdout, r
            if runs:
                wait_until("it is delivered again", lambda: len(d.records("well/V.jsonl")) == 200)
                d.end()
        d.start()
        wait_until("and again", lambda: len(d.records("well/V.jsonl")) == 300)
        d.say({"Soc": 100})
        wait_until("nothing is skipped", lambda: len(d.records("well/V.jsonl")) == 301)


WELL = '  archive: {plugin: file, options: {path: "@/well/%{type}.jsonl", rotate_size: 0}}'


def health(d, path="/healthz"):
    """(status, text) of an endpoint of the admin listener."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{d.admin_port}{path}", timeout=5 * PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def failing_disk_goes_on_by_itself():
    """Each failing call of LMDB, once and for a second, under load: nothing is acknowledged meanwhile,
    /healthz and /readyz name it, and it goes on without a restart. All acknowledged records are
    delivered, once; kill -9 behind it changes nothing."""
    with_faults = Daemon(ALL, WELL, journal="{}")
    with_faults.admin_port = free_port()
    with_faults.extra = f"admin: {{port: {with_faults.admin_port}}}"
    faults = Faults(with_faults)
    with with_faults as d:
        with endless_load(d, "--vehicles", 20, "--rate", 50, "--patience", 30):
            d.wait_count("acknowledged", 100)
            data = "state/journal/data.mdb"
            # A commit that failed and is on disk all the same: its records are not appended again.
            before = d.count("acknowledged")
            faults.set(f"done {data} EIO 1", f"meta {data} EIO 1")
            d.wait_count("acknowledged", before + 100)
            for rule, word in ((f"meta {data} EIO", "disk fails"), (f"meta {data} ENOSPC", "disk full"),
                               (f"sync {data} EIO", "disk fails"), (f"write {data} ENOSPC", "disk full"),
                               (f"write {data} EROFS", "read-only"), (f"write {data} EDQUOT", "disk full")):
                # Once: no report is required.
                before = d.count("acknowledged")
                faults.set(rule + " 1")
                d.wait_count("acknowledged", before + 100)
                # Until it is cleared: everybody sees it.
                faults.set(rule)
                wait_until(f"/healthz reports {rule}", lambda: health(d)[0] == 503)
                wait_until(f"/readyz names {rule}", lambda: word in health(d, "/readyz")[1] or
                           "reopening" in health(d, "/readyz")[1])
                assert d.status()["journal"]["health"] == "down"
                held = d.count("acknowledged")
                time.sleep(0.3)
                assert d.count("acknowledged") == held, "acknowledged, and not on disk"
                faults.clear()
                wait_until(f"it goes on after {rule}", lambda: health(d)[0] == 200)
                d.wait_count("acknowledged", held + 100)
                assert d.status()["journal"]["state"] == "well"
        # Each kind of fault is in the log, though one came a second after the other.
        for word in ("disk fails", "disk full", "read-only"):
            assert re.search(f"error: journal .*: {word}", d.log_text()), word
        d.kill()
        d.start()
        wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 30)
        records = d.records("well/V.jsonl")
        unmarked = [r["txid"] for r in records if not r.get("repeated")]
        assert len(read_acknowledged(d)) > 1000 and set(read_acknowledged(d)) <= {r["txid"] for r in records}
        assert len(unmarked) == len(set(unmarked)), "doubled and not marked"
        in_order_for_each_vehicle(records)


def failed_commits_count_deletions_once():
    """Under drop-oldest with the sink down, commits fail, also one that is on disk all the same: every
    deleted record is counted once, and kill -9 behind it changes nothing."""
    with_faults = Daemon(ALL, GONE, journal="{size: 4 MB, when_full: drop-oldest}")
    faults = Faults(with_faults)
    open(with_faults.path("gone"), "w").close()

    def deleted(d):
        return d.status()["sinks"]["archive"]["deleted_undelivered"]

    with with_faults as d:
        with endless_load(d, "--vehicles", 20, "--rate", 0, "--window", 64, "--data", 20):
            wait_until("records are deleted", lambda: deleted(d) > 0)
            data = "state/journal/data.mdb"
            for rules in ((f"done {data} EIO 1", f"meta {data} EIO 1"), (f"meta {data} EIO 1",),
                          (f"sync {data} EIO 1",), (f"write {data} ENOSPC 1",)):
                before = deleted(d)
                faults.set(*rules)
                wait_until(f"it goes on after {rules}", lambda: deleted(d) > before + 500)
        faults.clear()
        for _ in range(2):
            wait_until("each is counted once", lambda: (lambda s: s["journal"]["first"] - 1 ==
                       s["sinks"]["archive"]["deleted_undelivered"])(d.status()))
            d.kill()
            d.start()


def a_journal_that_is_moved_away():
    """data.mdb is moved: nothing is acknowledged into a file that no start would find; put back, it
    goes on."""
    with Daemon(ALL, WELL, journal="{}") as d:
        d.simulate("--vehicles", 2, "--rate", 50, "--duration", 1)
        data = d.path("state/journal/data.mdb")
        os.rename(data, data + ".away")
        beside = d.simulate_beside("--vehicles", 2, "--rate", 50, "--duration", 3, "--patience", 30,
                                   "--acknowledged", d.path("acknowledged"))
        wait_until("it is gone", lambda: d.status()["journal"]["state"] == "gone")
        assert "put data.mdb back" in d.status()["journal"]["why"]
        os.rename(data + ".away", data)
        wait_until("it is well", lambda: d.status()["journal"]["state"] == "well")
        beside.communicate(timeout=60 * PATIENCE)
        d.kill()
        d.start()
        wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 30)
        assert len(read_acknowledged(d)) > 100
        assert set(read_acknowledged(d)) <= {r["txid"] for r in d.records("well/V.jsonl")}


def size_can_be_lowered():
    """76 MB are delivered and kept; with 4 MB, by reload or restart, the daemon says so, shrinks and
    goes on acknowledging. Raised by reload, it takes more than the file could hold."""
    for by_reload in (True, False):
        with Daemon(ALL, WELL, journal="{size: 200 MB}") as d:
            while d.status()["journal"]["record_bytes"] < 76e6:
                d.simulate("--vehicles", 20, "--rate", 0, "--window", 64, "--data", 64, "--duration", 1)
            wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 60)
            d.journal = "{size: 4 MB}"
            if by_reload:
                assert "deleted until it fits" in d.reload().stdout
            else:
                assert d.end() == 0
                d.start()
            assert "deleted until it fits" in d.log_text()
            d.simulate("--vehicles", 10, "--rate", 100, "--duration", 2, "--acknowledged",
                       d.path("acknowledged"))
            assert len(read_acknowledged(d)) > 1000, len(read_acknowledged(d))
            wait_until("it fits", lambda: d.status()["journal"]["record_bytes"] < 5e6)
            assert "map full" not in d.log_text()
            wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
            assert set(read_acknowledged(d)) <= {r["txid"] for r in d.records("well/V.jsonl")}
            assert d.count("journal_records_deleted_undelivered") == 0
    with Daemon(ALL, GONE, journal="{size: 4 MB}") as d:
        open(d.path("gone"), "w").close()
        beside = d.simulate_beside("--vehicles", 20, "--rate", 0, "--window", 64, "--data", 64,
                                   "--duration", 600, "--patience", 30)
        wait_until("it is full", lambda: d.status()["journal"]["state"] == "full", 30)
        d.journal = "{size: 150 MB}"
        d.reload()
        wait_until("it takes more than the file could hold before",
                   lambda: d.status()["journal"]["record_bytes"] > 74e6, 60)
        beside.kill()
        beside.communicate()


def journal_outside_of_state():
    """A journal elsewhere, in a sandbox: the daemon starts again and again. No second daemon starts on
    it, whatever files are removed."""
    with Daemon(ALL, WELL, journal="{path: elsewhere/deep/journal}") as d:
        for n in range(3):
            d.say({"Soc": n})
            wait_until("it is delivered", lambda: len(d.records("well/V.jsonl")) == n + 1)
            assert d.end() == 0
            d.start()
        assert sorted(os.listdir(d.path("elsewhere/deep"))) == ["journal"]
        other = Daemon(ALL, WELL, journal=f"{{path: {d.path('elsewhere/deep/journal')}}}")
        other.write()
        for name in ("lock.mdb", "../journal.lock"):
            try:
                os.unlink(d.path(f"elsewhere/deep/journal/{name}"))
            except FileNotFoundError:
                pass
            r = subprocess.run([f"{BUILD}/fleetrouted", "-c", other.path("fleetroute.yaml")],
                               capture_output=True, text=True, timeout=20 * PATIENCE)
            assert r.returncode == 1 and "another fleetrouted has it" in r.stderr, r
        shutil.rmtree(other.folder)


def last_values_are_independent():
    """Their disk fails, their file is torn: acknowledgements and sinks do not notice, and the values
    are made again from the journal."""
    with_faults = Daemon(ALL, WELL, journal="{values_every: 100 ms}")
    faults = Faults(with_faults)
    parked = "5YJ3E1EA7KF999999"  # none of those that are simulated

    def values(d):
        out = fleetroute("values", parked, "-s", d.control, "--json", check=False)
        return json.loads(out.stdout)["values"] if out.returncode == 0 else {}

    def soc(d):
        return values(d).get("Soc", {}).get("value")

    with with_faults as d:
        d.say({"Soc": 1, "Odometer": 100, "vin": parked})
        wait_until("it is kept", lambda: soc(d) == 1)
        for rule in ("write journal/values/data.mdb EIO", "meta journal/values/data.mdb EIO",
                     "write journal/values/data.mdb ENOSPC"):
            faults.set(rule)
            before = d.count("acknowledged")
            d.simulate("--vehicles", 5, "--rate", 50, "--duration", 1)
            assert d.count("acknowledged") >= before + 200
            assert d.status()["journal"]["health"] == "up"
            wait_until("sinks are served", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
            d.say({"Soc": len(rule), "vin": parked})
            faults.clear()
            wait_until("the value is kept after all", lambda: soc(d) == len(rule))
        # kill -9, and what a torn or damaged file looks like.
        for damage in (lambda data: data[:len(data) // 2], lambda data: bytes(len(data)),
                       lambda data: data[:8192] + os.urandom(len(data) - 8192), lambda data: b""):
            d.kill()
            with open(d.path("state/journal/values/data.mdb"), "r+b") as f:
                torn = damage(f.read())
                f.seek(0)
                f.truncate()
                f.write(torn)
            d.start()
            wait_until("they are made again", lambda: soc(d) == len(rule) and "Odometer" in values(d))
        assert "are rebuilt from the journal" in d.log_text()


if __name__ == "__main__":
    run_parts(restarts_delete_nothing_undelivered, tools_do_not_block_the_journal,
              rewind_stays_within_the_journal, failing_disk_goes_on_by_itself,
              failed_commits_count_deletions_once, a_journal_that_is_moved_away,
              size_can_be_lowered, journal_outside_of_state, last_values_are_independent)
