"""`ReceivedRequest`: one request as it arrived, and its reader.

HTTP/1.1 as far as clients use it: Content-Length and chunked bodies, `Expect: 100-continue`,
multipart forms. The answer is decided elsewhere.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import unquote

from apiyi_cli.core.endpoints import Endpoint, find_at_host
from apiyi_cli.core.jsontext import read_strict

HEAD_MAX_BYTES = 1 << 20


class FormPart(NamedTuple):
    """One part of a multipart body; `filename` and `type` are None where not given."""

    name: str
    filename: str | None
    type: str | None
    content: bytes

    @property
    def text(self) -> str:
        """Return the content of a plain field."""
        return self.content.decode("utf-8", "replace")


@dataclass(slots=True)
class ReceivedRequest:
    """One line of the ledger.

    `at` and `closed_by_client_at` are monotonic seconds; `path` is decoded, with its `/v1`;
    header names are lower-case. `complete` is True if the whole body came. `status`,
    `billed` and `bytes_answered` (head and body, as sent) are filled in while answering;
    `closed_by_client_at` only when the client left before the answer had ended.
    """

    index: int
    at: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    complete: bool = True
    origin: str = ""
    connection: int = 0
    status: int | None = None
    billed: bool = False
    bytes_answered: int = 0
    closed_by_client_at: float | None = None
    done: bool = False
    earlier: list[ReceivedRequest] = field(default_factory=list, repr=False)
    """The number of requests that the gateway has received, for its log."""
    _parsed: Any = field(default=None, repr=False)

    @property
    def request_id(self) -> str:
        """Return the id of the request in the gateway's headers and log."""
        return f"2025010100000000{self.index:06d}"

    @property
    def digest(self) -> str:
        """Return 16 characters that the same body always gives."""
        return sha256(self.body).hexdigest()[:16]

    @property
    def json(self) -> Any:
        """Return the body as a JSON value; raises ValueError when it is none."""
        if self._parsed is None:
            self._parsed = read_strict(self.body)
        return self._parsed

    @property
    def endpoint(self) -> Endpoint | None:
        """Return the requested endpoint, None for an unknown path."""
        return find_at_host(self.method, self.path)

    @property
    def parts(self) -> tuple[FormPart, ...]:
        """Return the parts of a multipart body, none for any other."""
        if self._parsed is None:
            self._parsed = form_parts(self.headers.get("content-type", ""), self.body)
        return tuple(self._parsed)

    @property
    def is_form(self) -> bool:
        """Return True if the body is a multipart form."""
        return self.headers.get("content-type", "").startswith("multipart/form-data")

    @property
    def fields(self) -> dict[str, Any]:
        """Return the fields of a JSON object or form by name; else {}.

        A form's fields are texts, and files are left out.
        """
        if self.is_form:
            return {p.name: p.text for p in self.parts if p.filename is None}
        try:
            value = self.json
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def model(self) -> str:
        """Return the requested model, or ""."""
        if self.path.startswith("/v1beta/models/"):
            return unquote(self.path.removeprefix("/v1beta/models/").rpartition(":")[0])
        model = self.fields.get("model")
        return model if isinstance(model, str) else ""


class HttpReader:
    """The reading side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = sock.makefile("rb")

    def close(self) -> None:
        """Release the socket, which stays open until then."""
        self._file.close()

    def read_head(self) -> bytes | None:
        """Return the bytes up to the blank line, None if the client has left."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline(HEAD_MAX_BYTES)
            head += line
            if not line or len(head) > HEAD_MAX_BYTES:
                return None
        return head[:-4]

    def read_exactly(self, size: int) -> bytes:
        """Return `size` bytes, fewer if the client leaves before."""
        return self._file.read(size)

    def read_chunked(self) -> tuple[bytes, bool]:
        """Return a chunked body, and whether it was complete (RFC 9112, 7.1)."""
        pieces: list[bytes] = []
        while True:
            try:
                size = int(self._file.readline().split(b";")[0], 16)
            except ValueError:
                return b"".join(pieces), False
            if size == 0:
                while self._file.readline().strip():
                    pass
                return b"".join(pieces), True
            piece = self.read_exactly(size)
            pieces.append(piece)
            if len(piece) < size:
                return b"".join(pieces), False
            self._file.readline()


def parse_head(head: bytes, at: float) -> ReceivedRequest:
    """Return the request that a head announces, without its body.

    Raises ValueError if it is not an HTTP request.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    if not headers.get("content-length", "0").isdecimal():
        raise ValueError(headers["content-length"])
    path, _, query = target.partition("?")
    return ReceivedRequest(-1, at, method, unquote(path), query, headers)


def read_body(request: ReceivedRequest, reader: HttpReader, go_on: Callable[[], None]) -> None:
    """Read the announced body into a request; `go_on` sends 100 Continue."""
    headers = request.headers
    if headers.get("expect", "").lower() == "100-continue":
        go_on()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        request.body, request.complete = reader.read_chunked()
    elif size := int(headers.get("content-length") or 0):
        request.body = reader.read_exactly(size)
        request.complete = len(request.body) == size


_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAMED = re.compile(r'(?<![\w*])(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_EXTENDED = re.compile(r"filename\*=UTF-8''([^;\s]+)", re.IGNORECASE)


def form_parts(content_type: str, body: bytes) -> tuple[FormPart, ...]:
    """Return the parts of a multipart/form-data body in their order (RFC 7578)."""
    match = _BOUNDARY.search(content_type)
    if not match:
        return ()
    mark = b"\r\n--" + (match[1] or match[2]).encode("latin-1")
    parts = []
    for piece in (b"\r\n" + body).split(mark)[1:]:
        head, blank, content = piece.partition(b"\r\n\r\n")
        if piece.startswith(b"--") or not blank:
            continue
        parts.append(_part(head.decode("utf-8", "replace"), content))
    return tuple(parts)


def _part(head: str, content: bytes) -> FormPart:
    names: dict[str, str] = {}
    kind = None
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            names = {key.lower(): _unescape(text) for key, text in _NAMED.findall(value)}
            if extended := _EXTENDED.search(value):
                names["filename"] = unquote(extended[1])
        elif name.strip().lower() == "content-type":
            kind = value.strip()
    return FormPart(names.get("name", ""), names.get("filename"), kind, content)


def _unescape(text: str) -> str:
    """Undo both escapes of a quote in a name: backslash and `%22`."""
    return text.replace('\\"', '"').replace("%22", '"')
