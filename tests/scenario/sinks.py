#!/usr/bin/env python3
"""Sinks are independent: a slow sink delays no other sink, a failing sink is retried without duplicates, a
full queue drops only records of its own sink; an incompatible plugin is refused with the reason."""
import json
import os
import re
import subprocess

from fr import BUILD, PATIENCE, Daemon, VIN, fleetroute, run_parts, vector, wait_until

TOP = os.environ.get("top_srcdir") or os.getcwd()
with open(f"{TOP}/core/include/fleetroute/plugin.h") as header:
    MAJOR, MINOR = map(int, re.findall(r"#define FLEETROUTE_PLUGIN_ABI_M\w+OR (\d+)", header.read()))


def run(d, rate=50, seconds=4, *more):
    out = d.simulate("--vehicles", 10, "--rate", rate, "--duration", seconds, *more).stdout
    numbers = dict(zip(("sent", "acknowledged", "refused", "unanswered"),
                       (int(w) for w in out.replace(",", "").split() if w.isdigit())))
    numbers["p99"] = float(out.split("p99 ")[1].split()[0])
    return numbers


def slow_sink_delays_no_other_sink():
    routing = "records: [{type: V, to: [archive, slow], ack: archive}]"
    sinks = '  archive: {plugin: file, options: {path: "@/V.jsonl"}}\n'
    with Daemon("records: [{type: V, to: archive, ack: archive}]", sinks) as d:
        alone = run(d)
    sinks += '  slow: {plugin: example, queue: {records: 300}, options: {path: "@/slow", delay: 50 ms}}'
    with Daemon(routing, sinks) as d:
        beside = run(d)
        assert beside["unanswered"] == 0 and beside["refused"] == 0, beside
        wait_until("the file has all", lambda: len(d.lines("V.jsonl")) == beside["acknowledged"])
        slow = d.status()["sinks"]["slow"]
        assert slow["dropped"] > 1000 and slow["unfinished"] <= 300, slow
        # All 2,000 are acknowledged and in the file while the slow one, at 50 ms each, has not
        # had a tenth of them: no acknowledgement waited for it.
        assert beside["acknowledged"] > 1500 and len(d.lines("slow")) < 200, len(d.lines("slow"))
        print("p99 alone", alone["p99"], "ms, beside a slow sink", beside["p99"], "ms")


def full_disk_is_retried():
    """The file's folder is not there and cannot be made; then it can."""
    sinks = '  archive: {plugin: file, retry: {min: 20 ms, max: 100 ms}, ' \
            'options: {path: "@/gone/V.jsonl"}}'
    with Daemon("records: [{type: V, to: archive, ack: archive}]", sinks) as d:
        open(d.path("gone"), "w").close()  # a file where a folder should be
        car = d.car()
        car.send(vector("01_v_three_datums"))
        wait_until("the sink is down", lambda: d.status()["sinks"]["archive"]["health"] == "down")
        assert d.count("acknowledged") == 0
        os.unlink(d.path("gone"))
        assert car.receive_reply()[0] == "ack"
        assert len(d.lines("gone/V.jsonl")) == 1
        wait_until("the sink is up", lambda: d.status()["sinks"]["archive"]["health"] == "up")
        car.close()


def really_full_disk():
    """A small file system fills up: nothing acknowledged is missing or cut, and it goes on."""
    sinks = '  archive: {plugin: file, retry: {min: 20 ms, max: 100 ms}, ' \
            'options: {path: "@/disk/V.jsonl"}}'
    with Daemon("records: [{type: V, to: archive, ack: archive}]", sinks) as d:
        os.mkdir(d.path("disk"))
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none",
                                                d.path("disk")], capture_output=True).returncode:
            print("skipped: no tmpfs can be mounted here")
            return
        try:
            with open(d.path("disk/ballast"), "wb") as f:
                f.write(b"x" * 900_000)
            load = d.simulate_beside("--vehicles", 5, "--rate", 200, "--duration", 3, "--acknowledged",
                                     d.path("acknowledged"))
            wait_until("the disk is full", lambda: d.status()["sinks"]["archive"]["health"] == "down")
            os.unlink(d.path("disk/ballast"))
            load.communicate(timeout=60 * PATIENCE)
            acknowledged = d.lines("acknowledged")
            written = [r["txid"] for r in d.records("disk/V.jsonl")]
            assert acknowledged and set(acknowledged) <= set(written), "acknowledged but not written"
            assert len(written) == len(set(written)), "written twice"
        finally:
            d.end()
            subprocess.run(["umount", d.path("disk")], check=True)


