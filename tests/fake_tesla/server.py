"""The HTTPS servers of a fake cloud, and a plain one on which it is a CONNECT proxy and has its control port."""
import email.utils
import http.server
import json
import select
import socket
import socketserver
import ssl
import sys
import threading
import urllib.parse

from . import endpoints, faults
from .messages import Answer, Request

MAX_BODY = 1 << 20
SECONDS = 60


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """On a port of 127.0.0.1 that the kernel chooses. With `tls`, each connection's handshake is in its thread."""
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, fake, role, handler, tls=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.fake, self.role, self.tls = fake, role, tls
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.server_address[1]

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # without a look-up of the host's name
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def finish_request(self, request, client_address):
        request.settimeout(SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, request, client_address):
        """A client that ends early is no event; a mistake of the fake is kept for the test."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.fake.mistakes.append(error)

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads a request, takes a fault or the endpoint's answer, and writes it to the log before it is sent."""
    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def log_message(self, *_):
        pass

    def read_body(self):
        """The body, or None if it is too large. Tesla's own clients send it in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.read_chunks()
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def read_chunks(self):
        body = b""
        while True:
            size = int(self.rfile.readline(100).split(b";")[0], 16)
            if len(body) + size > MAX_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(100)  # the end of the chunk; there are no trailers
            if size == 0:
                return body

    def read_request(self):
        """The request, or None after an answer to a body that is too large or that cannot be read."""
        try:
            body = self.read_body()
        except ValueError:
            body = None
        if body is None:
            self.send(Answer(413, b""))
            self.close_connection = True
            return None
        path, _, query = self.path.partition("?")
        return Request(self.command, path, dict(urllib.parse.parse_qsl(query)),
                       {name.lower(): value for name, value in self.headers.items()},
                       body, self.server.role, self.headers.get("Host", ""))

    def handle_any(self):
        request = self.read_request()
        if request is None:
            return
        fake = self.server.fake
        name, row = endpoints.find(request)
        fault = fake.faults.take(name, request.path)
        if fault and fault.kind in faults.WIRE:
            fake.note(request, name, None, fault)
            self.close_connection = True
            fault.break_off(self.wfile.write, fake.stopped)
            return
        if fault and fault.kind == "delay":
            fake.stopped.wait(fault.options.get("seconds", 1))
        answer = fault and fault.answer_of(fake, request) or endpoints.answer(fake, request, name, row)
        fake.note(request, name, answer.status, fault)
        shift = 3600 * fault.options["hours"] if fault and fault.kind == "date" else 0
        self.send(answer, shift)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = handle_any

    def send(self, answer, date_shift=0):
        fake, octets = self.server.fake, answer.octets()
        headers = {"Date": email.utils.formatdate(fake.now() + date_shift, usegmt=True), "Content-Type": answer.kind,
                   "Content-Length": str(len(octets)), "x-txid": fake.txid(), **answer.headers}
        text = f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('Status',))[0]}\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.wfile.write(text.encode("latin-1") + b"\r\n" + octets)


class PlainHandler(Handler):
    """The proxy: CONNECT to a host of Tesla arrives at the fake, to any other host it is refused. And the control
    port: POST /control {"call": name, "args": [], "kwargs": {}} calls a function of FakeTesla."""

    def do_CONNECT(self):
        fake = self.server.fake
        host = self.path.rpartition(":")[0]
        role = fake.role_of(f"https://{self.path}")
        self.close_connection = True
        if role is None:
            fake.refused_hosts.append(host)
            self.send(Answer(502, b"this proxy leads only to the fake Tesla cloud\n", kind="text/plain"))
            return
        with socket.create_connection(("127.0.0.1", fake.servers[role].port)) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.copy(other, fake.stopped)

    def copy(self, other, stopped):
        """Copy both directions until one side ends."""
        peer = {self.connection: other, other: self.connection}
        while not stopped.is_set():
            for one in select.select(list(peer), [], [], 0.2)[0]:
                data = one.recv(65536)
                if not data:
                    return
                peer[one].sendall(data)

    def do_POST(self):
        request = self.read_request()
        if request is None:
            return
        if request.path != "/control":
            self.send(Answer(404, {"error": "no such path"}))
            return
        try:
            command = json.loads(request.body)
            result = self.server.fake.control(command["call"], command.get("args", []), command.get("kwargs", {}))
            self.send(Answer(200, {"result": result}))
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
            self.send(Answer(400, {"error": f"{type(error).__name__}: {error}"}))

    def do_GET(self):
        self.send(Answer(200, self.server.fake.urls()))

    do_DELETE = do_PUT = do_PATCH = do_GET


def context(certificate, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.set_alpn_protocols(["http/1.1"])
    return tls
