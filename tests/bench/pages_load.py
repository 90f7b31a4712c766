#!/usr/bin/env python3
"""The pages and the live records beside a fleet. First, a daemon knows 50,000 vehicles, of which 12,500 are
connected and send; Chromium opens the overview, sorts, filters, searches, turns pages, and opens a vehicle. Prints
the time of each step, and the delay of acknowledgements with and without the pages. Then N clients read the live
records of a fleet: CPU time and memory of the daemon without them, with them, and after them. Measures; asserts only
that the pages are right.

    FR_BUILD=build FR_SOURCE=. tests/bench/pages_load.py [pages [GROUPS [VEHICLES]]] [streams [N [VEHICLES [RATE]]]]"""
import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from browser import Browser  # noqa: E402
from fr import Daemon, free_port, wait_until  # noqa: E402

ROUTES = 'records: [{type: "*", to: archive}]'
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}'
ROWS = "document.querySelectorAll('#vehicles tr').length"
SCHEMES, WIDTHS = ("light", "dark"), ((1280, 900), (390, 844))


def daemon(port):
    limits = "limits: {connections: 18000, connections_per_source: 0, half_open_per_source: 0}"
    return Daemon(ROUTES, FILE, journal="{}", extra=f"admin: {{port: {port}}}\n{limits}\nhistory: {{}}")


