#!/usr/bin/env python3
"""Dead letters over HTTP: a bounded page of them; they are sent again and dropped by who may do acts; the sink may
write more meanwhile."""
import contextlib
import json
import os
import threading

from admin_api import BEARER, TOKEN, Client
from fr import VIN, Daemon, fleetroute, free_port, run_parts, wait_until, write_file
from isolation import ROUTES, SECOND, alert

FILE = "state/dead-letters/odd.jsonl"


@contextlib.contextmanager
def refusing(extra="", journal="{}", routes=ROUTES):
    """A daemon whose sink refuses the records of VIN, and a client with a session."""
    port = free_port()
    sinks = f'  odd: {{plugin: fault, options: {{path: "@/odd", refuse: {VIN}}}}}'
    d = Daemon(routes, sinks, f"admin: {{port: {port}, token_file: token}}\n{extra}", journal=journal)
    write_file(d.path("token"), TOKEN + "\n")
    with d:
        me = Client(port)
        assert me.log_in()[0] == 200
        yield d, me


def repair(d):
    d.sinks = '  odd: {plugin: fault, options: {path: "@/odd"}}'
    d.reload()


def dead(me, query=""):
    return me.json(f"/api/dead-letters?{query}")


def wait_dead(me, count):
    return wait_until(f"{count} dead letters", lambda: (a := dead(me, "limit=200"))["found"] == count and a)


def txids(answer):
    return [letter["record"]["txid"] for letter in answer["dead_letters"]]


def letters_are_listed():
    """Newest first, a page at a time; what is hostile is text; damaged lines do not hide others."""
    with refusing() as (d, me):
        assert dead(me) == {"sinks": [{"name": "odd", "dead_letters": 0}], "found": 0, "offset": 0, "limit": 50,
                            "dead_letters": []}
        d.say(*(alert(n) for n in range(60)))
        answer = wait_dead(me, 60)
        assert answer["sinks"] == [{"name": "odd", "dead_letters": 60}], answer["sinks"]
        assert txids(answer) == [f"alert-{n:06d}" for n in range(59, -1, -1)]
        letter = answer["dead_letters"][0]
        assert letter["sink"] == "odd" and letter["vin"] == VIN and letter["type"] == "alerts", letter
        assert letter["attempts"] == 1 and letter["seq"] == 60 and letter["failed_ms"] > letter["received_ms"] > 0
        assert letter["error"] and letter["record"]["alerts"][0]["name"] == "a59", letter
        assert "payload" not in letter["record"]
        page = dead(me, "sink=odd&offset=55&limit=3")
        assert txids(page) == ["alert-000004", "alert-000003", "alert-000002"] and page["found"] == 60
        assert len(dead(me)["dead_letters"]) == 50 and dead(me, "offset=60")["dead_letters"] == []
        for query in ("offset=-1", "limit=201", "limit=x", "offset=99999999999", "sink=%00"):
            assert me.status(f"/api/dead-letters?{query}") == 400, query
        for name in ("absent", "..", "..%2fjournal", "odd.jsonl", "x" * 64):
            assert me.status(f"/api/dead-letters?sink={name}") == 404, name
        assert Client(me.port).status("/api/dead-letters") == 401
        d.say({"VehicleName": "<b>\u202e\u0007" + "y" * 100000})
        big = wait_dead(me, 61)["dead_letters"][0]
        assert big["record"] is None and big["type"] == "V", big
        # Lines that no sink has written, a second sink without a configuration, and a line of 5 MB.
        with open(d.path(FILE), "a") as f:
            f.write('{"this is": "no dead letter"}\n\n[1]\n\x00\x01\n{"sink":"odd","record":{"vin":"x","type":"V"}\n')
        write_file(d.path("state/dead-letters/gone.jsonl.1"), json.dumps({"sink": "x" * 5000000}) + "\n")
        answer = dead(me)
        assert answer["sinks"] == [{"name": "gone", "dead_letters": 1}, {"name": "odd", "dead_letters": 63}]
        assert "5000012 bytes" in answer["dead_letters"][0]["error"] and answer["dead_letters"][0]["sink"] == "gone"
        assert all(x["error"] and x["record"] is None for x in answer["dead_letters"][1:3])
        status, answer = me.act("/api/dead-letters/resend", {"sink": "gone", "all": True})
        assert status == 409 and "fleetroute replay" in answer["message"], answer


