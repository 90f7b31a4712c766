#!/usr/bin/env python3
"""`fleetroute replay` submits the output of file.so, `tail` and `journal dump` again: no record is lost,
the speed is the requested one, and an input that cannot be read is reported with file and line."""
import gzip
import json
import os
import subprocess
import time

from fr import BUILD, PATIENCE, VIN, Daemon, fleetroute, wait_until

SINKS = '  own: {plugin: file, options: {path: "@/own/%{type}.jsonl"}}\n' \
        '  tesla: {plugin: file, options: {path: "@/tesla/%{type}.jsonl"}}\n' \
        '  raw: {plugin: file, options: {path: "@/raw/%{type}.pb"}}'
ROUTING = """records:
  - {type: "*", to: own}
  - {type: V, to: tesla, format: tesla-json}
  - {type: V, to: raw, format: protobuf}
"""


def without_mark(records):
    return [{k: v for k, v in r.items() if k not in ("resend", "late", "txid", "received_at")}
            for r in records]


with Daemon(ROUTING, SINKS, journal="{}") as d:
    d.simulate("--speed", 50)
    wait_until("the trip is written",
               lambda: all(s["lag"] == 0 for s in d.status()["sinks"].values()))
    trip = d.records("own/V.jsonl")
    assert len(trip) > 50, len(trip)
    with open(d.path("own/V.jsonl"), "rb") as f, gzip.open(d.path("own.gz"), "wb") as packed:
        packed.write(f.read())
    dumped = fleetroute("journal", "dump", "-c", d.path("fleetroute.yaml")).stdout
    with open(d.path("dump.jsonl"), "w") as f:
        f.write(dumped)

    for name, exact in (("own/V.jsonl", True), ("own.gz", True), ("tesla/V.jsonl", True),
                        ("raw/V.pb", True), ("dump.jsonl", False)):
        with Daemon(ROUTING, SINKS, journal="{}") as other:
            out = fleetroute("replay", "-s", other.control, d.path(name))
            assert ", 0 skipped" in out.stdout, (name, out.stdout, out.stderr)
            wait_until(f"{name} is there", lambda: len(other.lines("own/V.jsonl")) >= len(trip))
            again = other.records("own/V.jsonl")
            assert without_mark(again) == without_mark(trip), name
            assert all(r["resend"] for r in again), "it must not be taken for news"
            if name == "dump.jsonl":
                kinds = {json.loads(line)["type"] for line in dumped.splitlines()}
                assert {"V", "connectivity", "presence"} <= kinds, kinds
                wait_until("the others too", lambda: len(other.records("own/connectivity.jsonl")) == 2)

    with Daemon(ROUTING, SINKS, journal="{}") as other:
        lines = [{"type": "V", "vin": VIN, "txid": f"t-{n}", "received_at": f"2026-11-23T08:00:0{n}.000Z",
                  "created_at": f"2026-11-23T08:00:0{n}.000Z", "data": {"Soc": n}} for n in range(5)]
        with open(d.path("slow.jsonl"), "w") as f:
            f.write("\n".join(map(json.dumps, lines)) + '\n{"type":"V","data":{"Sok":1}}\nnonsense\n')
        begun = time.monotonic()
        out = fleetroute("replay", "-s", other.control, "--speed", 4, "--as-new", d.path("slow.jsonl"))
        assert time.monotonic() - begun >= 1, "four seconds at four times the speed"
        assert "5 sent, 5 stored, 2 skipped" in out.stdout, out.stdout
        assert 'slow.jsonl:6: skipped: there is no field "Sok"' in out.stderr, out.stderr
        assert "slow.jsonl:7: skipped: it is not JSON" in out.stderr, out.stderr
        wait_until("they are there", lambda: len(other.lines("own/V.jsonl")) == 5)
        assert not any("resend" in r for r in other.records("own/V.jsonl"))
        # A file that is cut, a folder and a speed that is none are said, and are a failure.
        with gzip.open(d.path("cut.jsonl.gz"), "wb") as f:
            f.write(os.urandom(3000).hex().encode() + b"\n")
        os.truncate(d.path("cut.jsonl.gz"), 1500)
        for file, words in ((d.path("cut.jsonl.gz"), "cannot be read to its end"),
                            (d.folder, "cannot be read to its end")):
            out = fleetroute("replay", "-s", other.control, file, check=False)
            assert out.returncode == 1 and words in out.stderr, out
        for speed in ("nan", "-1", "fast", "inf"):
            out = fleetroute("replay", "-s", other.control, "--speed", speed, d.path("slow.jsonl"), check=False)
            assert out.returncode == 1 and "--speed must be a number" in out.stderr, out
        # Who is not listed stays outside, here too; and a broken stream breaks nothing.
        other.routing = f"vehicles: [5YJ3E1EA7KF000009]\n{ROUTING}"
        other.reload()
        out = fleetroute("replay", "-s", other.control, d.path("slow.jsonl")).stdout
        assert "0 stored, 7 skipped" in out, out
        assert other.count("source_records_of_vins_not_listed") == 5
        answer = subprocess.run(["python3", "-c", f"""
import socket
s = socket.socket(socket.AF_UNIX)
s.connect({other.control!r})
s.sendall(b"replay\\n" + b"\\x10\\0\\0\\0" + b"x" * 16)
s.shutdown(socket.SHUT_WR)
while got := s.recv(1000):
    print(got.decode(), end="")"""], capture_output=True, text=True, timeout=20 * PATIENCE).stdout
        assert "not a stored record" in answer, answer

off = Daemon("records: [{type: V, to: own}]", SINKS)
with off:
    answer = fleetroute("replay", "-s", off.control, "/dev/null", check=False)
    assert answer.returncode == 1 or "0 sent" in answer.stdout, answer


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


# The journal is full and the records are larger than what is read ahead: the daemon waits without
# work, and goes on when there is capacity. The last values, which are written once an hour here, do not
# keep the journal full.
with Daemon("records: [{type: V, to: own}]", SINKS.replace("@", "@/gone").replace(
        "plugin: file,", "plugin: file, retry: {min: 100 ms, max: 100 ms},"), journal="{size: 4 MB, values_every: 1 h}") as d:
    open(d.path("gone"), "w").close()
    with open(d.path("large.jsonl"), "w") as f:
        for n in range(40):
            f.write(json.dumps({"type": "V", "vin": VIN, "txid": f"t-{n}", "created_at": "2026-11-23T08:00:00.000Z",
                                "data": {"VehicleName": os.urandom(750_000).hex()}}) + "\n")
    replay = subprocess.Popen([f"{BUILD}/fleetroute", "replay", "-s", d.control, d.path("large.jsonl")],
                              stdout=subprocess.PIPE, text=True)
    wait_until("the journal is full", lambda: d.status()["journal"]["health"] == "down")
    wait_until("it waits", lambda: d.status()["journal"]["waiting"] ==
               (time.sleep(0.5), d.status()["journal"]["waiting"])[1])
    spent = cpu_seconds(d.process)
    time.sleep(2)
    spent = cpu_seconds(d.process) - spent
    assert spent < 0.5, f"{spent} s of CPU in two seconds of waiting"
    os.unlink(d.path("gone"))
    out = replay.communicate(timeout=60 * PATIENCE)[0]
    assert "40 sent, 40 stored, 0 skipped" in out, out
    wait_until("they are there", lambda: len(d.lines("gone/own/V.jsonl")) == 40)
