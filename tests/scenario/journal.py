#!/usr/bin/env python3
"""The journal: what is acknowledged outlives kill -9; a sink that was down or added later gets it
in order; a poisoned record, a damaged one, a cut file, a full journal cost nothing else."""
import json
import os
import re
import shutil
import subprocess
import time

from fr import BUILD, PATIENCE, Daemon, VIN, fleetroute, run_parts, vector, wait_until
from journal_checks import endless_load, in_order_for_each_vehicle

ALL = 'records: [{type: "*", to: archive}]'
FILE = '  archive: {plugin: file, options: {path: "@/%{type}.jsonl", rotate_size: 0}}'
EAGER = 'retry: {min: 20 ms, max: 100 ms}'


def read_acknowledged(d):
    return d.lines("acknowledged")


def load(d):
    """Acknowledged records, 1,000 at least, however fast the disk is."""
    before = d.count("acknowledged")
    with endless_load(d, "--vehicles", 10, "--rate", 100):
        d.wait_count("acknowledged", before + 1000, 60)
    return read_acknowledged(d)


def txids(d, name="V.jsonl"):
    return [r["txid"] for r in d.records(name)]


def survives_kill():
    """A sink that cannot deliver; kill -9; then it can: all that was acknowledged arrives."""
    sinks = f'  archive: {{plugin: file, {EAGER}, options: {{path: "@/gone/%{{type}}.jsonl"}}}}'
    with Daemon(ALL, sinks, journal="{}") as d:
        open(d.path("gone"), "w").close()
        acknowledged = load(d)
        assert len(acknowledged) > 500, len(acknowledged)
        d.kill()
        os.unlink(d.path("gone"))
        d.start()
        wait_until("all is there", lambda: set(acknowledged) <= set(txids(d, "gone/V.jsonl")))
        records = d.records("gone/V.jsonl")
        assert len(records) == len(acknowledged), "delivered twice"
        in_order_for_each_vehicle(records)
        wait_until("nothing is left", lambda: d.status()["sinks"]["archive"]["lag"] == 0)
        assert d.status()["journal"]["records"] > 500


def new_sink_from_the_oldest():
    with Daemon(ALL, FILE, journal="{}") as d:
        acknowledged = load(d)
        d.sinks += '\n  more: {plugin: file, from: oldest, options: {path: "@/more/%{type}.jsonl"}}' \
                   '\n  later: {plugin: file, options: {path: "@/later/%{type}.jsonl"}}'
        d.routing = 'records: [{type: "*", to: [archive, more, later]}]'
        d.write()
        assert '"reloaded": true' in fleetroute("reload", "-s", d.control, "--json").stdout
        wait_until("it has all", lambda: len(txids(d, "more/V.jsonl")) >= len(acknowledged))
        assert set(acknowledged) == set(txids(d, "more/V.jsonl"))
        assert txids(d, "later/V.jsonl") == []
        wait_until("the first sink has all", lambda: len(txids(d)) >= len(acknowledged))
        assert len(txids(d)) == len(acknowledged), "the first sink was disturbed"
        # And once more, from the beginning, by order.
        fleetroute("journal", "rewind", "later", "--to", 1, "-c", d.path("fleetroute.yaml"))
        wait_until("it was rewound", lambda: len(txids(d, "later/V.jsonl")) >= len(acknowledged))
        wait_until("status shows every sink", lambda: all(
            f"sink {name} " in fleetroute("journal", "status", "-c", d.path("fleetroute.yaml")).stdout
            for name in ("archive", "more", "later")))
        dumped = fleetroute("journal", "dump", "--since", 1, "-c", d.path("fleetroute.yaml")).stdout
        kept = [json.loads(line)["txid"] for line in dumped.splitlines() if '"type":"V"' in line]
        assert sorted(kept) == sorted(acknowledged)
        # The cursor of a stopped daemon can be set too, also to a time.
        d.end()
        fleetroute("journal", "rewind", "later", "--to", "1 h", "-c", d.path("fleetroute.yaml"))
        d.start()
        wait_until("it was rewound again",
                   lambda: len(txids(d, "later/V.jsonl")) >= 2 * len(acknowledged))