def threads_cpu(pid):
    """CPU seconds of each thread, by its name and number."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{tid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
            found[tid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def anonymous_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1]) / 1e3


def delays(process):
    text = process.stdout.read()
    return re.search(r"p50 [\d.]+ ms, p99 [\d.]+ ms, max [\d.]+ ms", text)[0]


def simulate(d, first, vehicles, rate, seconds):
    return d.simulate_beside("--first", first, "--vehicles", vehicles, "--rate", rate, "--duration", seconds)


# ---- the pages -----------------------------------------------------------------------------

class Steps:
    """Times of steps of a browser, the median and the maximum of several rounds."""

    def __init__(self, browser):
        self.browser, self.times = browser, {}

    def step(self, name, act, condition):
        begun = time.monotonic()
        act()
        while not self.browser.ask(condition):
            if time.monotonic() - begun > 60:
                raise AssertionError(f"{name}: {condition}")
            time.sleep(0.01)
        self.times.setdefault(name, []).append(time.monotonic() - begun)

    def report(self):
        for name, times in self.times.items():
            times.sort()
            print(f"  {name:32} median {times[len(times) // 2] * 1e3:5.0f} ms, max {times[-1] * 1e3:5.0f} ms")


def round_of(browser, steps, port, total):
    def pager():
        return browser.ask("document.querySelector('.pager span').innerText")

    steps.step("overview", lambda: browser.go(f"http://localhost:{port}/"), f"{ROWS} == 50")
    assert f"{total:,}" in pager(), pager()
    first = browser.ask("document.querySelector('#vehicles a').innerText")
    steps.step("next page", lambda: browser.click(".pager button:last-child"),
               f"document.querySelector('#vehicles a').innerText != '{first}'")
    steps.step("search, one found", lambda: browser.type("#find", "kf049999"), f"{ROWS} == 1")
    steps.step("search, none found", lambda: browser.type("#find", "no such vehicle"), f"{ROWS} == 0")
    steps.step("search emptied", lambda: browser.type("#find", ""), f"{ROWS} == 50")
    for number in range(browser.ask("document.querySelectorAll('#vehicle_head button').length")):
        before = browser.ask("document.querySelector('#vehicle_head').innerHTML")
        browser.ask(f"document.querySelectorAll('#vehicle_head button')[{number}].click()")
        steps.step(f"sorted by column {number + 1}", lambda: None,
                   f"{ROWS} == 50 && document.querySelector('#vehicle_head').innerHTML != {before!r}")
    address = browser.ask("document.querySelector('#vehicles a').href")
    steps.step("page of a vehicle", lambda: browser.go(address),
               "document.readyState == 'complete' && document.body.innerText.length > 500")


def look(browser, port):
    browser.go(f"http://localhost:{port}/")
    browser.wait("the vehicles are displayed", f"{ROWS} == 50")
    for scheme in SCHEMES:
        browser.scheme(scheme)
        for width, height in WIDTHS:
            browser.resize(width, height)
            time.sleep(0.5)
            assert not browser.is_wide(), (scheme, width)
            browser.screenshot(f"overview-50000-{width}-{scheme}")
            assert not (found := browser.accessibility_problems()), found
    browser.scheme("light")
    browser.resize(1280, 900)


def pages(groups=4, vehicles=12500):
    port, total = free_port(), groups * vehicles
    with daemon(port) as d, Browser() as browser:
        for group in range(groups - 1):
            begun = time.monotonic()
            text = simulate(d, group * vehicles, vehicles, 0.1, 12).stdout.read()
            print(f"{vehicles} vehicles more, for {time.monotonic() - begun:.0f} s: {text.strip().splitlines()[-1]}", flush=True)
        for name in ("without a page", "with the pages", "without a page"):
            process = simulate(d, (groups - 1) * vehicles, vehicles, 0.2, 45)
            wait_until("all are connected", lambda: d.status()["connections"] >= vehicles, 120)
            cpu, begun = sum(threads_cpu(d.process.pid).values()), time.monotonic()
            steps = Steps(browser)
            if name == "with the pages":
                browser.severe_log_messages()
                rounds = 0
                while time.monotonic() - begun < 35:
                    round_of(browser, steps, port, total)
                    rounds += 1
                print(f"{rounds} rounds")
                look(browser, port)
                assert not (messages := browser.severe_log_messages()), messages
                browser.go("about:blank")
            else:
                time.sleep(35)
            share = (sum(threads_cpu(d.process.pid).values()) - cpu) / (time.monotonic() - begun)
            print(f"{name:15} {delays(process)}; CPU of the daemon {share:.2f}, anonymous memory "
                  f"{anonymous_mb(d.process.pid):.0f} MB", flush=True)
            steps.report()


# ---- live records --------------------------------------------------------------------------

class Readers:
    """Clients that read live records, in a process of their own."""

    def __init__(self, port, count):
        self.process = subprocess.Popen([sys.executable, __file__, "--readers", str(port), str(count)],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "open"

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate()[0].strip()


def read_streams(port, count):
    selector, sums = selectors.DefaultSelector(), {"bytes": 0, "records": 0, "closed": 0, "refused": 0}
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    for number in range(count):
        s = socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.0.{2 + number // 8}", 0))
        s.sendall(b"GET /api/records HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        if not s.recv(12).endswith(b"200"):
            sums["refused"] += 1
        selector.register(s, selectors.EVENT_READ)
    print("open", flush=True)
    while running:
        for key, _ in selector.select(0.5):
            data = key.fileobj.recv(1 << 16)
            sums["bytes"] += len(data)
            sums["records"] += data.count(b"\ndata:")
            if not data:
                sums["closed"] += 1
                selector.unregister(key.fileobj)
    print(sums)


def streams(count=200, vehicles=1000, rate=0.5):
    port = free_port()
    with daemon(port) as d:
        process = simulate(d, 0, vehicles, rate, 75)
        wait_until("all are connected", lambda: d.status()["connections"] >= vehicles, 60)
        print(f"{count} streams of live records, {vehicles} vehicles x {rate:g}/s")
        for name in ("before", "with streams", "after"):
            readers = Readers(port, count) if name == "with streams" else None
            before, begun = threads_cpu(d.process.pid), time.monotonic()
            time.sleep(20)
            after, elapsed = threads_cpu(d.process.pid), time.monotonic() - begun
            shares = sorted((after[t] - before.get(t, 0)) / elapsed for t in after)
            print(f"  {name:13} CPU {sum(shares):.2f} (busiest thread {shares[-1]:.2f}), anonymous memory "
                  f"{anonymous_mb(d.process.pid):.1f} MB; {readers.end() if readers else ''}", flush=True)
        print(f"  acknowledgements: {delays(process)}; {d.status()['counters']['acknowledged']} acknowledged")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--readers"]:
        read_streams(int(sys.argv[2]), int(sys.argv[3]))
        sys.exit()
    groups_of = {"pages": [], "streams": []}
    chosen = [a for a in sys.argv[1:] if a in groups_of] or list(groups_of)
    for at, argument in enumerate(sys.argv[1:]):
        if argument not in groups_of:
            groups_of[[a for a in sys.argv[1:at + 1] if a in groups_of][-1]].append(float(argument))
    for each in chosen:
        globals()[each](*[int(a) if a >= 1 else a for a in groups_of[each]])
