"""`apiyi api`: any other call, raw. What the server says goes out as it came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apiyi_cli.build.body import read_value, set_path
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.call import Call, Cost, Reply, Root
from apiyi_cli.core.endpoints import GENERATE_STREAM, find_endpoint
from apiyi_cli.core.jsontext import read_first
from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import TextInput
from apiyi_cli.core.options.request import Request
from apiyi_cli.decode.fault import classify_event
from apiyi_cli.decode.reply_body import (
    classify_refusal,
    detect_kind,
    facts_of,
    parse_body,
    read_body,
)
from apiyi_cli.errors import ApiyiError, IncompleteError, UsageError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.core.terminal_text import Content

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
MOST_SAID = 1 << 20
_END_BYTES = 256
_STREAM_START = re.compile(
    rb'"choices"\s*:|"candidates"\s*:|"type"\s*:\s*"(?:response\.|message_start)'
)
"""What a stream of one of the three protocols has in it; others are not judged."""
_STREAM_END = re.compile(
    rb'"(?:finish_reason|finishReason)"\s*:\s*"'
    rb'|"type"\s*:\s*"(?:response\.(?:completed|incomplete)|message_stop)"'
)
"""What says that such a stream was not cut."""

Parts = Annotated[
    list[str],
    typer.Argument(
        metavar="[METHOD] PATH", help=Text("Path: /x is below the host, x below the base URL.")
    ),
]


class Fields(Group):
    """The body or query of a raw call."""

    field = flag(
        list[str],
        "-f",
        "--raw-field",
        help=Text("Field as a string, KEY=VALUE (repeatable)."),
        panel="Request",
        metavar="KEY=VALUE",
        config=False,
    )
    typed_field = flag(
        list[str],
        "-F",
        "--field",
        help=Text("Field as JSON where it is JSON; @FILE reads a file (repeatable)."),
        panel="Request",
        metavar="KEY=VALUE",
        config=False,
    )
    input = flag(
        str,
        "--input",
        help=Text("File that is the body, byte for byte (- for stdin)."),
        panel="Request",
        metavar="FILE",
        complete="file",
        config=False,
    )


def api(
    ctx: Context,
    parts: Parts,
    *,
    fields: Fields,
    text: TextInput,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Call any path of the gateway: `api models`, `api POST chat/completions -f model=…`.

    Without a METHOD it is GET, or POST when there are fields or an input. Fields of a GET
    go into the query.
    """
    method, path = _split(parts)
    sent = _fields(ctx, fields)
    has_body = bool(sent) or fields.input is not None
    method = method or ("POST" if has_body else "GET")
    call = _in_protocol(_call(ctx, method, path, sent, fields.input), path)
    if ctx.settings.prints_request:
        ctx.gateway.print_request(call)
        return
    ctx.output.require_ready()

    said = b""
    heard = _Heard()

    def decode(reply: Reply) -> Iterator[bytes]:
        nonlocal said
        said = b""
        if reply.status >= 300:
            said = read_body(reply, limit=MOST_SAID)
            raise classify_refusal(reply._replace(chunks=(said,)), cost=call.cost, model=call.model)
        heard.begin()
        for chunk in reply.chunks:
            heard.add(chunk)
            yield chunk
        if error := heard.judged(reply, call):
            raise error

    answer = ctx.gateway.stream(call, decode, shows=bool)
    try:
        if ctx.output.jq_filter is not None:
            ctx.output.write(ctx.output.filter_lines(_line(answer)), content="json")
        else:
            first = next(answer, b"")
            ctx.output.write(chain([first], answer), content=_content_of(first))
    except ApiyiError:
        # Of several attempts only the last one's words are of interest.
        if said.strip():
            words = said.decode("utf-8", "replace").rstrip("\n")
            ctx.process.console.say(words, content=_content_of(said))
        raise


class _Heard:
    """What came of an answer that goes out as it comes, for a judgement at its end.

    Kept are the first and the last of its bytes: an object is judged whole or not at all, and
    how a stream ends stands in its last event.
    """

    def begin(self) -> None:
        """Begin anew: with every attempt comes another answer."""
        self._head = bytearray()
        self._tail = b""
        self._is_finished = False

    def add(self, chunk: bytes) -> None:
        """Take what has come."""
        if len(self._head) <= MOST_SAID:
            self._head += chunk
        seen = self._tail + chunk
        self._is_finished = self._is_finished or _STREAM_END.search(seen) is not None
        self._tail = seen[-_END_BYTES:]

    def judged(self, reply: Reply, call: Call) -> ApiyiError | None:
        """Return the error that the answer is: the web site, a refusal, a stream that was cut."""
        head = bytes(self._head)
        kind, _ = detect_kind(reply._replace(chunks=(head,)))
        if kind == "sse":
            is_known = _STREAM_START.search(head) is not None
            return None if self._is_finished or not is_known else _cut(reply)
        if kind == "html":
            try:
                parse_body(reply, kind, head)
            except ApiyiError as error:
                return error
        if kind != "json" or len(head) > MOST_SAID:
            return None
        try:
            found = read_first(head)
        except ValueError:
            return None
        return classify_event(
            found,
            status=reply.status,
            headers=reply.headers,
            host=reply.host,
            cost=call.cost,
            model=call.model,
        )


