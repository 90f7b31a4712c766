#!/usr/bin/env python3
"""A failed start is reported with its reason and leaks nothing: threads that cannot be created, and a source
that fails in every reload."""
import os
import subprocess

from hostile import BUILD, Daemon, Hostile, fleetroute, skip, run_parts, wait_until

ROUTING = 'records: [{type: "*", to: archive}]'
SINKS = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
SOURCES = f"\nsources: {{broken: {{plugin: {BUILD}/.libs/failing_source.so}}}}"


def startup_thread_count():
    """For each thread of the daemon in turn, pthread_create(3) fails: the last log line names the thread and
    the reason. Returns the number of threads that the daemon needs; None with a sanitizer."""
    d = Daemon(ROUTING, SINKS, journal="{}")
    d.write()
    named = []
    for count in range(20):
        with open(d.path("log"), "w") as log:
            d.process = subprocess.Popen([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")], stderr=log,
                                         env=dict(os.environ, LD_PRELOAD=f"{BUILD}/.libs/no_threads.so",
                                                  FR_THREADS=str(count)))
        wait_until("the daemon runs or has ended", lambda: d.ended() or d.status(check=False))
        if not d.ended():
            assert d.end() == 0, d.log_text()
            break  # every thread could be created
        errors = d.log_text()
        last = errors.strip().split("\n")[-1]
        if "cannot be preloaded" in errors:
            skip("LD_PRELOAD does not work")
        assert d.process.returncode == 1, (count, errors)
        assert "Resource temporarily unavailable" in last and "Success" not in errors, errors
        named.append(last)
    if not named:
        return None  # the pthread_create() of a sanitizer takes precedence over the preloaded one
    assert len(named) >= 4, named
    for name in ("journal", "last values", "sink archive", "ingest thread 1 of"):
        assert any(name in line for line in named), (name, named)
    return len(named)


def sink_without_a_thread(threads):
    """A reload adds a sink whose thread cannot be created: the reload fails with the reason, the new sink is
    not `up`, and the other sink still delivers."""
    d = Daemon(ROUTING, SINKS, journal="{}")
    d.environment = dict(os.environ, LD_PRELOAD=f"{BUILD}/.libs/no_threads.so", FR_THREADS=str(threads))
    with d:
        d.sinks += "\n" + SINKS.replace("archive", "second").replace("@", "@/second")
        d.routing = ROUTING.replace("to: archive", "to: [archive, second]")
        out = d.reload(check=False)
        assert out.returncode == 1 and "a sink or a source could not be started" in out.stdout, out
        assert "sink second" in out.stderr and "Resource temporarily unavailable" in out.stderr, out
        second = d.status()["sinks"]["second"]
        assert second["health"] != "up" and "thread" in second["why"], second
        d.say({"Soc": 1})
        wait_until("the other sink delivers", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
        assert len(d.lines("V.jsonl")) == 1


def source_fails_to_start():
    """A source that fails in each of six reloads leaks no descriptor, and the daemon still works."""
    with Daemon(ROUTING, SINKS, journal="{}") as d:
        def open_files():
            return len(os.listdir(f"/proc/{d.process.pid}/fd"))
        d.extra = SOURCES
        counts = []
        for _ in range(6):
            out = d.reload(check=False)
            assert out.returncode == 1 and "a sink or a source could not be started" in out.stdout, out
            assert "source broken: plugin failing_source cannot open" in out.stderr, out
            counts.append(open_files())
        assert len(set(counts[1:])) == 1, counts
        assert fleetroute("status", "-s", d.control, "--json").returncode == 0
        car = Hostile(d)
        car.message()
        assert car.receive_reply()[0] == "ack"
        car.close()
        d.extra = ""
        assert "source broken" not in d.reload().stdout


def thread_creation_fails():
    needed = startup_thread_count()
    if needed:
        sink_without_a_thread(needed)


if __name__ == "__main__":
    run_parts(thread_creation_fails, source_fails_to_start)
