"""JSON bodies out of option groups: every option that was given, at the place its table names.

Also what model families need: which of them take `max_completion_tokens`, and which
parameters they are known to refuse. Nothing that the user set is ever left out for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.core.opt import Group, given
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class Family(NamedTuple):
    """What models with a name like `pattern` (shell wildcards) need.

    `max_tokens` is the field that carries `--max-tokens`; `refuses` are fields that the
    gateway is known to answer with a 400.
    """

    pattern: str
    max_tokens: str = "max_tokens"
    refuses: tuple[str, ...] = ()


_REASONING = (
    "temperature",
    "top_p",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
)

FAMILIES = (
    Family("gpt-5*-chat*", "max_completion_tokens"),
    Family("gpt-5*", "max_completion_tokens", _REASONING),
    Family("o[1-9]*", "max_completion_tokens", _REASONING),
    Family("grok-4*", "max_tokens", ("stop", "presence_penalty", "frequency_penalty")),
)
"""In order of precedence: the first pattern that the model's name fits counts."""


def family(model: str, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Family:
    """Return the family of a model; the user's own patterns come before the built-in ones.

    A provider's prefix (`openai/gpt-5`) does not matter to the pattern.
    """
    name = model.rsplit("/", 1)[-1].lower()
    for pattern, fields in (overrides or {}).items():
        if fnmatchcase(name, pattern.lower()):
            refuses = tuple(fields.get("refuses", ()))
            return Family(pattern, fields.get("max_tokens", "max_tokens"), refuses)
    return next((one for one in FAMILIES if fnmatchcase(name, one.pattern)), Family("*"))


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


def tuned(body: dict[str, Any], kind: Family) -> tuple[str, ...]:
    """Rename the token limit to what the family takes; return warnings for what it refuses."""
    if kind.max_tokens != "max_tokens" and "max_tokens" in body:
        limit = body.pop("max_tokens")
        body.setdefault(kind.max_tokens, limit)
    model = body.get("model", "")
    return tuple(
        Text("{model} is known to refuse {name}; sent as asked", model=model, name=name)
        for name in kind.refuses
        if name in body
    )


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
