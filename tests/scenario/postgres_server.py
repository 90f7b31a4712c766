"""A real PostgreSQL server in a folder of its own, psql, and hostile servers in its place."""
import glob
import json
import os
import shutil
import signal
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
    password, those over the port do. `settings` are lines of postgresql.conf; `mount` is a function that is called
    with the folder before the database is made; `more` are options of the server's command."""

    def __init__(self, *settings, database=True, wrap=()):
        self.bin, self.port, self.process, self.wrap = programs(), free_port(), None, list(wrap)
        self.folder = tempfile.mkdtemp(prefix="fr-postgres.")
        self.data, self.database, self.settings = f"{self.folder}/data", database, settings
        if AS_USER:
            shutil.chown(self.folder, "postgres", "postgres")
        subprocess.run([*AS_USER, f"{self.bin}/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync",
                        "--no-instructions", "-E", "UTF8", "--locale=C"], check=True, stdout=subprocess.DEVNULL,
                       cwd=self.folder)
        with open(f"{self.data}/postgresql.conf", "a") as f:
            f.write("\n".join([f"port = {self.port}", "listen_addresses = '127.0.0.1,127.0.0.2'", "fsync = off",
                               f"unix_socket_directories = '{self.folder}'", "shared_buffers = 16MB",
                               "max_connections = 20", *settings]) + "\n")
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write("local all all trust\nhost all all all scram-sha-256\n")

    def __enter__(self):
        self.start()
        if self.database:
            self.psql("CREATE ROLE fleet LOGIN PASSWORD 'secret'")
            self.psql("CREATE DATABASE fleet OWNER fleet")
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder)

    def start(self):
        self.log = open(f"{self.folder}/log", "ab")
        self.process = subprocess.Popen([*self.wrap, *AS_USER, f"{self.bin}/postgres", "-D", self.data], stdout=self.log,
                                        stderr=self.log, cwd=self.folder, start_new_session=True)
        wait_until("postgres answers", self.answers, 60)

    def answers(self):
        assert self.process.poll() is None, open(f"{self.folder}/log").read()
        return self.run("SELECT 1", "postgres").returncode == 0

    def kill(self):
        """The processes of the server end without any of their work."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None
        self.log.close()
        # The next server refuses to start while a backend of this one still ends.
        wait_until("all processes have ended", lambda: not subprocess.run(
            ["pgrep", "-f", f"^postgres: .*|{self.data}"], stdout=subprocess.PIPE).stdout or True)

    def stop(self):
        """A fast shutdown, as an administrator does it."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.process = None
        self.log.close()

    def processes(self):
        """The process ids of the server and its backends."""
        out = subprocess.run(["ps", "-o", "pid=", "-g", str(self.process.pid)], stdout=subprocess.PIPE, text=True)
        return [int(word) for word in out.stdout.split()]

    def run(self, sql, database="fleet", user="postgres"):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U", user,
                               "-d", database], input=sql, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def psql(self, sql, database=None, user="postgres"):
        database = database or ("postgres" if "DATABASE" in sql or "ROLE" in sql else "fleet")
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


class HostilePostgres(FakePeer):
    """Calls behave(client, stream) for each connection."""

    def __init__(self, behave):
        self.behave, self.connections = behave, 0
        self.listen()

    def _one(self, client, stream):
        self.client = client
        self.connections += 1
        self.behave(client, stream)
