"""The plan of a program for a Call, independent of the language.

Owns the reading of a Call: which kind of answer comes, what of the body is read from files,
how long to wait, what must not be written down. Leaves all spelling to the languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, cast, get_args
from urllib.parse import quote

from apiyi_cli.core import endpoints
from apiyi_cli.core.call import Auth, Call, Part, root_url
from apiyi_cli.core.secret import is_secret_header
from apiyi_cli.export.pieces import INLINE_BYTES, FilePiece, find_pieces, put_files
from apiyi_cli.text import Text

Kind = Literal[
    "chat",
    "complete",
    "respond",
    "messages",
    "generate",
    "embed",
    "image",
    "transcribe",
    "speak",
    "models",
    "other",
]

STANDARD_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""The methods for which libraries have a constant."""

# The kinds of endpoints whose command is also another endpoint's, or that have no reader.
_OTHERS: dict[endpoints.Endpoint, Kind] = {
    endpoints.MESSAGES: "messages",
    endpoints.GENERATE: "generate",
    endpoints.GENERATE_STREAM: "generate",
    endpoints.MODEL: "other",
    endpoints.PRICING: "other",
}
# The gateway's own advice for each kind of request; a total, in seconds.
_TIMEOUTS_S: dict[Kind, int] = {"embed": 60, "image": 360, "transcribe": 600, "models": 30}
_TIMEOUT_S, _REASONING_S = 120, 600
_REASONING_MODELS = re.compile(r"(?:o[134]|gpt-5)(?:$|[-.])|.*(?:reason|think)")
_STREAMED: frozenset[Kind] = frozenset(
    {"chat", "complete", "respond", "messages", "generate", "transcribe"}
)