def refused_records_are_dead_lettered():
    """A plugin refuses a VIN for good; the others go on, and nothing is lost."""
    sinks = f'  odd: {{plugin: fault, {EAGER}, options: {{path: "@/odd", refuse: {VIN}}}}}'
    with Daemon("records: [{type: V, to: odd}]", sinks, journal="{}") as d:
        car, other = d.car(), d.car(vin="5YJ3E1EA7KF000002")
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        wait_until("the record is dead-lettered", lambda: d.status()["sinks"]["odd"]["dead_letters"] == 1)
        other.send(vector("01_v_three_datums"))
        assert other.receive_reply()[0] == "ack"
        wait_until("the sink goes on", lambda: len(d.lines("odd")) == 1)
        letter = json.loads(d.lines("state/dead-letters/odd.jsonl")[0])
        assert letter["record"]["vin"] == VIN and letter["attempts"] == 1, letter
        wait_until("nothing is left", lambda: d.status()["sinks"]["odd"]["lag"] == 0)
        # Repaired, it is replayed from the file.
        d.sinks = '  odd: {plugin: fault, options: {path: "@/odd"}}'
        d.write()
        fleetroute("reload", "-s", d.control)
        out = fleetroute("replay", "-s", d.control, d.path("state/dead-letters/odd.jsonl")).stdout
        assert "1 stored" in out, out
        car.close()
        other.close()


