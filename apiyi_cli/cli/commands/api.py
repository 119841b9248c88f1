"""`apiyi api`: any other call, raw. What the server says goes out as it came."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from apiyi_cli.build.body import read_value, set_path
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.prompt import Inputs
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.call import Call, Cost, Reply
from apiyi_cli.core.endpoints import GENERATE_STREAM, METHODS, find_endpoint
from apiyi_cli.core.jsontext import read_first, write_text
from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import TextInput
from apiyi_cli.core.options.request import Request
from apiyi_cli.core.terminal_text import Content
from apiyi_cli.decode.frames.reply_body import (
    classify_refusal,
    detect_kind,
    find_refusal,
    make_cut,
    parse_body,
    read_body,
)
from apiyi_cli.errors import ApiyiError, UsageError
from apiyi_cli.text import Text

JUDGED_MAX_BYTES = 1 << 20
_END_BYTES = 256
_STREAM_START = re.compile(
    rb'"choices"\s*:|"candidates"\s*:|"type"\s*:\s*"(?:response\.|message_start)'
)
"""The marks of streams of the three protocols; other streams are not checked."""
_STREAM_END = re.compile(
    rb'"(?:finish_reason|finishReason)"\s*:\s*"'
    rb'|"type"\s*:\s*"(?:response\.(?:completed|incomplete)|message_stop)"'
)
"""The marks of a complete stream."""
Parts = Annotated[
    list[str],
    typer.Argument(
        metavar="[METHOD] PATH", help=Text("Path: /x is below the host, x below the base URL.")
    ),
]


class Fields(Group, config=False):
    """The body or query of a raw call."""

    field = flag(
        list[str],
        Text("Field as a string, KEY=VALUE (repeatable)."),
        "-f",
        "--raw-field",
        panel="Request",
        metavar="KEY=VALUE",
    )
    typed_field = flag(
        list[str],
        Text("Field as JSON where it is JSON; @FILE reads a file (repeatable)."),
        "-F",
        "--field",
        panel="Request",
        metavar="KEY=VALUE",
    )
    input = flag(
        str,
        Text("File that is the body, byte for byte (- for stdin)."),
        panel="Request",
        metavar="FILE",
        complete="file",
    )


def build_call(inputs: Inputs, parts: list[str], fields: Fields) -> Call:
    """Return the call that the words and fields describe. Raises UsageError."""
    method, path = _split(parts)
    body = _read_fields(inputs, fields)
    if method is None:
        method = "POST" if body or fields.input is not None else "GET"
    return _in_protocol(_with_body(inputs, _make_call(method, path), body, fields.input), path)


def _with_body(inputs: Inputs, call: Call, body: dict[str, Any], source: str | None) -> Call:
    """Return the call with fields or input as its body. For GET they are its query."""
    if source is not None:
        if body:
            raise UsageError(
                Text("cannot use fields with --input"), Text("the input is the whole body")
            )
        return _with_input(call, inputs.content(source))
    if body and call.method in ("GET", "HEAD"):
        return call._replace(path=_add_query(call.path, body))
    return call._replace(
        json=body or None, stream=body.get("stream") is True, model=_find_model(body)
    )


def _split(parts: list[str]) -> tuple[str | None, str]:
    """Return the method, None if it is left out, and the path."""
    if len(parts) == 2 and parts[0].upper() in METHODS:
        return parts[0].upper(), parts[1]
    if len(parts) != 1:
        raise UsageError(
            Text("cannot call that"), Text("it is not [METHOD] PATH"), hint="apiyi api GET models"
        )
    return None, parts[0]


def _read_fields(inputs: Inputs, fields: Fields) -> dict[str, Any]:
    """Return the fields in the order given, strings first; dotted keys nest."""
    body: dict[str, Any] = {}
    for option, values in (("-f", fields.field), ("-F", fields.typed_field)):
        for value in values or ():
            key, equals, text = value.partition("=")
            if not equals or not key:
                raise UsageError(
                    Text("cannot use {option} {value}", option=option, value=value),
                    Text("it is not KEY=VALUE"),
                )
            item: Any = text
            if option == "-F":
                is_file = text.startswith(("@", "\\@"))
                item = inputs.expand_file(text) if is_file else read_value(text)
            set_path(body, key, item)
    return body


def _make_call(method: str, path: str) -> Call:
    """Return the call without a body, with the endpoint's cost class and kind of answer."""
    if "://" in path:
        raise UsageError(
            Text("cannot call {path}", path=path),
            Text("PATH is below the gateway"),
            hint=Text("--base-url for another one"),
        )
    # As a browser does: what a request line cannot hold is escaped, the rest stays as written.
    escaped = quote(os.fsencode(path), safe="%/:=&?~+!$,;'@()*[]#")
    cost = _find_cost(method, path)
    if path.startswith("/"):
        return Call(method, escaped, cost=cost, root="host")
    return Call(method, f"/{escaped}", cost=cost)


