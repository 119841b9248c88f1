"""JSON bodies out of option groups: every option that was given, at the place its table names.

Also what model families need: which of them take `max_completion_tokens`, and which
parameters they are known to refuse. Nothing that the user set is ever left out for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import Endpoint
from apiyi_cli.core.families import Family
from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.core.opt import Group, given
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def wired(*groups: Group) -> dict[str, Any]:
    """Return the body fields of the options that were given, each at its `wire` place."""
    body: dict[str, Any] = {}
    for one, value in given(*groups):
        place = one.opt.wire
        if place is None:
            continue
        if one.name == "logit_bias":
            placed(body, place, _biases(value))
        else:
            placed(body, place, list(value) if one.many else value)
    return body


def post(endpoint: Endpoint, body: dict[str, Any], **fields: Any) -> Call:
    """Return the request with a JSON body that says which model and whether to stream."""
    return endpoint.call(
        json=body, model=body["model"], stream=body.get("stream") is True, **fields
    )


def placed(body: dict[str, Any], place: str, value: Any) -> None:
    """Put a value at a dotted place, making the objects on the way; `\\.` is a literal dot.

    Raises UsageError when something that is not an object stands in the way.
    """
    *path, last = place.replace("\\.", "\0").split(".")
    inner = body
    for step in path:
        inner = inner.setdefault(step.replace("\0", "."), {})
        if not isinstance(inner, dict):
            raise UsageError(
                Text("cannot set {place}", place=place),
                Text("{step} already has a value that is not an object", step=step),
            )
    inner[last.replace("\0", ".")] = value


def extended(body: dict[str, Any], options: Sequence[str] | None) -> dict[str, Any]:
    """Return the body with `-O KEY=VALUE` applied in order, VALUE as JSON where it is JSON."""
    for option in options or ():
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UsageError(
                Text("cannot use -O {option}", option=option),
                Text("it is not KEY=VALUE"),
                hint="-O top_k=40",
            )
        placed(body, key, typed(text))
    return body


def typed(text: str) -> Any:
    """Read a value the way a shell user means it: JSON if it is valid JSON, else the text."""
    try:
        return loaded(text)
    except InvalidJSON:
        return text


def loaded(text: str) -> Any:
    """Read JSON, every number as it was typed; raise `InvalidJSON`."""
    return read_typed(text)


def tuned(body: dict[str, Any], family: Family) -> tuple[str, ...]:
    """Rename the token limit to what the family takes; return warnings for what it refuses."""
    if family.max_tokens != "max_tokens" and "max_tokens" in body:
        limit = body.pop("max_tokens")
        body.setdefault(family.max_tokens, limit)
    return warnings_of(body, family)


def warnings_of(body: Mapping[str, Any], family: Family) -> tuple[str, ...]:
    """Return what the family is known to refuse or to ignore of a body; it is sent as asked."""
    model = body.get("model", "")
    refused = (
        Text("{model} is known to refuse {name}; sent as asked", model=model, name=name)
        for name in _named(body, family.refuses)
    )
    ignored = (
        Text("{model} is known to ignore {name}; sent as asked", model=model, name=name)
        for name in _named(body, family.ignores)
    )
    return (*refused, *ignored)


def _named(body: Mapping[str, Any], rules: Sequence[str]) -> Iterator[str]:
    """Yield the rules, `field` or `field=value`, that a body falls under."""
    for rule in rules:
        name, equals, value = rule.partition("=")
        if name in body and (not equals or body[name] == value):
            yield rule.replace("=", " ")


def _biases(pairs: Sequence[str]) -> dict[str, float]:
    biases: dict[str, float] = {}
    for pair in pairs:
        token, equals, text = pair.rpartition("=")
        try:
            bias = float(text)
        except ValueError:
            bias = math.nan
        if not equals or not token.isdigit() or not -100 <= bias <= 100:
            raise UsageError(
                Text("cannot use --logit-bias {pair}", pair=pair),
                Text("it is not TOKEN=BIAS with a token id and a bias from -100 to 100"),
                hint="--logit-bias 1734=-100",
            )
        biases[token] = int(bias) if bias == int(bias) else bias
    return biases
