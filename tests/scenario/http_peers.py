"""A real InfluxDB, and a web server in Python that answers as a test wants."""
import gzip
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from fr import PATIENCE, free_port, skip, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../attack"))
from fake_peer import FakePeer  # noqa: E402


class Influx:
    """influxd in a folder of its own. Each write is on disk before its answer."""

    def __init__(self, database="tesla"):
        if not shutil.which("influxd"):
            skip("influxd is needed (package influxdb)")
        self.folder, self.port, self.process = tempfile.mkdtemp(prefix="fr-influx."), free_port(), None
        self.database = database
        self.url = f"http://127.0.0.1:{self.port}/write?db={database}"
        with open(f"{self.folder}/influxdb.conf", "w") as f:
            f.write(f"""reporting-disabled = true
bind-address = "127.0.0.1:{free_port()}"
[meta]
  dir = "{self.folder}/meta"
[data]
  dir = "{self.folder}/data"
  wal-dir = "{self.folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{self.port}"
  log-enabled = false
[subscriber]
  enabled = false
""")

    def __enter__(self):
        self.start()
        self.query(f"CREATE DATABASE {self.database}", database=None)
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder)

    def start(self):
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(["influxd", "-config", f"{self.folder}/influxdb.conf"], stdout=log,
                                            stderr=log)
        wait_until("influxd answers", self.answers)

    def answers(self):
        assert self.process.poll() is None, "influxd has ended"
        try:
            return self.request("GET", "/ping")[0] == 204
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def query(self, text, database="", epoch="ms"):
        """The series of the answer, as dicts with name, tags, columns and values."""
        arguments = {"q": text, "epoch": epoch}
        if database is not None:
            arguments["db"] = database or self.database
        status, body = self.request("POST", "/query?" + urllib.parse.urlencode(arguments))
        answer = json.loads(body)
        assert status == 200 and "error" not in str(answer), answer
        return answer["results"][0].get("series", [])

    def write(self, lines):
        status, body = self.request("POST", f"/write?db={self.database}", lines)
        assert status == 204, body

    def points(self, measurement):
        """The points of a measurement, in the order of their time, as dicts without missing fields."""
        found = self.query(f'SELECT * FROM "{measurement}"')
        return [{k: v for k, v in zip(found[0]["columns"], row) if v is not None}
                for row in found[0]["values"]] if found else []


class Request:
    """A request that arrived."""

    def __init__(self, handler, body):
        self.method, self.path, self.headers = handler.command, handler.path, handler.headers
        self.raw, self.peer = body, handler.client_address
        self.body = decoded(body, handler.headers.get("Content-Encoding"))

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]


def decoded(body, encoding):
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "zstd":
        return subprocess.run(["zstd", "-dc"], input=body, check=True, stdout=subprocess.PIPE).stdout
    assert encoding is None, encoding
    return body


class WebServer:
    """A server that keeps each accepted request. `answer(request)` returns a status, or a tuple of status, headers
    and body; its default is 204."""

    def __init__(self, answer=None, tls=None, port=None, client_ca=None):
        self.answer, self.requests, self.seen = answer or (lambda request: 204), [], 0
        self.tls, self.client_ca, self.lock = tls, client_ca, threading.Lock()
        self.port, self.server = port or free_port(), None
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/in"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.server:
            self.stop()

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536
            disable_nagle_algorithm = True

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.handle(self, Request(self, body))

            do_POST = do_PUT = do_PATCH = serve

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            address_family = socket.AF_INET
            request_queue_size = 64

            def handle_error(self, *_):
                pass

            def get_request(self):
                client, address = super().get_request()
                outer.clients.append(client)
                return client, address

        self.clients = []
        self.server = Server(("0.0.0.0" if self.tls else "127.0.0.1", self.port), Handler)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{self.tls}/server.pem", f"{self.tls}/server.key")
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        for client in self.clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server = None

    def handle(self, handler, request):
        with self.lock:
            self.seen += 1
        answer = self.answer(request)
        status, headers, body = answer if isinstance(answer, tuple) else (answer, {}, b"")
        if 200 <= status < 300:
            with self.lock:
                self.requests.append(request)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", len(body))
        handler.end_headers()
        handler.wfile.write(body)
        handler.wfile.flush()

    def records(self):
        """All records that were accepted, of bodies with JSON arrays or lines."""
        with self.lock:
            requests = list(self.requests)
        found = []
        for request in requests:
            value = request.json() if request.body[:1] == b"[" else request.lines()
            found += value
        return found


def settle(path, text, mode=0o600):
    """Replace a file with a secret."""
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


class HostileServer(FakePeer):
    """Calls behave(client, stream) for each connection, one after the other."""

    def __init__(self, behave):
        self.behave, self.connections = behave, 0
        self.listen()

    def _one(self, client, stream):
        self.client = client
        self.connections += 1
        self.behave(client, stream)
