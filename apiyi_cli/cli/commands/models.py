"""`apiyi models`: what the gateway serves."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.gateway.hints import nearest
from apiyi_cli.cli.gateway.key_group import keep_group
from apiyi_cli.cli.gateway.key_log import fetch_key_charges
from apiyi_cli.cli.gateway.models import (
    fetch_models,
    fetch_pricing,
    fetch_registry,
    update_catalogue,
)
from apiyi_cli.cli.output.ledger import load_prices
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.endpoints import MODELS
from apiyi_cli.core.families import find_context
from apiyi_cli.core.jsontext import as_line
from apiyi_cli.core.options import Group, flag
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Request
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import ApiyiError, AuthError, RejectedError, UnknownModelError, UsageError
from apiyi_cli.store.prices import Price
from apiyi_cli.store.registry import ModelFacts, read_offers
from apiyi_cli.text import Text

_BREAKS = re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]")
_WHOLE = ("model", "kind", "price", "context")
_SPARE = ("groups", "owner", "created", "endpoints")
"""Columns of the table that a narrow terminal leaves out, in this order; those above never."""
CONSTANT_CREATED = 1626777600
"""The date that gateways of this family give for unknown dates."""


class Pricing(Group, config=False):
    """The gateway's price list."""

    update_prices = flag(
        bool,
        Text("Fetch the price list that cost estimates are made from."),
        "--update",
        "--update-prices",
    )
    grep = flag(str, Text("Only models with this text in their names."), metavar="TEXT")


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
    if ctx.settings.prints_request:
        ctx.gateway.print_request(MODELS.call())
        return
    ctx.output.require_ready()
    if pricing.update_prices:
        path = update_catalogue(
            ctx.gateway.ask,
            ctx.gateway.make_public_plan(),
            ctx.settings,
            ctx.process.clock.wall(),
            ctx.messages.note,
        )
        ctx.messages.note(Text("kept the prices in {path}", path=path))
        _update_group(ctx)
        return
    words = " ".join(query or ()).split()
    listed, raw = _fetch(ctx)
    words = [ctx.settings.config.aliases.get(word, word) for word in words]
    if words[:1] == ["show"]:
        _write_model(ctx, _find_model(ctx, words, listed))
    else:
        if words[:1] == ["list"]:
            # The name of this command in other tools.
            words = words[1:]
        texts = [*words, pricing.grep] if pricing.grep else words
        _write_list(ctx, _search(texts, listed), raw if not texts else None)


def _update_group(ctx: Context) -> None:
    """Keep the group that the key's log names, if that may be read."""
    with suppress(ApiyiError):
        if not ctx.settings.sandbox and ctx.settings.secret:
            keep_group(ctx.settings, fetch_key_charges(ctx.gateway.plan, ctx.messages.debug))


def _fetch(ctx: Context) -> tuple[list[dict[str, Any]], bytes | None]:
    """Return the gateway's models; without a key those of the public price list."""
    try:
        ctx.settings.sandbox or ctx.settings.secret  # noqa: B018
    except AuthError as failure:
        # One that is refused, or not for this server, is an error here as everywhere.
        if failure.facts.cause != "no_key":
            raise
        names = _fetch_public_names(ctx)
        if not names:
            raise
        return [{"id": name, "object": "model"} for name in names], None
    return fetch_models(ctx.gateway.ask, ctx.settings, ctx.messages.debug)


def _fetch_public_names(ctx: Context) -> list[str]:
    """Return the models of the public price list, else of the public registry; say which.

    Raises what the price list fails with where the registry cannot be read either.
    """
    plan = ctx.gateway.make_public_plan()
    refusal: ApiyiError | None = None
    names: list[str] = []
    try:
        names = list(read_offers(fetch_pricing(ctx.gateway.ask, plan)))
    except ApiyiError as failure:
        refusal = failure
    if names:
        ctx.messages.note(Text("no key: these are the models of the public price list"))
    else:
        _, models = fetch_registry(ctx.gateway.ask, plan, ctx.settings, ctx.messages.debug)
        names = list(models)
        if names:
            ctx.messages.note(Text("no key: these are the models of the public registry"))
        elif refusal is not None:
            raise refusal
    return sorted(names, key=lambda name: name.lower())


