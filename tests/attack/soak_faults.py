"""The faults of soak.py. Each is a class with begin(), end() and the pattern of its report."""
import os
import resource
import subprocess
import time

from hostile import BUILD, fleetroute


class Fault:
    """`seen`: pattern that /readyz, the status or the log must contain within 10 s of begin(); None: no
    report is required. `seconds`: duration of the fault."""
    name, seen, seconds = "", None, 8.0
    always_seen = True
    restarts = False  # the fault ends the process of the daemon; end() starts another

    def __init__(self, fleet, faults):
        self.fleet, self.d, self.faults = fleet, fleet.d, faults

    def begin(self):
        raise NotImplementedError

    def end(self):
        pass

    def check(self):
        """Called after delivery has resumed."""


class Killed(Fault):
    name, restarts, seconds = "kill -9 of the daemon", True, 1.0

    def begin(self):
        self.d.kill()

    def end(self):
        self.d.start()
        self.fleet.pid = self.d.process.pid


class Stopped(Killed):
    name = "SIGTERM and start"

    def begin(self):
        assert self.d.end() == 0, "the daemon did not stop with status 0"


class KafkaStopped(Fault):
    name, seen = "Kafka stopped", "brokers are down"

    def begin(self):
        self.fleet.kafka.stop()

    def end(self):
        self.fleet.kafka.start()


class TopicDeleted(Fault):
    """The topic of a record type that is not verified, because its records are lost."""
    name, seen, seconds = "Kafka topic deleted", "created topic tesla_connectivity", 10.0

    def begin(self):
        self.fleet.kafka.admin("TopicCommand", "--delete", "--topic", "tesla_connectivity")


class SmallTopic(Fault):
    """The topic's limit is smaller than the producer's batches and larger than every record."""
    name = "Kafka topic limited to 5 kB"

    def set(self, *words):
        self.fleet.kafka.admin("ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name",
                               "tesla_V", *words)

    def begin(self):
        self.set("--add-config", "max.message.bytes=5000")

    def end(self):
        self.set("--delete-config", "max.message.bytes")

    def check(self):
        path = self.d.path("state/dead-letters/kafka.jsonl")
        if os.path.exists(path):
            with open(path) as f:
                assert '"type":"V"' not in f.read(), "records below the limit are dead-lettered"


class MosquittoStopped(Fault):
    name, seen = "mosquitto stopped", "mqtt"

    def begin(self):
        self.fleet.mosquitto.stop()

    def end(self):
        self.fleet.mosquitto.start()


class Disk(Fault):
    """A fault of tests/fault_io; `rule` is in its syntax."""
    rule = ""

    def begin(self):
        self.faults.set(self.rule)

    def end(self):
        self.faults.clear()


class FilesFull(Disk):
    name, rule, seen = "disk of the files full", "write files/ ENOSPC", "full|No space"


class FilesFail(Disk):
    name, rule, seen = "EIO in write of files", "write files/ EIO", "failing|Input/output"


class FilesSync(Disk):
    name, rule, seen = "EIO in fsync of files", "sync files/ EIO", "failing|Input/output"


class JournalMeta(Disk):
    name, rule, seen = "EIO of the journal's meta page", "meta journal/data.mdb EIO", "disk fails|reopening"


class JournalFull(Disk):
    name, rule, seen = "journal's disk full", "write journal/data.mdb ENOSPC", "disk full|reopening"


class JournalOnce(Disk):
    name, rule, seconds = "EIO of a meta page, once", "meta journal/data.mdb EIO 1", 2.0


class FilesMoved(Fault):
    """Files are moved as by logrotate. The daemon reports files that are open when it looks, once a second.
    With 500 files in turns it may have closed all of them before, and then nothing is to be reported."""
    name, seen, seconds, suffix, always_seen = "files moved", "moved away", 4.0, "", False

    def paths(self):
        for n in range(self.fleet.vehicles):
            name = f"files/5YJ3E1EA7KF{n:06d}.jsonl"
            names = self.fleet.moved_files.setdefault(n, [])
            moved = f"{name}.{len(names)}{self.suffix}"
            names.append(moved)
            yield self.d.path(name), self.d.path(moved)

    def begin(self):
        for path, moved in self.paths():
            os.rename(path, moved)


