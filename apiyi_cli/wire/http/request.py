"""Turns a `Call` into the bytes of a request: URL, headers, body.

Bodies can be read again for another attempt: JSON is bytes, files are opened again each time and
streamed from disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from apiyi_cli import __version__
from apiyi_cli.core.call import Auth, Call, Part, root_url
from apiyi_cli.core.jsontext import whole_characters, write
from apiyi_cli.errors import Facts, UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.wire.http.engine import httpcore


class HttpRequest(PlainValue):
    """A request ready to be sent. `body` is bytes or pieces of them in order."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | Iterable[bytes]
    stream: bool
    free: bool


def address(call: Call, base_url: str) -> str:
    """Return the URL of a call below one of the base URLs."""
    return root_url(base_url, call.root) + call.path


def key_header(auth: Auth, key: str) -> tuple[str, str]:
    """Return the header that carries the key."""
    if auth in ("bearer", "bare"):
        return "Authorization", f"Bearer {key}" if auth == "bearer" else key
    return auth, key


def json_bytes(value: Any) -> bytes:
    """Return a JSON body; raise UsageError for text that is not valid UTF-8."""
    try:
        return write(value, clean=_clean_text)
    except TypeError as failure:
        raise UsageError(
            Text("cannot send the request"), Text("its body is no JSON: {reason}", reason=failure)
        ) from None


def _clean_text(text: str) -> str:
    """Return the text with U+FFFD for half characters; refuse undecodable bytes.

    Python shows such bytes of an argument as U+DC80 to U+DCFF.
    """
    if any("\udc80" <= character <= "\udcff" for character in text):
        from apiyi_cli.core.encodings import explain_argument

        raise explain_argument(Text("cannot send an argument"), text)
    return whole_characters(text)


def headers(call: Call, extra: Sequence[str], request_id: str) -> list[tuple[str, str]]:
    """Return the headers without the key; `extra` are `-H` values and override others.

    `request_id` is one per logical request, the same for each attempt.
    """
    named: dict[str, tuple[str, str]] = {}
    accept = "text/event-stream" if call.stream else "application/json"
    ours = [
        ("Accept", f"{accept}, */*;q=0.5"),
        # A stream must arrive event by event; compression would hold it back.
        ("Accept-Encoding", "identity" if call.stream else "gzip"),
        ("User-Agent", f"apiyi/{__version__}"),
    ]
    if call.method not in ("GET", "HEAD"):
        ours.append(("Idempotency-Key", request_id))
    if call.json is not None:
        ours.append(("Content-Type", "application/json"))
    elif call.content_type:
        ours.append(("Content-Type", call.content_type))
    for name, value in (*ours, *call.headers, *(split_header(text) for text in extra)):
        named[name.lower()] = (name, value)
    return list(named.values())


def split_header(text: str) -> tuple[str, str]:
    """Split `Name: value`; raise UsageError for anything else."""
    name, colon, value = text.partition(":")
    plain = name.replace("-", "").replace("_", "")
    if not colon or not plain.isascii() or not plain.isalnum() or set(value) & set("\r\n\0"):
        # The value is not shown: without a colon it may be a key.
        shown = repr(text[: len(name)].split(" ")[0][:40])
        raise UsageError(Text("cannot use -H {text}", text=shown), Text("it is not 'Name: value'"))
    return name, value.strip()


def build_request(
    call: Call, base_url: str, extra: Sequence[str], request_id: str, key: str | None
) -> HttpRequest:
    """Return the request for one base URL. `key` None sends no credentials."""
    named = headers(call, extra, request_id)
    if key is not None:
        header = key_header(call.auth, key)
        if not any(name.lower() == header[0].lower() for name, _ in named):
            named.append(header)
    body: bytes | Iterable[bytes] = b""
    if call.json is not None:
        body = json_bytes(call.json)
    elif call.parts:
        body = Multipart(call.parts)
        named.extend(body.headers)
    elif call.raw is not None:
        body = call.raw
    if isinstance(body, bytes) and call.method not in ("GET", "HEAD"):
        named.append(("Content-Length", str(len(body))))
    return HttpRequest(
        call.method, address(call, base_url), tuple(named), body, call.stream, call.cost == "free"
    )


class Multipart:
    """A multipart body that can be iterated several times, files streamed from disk.

    `headers` describe it: type with boundary, and length. Raises UsageError for a file that cannot
    be read.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        with ExitStack() as files:
            named = _encode_parts(parts, files).headers
        self._type = named["content-type"]
        names = [name for name in ("content-type", "content-length") if name in named]
        self.headers = [(name.title(), named[name]) for name in names]

    def __iter__(self) -> Iterator[bytes]:
        with ExitStack() as files:
            yield from _encode_parts(self._parts, files, {"content-type": self._type}).stream


def _encode_parts(
    parts: Sequence[Part], opened: ExitStack, headers: dict[str, str] | None = None
) -> Any:
    import httpx

    data: dict[str, list[str]] = {}
    files: list[Any] = []
    for part in parts:
        if part.value is not None:
            data.setdefault(part.name, []).append(part.value)
            continue
        content: Any = part.content if part.path is None else _open_file(part.path, opened)
        # The header cannot carry bytes of a name that are not UTF-8.
        name = part.filename or os.path.basename(part.path or part.name)
        name = name.encode("utf-8", "replace").decode()
        files.append((part.name, (name, content, part.type or "application/octet-stream")))
    if not files:
        # An empty file list would make this a form; a part without a filename keeps it multipart.
        files = [(name, (None, value)) for name, values in data.items() for value in values]
        data = {}
    return httpx.Request("POST", "http://multipart/", data=data, files=files, headers=headers)


def _open_file(path: str, opened: ExitStack) -> IO[bytes]:
    try:
        return opened.enter_context(open(path, "rb"))
    except OSError as failure:
        raise UsageError(Text("cannot read {path}", path=path), system_reason(failure)) from None


def add_host(
    headers: tuple[tuple[str, str], ...], url: httpcore.URL
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a request with its host, unless the user gave one."""
    if any(name.lower() == "host" for name, _ in headers):
        return headers
    host = url.host.decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    return (("Host", shown if url.port is None else f"{shown}:{url.port}"), *headers)


def encode_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return the headers as bytes; raise UsageError for characters that HTTP cannot carry."""
    encoded = []
    for name, value in headers:
        try:
            encoded.append((name.encode("ascii"), value.encode("latin-1")))
        except UnicodeEncodeError:
            what = Text("cannot send the header {name}", name=repr(name))
            why = Text("it has characters that HTTP headers cannot carry")
            hint = Text("use plain ASCII in -H and in the key")
            raise UsageError(what, why, hint=hint, facts=Facts(phase="connect")) from None
    return encoded
