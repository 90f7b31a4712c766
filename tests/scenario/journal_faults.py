#!/usr/bin/env python3
"""The journal with sick disks, sick peers and operators in a hurry: what is acknowledged is delivered,
what is lost is counted, and it goes on by itself."""
import os
import subprocess

from fr import BUILD, Daemon, fleetroute, wait_until

ALL = 'records: [{type: "*", to: archive}]'
EAGER = 'retry: {least: 20 ms, most: 100 ms}'
GONE = f'  archive: {{plugin: file, {EAGER}, options: {{path: "@/gone/%{{type}}.jsonl", rotate_size: 0}}}}'


def told(d):
    return d.lines("acknowledged")


def delivered(d):
    return [r["txid"] for r in d.records("gone/V.jsonl")]


def restarts_delete_nothing_undelivered():
    """A full journal, its sink down, and five restarts: every acknowledged record is delivered."""
    both = '  well: {plugin: file, options: {path: "@/well/%{type}.jsonl", rotate_size: 0}}\n' + GONE
    with Daemon('records: [{type: "*", to: [well, archive]}]', both, journal="{size: 4 MB}") as d:
        open(d.path("gone"), "w").close()
        beside = d.simulate_beside("--vehicles", 10, "--rate", 0, "--window", 64, "--data", 20,
                                   "--duration", 8, "--acknowledged", d.path("acknowledged"))
        wait_until("it is full", lambda: d.status()["journal"]["health"] == "down", 30)
        beside.kill()
        beside.communicate()
        first = d.status()["journal"]["first"]
        for _ in range(5):
            d.kill()
            d.start()
            assert d.status()["journal"]["first"] == first, "undelivered records are deleted"
            assert d.status()["sinks"]["archive"]["behind"] > 500
        assert d.count("journal_records_deleted_undelivered") == 0
        os.unlink(d.path("gone"))
        wait_until("all is delivered", lambda: d.status()["sinks"]["archive"]["behind"] == 0, 60)
        assert len(told(d)) > 500 and set(told(d)) <= set(delivered(d))


def tools_do_not_hold_it_up():
    """`journal dump` into a pipe that nobody reads, and killed: pages are used again all the same.
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
    """Beyond the end is refused and nothing is skipped; before the oldest becomes the oldest; a sink
    that nobody knows is refused. With the daemon and without."""
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
            r = rewind("nobody", 1)
            assert r.returncode != 0 and "no sink of that name" in r.stderr, (runs, r)
            r = rewind("archive", 0)
            assert r.returncode == 0 and "it is the oldest" in r.stdout and "record 1\n" in r.stdout, r
            if runs:
                wait_until("it is delivered again", lambda: len(d.records("well/V.jsonl")) == 200)
                d.end()
        d.start()
        wait_until("and again", lambda: len(d.records("well/V.jsonl")) == 300)
        d.say({"Soc": 100})
        wait_until("nothing is skipped", lambda: len(d.records("well/V.jsonl")) == 301)


restarts_delete_nothing_undelivered()
tools_do_not_hold_it_up()
rewind_stays_within_the_journal()