def _cut(reply: Reply) -> ApiyiError:
    return IncompleteError(
        Text("the answer was cut"),
        Text("the stream ended without its last event"),
        facts=facts_of(reply, "content"),
    )


def _content_of(data: bytes) -> Content:
    return "json" if data.lstrip()[:1] in (b"{", b"[") else "text"


def _line(answer: Iterator[bytes]) -> Iterator[bytes]:
    from apiyi_cli.core.jsontext import one_line

    yield one_line(b"".join(answer)) + b"\n"


def _split(parts: list[str]) -> tuple[str | None, str]:
    if len(parts) == 2 and parts[0].upper() in METHODS:
        return parts[0].upper(), parts[1]
    if len(parts) != 1:
        raise UsageError(
            Text("cannot call that"), Text("it is not [METHOD] PATH"), hint="apiyi api GET models"
        )
    return None, parts[0]


def _fields(ctx: Context, fields: Fields) -> dict[str, Any]:
    """Return the fields in the order given, strings first; dotted keys nest."""
    found: dict[str, Any] = {}
    for option, values in (("-f", fields.field), ("-F", fields.typed_field)):
        for value in values or ():
            key, equals, text = value.partition("=")
            if not equals or not key:
                raise UsageError(
                    Text("cannot use {option} {value}", option=option, value=value),
                    Text("it is not KEY=VALUE"),
                )
            set_path(found, key, text if option == "-f" else _read(ctx, text))
    return found


def _read(ctx: Context, text: str) -> Any:
    return ctx.inputs.at(text) if text.startswith(("@", "\\@")) else read_value(text)


def _call(ctx: Context, method: str, path: str, sent: dict[str, Any], source: str | None) -> Call:
    import os
    from urllib.parse import quote, urlencode

    if "://" in path:
        raise UsageError(
            Text("cannot call {path}", path=path),
            Text("PATH is below the gateway"),
            hint=Text("--base-url for another one"),
        )
    root: Root = "host" if path.startswith("/") else "base"
    # As a browser does: what a request line cannot hold is escaped, the rest stays as written.
    escaped = quote(os.fsencode(path), safe="%/:=&?~+!$,;'@()*[]#")
    place = escaped if root == "host" else f"/{escaped}"
    stream = sent.get("stream") is True
    cost = _cost(method, path)
    if source is not None:
        if sent:
            raise UsageError(
                Text("cannot use fields with --input"), Text("the input is the whole body")
            )
        content = ctx.inputs.content(source)
        told = _told(content)
        return Call(
            method,
            place,
            raw=content,
            content_type="application/json",
            stream=told.get("stream") is True,
            cost=cost,
            root=root,
            model=_model(told),
        )
    if sent and method in ("GET", "HEAD"):
        query = urlencode({key: _query(value) for key, value in sent.items()})
        place += ("&" if "?" in place else "?") + query
        return Call(method, place, cost=cost, root=root)
    return Call(
        method,
        place,
        json=sent or None,
        stream=stream,
        cost=cost,
        root=root,
        model=_model(sent),
    )


def _in_protocol(call: Call, path: str) -> Call:
    """Return the call with the version and the key header of its protocol; -H still wins."""
    endpoint = find_endpoint(call.method, path.partition("?")[0])
    if endpoint is None:
        return call
    if endpoint is GENERATE_STREAM:
        call = call._replace(stream="alt=sse" in path)
    if endpoint.protocol == "anthropic":
        from apiyi_cli.build.anthropic import HEADERS

        call = call._replace(headers=HEADERS)
    return call._replace(auth=endpoint.auth, protocol=endpoint.protocol)


def _cost(method: str, path: str) -> Cost:
    """Return what one more attempt may cost; a path that is not known is taken for a dear one."""
    if method in ("GET", "HEAD"):
        return "free"
    endpoint = find_endpoint(method, path.partition("?")[0])
    return endpoint.cost if endpoint else "heavy"


def _told(content: bytes) -> dict[str, Any]:
    """Return the body's fields where it is a JSON object; it is sent as it is in any case."""
    value = read_value(content.decode("utf-8", "replace"))
    return value if isinstance(value, dict) else {}


def _model(fields: dict[str, Any]) -> str | None:
    model = fields.get("model")
    return model if isinstance(model, str) else None


def _query(value: Any) -> str:
    from apiyi_cli.core.jsontext import write_text

    return value if isinstance(value, str) else write_text(value)


app = single(spread(api))
