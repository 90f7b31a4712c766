#!/usr/bin/env python3
"""What cannot start says why, and leaks nothing: threads that run out at the start, and a source that
does not start, reload after reload."""
import os
import subprocess

from hostile import BUILD, Daemon, Hostile, fleetroute, skip, wait_until

ROUTING = 'records: [{type: "*", to: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
SOURCES = f"\nsources: {{broken: {{plugin: {BUILD}/.libs/failing_source.so}}}}"


def out_of_threads():
    """Whichever thread is the one that is too many, the last line names it and the reason."""
    d = Daemon(ROUTING, SINKS, journal="{}")
    d.write()
    named = []
    for count in range(20):
        try:
            run = subprocess.run([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")],
                                 stderr=subprocess.PIPE, text=True, timeout=5 if named else 10,
                                 env=dict(os.environ, LD_PRELOAD=f"{BUILD}/.libs/no_threads.so",
                                          FR_THREADS=str(count)))
        except subprocess.TimeoutExpired:
            break  # it has all the threads it needs, and runs
        last = run.stderr.strip().split("\n")[-1]
        if "cannot be preloaded" in run.stderr:
            skip("nothing can be preloaded here")
        assert run.returncode == 1, (count, run)
        assert "Resource temporarily unavailable" in last and "Success" not in run.stderr, run.stderr
        named.append(last)
    if not named:
        return None  # a sanitizer's own pthread_create comes before the preloaded one
    assert len(named) >= 4, named
    for what in ("journal", "last values", "sink archive", "ingest thread 1 of"):
        assert any(what in line for line in named), (what, named)
    return len(named)


def sink_without_a_thread(threads):
    """A reload adds a sink, and no thread is left for it: the reload fails and says why, the status does not
    call the sink up, and the other sink goes on."""
    d = Daemon(ROUTING, SINKS, journal="{}")
    d.environment = dict(os.environ, LD_PRELOAD=f"{BUILD}/.libs/no_threads.so", FR_THREADS=str(threads))
    with d:
        d.sinks += "\n" + SINKS.replace("archive", "second").replace("@", "@/second")
        d.routing = ROUTING.replace("to: archive", "to: [archive, second]")
        out = d.reload(check=False)
        assert out.returncode == 1 and "not everything could be started" in out.stdout, out
        assert "sink second" in out.stderr and "Resource temporarily unavailable" in out.stderr, out
        second = d.status()["sinks"]["second"]
        assert second["health"] != "up" and "thread" in second["why"], second
        d.say({"Soc": 1})
        wait_until("the other sink goes on", lambda: d.status()["sinks"]["archive"]["behind"] == 0)
        assert len(d.lines("V.jsonl")) == 1


def source_that_does_not_start():
    with Daemon(ROUTING, SINKS, journal="{}") as d:
        def open_files():
            return len(os.listdir(f"/proc/{d.process.pid}/fd"))
        d.extra = SOURCES
        counts = []
        for _ in range(6):
            out = d.reload(check=False)
            assert out.returncode == 1 and "not everything could be started" in out.stdout, out
            assert "source broken: plugin failing_source could not begin" in out.stderr, out
            counts.append(open_files())
        assert len(set(counts[1:])) == 1, counts
        assert fleetroute("status", "-s", d.control, "--json").returncode == 0
        car = Hostile(d)
        car.message()
        assert car.receive_reply()[0] == "ack"
        car.close()
        d.extra = ""
        assert "source broken" not in d.reload().stdout


needed = out_of_threads()
if needed:
    sink_without_a_thread(needed)
source_that_does_not_start()
