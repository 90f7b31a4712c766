#!/usr/bin/env python3
"""A reload of 14 sinks whose plugins never answer: the main loop goes on meanwhile. /healthz answers,
SIGHUPs wait for the reload, and SIGTERM ends it."""
import signal
import threading
import time
import urllib.request

from fr import PATIENCE, Daemon, free_port, run_parts, wait_until

SINKS = 14
ALL = ", ".join(f"odd{i}" for i in range(SINKS))


def sinks(n):
    return "\n".join(f'  odd{i}: {{plugin: fault, options: {{path: "@/odd{i}", no_answer: true, delay: {n} ms}}}}'
                     for i in range(SINKS))


def daemon(journal, admin):
    d = Daemon(f"records: [{{type: V, to: [{ALL}]}}]", sinks(0), journal=journal,
               extra=f"admin: {{port: {admin}}}")
    return d


def give_all(d):
    d.say({"Soc": 1})
    wait_until("all have it", lambda: all(s["received"] == 1 for s in d.status()["sinks"].values()))


def slowest_healthz(admin, until):
    slowest = 0
    while not until():
        begun = time.monotonic()
        urllib.request.urlopen(f"http://127.0.0.1:{admin}/healthz", timeout=20 * PATIENCE).read()
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.02)
    return slowest


def send_signals(d):
    end = time.monotonic() + 2  # before the first reload ends: one reload follows, one waits
    while time.monotonic() < end:
        d.process.send_signal(signal.SIGHUP)
        time.sleep(0.04)


def the_loop_goes_on():
    admin = free_port()
    with daemon("{}", admin) as d:
        give_all(d)
        d.sinks = sinks(1)
        d.write()
        begun = time.monotonic()
        storm = threading.Thread(target=send_signals, args=(d,))
        storm.start()
        slowest = slowest_healthz(admin, lambda: d.count("reloads") >= 2)
        storm.join()
        spent = time.monotonic() - begun
        assert spent >= 2.5, f"{spent:.1f} s: the sinks were not stuck, so nothing was tested"
        assert slowest < min(1.5 * PATIENCE, 2.5), f"/healthz took {slowest:.1f} s"  # a reload takes more
        assert d.count("reloads") == 2, d.count("reloads")
        wait_until("the new sinks have it", lambda: all(
            s["received"] == 1 for s in d.status()["sinks"].values()))
        print(f"/healthz took at most {slowest * 1000:.0f} ms in {spent:.1f} s of reloads")


def sigterm_ends_it():
    for pause in (0, 0.5, 2.9):
        with daemon("{}", free_port()) as d:
            give_all(d)
            d.sinks = sinks(1)
            d.write()
            d.process.send_signal(signal.SIGHUP)
            time.sleep(pause)
            begun = time.monotonic()
            assert d.end() == 0, d.log_text()
            assert time.monotonic() - begun < 10 * PATIENCE
            print(f"SIGTERM {pause} s after SIGHUP: {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    run_parts(the_loop_goes_on, sigterm_ends_it)