# Instead the program sends the key of its environment.
_KEY_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"}
)
# Those that the library of a program sets itself, and some refuse from anybody else.
_TRANSPORT_HEADERS = frozenset(
    {"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}
)
_SECRET_QUERY = re.compile(
    r"(?<=[?&])(?:key|api[-_]?key|access_token|token|auth|secret|password|signature)=[^&#]*&?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One multipart field: a `value`, or a file `filename` read from `path` or `content`."""

    name: str
    value: str | None = None
    path: str | None = None
    content: bytes = b""
    filename: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class ProgramPlan:
    """The steps of a program for a Call.

    `body` is the JSON value with `SplitString` strings where files are read; `raw` is a body of
    other bytes, `raw_path` the file that it is read from. `headers` are those to send
    besides the key's. `timeout_s` is for the whole exchange, `silence_s` for the wait between
    two reads of a stream. `streamed`: the program shows the events' text; `stream` without it: the
    events themselves. `suffix` names the type of the saved file; `saves` are the files
    that the answer will be saved in, none of which may exist before anything is sent. `tools`:
    function calls may come. `is_below_base`: the path belongs to the gateway's API base.
    """

    kind: Kind
    method: str
    base_url: str
    path: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: Any = None
    fields: tuple[Field, ...] = ()
    raw: bytes | None = None
    raw_path: str | None = None
    stream: bool = False
    timeout_s: int = _TIMEOUT_S
    silence_s: int = _TIMEOUT_S
    suffix: str = ""
    saves: tuple[str, ...] = ()
    tools: bool = False
    plain_text: bool = False
    retried: bool = True
    is_below_base: bool = True
    auth: Auth = "bearer"
    notes: tuple[str, ...] = field(default=())

    @property
    def streamed(self) -> bool:
        """Return True if the program shows the text of a stream's events."""
        return self.stream and self.kind in _STREAMED

    @property
    def is_parsed(self) -> bool:
        """Return True if the program reads the answer as JSON, as a whole."""
        raw = self.kind in ("other", "speak") or self.plain_text
        return not raw and not self.stream

    @property
    def has_body(self) -> bool:
        """Return True if the request has a body."""
        return self.body is not None or bool(self.fields) or self.sends_raw

    @property
    def sends_raw(self) -> bool:
        """Return True if the body is bytes, not JSON and not multipart."""
        return self.raw is not None or self.raw_path is not None

    @property
    def reads(self) -> tuple[FilePiece, ...]:
        """Return the file pieces of the JSON body."""
        return tuple(find_pieces(self.body))


def plan_program(call: Call, base_url: str) -> ProgramPlan:
    """Return the plan of a program for `call`; `notes` say what it leaves out."""
    notes: list[str] = []
    path = quote(_public_path(call.path, notes), safe="%/:?&=#+,;@!$'()*~")
    path = path if path.startswith("/") else f"/{path}"
    start = root_url(base_url.rstrip("/"), call.root)
    kind = _find_kind(call, notes)
    parameters = _parameters(call)
    total_s, silence_s = _timeouts_s(kind, call, parameters)
    raw_path = _find_raw_path(call, notes)
    return ProgramPlan(
        kind=kind,
        method=call.method.upper(),
        base_url=start,
        path=path,
        url=start + path,
        headers=tuple(_public_headers(call, notes)),
        body=put_files(call.json, call.sources),
        fields=tuple(_field(part, notes) for part in call.parts),
        raw=call.raw if raw_path is None else None,
        raw_path=raw_path,
        stream=call.stream,
        timeout_s=total_s,
        silence_s=silence_s,
        suffix=_suffix(kind, parameters),
        saves=() if call.stream else tuple(_saves(kind, parameters)),
        tools=kind in ("chat", "respond")
        and bool(parameters.get("tools") or parameters.get("functions")),
        plain_text=kind == "transcribe" and parameters.get("response_format") not in (None, "json"),
        retried=call.cost != "heavy",
        is_below_base=call.root == "base",
        auth=call.auth,
        notes=tuple(notes),
    )


def blob_text(content: bytes | None) -> str | None:
    """Return `content` as text if it is UTF-8 without NUL, else None."""
    if content is None or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _find_kind(call: Call, notes: list[str]) -> Kind:
    if isinstance(call.json, dict) and call.stream and (call.json.get("n") or 1) > 1:
        notes.append(
            Text("several answers in one stream come mixed: the program prints the events")
        )
        return "other"
    endpoint = endpoints.find_endpoint(call.method, call.path.partition("?")[0])
    if endpoint in _OTHERS:
        return _OTHERS[endpoint]
    named = "other" if endpoint is None else endpoint.command
    return cast("Kind", named) if named in get_args(Kind) else "other"


def _find_raw_path(call: Call, notes: list[str]) -> str | None:
    """Return the file that a body is read from, None if it is inline."""
    path = next((source.path for source in call.sources if not source.place), None)
    if call.raw is None:
        return path
    if len(call.raw) <= INLINE_BYTES:
        return None
    if path is None and blob_text(call.raw) is None:
        path = "body.bin"
        notes.append(
            Text(
                "the body of {count} bytes is not in the program: save it as body.bin",
                count=len(call.raw),
            )
        )
    return path


def _parameters(call: Call) -> dict[str, Any]:
    if isinstance(call.json, dict):
        return call.json
    return {part.name: part.value for part in call.parts if part.value is not None}


def _timeouts_s(kind: Kind, call: Call, parameters: dict[str, Any]) -> tuple[int, int]:
    model = str(call.model or parameters.get("model") or "")
    reasons = any(map(parameters.get, ("reasoning_effort", "reasoning", "thinking"))) or (
        kind in ("chat", "respond", "other") and _REASONING_MODELS.match(model) is not None
    )
    kind = "image" if _draws(kind, parameters) else kind
    silence_s = _TIMEOUTS_S.get(kind, _REASONING_S if reasons else _TIMEOUT_S)
    return (max(silence_s * 3, _REASONING_S) if call.stream else silence_s), silence_s


def _suffix(kind: Kind, parameters: dict[str, Any]) -> str:
    name = ""
    if kind == "speak":
        name = str(parameters.get("response_format") or "mp3")
    elif kind in ("image", "generate"):
        name = str(parameters.get("output_format") or "png").replace("jpeg", "jpg")
    # It becomes part of a file's name: a strange value must not become a path.
    return re.sub(r"[^A-Za-z0-9]", "", name) or "bin"


def _draws(kind: Kind, parameters: dict[str, Any]) -> bool:
    """Return True if Gemini is asked for pictures, which are parts of its answer."""
    config = parameters.get("generationConfig")
    wanted = config.get("responseModalities") if isinstance(config, dict) else None
    return kind == "generate" and isinstance(wanted, list) and "IMAGE" in wanted


def _saves(kind: Kind, parameters: dict[str, Any]) -> Iterator[str]:
    if kind == "speak":
        yield f"speech.{_suffix(kind, parameters)}"
    elif _draws(kind, parameters):
        yield f"image-1.{_suffix(kind, parameters)}"
    elif kind == "image":
        count = str(parameters.get("n") or 1)
        for number in range(1, (int(count) if count.isdecimal() else 1) + 1):
            yield f"image-{number}.{_suffix(kind, parameters)}"


def _public_path(path: str, notes: list[str]) -> str:
    public = _SECRET_QUERY.sub("", path).rstrip("?&")
    if public != path.rstrip("?&"):
        notes.append(
            Text("the key in the address is left out: the program sends APIYI_API_KEY instead")
        )
        return public
    return path


def _public_headers(call: Call, notes: list[str]) -> Iterator[tuple[str, str]]:
    given = {name.lower() for name, _ in call.headers}
    if call.json is not None and "content-type" not in given:
        yield "Content-Type", "application/json"
    if call.raw is not None and "content-type" not in given:
        # Named in any case: curl would call it a form.
        yield "Content-Type", call.content_type or "application/octet-stream"
    for name, value in call.headers:
        if why := _find_objection(name, value, call):
            notes.append(why)
        else:
            yield name, value


def _find_objection(name: str, value: str, call: Call) -> Text | None:
    """Return why a program does not send a header, None if it does."""
    lower = name.lower()
    if lower in _KEY_HEADERS:
        return Text(
            "the header {name} is left out: the program sends APIYI_API_KEY instead", name=name
        )
    if is_secret_header(name, value):
        return Text(
            "the header {name} is left out: it looks secret; let the program read it", name=name
        )
    if lower == "content-type" and call.parts:
        return Text("the header {name} is left out: it must name the multipart boundary", name=name)
    if lower in _TRANSPORT_HEADERS:
        return Text("the header {name} is left out: the program's library sets it", name=name)
    if not f"{name}{value}".isascii():
        return Text("the header {name} is left out: HTTP carries ASCII only", name=name)
    return None


def _field(part: Part, notes: list[str]) -> Field:
    if part.value is not None:
        return Field(part.name, value=part.value)
    filename = part.filename or PurePath(part.path or "").name or part.name
    media = part.type or "application/octet-stream"
    path, content = part.path, part.content or b""
    if path is None and len(content) > INLINE_BYTES:
        path = PurePath(filename).name
        notes.append(
            Text(
                "the {count} bytes of {part} are not in the program: save {path}",
                count=len(content),
                part=part.name,
                path=path,
            )
        )
    return Field(part.name, path=path, content=content, filename=filename, type=media)
