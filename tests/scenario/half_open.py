#!/usr/bin/env python3
"""A vehicle that loses its network does not close its connection. The daemon closes it after
limits.peer_timeout and reports the vehicle as disconnected; other vehicles are not affected. The vehicle runs
in a network namespace whose link is set down."""
import os
import signal
import subprocess

from fr import BUILD, PATIENCE, Daemon, skip, wait_until

NAME = f"fr{os.getpid()}"
HERE, THERE = (f"10.231.{os.getpid() % 256}.{n}" for n in (1, 2))


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


if os.geteuid() != 0 or ip("netns", "add", NAME, check=False).returncode != 0:
    skip("network namespaces need root")
try:
    if ip("link", "add", NAME, "type", "veth", "peer", "name", "eth0", "netns", NAME,
          check=False).returncode != 0:
        skip("the kernel has no veth device")
    ip("addr", "add", f"{HERE}/30", "dev", NAME)
    ip("link", "set", NAME, "up")
    ip("-n", NAME, "addr", "add", f"{THERE}/30", "dev", "eth0")
    ip("-n", NAME, "link", "set", "eth0", "up")
    with Daemon('records: [{type: "*", to: archive, ack: archive}]',
                '  archive: {plugin: file, options: {path: "@/%{type}.jsonl"}}',
                f"limits: {{peer_timeout: {int(4000 * min(PATIENCE, 2))} ms}}", address="0.0.0.0") as d:
        beside = d.simulate_beside("--vehicles", 1, "--rate", 20, "--duration", 600)
        lost = subprocess.Popen(["ip", "netns", "exec", NAME, f"{BUILD}/fleetroute", "simulate", "--pki",
                                 d.folder, "--connect", f"{HERE}:{d.port}", "-q"],
                                stdout=subprocess.DEVNULL)
        wait_until("both are connected", lambda: d.status()["connections"] == 2)
        ip("link", "set", NAME, "down")
        wait_until("the lost connection is closed", lambda: d.status()["connections"] == 1, 15)
        wait_until("it is recorded", lambda: [r["status"] for r in d.records("connectivity.jsonl")]
                   == ["CONNECTED", "CONNECTED", "DISCONNECTED"])
        lost.kill()
        lost.wait()
        beside.send_signal(signal.SIGINT)  # as if its duration was over
        output = beside.communicate(timeout=60 * PATIENCE)[0]
        assert " 0 refused, 0 unanswered" in output and " 0 disconnects" in output, output
finally:
    ip("link", "del", NAME, check=False)
    ip("netns", "del", NAME, check=False)
