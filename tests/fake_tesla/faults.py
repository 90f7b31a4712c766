"""Faults of the fake cloud, for one endpoint or all, for a number of requests or until they are removed.

Three classes: an answer instead of the right one (`answer_of`), damage on the connection (`break_off`), and a change
of the right answer (delay, date). README.md lists the kinds.
"""
import secrets
import threading

from .messages import Answer

HTML = b"<!DOCTYPE html><html><body><h1>Access denied</h1></body></html>"
# What a terminal or a log must not get: an escape sequence, a newline, a character of a reversed direction.
HOSTILE_TEXT = "\x1b[31mred\x1b]0;title\x07\r\nforged: line\x00\u202e" + "A" * 100000
REFUSED = {
    "missing_scopes": (403, "Unauthorized missing scopes"),
    "exceeded_limit": (403, "account disabled: EXCEEDED_LIMIT"),
    "login_required": (401, "login_required"),
    "invalid_grant": (400, "invalid_grant"),
    "unauthorized_client": (400, "unauthorized_client"),
    "update_in_progress": (429, "Other update in progress"),
    401: (401, "invalid bearer token"), 403: (403, "Forbidden"), 404: (404, "not_found"),
    408: (408, "vehicle unavailable: vehicle is offline or asleep"), 412: (412, "Precondition Failed"),
    424: (424, "Failed Dependency"), 429: (429, "Too Many Requests"),
}
WIRE = ("huge", "endless", "stall", "silent", "truncated", "close")
CHANGES = ("delay", "date")
BODIES = ("garbage", "html", "hostile", "deep", "redirect", "misdirected", "misdirected_text", "error")


class Fault:
    def __init__(self, kind, times, options):
        known = isinstance(kind, int) or kind in REFUSED or kind in WIRE + CHANGES + BODIES
        if not known:
            raise ValueError(f"unknown fault {kind!r}")
        self.kind, self.times, self.options = kind, times, options

    def answer_of(self, fake, request):
        """The answer of this fault, or None if it is of another class."""
        if self.kind == "error":
            return Answer(self.options["status"], self.options.get("body"), dict(self.options.get("headers", {})))
        if isinstance(self.kind, int) or self.kind in REFUSED:
            return self.refused(fake)
        if self.kind == "garbage":
            return Answer(200, b'{"response":\x00\xff\xfe\x1b[2J' + secrets.token_bytes(500))
        if self.kind == "html":
            return Answer(self.options.get("status", 200), HTML, kind="text/html")
        if self.kind == "hostile":
            return Answer(self.options.get("status", 400), {"response": None, "error": HOSTILE_TEXT,
                                                            "error_description": HOSTILE_TEXT, "txid": HOSTILE_TEXT})
        if self.kind == "deep":
            return Answer(200, b'{"response":' + b"[" * 200000 + b"]" * 200000 + b"}")
        if self.kind == "redirect":
            target = self.options.get("location", fake.url("cn") + request.path)
            return Answer(self.options.get("status", 302), None, {"Location": target})
        if self.kind in ("misdirected", "misdirected_text"):
            return self.misdirected(fake, request)
        return None

    def refused(self, fake):
        status, error = REFUSED.get(self.kind, (self.kind, "Internal Server Error"))
        headers = {}
        if status == 429:
            seconds = str(self.options.get("retry_after", 3))
            headers = {"Retry-After": seconds, "RateLimit-Reset": seconds}
        return fake.error_answer(status, error, self.options.get("description", "a fault of the fake"), headers)

    def misdirected(self, fake, request):
        """421 to another region: in the header of the proxy, or in the text of the API."""
        base = self.options.get("base") or fake.base_url(self.options.get("region", fake.region), request.host)
        if self.kind == "misdirected":
            return fake.error_answer(421, "Misdirected Request", "", {"Alt-Svc": f"h2={base}"})
        return fake.error_answer(421, f"user out of region, use base URL: {base}, see the documentation", "")

    def break_off(self, write, ended):
        """Damage on the connection. `write` raises OSError when the client has ended; `ended` is set when the fake
        stops."""
        if self.kind == "huge":
            self.huge(write)
        elif self.kind == "endless":
            self.endless(write, ended)
        elif self.kind == "truncated":
            write(self.head(b"Content-Length: 5000\r\n") + b'{"response":{"synced":')
        elif self.kind == "stall":
            write(self.head(b"Content-Length: 5000\r\n") + b'{"response":')
            ended.wait(self.options.get("seconds", 600))
        elif self.kind == "silent":
            ended.wait(self.options.get("seconds", 600))

    @staticmethod
    def head(more):
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n" + more + b"\r\n"

    def huge(self, write):
        """A valid JSON document that announces its size."""
        size = self.options.get("bytes", 64 << 20)
        begin, end = b'{"response":"', b'"}'
        write(self.head(b"Content-Length: %d\r\n" % size) + begin)
        left, piece = size - len(begin) - len(end), b"x" * 65536
        while left > 0:
            write(piece[:left])
            left -= len(piece)
        write(end)

    def endless(self, write, ended):
        """Chunks until the client ends; `pause` seconds between two. No more than 4 GiB."""
        write(self.head(b"Transfer-Encoding: chunked\r\n"))
        piece = b"x" * self.options.get("piece", 16384)
        for _ in range((4 << 30) // len(piece)):
            write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if ended.wait(self.options.get("pause", 0)) or ended.is_set():
                return


class Faults:
    """The faults of a fake, by endpoint. An endpoint is its name, a path, or "*"."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rows = []

    def add(self, endpoint, kind, times, options):
        with self.lock:
            self.rows.append((endpoint, Fault(kind, times, options)))

    def clear(self):
        with self.lock:
            self.rows.clear()

    def take(self, name, path):
        """The first fault of a request. A fault that has happened its number of times is removed."""
        with self.lock:
            for row in self.rows:
                endpoint, fault = row
                if endpoint not in ("*", name, path):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.rows.remove(row)
                return fault
        return None
