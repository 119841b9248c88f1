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
        ctx.output.write_records([_find_model(words, listed)])
    else:
        _write_list(ctx, _search(words, listed), raw if not words else None)


def _find_model(words: list[str], models: list[dict[str, Any]]) -> dict[str, Any]:
    if len(words) != 2:
        raise UsageError(
            Text("cannot show a model"), Text("models show takes one ID"), hint="models show ID"
        )
    for model in models:
        if model["id"] == words[1]:
            return model
    near = nearest(words[1], [model["id"] for model in models])
    raise UnknownModelError(
        Text("there is no model {words}", words=repr(words[1])),
        Text("the gateway lists {count} models and not this one", count=len(models)),
        hint=f"apiyi models show {quote(near[0])}" if near else None,
    )


def _search(words: list[str], models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the models whose id has all the words. Raises RejectedError if there are none."""
    matches = [
        model for model in models if all(word.lower() in model["id"].lower() for word in words)
    ]
    if matches:
        return matches
    near = nearest(" ".join(words), [model["id"] for model in models])
    raise RejectedError(
        Text("no model has that name"),
        Text("none of the gateway's models matches {words}", words=repr(" ".join(words))),
        hint=f"apiyi models {quote(near[0])}" if near else "apiyi models",
    )


def _write_list(ctx: Context, models: list[dict[str, Any]], raw: bytes | None) -> None:
    """Write the models; `raw` are the server's bytes where it is all of them."""
    if ctx.output.form == "text":
        ctx.output.write([_format_models(ctx, models)], content="styled")
    elif ctx.output.form == "ndjson":
        ctx.output.write_records(models)
    elif raw is None:
        ctx.output.write_records([{"object": "list", "data": models}])
    else:
        from apiyi_cli.core.jsontext import as_line

        ctx.output.write(ctx.output.filter_lines([as_line(raw) + b"\n"]), content="json")


def _format_models(ctx: Context, models: list[dict[str, Any]]) -> bytes:
    if not ctx.output.is_terminal:
        # One id a line: what breaks lines in an id is shown as one character that no id has.
        names = (_BREAKS.sub(chr(0xFFFD), model["id"]) for model in models)
        return "".join(f"{name}\n" for name in names).encode("utf-8", "replace")
    headers = [Text("model"), Text("owner"), Text("created")]
    rows = [
        [model["id"], str(model.get("owned_by") or ""), _format_date(model.get("created"))]
        for model in models
    ]
    has_dates = len({row[2] for row in rows} - {""}) > 1
    columns = 3 if has_dates else 2
    return ctx.output.format_table([row[:columns] for row in rows], headers[:columns])


def _format_date(created: Any) -> str:
    import time

    if not isinstance(created, int) or created in (0, CONSTANT_CREATED):
        return ""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(created))
    except (OverflowError, ValueError, OSError):
        return ""


app = single(spread(models))