def letters_are_sent_again():
    """The record reaches the sink again, marked as resent, and is no dead letter any more; once."""
    with refusing() as (d, me):
        d.say(*(alert(n) for n in range(6)), {"Soc": 7})
        letters = wait_dead(me, 7)["dead_letters"]
        status, answer = me.act("/api/dead-letters/resend", {"sink": "odd", "ids": [letters[0]["id"]]})
        assert status == 200 and answer["message"] == "1 dead letter sent again", answer  # and refused once more
        letters = wait_until("it is dead again", lambda: (a := dead(me))["found"] == 7 and
                             a["dead_letters"][0]["seq"] == 8 and a["dead_letters"])
        repair(d)
        assert me.act("/api/dead-letters/resend", {"sink": "odd", "ids": [letters[0]["id"]] * 3})[0] == 200
        got = wait_until("it is delivered", lambda: d.records("odd"))
        assert got[0]["data"] == {"Soc": 7} and got[0]["resend"], got
        status, answer = me.act("/api/dead-letters/resend", {"sink": "odd", "ids": [letters[0]["id"]]})
        assert status == 409 and "1 did not exist any more" in answer["message"], answer
        two = [letters[2]["id"], letters[1]["id"]]
        status, answer = me.act("/api/dead-letters/resend", {"sink": "odd", "ids": [*two, "no-such-id"]})
        assert status == 200 and answer["message"] == "2 dead letters sent again; 1 did not exist any more", answer
        status, answer = me.act("/api/dead-letters/resend", {"sink": "odd", "all": True})
        assert status == 200 and answer["message"] == "4 dead letters sent again", answer
        wait_until("all are delivered", lambda: len(d.records("odd")) == 7)
        assert [r["txid"] for r in d.records("odd")[3:]] == [f"alert-{n:06d}" for n in range(4)]
        assert dead(me)["found"] == 0 and os.path.getsize(d.path(FILE)) == 0
        assert d.count("dead_letters_resent") == 8
        assert "admin: session 1 of 127.0.0.1: dead letters of sink odd: 4 dead letters sent again" in d.log_text()
        # A vehicle that is not listed any more.
        d.say(alert(9, SECOND))
        d.sinks = f'  odd: {{plugin: fault, options: {{path: "@/odd", refuse: {SECOND}}}}}'
        d.reload()
        d.say(alert(10, SECOND))
        wait_dead(me, 1)
        d.routing = f"vehicles: [{{vin: {VIN}}}]\n{ROUTES}"
        d.reload()
        status, answer = me.act("/api/dead-letters/resend", {"sink": "odd", "all": True})
        assert status == 409 and "not listed" in answer["message"] and dead(me)["found"] == 1, answer
    with refusing(journal="off") as (d, me):
        status, answer = me.act("/api/dead-letters/resend", {"sink": "odd", "all": True})
        assert status == 409 and "journal" in answer["message"], answer


def letters_are_dropped():
    """Lines are dropped beside a sink that writes; `fleetroute replay` and a restart see the rest alone."""
    with refusing() as (d, me):
        d.say(*(alert(n) for n in range(10)))
        letters = wait_dead(me, 10)["dead_letters"]
        ids = [x["id"] for x in letters]
        status, answer = me.act("/api/dead-letters/drop", {"sink": "odd", "ids": ids[:4]})
        assert status == 200 and answer == {"ok": True, "message": "4 dead letters dropped"}, answer
        assert [x["id"] for x in dead(me)["dead_letters"]] == ids[4:]  # ids stay
        d.say(alert(10))
        assert txids(wait_dead(me, 7))[0] == "alert-000010"
        d.end()
        d.start()
        assert me.log_in()[0] == 200
        assert txids(dead(me)) == ["alert-000010"] + [f"alert-{n:06d}" for n in range(5, -1, -1)]
        repair(d)
        out = fleetroute("replay", "-s", d.control, d.path(FILE)).stdout
        assert out == "7 sent, 7 stored, 0 skipped\n", out
        d.sinks = f'  odd: {{plugin: fault, options: {{path: "@/odd", refuse: {VIN}}}}}'
        d.reload()
        end = threading.Event()
        said = []

        def feed():
            while not end.is_set():
                said.append(alert(100 + len(said)))
                d.say(said[-1])
        thread = threading.Thread(target=feed)
        thread.start()
        try:
            dropped = 0
            while len(said) < 20:
                status, answer = me.act("/api/dead-letters/drop", {"sink": "odd", "all": True})
                assert status == 200, answer
                dropped += int(answer["message"].split()[0])
        finally:
            end.set()
            thread.join()
        wait_until("each letter is there or was dropped", lambda: dropped + dead(me)["found"] == 7 + len(said))
        assert me.act("/api/dead-letters/drop", {"sink": "odd", "all": True})[0] == 200
        assert dead(me)["found"] == 0 and os.path.getsize(d.path(FILE)) == 0
        assert "dead letters of sink odd: 4 dead letters dropped" in d.log_text()


def acts_are_protected():
    """The rules of other acts, and bodies that are none."""
    with refusing() as (d, me):
        d.say(alert(1))
        wait_dead(me, 1)
        every = {"sink": "odd", "all": True}
        for act in ("resend", "drop"):
            path = f"/api/dead-letters/{act}"
            assert Client(me.port).act(path, every)[0] == 401
            assert me.act(path, every, {"Origin": "http://evil.example"})[0] == 403
            assert me.ask(path, "POST", json.dumps(every), {"Content-Type": "text/plain"})[0] == 403
            assert me.status(path) == 405
            for body in ({}, [], None, {"sink": "odd"}, {"sink": "odd", "all": False}, {"sink": 1, "all": True},
                         {"all": True}, {"sink": "odd", "ids": []}, {"sink": "odd", "ids": [1]},
                         {"sink": "odd", "ids": "x"}, {"sink": "odd", "ids": ["\x00"]}, {"sink": "odd", "ids": ["x"], "all": True}):
                assert me.act(path, body)[0] == 400, body
            for name in ("../odd", "", "x" * 100, "a/b"):
                assert me.act(path, {"sink": name, "all": True})[0] == 404, name
            assert me.act(path, {"sink": "odd", "ids": ["x", "1-2-3", "-", "0-0-00000000"]})[0] == 409
        assert dead(me)["found"] == 1
        assert me.act("/api/dead-letters/drop", {"sink": "absent", "all": True})[0] == 200  # there was nothing
        assert sorted(os.listdir(d.path("state/dead-letters"))) == ["odd.jsonl"]
        assert me.act("/api/dead-letters/drop", every, {**BEARER, "Cookie": ""})[0] == 200
        assert dead(me)["found"] == 0


if __name__ == "__main__":
    run_parts(letters_are_listed, letters_are_sent_again, letters_are_dropped, acts_are_protected)
