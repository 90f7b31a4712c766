#!/usr/bin/env python3
"""The state folder on a disk that is full, read-only or failing: the log, /readyz and the status name it, what is
acknowledged is kept, and it goes on by itself."""
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fr import BUILD, Daemon, free_port, wait_until  # noqa: E402

SECOND = "5YJ3E1EA7KF000002"
WITHIN = 10  # seconds until a fault is named
LETTERS = "state/dead-letters/odd.jsonl"
CAUSES = {"EIO": ("Input/output error", "look at the kernel's log and the disk"),
          "ENOSPC": ("No space left on device", "free space on its disk"),
          "EDQUOT": ("Disk quota exceeded", "free space on its disk"),
          "EROFS": ("Read-only file system", "mount its file system read-write")}


class Faults:
    """The rules of tests/fault_io for a daemon: set() lets calls fail from now on, clear() none."""

    def __init__(self, d):
        self.path = d.path("faults")
        d.environment = {**os.environ, "LD_PRELOAD": f"{BUILD}/.libs/fault_io.so", "FR_FAULT_IO": self.path}

    def set(self, *rules):
        with open(self.path + ".new", "w") as f:
            f.write("".join(rule + "\n" for rule in rules))
        os.rename(self.path + ".new", self.path)

    def clear(self):
        self.set()


def daemon(routing, sinks, **more):
    d = Daemon(routing, sinks, **more)
    d.admin_port = free_port()
    d.extra = f"admin: {{port: {d.admin_port}}}"
    return d


def readyz(d):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{d.admin_port}/readyz", timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.read().decode()


def named(d, sink, begun, *words):
    """The log since `begun` (an offset), /readyz and the status of a sink hold all of the words, in time."""
    for where, text in (("the log", lambda: d.log_text()[begun:]), ("/readyz", lambda: readyz(d)),
                        ("the status", lambda: d.status()["sinks"][sink]["why"])):
        wait_until(f"{where} names it: {words}",
                   lambda: any(all(w in line for w in words) for line in text().splitlines()), WITHIN)
    assert d.status()["sinks"][sink]["health"] != "up"


def odd(d):
    return d.status()["sinks"]["odd"]


def odd_daemon():
    return daemon('records: [{type: V, to: odd}]', '  odd: {plugin: odd, retry: {least: 20 ms, most: 200 ms}, '
                  f'options: {{path: "@/odd", refuse: {SECOND}}}}}', journal="{}")


def letters(d, name=LETTERS):
    return [r["record"]["data"]["Soc"] for r in d.records(name)]


def refuse(d, n):
    """A record that is refused, and one behind it that is not."""
    d.say({"Soc": n, "vin": SECOND}, {"Soc": n})


def dead_letters_on_a_failing_disk():
    """Each call that a dead letter needs, with each error: the delivery waits, nothing is lost or doubled."""
    d = odd_daemon()
    faults = Faults(d)
    with d:
        n = 0
        for error, *rules in (("EIO", "mkdir state/dead-letters"), ("EIO", "sync state/dead-letters"),
                              ("EROFS", f"open {LETTERS}"), ("ENOSPC", f"write {LETTERS}"),
                              ("EIO", f"sync {LETTERS}"),
                              # What is written and not on the disk cannot be cut off at once.
                              ("EDQUOT", f"sync {LETTERS}", f"truncate {LETTERS}")):
            begun = len(d.log_text())
            faults.set(*(f"{rule} {error}" for rule in rules))
            refuse(d, n)
            named(d, "odd", begun, "dead letters cannot be written", d.path("state/dead-letters"), *CAUSES[error])
            wait_until("the other vehicle goes on", lambda: len(d.records("odd")) == n + 1, 5)
            assert odd(d)["dead_letters"] == n and odd(d)["behind"] >= 1, odd(d)
            assert "dead letters cannot be written" in odd(d)["last_error"]
            faults.clear()
            n += 1
            wait_until("it goes on", lambda: odd(d)["dead_letters"] == n and odd(d)["behind"] == 0)
            assert letters(d) == list(range(n)), letters(d)
            assert "cannot be written" not in odd(d)["why"] and "cannot be written" not in readyz(d)
            assert "dead letters are written again" in d.log_text()[begun:]
        assert [r["data"]["Soc"] for r in d.records("odd")] == list(range(n))
        assert d.log_text().count("fault_io: truncate") >= 2, "the line was not there to be cut off"


