"""A real PostgreSQL server in a folder of its own, psql, and hostile servers in its place."""
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

from fr import free_port, skip, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fake_peer import FakePeer  # noqa: E402

# The server refuses to run as root.
AS_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    if not found and not shutil.which("initdb"):
        skip("postgresql is needed")
    return os.path.dirname(found[-1] if found else shutil.which("initdb"))


class Postgres:
    """A server with the database and owner "fleet", on a unix socket and a port. Connections over the socket need no
    password, those over the port do. `settings` are lines of postgresql.conf. `tls`: a folder with server.pem and
    server.key. `disk`: the size of a disk of its own for the database, as an option of a tmpfs."""

    def __init__(self, *settings, tls=None, disk=None):
        self.bin, self.port, self.process, self.disk = programs(), free_port(), None, disk
        self.folder = tempfile.mkdtemp(prefix="fr-postgres.")
        self.data = f"{self.folder}/data"
        if disk:
            os.mkdir(f"{self.folder}/disk")
        if AS_USER:
            shutil.chown(self.folder, "postgres", "postgres")
        subprocess.run([*AS_USER, f"{self.bin}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync",
                        "--no-instructions", "-E", "UTF8", "--locale=C"], check=True, stdout=subprocess.DEVNULL,
                       cwd=self.folder)
        with open(f"{self.data}/postgresql.conf", "a") as f:
            f.write("\n".join([f"port = {self.port}", "listen_addresses = '127.0.0.1,127.0.0.2'", "fsync = off",
                               f"unix_socket_directories = '{self.folder}'", "shared_buffers = 16MB",
                               "max_connections = 20", *settings, *(self.copy_certificate(tls) if tls else ())]) + "\n")
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write("local all all trust\nhost all all all scram-sha-256\n")

    def copy_certificate(self, tls):
        for name in ("server.pem", "server.key"):
            shutil.copy(f"{tls}/{name}", self.data)
            if AS_USER:
                shutil.chown(f"{self.data}/{name}", "postgres", "postgres")
        os.chmod(f"{self.data}/server.key", 0o600)
        return "ssl = on", "ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'"

    def __enter__(self):
        self.start()
        self.psql("CREATE ROLE fleet LOGIN PASSWORD 'secret'", "postgres")
        if self.disk:
            self.psql(f"CREATE TABLESPACE disk LOCATION '{self.folder}/disk/space'", "postgres")
        self.psql(f"CREATE DATABASE fleet OWNER fleet {'TABLESPACE disk' if self.disk else ''}", "postgres")
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder)

    def start(self):
        self.log = open(f"{self.folder}/log", "ab")
        self.process = subprocess.Popen([*self.own_disk(), *AS_USER, f"{self.bin}/postgres", "-D", self.data],
                                        stdout=self.log, stderr=self.log, cwd=self.folder)
        wait_until("postgres answers", self.answers, 60)

    def own_disk(self):
        """The words before the server's command that give it a disk, which ends with the server's processes."""
        if not self.disk:
            return []
        namespace = ["unshare", "-m"] if AS_USER else ["unshare", "-m", "-U", "--map-current-user", "--keep-caps"]
        script = f"mount -t tmpfs -o size={self.disk},mode=777 tmpfs {self.folder}/disk && mkdir -m 777 {self.folder}/disk/space && " \
            f"{'chown postgres ' + self.folder + '/disk/space &&' if AS_USER else ''} exec \"$@\""
        return [*namespace, "sh", "-c", script, "sh"]

    def answers(self):
        assert self.process.poll() is None, open(f"{self.folder}/log").read()
        return self.run("SELECT 1", "postgres").returncode == 0

    def kill(self):
        """All processes of the server end without any of their work."""
        if self.process is None:
            return
        processes = self.processes()
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None
        self.log.close()
        # A server refuses to start while a process of the former one ends.
        wait_until("all processes have ended", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in processes))

    def stop(self):
        """A fast shutdown, as an administrator does it."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.process = None
        self.log.close()

    def processes(self):
        """The process ids of the server and its children."""
        out = subprocess.run(["pgrep", "-P", str(self.process.pid)], stdout=subprocess.PIPE, text=True)
        return [self.process.pid, *map(int, out.stdout.split())]

    def backends(self):
        """The process ids that serve the plugin."""
        return [row["pid"] for row in self.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'fleet'")]

    def run(self, sql, database="fleet", user="postgres"):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U", user,
                               "-d", database], input=sql, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def psql(self, sql, database="fleet", user="postgres"):
        done = self.run(sql, database, user)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, sql):
        """The rows of a query as dicts."""
        text = self.psql(f"SELECT json_agg(q) FROM ({sql}) q")
        return json.loads(text) if text else []

    def value(self, sql):
        return self.rows(f"SELECT ({sql}) AS v")[0]["v"]

    @property
    def connection(self):
        """Over the socket."""
        return f"host={self.folder} port={self.port} user=fleet dbname=fleet"

    @property
    def tcp(self):
        return f"host=127.0.0.1 port={self.port} user=fleet dbname=fleet"


def message(kind, body):
    return kind + struct.pack(">I", len(body) + 4) + body


def login(client, stream):
    """Answer a login as a server of version 15 does."""
    begin(client, stream)
    client.sendall(message(b"R", struct.pack(">I", 0)) + message(b"S", b"server_version\x0015.0\0") +
                   message(b"S", b"in_hot_standby\0off\0") + message(b"S", b"default_transaction_read_only\0off\0") +
                   message(b"Z", b"I"))


def begin(client, stream):
    """Read the begin of a login: perhaps a request for TLS, and the names of user and database."""
    while True:
        length, version = struct.unpack(">II", stream.read(8))
        stream.read(length - 8)
        if version == 3 << 16:
            return
        client.sendall(b"N")


class HostilePostgres(FakePeer):
    """Calls behave(client, stream) for each connection."""

    def __init__(self, behave):
        self.behave, self.connections = behave, 0
        self.listen()

    def _one(self, client, stream):
        self.client = client
        self.connections += 1
        self.behave(client, stream)