def _find_model(ctx: Context, words: list[str], models: list[dict[str, Any]]) -> dict[str, Any]:
    if len(words) != 2:
        raise UsageError(
            Text("cannot show a model"), Text("models show takes one ID"), hint="models show ID"
        )
    for model in models:
        if model["id"] == words[1]:
            return model
    near = nearest(words[1], [model["id"] for model in models])
    facts = ctx.settings.model_facts.get(words[1])
    if facts is not None and facts.successor:
        near = [facts.successor]
    raise UnknownModelError(
        Text("there is no model {words}", words=repr(words[1])),
        Text("the gateway lists {count} models and not this one", count=len(models)),
        hint=f"apiyi models show {quote_word(near[0])}" if near else None,
    )


def _write_model(ctx: Context, model: dict[str, Any]) -> None:
    """Write one model with the facts of `--update`; JSON is the server's object alone."""
    if ctx.output.form != "text":
        ctx.output.write_records([model])
        return
    facts = _describe_model(ctx, model["id"])
    if not ctx.output.is_terminal:
        ctx.output.write_records([{**model, "registry": facts} if facts else model])
        return
    shown = {**model, "created": _format_date(model.get("created")), **facts}
    rows = [
        (name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        for name, value in shown.items()
        if value not in (None, "", [], ())
    ]
    ctx.output.write([ctx.output.format_table(rows, ["", ""])], content="styled")


def _describe_model(ctx: Context, name: str) -> dict[str, Any]:
    """Return the facts about a model from registry and price list; {} if unknown."""
    facts, prices = ctx.settings.model_facts.get(name), load_prices(ctx.settings)
    price = prices.of(name)
    known = {} if facts is None else facts._asdict()
    if price is not None:
        known["price"] = format_price(price)
    if (cached := prices.find_cached(name)) is not None:
        known["cached_price"] = f"${cached:.4g} M"
    return {field: value for field, value in known.items() if value}


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
        hint=f"apiyi models {quote_word(near[0])}" if near else "apiyi models",
    )


def _write_list(ctx: Context, models: list[dict[str, Any]], raw: bytes | None) -> None:
    """Write the models; `raw` are the server's bytes if the list is complete."""
    if ctx.output.form == "text":
        ctx.output.write([_format_models(ctx, models)], content="styled")
    elif ctx.output.form == "ndjson":
        ctx.output.write_records(models)
    elif raw is None:
        ctx.output.write_records([{"object": "list", "data": models}])
    else:
        ctx.output.write(ctx.output.filter_lines([as_line(raw) + b"\n"]), content="json")


def _format_models(ctx: Context, models: list[dict[str, Any]]) -> bytes:
    if not ctx.output.is_terminal:
        # One id a line: what breaks lines in an id is shown as one character that no id has.
        names = (_BREAKS.sub(chr(0xFFFD), model["id"]) for model in models)
        return "".join(f"{name}\n" for name in names).encode("utf-8", "replace")
    rows = [
        [model["id"], str(model.get("owned_by") or ""), _format_date(model.get("created"))]
        for model in models
    ]
    has_dates = len({row[2] for row in rows} - {""}) > 1
    columns = 3 if has_dates else 2
    titles: list[str] = [Text("model"), Text("owner"), Text("created")]
    headers = titles[:columns]
    rows = [row[:columns] for row in rows]
    _add_facts(ctx, headers, rows)
    whole = [headers.index(word) for word in _WHOLE if word in headers]
    spare = [headers.index(word) for word in _SPARE if word in headers]
    return ctx.output.format_table(rows, headers, whole=whole, spare=spare)


def _add_facts(ctx: Context, headers: list[Any], rows: list[list[Any]]) -> None:
    """Add the facts of `--update` to a table: kind, price, context, endpoints, groups."""
    known = ctx.settings.model_facts
    if not known:
        return
    prices = load_prices(ctx.settings)
    headers += [Text("kind"), Text("price"), Text("context"), Text("endpoints"), Text("groups")]
    for row in rows:
        facts = known.get(row[0], ModelFacts())
        price = prices.of(row[0])
        row += [
            facts.kind,
            "" if price is None else format_price(price),
            facts.context or find_context(row[0], ctx.settings.families),
            ", ".join(facts.endpoints),
            ", ".join(facts.groups),
        ]


def format_price(price: Price) -> str:
    """Return a price in US dollars: per request, or per million tokens in and out."""
    if price.request is not None:
        return f"${price.request:.4g}"
    if price.input is None or price.output is None:
        return ""
    return f"${price.input:.4g} / ${price.output:.4g} M"


def _format_date(created: Any) -> str:
    if not isinstance(created, int) or created in (0, CONSTANT_CREATED):
        return ""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(created))
    except (OverflowError, ValueError, OSError):
        return ""


app = single(spread(models))