def _with_input(call: Call, content: bytes) -> Call:
    value = read_value(content.decode("utf-8", "replace"))
    body = value if isinstance(value, dict) else {}
    return call._replace(
        raw=content,
        content_type="application/json",
        stream=body.get("stream") is True,
        model=_find_model(body),
    )


def _add_query(path: str, fields: dict[str, Any]) -> str:
    texts = {
        key: value if isinstance(value, str) else write_text(value) for key, value in fields.items()
    }
    query = urlencode(texts)
    return f"{path}{'&' if '?' in path else '?'}{query}"


def _in_protocol(call: Call, path: str) -> Call:
    """Return the call with its protocol's version and key header; -H overrides them."""
    endpoint = find_endpoint(call.method, path.partition("?")[0])
    if endpoint is None:
        return call
    if endpoint is GENERATE_STREAM:
        call = call._replace(stream="alt=sse" in path)
    if endpoint.protocol == "anthropic":
        from apiyi_cli.build.native.anthropic import HEADERS

        call = call._replace(headers=HEADERS)
    return call._replace(auth=endpoint.auth, protocol=endpoint.protocol)


def _find_cost(method: str, path: str) -> Cost:
    """Return the cost class of a retry; unknown paths count as expensive."""
    if method in ("GET", "HEAD"):
        return "free"
    endpoint = find_endpoint(method, path.partition("?")[0])
    return endpoint.cost if endpoint else "heavy"


def _find_model(body: dict[str, Any]) -> str | None:
    model = body.get("model")
    return model if isinstance(model, str) else None


class RawAnswer:
    """Passes an answer on as it arrives, and checks it at its end.

    It remembers the first and the last bytes: an object is judged whole or not at all, and
    the last event says how a stream ended.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self.refusal = b""
        """The body of a refusal, empty if the last attempt was not refused."""

    def decode(self, reply: Reply) -> Iterator[bytes]:
        """Yield the body in pieces. Raises the error of a refusal or of an incomplete body."""
        self.refusal = b""
        if reply.status >= 300:
            self.refusal = read_body(reply, limit=JUDGED_MAX_BYTES)
            reply = reply._replace(chunks=(self.refusal,))
            raise classify_refusal(reply, cost=self._call.cost, model=self._call.model)
        head, tail, is_finished = bytearray(), b"", False
        for piece in reply.chunks:
            if len(head) <= JUDGED_MAX_BYTES:
                head += piece
            seen = tail + piece
            is_finished = is_finished or _STREAM_END.search(seen) is not None
            tail = seen[-_END_BYTES:]
            yield piece
        if error := self._find_error(reply, bytes(head), is_finished):
            raise error

    def _find_error(self, reply: Reply, head: bytes, is_finished: bool) -> ApiyiError | None:
        """Return the error that the answer means: a web page, a refusal, a cut stream."""
        kind, _ = detect_kind(reply._replace(chunks=(head,)))
        if kind == "sse":
            is_known = _STREAM_START.search(head) is not None
            why = Text("the stream ended without its last event")
            return make_cut(reply, why) if is_known and not is_finished else None
        if kind == "html":
            try:
                parse_body(reply, kind, head)
            except ApiyiError as error:
                return error
        if kind != "json" or len(head) > JUDGED_MAX_BYTES:
            return None
        try:
            value = read_first(head)
        except ValueError:
            return None
        return find_refusal(reply, value, self._call.cost, self._call.model)


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
    call = build_call(ctx.inputs, parts, fields)
    if ctx.settings.prints_request:
        ctx.gateway.print_request(call)
        return
    ctx.output.require_ready()
    answer = RawAnswer(call)
    try:
        _write(ctx, ctx.gateway.stream(call, answer.decode, shows=bool))
    except ApiyiError:
        if answer.refusal.strip():
            message = answer.refusal.decode("utf-8", "replace").rstrip("\n")
            ctx.messages.print(message, _find_content(answer.refusal))
        raise


def _write(ctx: Context, pieces: Iterator[bytes]) -> None:
    """Write the answer as it arrives, or whole through the `--jq` program."""
    if ctx.output.jq_filter is not None:
        ctx.output.write(ctx.output.filter_lines(_join_line(pieces)), content="json")
    else:
        first = next(pieces, b"")
        ctx.output.write(chain([first], pieces), content=_find_content(first))


def _join_line(pieces: Iterator[bytes]) -> Iterator[bytes]:
    from apiyi_cli.core.jsontext import one_line

    yield one_line(b"".join(pieces)) + b"\n"


def _find_content(data: bytes) -> Content:
    return "json" if data.lstrip()[:1] in (b"{", b"[") else "text"


app = single(spread(api))