def damaged_record_is_skipped():
    with Daemon(ALL, FILE.replace("@", "@/gone"), journal="{}") as d:
        open(d.path("gone"), "w").close()
        acknowledged = load(d)
        d.end()
        data = d.path("state/journal/data.mdb")
        with open(data, "rb") as f:
            content = f.read()
        victim = acknowledged[len(acknowledged) // 2].encode()
        # Free pages can hold older copies of the record.
        places = [found.start() for found in re.finditer(re.escape(victim), content)]
        assert places, "the txid is not in the file"
        with open(data, "r+b") as f:
            for at in places:
                f.seek(at)
                f.write(bytes([victim[0] ^ 1]))
        os.unlink(d.path("gone"))
        d.start()
        wait_until("the rest is there",
                   lambda: len(set(txids(d, "gone/V.jsonl"))) >= len(acknowledged) - 1)
        assert set(acknowledged) - set(txids(d, "gone/V.jsonl")) == {victim.decode()}
        assert d.count("journal_records_damaged") >= 1
        assert "is damaged" in d.log_text()


def foreign_and_cut_files_are_not_changed():
    with Daemon(ALL, FILE, journal="{}") as d:
        load(d)
        d.end()
        data = d.path("state/journal/data.mdb")
        with open(data, "rb") as f:
            whole = f.read()

        def refuses(content, words):
            with open(data, "wb") as f:
                f.write(content)
            d.write()
            r = subprocess.run([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")],
                               capture_output=True, text=True, timeout=20 * PATIENCE)
            assert r.returncode == 1 and words in r.stderr, r.stderr
            with open(data, "rb") as f:
                assert f.read() == content, "it was changed"

        used = len(whole.rstrip(b"\0"))  # the file is extended with zeros ahead of its use
        refuses(whole[:used // 2], "is cut")
        refuses(b"", "is no journal, or is cut")
        refuses(b"SQLite format 3\0" + b"x" * 100000, "is no journal, or is cut")
        with open(data, "wb") as f:
            f.write(whole)
        d.start()
        second = subprocess.run([f"{BUILD}/fleetrouted", "-c", d.path("fleetroute.yaml")],
                                capture_output=True, text=True, timeout=20 * PATIENCE)
        assert second.returncode == 1, second


def full_journal_blocks_or_drops():
    """4 MB, a sink that is down: `block` pauses the vehicles and loses nothing; `drop-oldest` deletes
    undelivered records and counts them."""
    sinks = FILE.replace("@", "@/gone").replace("plugin: file", f"plugin: file, {EAGER}")
    with Daemon(ALL, sinks, journal="{size: 4 MB}") as d:
        open(d.path("gone"), "w").close()
        with endless_load(d, "--vehicles", 20, "--rate", 0, "--window", 64, "--data", 20):
            wait_until("it is full", lambda: d.status()["journal"]["health"] == "down", 60)
            assert "not delivered by every sink" in d.status()["journal"]["why"]
            os.unlink(d.path("gone"))
            wait_until("records are pruned", lambda: d.status()["journal"]["first"] > 1)
        acknowledged = read_acknowledged(d)
        wait_until("all is there", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 60)
        assert set(acknowledged) <= set(txids(d, "gone/V.jsonl"))
        status = d.status()
        assert status["journal"]["file_bytes"] < 80e6, status["journal"]
    with Daemon(ALL, sinks, journal="{size: 4 MB, when_full: drop-oldest}") as d:
        open(d.path("gone"), "w").close()
        with endless_load(d, "--vehicles", 20, "--rate", 0, "--window", 64, "--data", 20):
            d.wait_count("journal_records_deleted_undelivered", 1, 60)
        assert "are deleted" in d.log_text()
        os.unlink(d.path("gone"))
        wait_until("the rest is there", lambda: d.status()["sinks"]["archive"]["lag"] == 0, 60)


def full_disk_under_the_journal():
    """The journal's disk is full: vehicles are paused, the status has the reason, and nothing is lost."""
    with Daemon(ALL, FILE, journal='{path: disk/journal}') as d:
        d.end()
        shutil.rmtree(d.path("disk"))
        os.mkdir(d.path("disk"))
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none",
                                                d.path("disk")], capture_output=True).returncode:
            print("skipped: no tmpfs can be mounted here")
            d.start()
            return
        try:
            with open(d.path("disk/ballast"), "wb") as f:
                f.write(b"x" * 10_000_000)
            d.start()
            with endless_load(d, "--vehicles", 10, "--rate", 200):
                wait_until("it is full", lambda: d.status()["journal"]["health"] == "down", 60)
                assert "No space left" in d.status()["journal"]["why"]
                wait_until("nothing more is acknowledged", lambda: d.count("acknowledged") ==
                           (time.sleep(0.3), d.count("acknowledged"))[1])
                os.unlink(d.path("disk/ballast"))
                d.wait_count("acknowledged", d.count("acknowledged") + 1000, 60)
            wait_until("it can be written",
                       lambda: len(set(txids(d))) >= len(read_acknowledged(d)) > 1000, 30)
            assert set(read_acknowledged(d)) <= set(txids(d)) and len(txids(d)) == len(set(txids(d)))
        finally:
            d.end()
            subprocess.run(["umount", d.path("disk")], check=True)


def resent_after_a_lost_ack():
    """The same txid again, before and after a crash: acknowledged, and delivered once."""
    with Daemon(ALL, FILE, journal="{}") as d:
        for _ in range(3):
            car = d.car()
            car.send(vector("01_v_three_datums"))
            assert car.receive_reply()[0] == "ack"
            car.close()
        d.kill()
        d.start()
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        car.send(vector("07_v_legacy_strings"))
        assert car.receive_reply()[0] == "ack"
        wait_until("the second is there", lambda: len(set(txids(d))) >= 2)
        assert len(set(txids(d))) == 2 and len(txids(d)) <= 3, txids(d)
        assert d.count("duplicates_skipped") == 1
        car.close()


def clean_stop_delivers_each_record_once():
    """Stopped in the middle of a backlog, with a window open: every record once, all the same."""
    sinks = '  slow: {plugin: fault, options: {path: "@/slow", delay: 5 ms}}'
    routing = "records: [{type: V, to: slow}]\nfields: [{field: Soc, to: slow, every: 1 h}]"
    with Daemon(routing, sinks, journal="{}") as d:
        d.say(*({"Soc": n} for n in range(1500)))
        wait_until("it has begun", lambda: len(d.lines("slow")) > 100)
        assert d.end() == 0
        stopped_at = len(d.lines("slow"))
        d.start()
        wait_until("it has all", lambda: d.status()["sinks"]["slow"]["lag"] <= 1, 60)
        assert d.end() == 0
        whole = [r for r in d.records("slow") if "data" in r]
        assert 100 < stopped_at < 1500, stopped_at
        assert [r["data"]["Soc"] for r in whole] == list(range(1500)), "lost or doubled"
        assert not any(r.get("repeated") for r in whole)


def silent_sink_is_degraded():
    """A plugin that takes deliveries and answers nothing: its health says so."""
    sinks = '  stalled: {plugin: fault, stall_timeout: 1 s, options: {path: "@/stalled", no_answer: true}}'
    with Daemon("records: [{type: V, to: stalled}]", sinks, journal="{}") as d:
        car = d.car()
        car.send(vector("01_v_three_datums"))
        assert car.receive_reply()[0] == "ack"
        wait_until("it is degraded", lambda: d.status()["sinks"]["stalled"]["health"] == "degraded")
        assert "nothing was delivered" in d.status()["sinks"]["stalled"]["why"]
        car.close()


if __name__ == "__main__":
    run_parts(survives_kill, new_sink_from_the_oldest, refused_records_are_dead_lettered,
              damaged_record_is_skipped, foreign_and_cut_files_are_not_changed,
              full_journal_blocks_or_drops, full_disk_under_the_journal, resent_after_a_lost_ack,
              clean_stop_delivers_each_record_once, silent_sink_is_degraded)