class FilesDeleted(FilesMoved):
    """Files are deleted. The records in them are not lost by the daemon: keep a copy for the verifier."""
    name, seen, suffix = "files deleted", "was deleted", ".deleted"

    def begin(self):
        for path, moved in self.paths():
            with open(path, "rb") as f:
                before = os.fstat(f.fileno()).st_size
                os.unlink(path)
                with open(moved, "wb") as out:
                    kept = f.read(before)
                    out.write(kept[:kept.rfind(b"\n") + 1])


class JournalMoved(Fault):
    name, seen, seconds = "data.mdb moved away", "put data.mdb back|gone", 5.0

    def begin(self):
        self.data = self.d.path("state/journal/data.mdb")
        os.rename(self.data, self.data + ".away")

    def end(self):
        os.rename(self.data + ".away", self.data)


class JournalLowered(Fault):
    name, seen, seconds = "journal size lowered", "deleted until it fits", 5.0

    def begin(self):
        self.d.journal = "{size: 16 MB}"
        self.d.reload()

    def end(self):
        self.d.journal = "on"
        self.d.reload()


class DumpKilled(Fault):
    """One dump is blocked in a pipe, another one is killed while it prints."""
    name = "journal dump blocked, and killed"

    def begin(self):
        dump = [f"{BUILD}/fleetroute", "journal", "dump", "-c", self.d.path("fleetroute.yaml")]
        self.dumps = [subprocess.Popen(dump, stdout=subprocess.PIPE) for _ in range(2)]
        for each in self.dumps:
            each.stdout.read(1)
        self.dumps[0].kill()

    def end(self):
        for each in self.dumps:
            each.kill()
            each.communicate()


class ClockAhead(Fault):
    name = "clock set a day ahead, and back"

    def begin(self):
        self.faults.clock(86400)

    def end(self):
        self.faults.clock(0)


class Rewound(Fault):
    name, seconds = "journal rewind, also beyond the end", 1.0

    def rewind(self, sink, position):
        return fleetroute("journal", "rewind", sink, "--to", position,
                          "-c", self.d.path("fleetroute.yaml"), check=False)

    def begin(self):
        newest = self.d.status()["journal"]["next"]
        beyond = self.rewind("kafka", newest + 10_000_000)
        assert beyond.returncode != 0 and "beyond the end" in beyond.stderr, beyond
        for sink in ("files", "kafka", "mqtt"):
            done = self.rewind(sink, newest - 3000)
            assert done.returncode == 0, done


class Reloads(Fault):
    """20 times SIGHUP, then a reload that changes the retry option of every sink."""
    name, seconds = "20 reloads, sinks changed", 4.0

    def begin(self):
        for _ in range(20):
            self.d.process.send_signal(1)
            time.sleep(0.05)
        self.d.sinks = self.d.sinks.replace("max: 1 s", "max: 1200 ms")
        self.d.reload()

    def end(self):
        self.d.sinks = self.d.sinks.replace("max: 1200 ms", "max: 1 s")
        self.d.reload()


class NoDescriptors(Fault):
    name, seen = "no file descriptors left", "descriptor"

    def begin(self):
        pid = self.d.process.pid
        self.before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        soft_limit = len(os.listdir(f"/proc/{pid}/fd")) - 20
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft_limit, self.before[1]))

    def end(self):
        resource.prlimit(self.d.process.pid, resource.RLIMIT_NOFILE, self.before)


# Faults that restart the daemon are first: memory and descriptors are compared after the last restart.
FAULTS = (Killed, Stopped, KafkaStopped, MosquittoStopped, FilesFull, FilesFail, FilesSync, JournalMeta,
          JournalFull, JournalOnce, FilesMoved, FilesDeleted, JournalMoved, JournalLowered, DumpKilled,
          ClockAhead, Rewound, Reloads, NoDescriptors, TopicDeleted, SmallTopic)

