#!/usr/bin/env python3
"""A daemon under load while administrators use every interface at once: reloads that change sinks and
routes, rewinds, `tail` clients, HTTP requests and status requests.

Every acknowledged record is delivered in order. The scenario is most useful in the build with
ThreadSanitizer, which reports each data race between the threads of the daemon."""
import http.client
import os
import signal
import subprocess
import threading
import time

from fr import BUILD, PATIENCE, VIN, Daemon, fleetroute, free_port, wait_until
from journal_checks import in_order_for_each_vehicle

SECONDS = int(os.environ.get("FR_BUSY_SECONDS", "10"))
VEHICLES = 20
ROUTINGS = ['records: [{type: V, to: archive}]\nfields: [{field: Soc, to: values, every: 1 s}]',
            'records: [{type: V, to: [archive, copy]}]\nfields: [{field: "*", to: values, max_age: 1 h}]']
ARCHIVE = '  archive: {plugin: file, options: {path: "@/V.jsonl"}}\n'
SINKS = [ARCHIVE + '  values: {plugin: file, options: {path: "@/values.jsonl"}}\n'
         '  copy: {plugin: file, options: {path: "@/copy.jsonl"}}',
         ARCHIVE + '  values: {plugin: file, delivery: latest, options: {path: "@/values.jsonl"}}\n'
         '  copy: {plugin: file, options: {path: "@/copy-%{vin}.jsonl"}}']


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * PATIENCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


class Users(list):
    """Threads that repeat an action until the end, and count the repetitions."""

    def __init__(self):
        super().__init__()
        self.over, self.counts, self.problems = threading.Event(), {}, []

    def add(self, action, pause_s):
        def repeat():
            while not self.over.is_set():
                try:
                    action(self.counts.get(action.__name__, 0))
                except Exception as problem:  # reported by end()
                    self.problems.append(f"{action.__name__}: {problem!r}")
                    return
                self.counts[action.__name__] = self.counts.get(action.__name__, 0) + 1
                self.over.wait(pause_s)
        self.append(threading.Thread(target=repeat))

    def end(self):
        self.over.set()
        for thread in self:
            thread.join(60)
        assert not self.problems, self.problems


def main():
    port = free_port()
    with Daemon(ROUTINGS[0], SINKS[0], f"admin: {{port: {port}}}", journal="{}") as d:
        users = Users()

        def reload(n):
            d.routing, d.sinks = ROUTINGS[n % 2], SINKS[n // 2 % 2]
            d.reload()

        def rewind(_):
            command = ("journal", "rewind", "copy", "--to", "oldest", "-c", d.path("fleetroute.yaml"))
            while (done := fleetroute(*command, check=False)).returncode != 0:
                assert "a reload has not finished" in done.stderr, done.stderr

        def tail(_):
            client = subprocess.Popen([f"{BUILD}/fleetroute", "tail", "-s", d.control],
                                      stdout=subprocess.DEVNULL)
            users.over.wait(0.5)
            client.send_signal(signal.SIGTERM)
            client.wait(30 * PATIENCE)

        def pages(n):
            path = ("/metrics", "/status", "/vehicles", "/readyz", "/healthz")[n % 5]
            status, body = get(port, path)
            assert status in (200, 503) and body, (path, status)

        def status(_):
            d.status()
            fleetroute("values", "-s", d.control, VIN, check=False)

        load = d.simulate_beside("--vehicles", VEHICLES, "--rate", 10, "--window", 64, "--duration",
                                 SECONDS, "--reconnect", 3, "--patience", 60, "--acknowledged",
                                 d.path("acknowledged"))
        d.wait_count("acknowledged", VEHICLES)
        for action, pause_s in ((reload, 0.3), (rewind, 0.7), (tail, 0.1), (pages, 0.05), (status, 0.2)):
            users.add(action, pause_s)
        for thread in users:
            thread.start()
        begun = time.monotonic()
        load.communicate(timeout=300 * PATIENCE)
        users.end()
        acknowledged = d.lines("acknowledged")
        wait_until("the archive is complete", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 120)
        records = d.records("V.jsonl")
        assert {r["txid"] for r in records} >= set(acknowledged), "an acknowledged record is missing"
        in_order_for_each_vehicle(records)
        assert all(users.counts.get(name, 0) > 1 for name in ("reload", "rewind", "tail", "pages", "status"))
        print(f"{len(acknowledged)} acknowledged in {time.monotonic() - begun:.0f} s beside {users.counts}")


if __name__ == "__main__":
    main()