def dead_letters_that_stand_in_the_way():
    """A full file that cannot be renamed holds back the letters and is named; half a line of a crash is cut."""
    d = odd_daemon()
    faults = Faults(d)
    with d:
        refuse(d, 0)
        wait_until("it is a dead letter", lambda: letters(d) == [0])
        os.rename(d.path(LETTERS), d.path(LETTERS + ".1"))
        with open(d.path(LETTERS), "w") as f:
            f.truncate(64 << 20)
        begun = len(d.log_text())
        faults.set(f"rename {LETTERS}.1 EIO")
        refuse(d, 1)
        named(d, "odd", begun, "is full and cannot be renamed", *CAUSES["EIO"])
        assert os.path.getsize(d.path(LETTERS)) == 64 << 20 and letters(d, LETTERS + ".1") == [0]
        faults.clear()
        wait_until("it goes on", lambda: letters(d) == [1])
        assert os.path.getsize(d.path(LETTERS + ".1")) == 64 << 20
        assert d.count("dead_letters_deleted") == 1
        os.truncate(d.path(LETTERS + ".1"), 0)
        d.kill()
        with open(d.path(LETTERS), "rb+") as f:
            line = f.read()
            f.write(line[:100])  # the next one, cut short
        d.start()
        refuse(d, 2)
        wait_until("it goes on", lambda: letters(d)[-1] == 2)
        # After kill -9 a letter may come twice, and is recognised by its seq.
        assert len({r["seq"] for r in d.records(LETTERS)}) == 2 and set(letters(d)) == {1, 2}
        assert "the file is mended" in d.log_text()


def mount(d, options):
    """A tmpfs as the state folder; False where mounts are not allowed."""
    os.makedirs(d.path("state"), exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "fleetroute-test", d.path("state")],
                          capture_output=True, text=True)
    if done.returncode != 0:
        print("no tmpfs can be mounted here, so the real disk is left out:", done.stderr.strip())
    return done.returncode == 0


def remount(d, how):
    subprocess.run(["mount", "-o", f"remount,{how}", d.path("state")], check=True)


def unmount(d):
    subprocess.run(["umount", "-l", d.path("state")], check=True)


def fill(d):
    with open(d.path("state/fill"), "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass


def a_real_disk():
    """A small tmpfs as the state folder, filled up and freed, mounted read-only and back; the journal is elsewhere.
    Then a start on each: it says why it ends, or which sink is degraded."""
    d = odd_daemon()
    d.journal = "{path: journal}"
    if not mount(d, "size=1m"):
        shutil.rmtree(d.folder)
        return
    with d:
        try:
            sent = 0
            for error, break_it, mend_it in (("ENOSPC", lambda: fill(d), lambda: os.unlink(d.path("state/fill"))),
                                             ("EROFS", lambda: remount(d, "ro"), lambda: remount(d, "rw"))):
                refuse(d, sent)
                wait_until("it is a dead letter", lambda: len(letters(d)) == sent + 1)
                begun = len(d.log_text())
                break_it()
                for n in range(sent + 1, sent + 21):
                    refuse(d, n)
                named(d, "odd", begun, "dead letters cannot be written", d.path(LETTERS), *CAUSES[error])
                mend_it()
                sent += 21
                wait_until("it goes on", lambda: odd(d)["dead_letters"] == sent and odd(d)["behind"] == 0)
                assert sorted(letters(d)) == list(range(sent)), letters(d)
            assert [r["data"]["Soc"] for r in d.records("odd")] == list(range(sent))
            assert d.end() == 0
        finally:
            unmount(d)


if __name__ == "__main__":
    if os.environ.get("ASAN_OPTIONS"):
        print("a preloaded library and a sanitizer do not go together: injected faults are left out")
    for test in sys.argv[1:] or ("dead_letters_on_a_failing_disk", "dead_letters_that_stand_in_the_way", "a_real_disk"):
        if os.environ.get("ASAN_OPTIONS") and test != "a_real_disk":
            continue
        at = time.monotonic()
        globals()[test]()
        print(f"{test}: {time.monotonic() - at:.1f} s", flush=True)