def rotation():
    sinks = '  archive: {plugin: file, options: {path: "@/out/V.jsonl", rotate_size: 20 kB, ' \
            'compress: gzip, keep: 3}}'
    with Daemon("records: [{type: V, to: archive, ack: archive}]", sinks) as d:
        run(d, 100, 2)
        names = wait_until("rotated files are compressed", lambda: (
            found := os.listdir(d.path("out"))) and sum(n.endswith(".gz") for n in found) >= 3 and
            not any(n.endswith(".part") for n in found) and found)
        assert len(names) <= 5, names
        packed = sorted(n for n in names if n.endswith(".gz"))[0]
        text = subprocess.run(["gzip", "-dc", d.path(f"out/{packed}")], check=True,
                              capture_output=True).stdout
        assert all(json.loads(line)["type"] == "V" for line in text.splitlines())


def protobuf_file():
    sinks = '  raw: {plugin: file, options: {path: "@/%{vin}/%{type}.pb"}}'
    with Daemon("records: [{type: V, to: raw, ack: raw, format: protobuf}]", sinks) as d:
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        with open(d.path(f"{VIN}/V.pb"), "rb") as f:
            bytes_ = f.read()
        assert bytes_[0] == len(bytes_) - 1
        with open(f"{TOP}/tests/vectors/01_v_payload_only.hex") as f:
            assert bytes_[1:].hex() == f.read().replace("\n", "")
        car.close()


def half_a_line_is_cut():
    """What a crash left in the middle of a record: it was not confirmed, so it comes again whole."""
    sinks = '  archive: {plugin: file, options: {path: "@/%{vin}.jsonl"}}'
    whole = '{"seq":1,"data":{"a":"}{\\"}"}}'
    for tail, left in (('{"seq":2,"data":{"b":1}', []), ('{"seq":2', []), ('{"seq":2,"x":"}', []),
                       ('{"seq":2,"x":"' + "y" * 9000, []), (whole, [whole]), ("", [])):
        with Daemon("records: [{type: V, to: archive, ack: archive}]", sinks) as d:
            with open(d.path(f"{VIN}.jsonl"), "w") as f:
                f.write(whole + "\n" + tail)
            car = d.car()
            car.send(vector("01_v_three_datums"))
            assert car.receive_reply()[0] == "ack"
            car.close()
            lines = d.lines(f"{VIN}.jsonl")
            assert lines[:-1] == [whole, *left] and json.loads(lines[-1])["vin"] == VIN, lines
            assert ("was repaired" in d.log_text()) == (tail != ""), tail


def incompatible_plugins_are_refused():
    for plugin, words in (("wrong_abi", f"was built for plugin ABI {MAJOR + 1}.{MINOR}, but this fleetroute "
                                        f"has plugin ABI {MAJOR}.{MINOR}:"),
                          ("nowhere", "cannot load plugin \"nowhere\": there is no "),
                          ("nowhere", "; the plugins there are "),
                          ("kafka2", "; did you mean \"kafka\"?"),
                          ("/lib/x86_64-linux-gnu/libc.so.6", "is not a fleetroute plugin")):
        d = Daemon("records: [{type: V, to: x}]", f"  x: {{plugin: {plugin}}}")
        d.write()
        line = next(n for n, text in enumerate(d.lines("fleetroute.yaml"), 1) if "plugin:" in text)
        for program in ([f"{BUILD}/fleetroute", "check", "-c"], [f"{BUILD}/fleetrouted", "-c"]):
            answer = subprocess.run([*program, d.path("fleetroute.yaml")], capture_output=True,
                                    text=True)
            assert answer.returncode == 1, answer
            assert words in answer.stdout + answer.stderr, answer.stdout + answer.stderr
            assert f"fleetroute.yaml:{line}:" in answer.stdout + answer.stderr, answer


def older_minor_version_is_accepted():
    """A plugin whose options lack the newest member is loaded, and its defaults are found."""
    with Daemon("records: [{type: V, to: x}]", '  x: {plugin: older_abi, options: {path: "@/older"}}',
                journal="{}") as d:
        d.say({"Soc": 1})
        wait_until("it is delivered", lambda: len(d.lines("older")) == 1)


def options_are_checked():
    d = Daemon("records: [{type: V, to: k}]", """  k:
    plugin: kafka
    options:
      broker: localhost
      retention: 7
      properties: {linger.msx: 5}
  f: {plugin: file, options: {path: "@/%q", compress: bzip}}""")
    d.write()
    answer = fleetroute("check", "-c", d.path("fleetroute.yaml"), check=False)
    assert answer.returncode == 1
    for words in ("did you mean \"brokers\"", "plugin kafka needs the option `brokers:`",
                  "retention must be a time with its unit", "compress must be one of none|gzip|zstd"):
        assert words in answer.stdout, answer.stdout


if __name__ == "__main__":
    run_parts(slow_sink_delays_no_other_sink, full_disk_is_retried, really_full_disk, rotation,
              protobuf_file, half_a_line_is_cut, incompatible_plugins_are_refused, older_minor_version_is_accepted,
              options_are_checked)
