"""`apiyi api`: any other call, raw. What the server says goes out as it came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import typer

from apiyi_cli.cli.app import single
from apiyi_cli.cli.commands.api.request import Fields, build_call
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.jsontext import read_first
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
from apiyi_cli.errors import ApiyiError
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


Parts = Annotated[
    list[str],
    typer.Argument(
        metavar="[METHOD] PATH", help=Text("Path: /x is below the host, x below the base URL.")
    ),
]


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
