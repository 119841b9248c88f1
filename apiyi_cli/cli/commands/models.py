"""`apiyi models`: what the gateway serves."""

from __future__ import annotations

import re
from shlex import quote
from typing import Any

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.hints import nearest
from apiyi_cli.cli.gateway.models import fetch_models, update_prices
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Request
from apiyi_cli.errors import RejectedError, UnknownModelError, UsageError
from apiyi_cli.text import Text

_BREAKS = re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]")
CONSTANT_CREATED = 1626777600
"""The date that gateways of this family give when they do not know one."""


class Pricing(Group):
    """The gateway's price list."""

    update_prices = flag(
        bool,
        "--update",
        "--update-prices",
        help=Text("Fetch the price list that cost estimates are made from."),
        panel="Options",
        config=False,
    )


def models(
    ctx: Context,
    query: Words = None,
    *,
    pricing: Pricing,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """List the models whose name has all words of QUERY; `models show ID` shows one."""
    from apiyi_cli.core.endpoints import MODELS

    if ctx.settings.prints_request:
        ctx.gateway.print_request(MODELS.call())
        return
    ctx.output.require_ready()
    if pricing.update_prices:
        path = update_prices(ctx.gateway.ask, ctx.settings, ctx.process.clock.wall())
        ctx.messages.note(Text("kept the prices in {path}", path=path))
        return
    words = " ".join(query or ()).split()
    listed, raw = fetch_models(ctx.gateway.ask, ctx.settings, ctx.messages.debug)
    if words[:1] == ["show"]:
        found = [_one(words, listed)]
    else:
        found = [one for one in listed if all(w.lower() in one["id"].lower() for w in words)]
        if not found:
            near = nearest(" ".join(words), [one["id"] for one in listed])
            raise RejectedError(
                Text("no model has that name"),
                Text("none of the gateway's models matches {words}", words=repr(" ".join(words))),
                hint=f"apiyi models {quote(near[0])}" if near else "apiyi models",
            )
    shows_one = words[:1] == ["show"]
    lines = _lines(ctx, found, raw if not words else None, shows_one)
    ctx.output.write(
        lines, content="styled" if ctx.output.form == "text" and not shows_one else "json"
    )


def _one(words: list[str], found: list[dict[str, Any]]) -> dict[str, Any]:
    if len(words) != 2:
        raise UsageError(
            Text("cannot show a model"), Text("models show takes one ID"), hint="models show ID"
        )
    for one in found:
        if one["id"] == words[1]:
            return one
    near = nearest(words[1], [one["id"] for one in found])
    raise UnknownModelError(
        Text("there is no model {words}", words=repr(words[1])),
        Text("the gateway lists {count} models and not this one", count=len(found)),
        hint=f"apiyi models show {quote(near[0])}" if near else None,
    )


def _lines(
    ctx: Context, found: list[dict[str, Any]], raw: bytes | None, shows_one: bool
) -> list[bytes]:
    from apiyi_cli.core.jsontext import as_line, write

    form = ctx.output.form
    if form == "text" and not shows_one:
        return [_table(ctx, found)]
    if form == "json" and not shows_one:
        whole = as_line(raw) if raw is not None else write({"object": "list", "data": found})
        lines = [whole + b"\n"]
    else:
        lines = [write(one) + b"\n" for one in found]
    return list(ctx.output.filter_lines(lines))


def _table(ctx: Context, found: list[dict[str, Any]]) -> bytes:
    # One id a line: what breaks lines in an id is shown as one character that no id has.
    names = "".join(f"{_BREAKS.sub(chr(0xFFFD), one['id'])}\n" for one in found)
    if not ctx.process.console.stdout_is_terminal or ctx.settings.output.output is not None:
        return names.encode("utf-8", "replace")
    from apiyi_cli.render.table import format_table

    dated = len({_date(one.get("created")) for one in found} - {""}) > 1
    headers = [Text("model"), Text("owner"), *([Text("created")] if dated else [])]
    rows = [
        [one["id"], str(one.get("owned_by") or ""), *([_date(one.get("created"))] if dated else [])]
        for one in found
    ]
    table = format_table(
        rows,
        headers,
        width=ctx.process.console.width,
        color=ctx.output.color,
        translate=ctx.messages.translate,
    )
    return table.encode("utf-8", "replace")


def _date(created: Any) -> str:
    import time

    if not isinstance(created, int) or created in (0, CONSTANT_CREATED):
        return ""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(created))
    except (OverflowError, ValueError, OSError):
        return ""


app = single(spread(models))
