"""A request, an answer, and a refusal, as the endpoints see them."""
import dataclasses
import json
import urllib.parse


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    role: str  # auth, na, eu or cn: the server that received it
    host: str  # the header Host
    vin: str = ""  # of the path

    def form(self):
        """The fields of a form; a field that is given twice is refused."""
        fields = urllib.parse.parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        if any(len(values) > 1 for values in fields.values()):
            raise Refusal(400, "invalid_request", "a parameter is given twice")
        return {name: values[0] for name, values in fields.items()}

    def json(self):
        try:
            value = json.loads(self.body)
        except ValueError:
            raise Refusal(400, "invalid_request", "the body is not JSON") from None
        if not isinstance(value, dict):
            raise Refusal(400, "invalid_request", "the body is not a JSON object")
        return value


@dataclasses.dataclass
class Answer:
    status: int
    body: object = None  # a value for JSON, or bytes
    headers: dict = dataclasses.field(default_factory=dict)
    kind: str = "application/json; charset=utf-8"

    def octets(self):
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


class Refusal(Exception):
    """An error answer. `error` None: an answer without a body."""

    def __init__(self, status, error, description="", headers=None):
        super().__init__(f"{status} {error} {description}")
        self.status, self.error, self.description = status, error, description
        self.headers = headers or {}
