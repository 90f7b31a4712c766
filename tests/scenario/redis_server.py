"""A real Redis server, a client of its protocol, and hostile servers in its place."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from fr import PATIENCE, free_port, skip, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fake_peer import FakePeer  # noqa: E402


class RedisError(Exception):
    """An error that the server answered."""


class Client:
    """A connection; command() returns text as bytes, numbers, lists and None."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20 * PATIENCE)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")

    def command(self, *words):
        self.send(*words)
        return self.read()

    def send(self, *words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(out)

    def read(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(number)]
        return self.stream.read(number + 2)[:-2]

    def close(self):
        self.stream.close()
        self.socket.close()


class Subscriber:
    """Appends (channel, payload) of each published message to `messages`."""

    def __init__(self, path, pattern="*"):
        self.client, self.messages = Client(path), []
        self.client.socket.settimeout(None)
        self.client.command("PSUBSCRIBE", pattern)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                _, _, channel, payload = self.client.read()
                self.messages.append((channel.decode(), payload))
        except (OSError, EOFError, ValueError):
            pass

    def close(self):
        try:
            self.client.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join()
        self.client.close()


class Redis:
    """redis-server in a folder of its own, with a unix socket for the test. Each write is on disk before its
    answer, so that a killed server has lost nothing that it answered. `settings` are lines of redis.conf;
    `tls` a folder with server.pem, server.key and vehicle-ca.pem."""

    def __init__(self, *settings, tls=None):
        if not shutil.which("redis-server"):
            skip("redis-server is needed")
        self.folder = tempfile.mkdtemp(prefix="fr-redis.")
        self.path, self.port, self.process = f"{self.folder}/redis.sock", free_port(), None
        lines = ["bind 127.0.0.1 127.0.0.2", f"port {0 if tls else self.port}", f"dir {self.folder}", "save ''",
                 f"unixsocket {self.path}", "appendonly yes", "appendfsync always", *settings]
        if tls:
            lines += [f"tls-port {self.port}", f"tls-cert-file {tls}/server.pem", f"tls-key-file {tls}/server.key",
                      f"tls-ca-cert-file {tls}/vehicle-ca.pem"]
        with open(f"{self.folder}/redis.conf", "w") as f:
            f.write("\n".join(lines) + "\n")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder)

    def start(self):
        self.process = subprocess.Popen(["redis-server", f"{self.folder}/redis.conf"], stdout=subprocess.DEVNULL)
        wait_until("redis-server answers", self.answers)

    def answers(self):
        assert self.process.poll() is None, "redis-server has ended"
        try:
            client = Client(self.path)
        except OSError:
            return False
        try:
            return client.command("PING") == b"PONG"
        except RedisError as error:
            return str(error).startswith("NOAUTH")
        except (OSError, EOFError):
            return False
        finally:
            client.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def command(self, *words, login=None):
        client = Client(self.path)
        try:
            if login:
                client.command("AUTH", *login)
            return client.command(*words)
        finally:
            client.close()

    def entries(self, stream):
        """The entries of a stream as dicts, in its order."""
        return [{fields[i].decode(): fields[i + 1] for i in range(0, len(fields), 2)}
                for _, fields in self.command("XRANGE", stream, "-", "+")]

    def subscriber(self):
        return Subscriber(self.path)


class HostileRedis(FakePeer):
    """Calls behave(client, stream) for each connection."""

    def __init__(self, behave):
        self.behave, self.connections = behave, 0
        self.listen()

    def _one(self, client, stream):
        self.client = client
        self.connections += 1
        self.behave(client, stream)
