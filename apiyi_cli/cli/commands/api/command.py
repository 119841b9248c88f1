"""`apiyi api`: any other call, raw. What the server says goes out as it came."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import typer

from apiyi_cli.cli.app import single
from apiyi_cli.cli.commands.api.answer import RawAnswer
from apiyi_cli.cli.commands.api.request import Fields, build_call
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import TextInput
from apiyi_cli.core.options.request import Request
from apiyi_cli.core.terminal_text import Content
from apiyi_cli.errors import ApiyiError
from apiyi_cli.text import Text

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
