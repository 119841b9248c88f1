"""Request bodies from option groups, `-O` values and the rules of model families.

Every option that was given is sent; what a family refuses is only warned about.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from apiyi_cli.core.call import Call, Source
from apiyi_cli.core.endpoints import Endpoint
from apiyi_cli.core.families import Family, Overrides
from apiyi_cli.core.jsontext import InvalidJSON, read_typed
from apiyi_cli.core.options import Group, list_given
from apiyi_cli.core.options.chat import Tools
from apiyi_cli.errors import UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text


class TextRequest(PlainValue):
    """The fields that chat and respond requests share, without model and conversation.

    `functions` are wrapped as chat takes them, `schema` is the value of
    `response_format.json_schema`, `options` are the `-O` values, which have the last word.
    `protocol` may be "auto"; `force` sends a model to an endpoint that its family does not have.
    `cached_chars` of the last message, from its start, came from files: see `cache_prompt`.
    `underneath` lets an answer that is wanted whole stream underneath.
    """

    tools: Tools | None = None
    functions: Sequence[dict[str, Any]] = ()
    tool_choice: str | dict[str, Any] | None = None
    schema: dict[str, Any] | None = None
    json_mode: bool = False
    stream: bool = True
    options: Sequence[str] | None = None
    families: Overrides | None = None
    sources: tuple[Source, ...] = ()
    protocol: str = "openai"
    force: bool = False
    cache_prompt: bool = False
    cached_chars: int = 0
    underneath: bool = False


def option_fields(*groups: Group | None) -> dict[str, Any]:
    """Return the body fields of the options that were given, each at its `wire` place."""
    body: dict[str, Any] = {}
    for option, value in list_given(*filter(None, groups)):
        if option.name == "logit_bias":
            value = _read_biases(value)
        elif option.many:
            value = list(value)
        if option.wire is not None:
            set_path(body, option.wire, value)
    return body


def describe_unknown_value(option: str, value: str, known: Iterable[str]) -> Text:
    """Return the warning about a value that is not among an option's known ones."""
    return Text(
        "{option} {value} is not among the known values ({known}); sent as asked",
        option=option,
        value=value,
        known=", ".join(dict.fromkeys(known)),
    )


def describe_losses(
    fields: Iterable[str], moved: Collection[str], endpoint: str
) -> tuple[Text, ...]:
    """Return a note for each field that an endpoint of another protocol does not have."""
    return tuple(
        Text("{name} is left out: {endpoint} has no such field", name=name, endpoint=endpoint)
        for name in fields
        if name not in moved
    )


def post(endpoint: Endpoint, body: dict[str, Any], **fields: Any) -> Call:
    """Return a JSON request with its model and whether it streams."""
    return endpoint.call(
        json=body, model=body["model"], stream=body.get("stream") is True, **fields
    )


def finish_text_call(call: Call, text: TextRequest) -> Call:
    """Return a text request as sent: as a stream if that avoids timeouts."""
    if not text.underneath:
        return call
    from apiyi_cli.build.stream_underneath import stream_underneath

    return stream_underneath(call, text.families)


def set_path(body: dict[str, Any], place: str, value: Any) -> None:
    """Set a value at a dotted place, creating objects; `\\.` is a literal dot.

    Raises UsageError if a step of the place has a value that is not an object.
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


def apply_options(body: dict[str, Any], options: Sequence[str] | None) -> dict[str, Any]:
    """Apply `-O KEY=VALUE` to the body in order and return it. VALUE is JSON if valid."""
    for option in options or ():
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UsageError(
                Text("cannot use -O {option}", option=option),
                Text("it is not KEY=VALUE"),
                hint="-O top_k=40",
            )
        set_path(body, key, read_value(text))
    return body


def read_value(text: str) -> Any:
    """Return the JSON value of a text, or an invalid text itself."""
    try:
        return read_typed(text)
    except InvalidJSON:
        return text


def adapt_to_family(body: dict[str, Any], family: Family) -> tuple[str, ...]:
    """Rename the token limit for the family; return the warnings for the body."""
    if family.max_tokens != "max_tokens" and "max_tokens" in body:
        limit = body.pop("max_tokens")
        body.setdefault(family.max_tokens, limit)
    return family_warnings(body, family)


def family_warnings(
    body: Mapping[str, Any], family: Family, *, ignored: bool = True
) -> tuple[str, ...]:
    """Return warnings for fields that the family refuses or ignores; they are still sent.

    `ignored` is False where such a field has no place in the protocol.
    """
    model = body.get("model", "")
    refused = (
        Text("{model} is known to refuse {name}; sent as asked", model=model, name=name)
        for name in _matching_rules(body, family.refuses)
    )
    unused = (
        Text("{model} is known to ignore {name}; sent as asked", model=model, name=name)
        for name in _matching_rules(body, family.ignores if ignored else ())
    )
    retired = Text(
        "{model} was retired; {successor} replaces it; sent as asked",
        model=model,
        successor=family.successor or Text("another model"),
    )
    return (
        *([retired] if family.retired else ()),
        *refused,
        *unused,
        *_unread_inputs(body, family),
        *(_unknown_effort(body, family) if ignored else ()),
    )


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every effort that some model takes; the family says which ones."""


def _unknown_effort(body: Mapping[str, Any], family: Family) -> Iterator[Text]:
    """Yield a warning for an effort that this model is not known to take."""
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    effort = body.get("reasoning_effort", effort)
    # The builders of other protocols have their own warning.
    if effort is None or (effort in EFFORTS and family.thinking is not None):
        return
    if effort not in EFFORTS:
        yield Text(
            "--effort {effort} is not among the known ones ({levels}); sent as asked",
            effort=str(effort),
            levels=", ".join(EFFORTS),
        )
    elif family.effort is not None and not family.effort:
        yield Text(
            "{model} is known to take no --effort; {effort} is sent as asked",
            model=body.get("model", ""),
            effort=effort,
        )
    elif family.effort is not None and effort not in family.effort:
        yield describe_refused_effort(body.get("model", ""), family.effort, effort)


def describe_refused_effort(model: str, levels: Sequence[str], effort: object) -> Text:
    """Return the warning about an effort that is not one of the family's levels."""
    return Text(
        "{model} is known to take --effort {levels} only; {effort} is sent as asked",
        model=model,
        levels=", ".join(levels),
        effort=effort,
    )


_INPUTS = {
    "image_url": ("image", Text("pictures")),
    "input_audio": ("audio", Text("sound")),
    "file": ("file", Text("files")),
}


def _unread_inputs(body: Mapping[str, Any], family: Family) -> Iterator[Text]:
    """Yield a warning for each kind of attachment that the family refuses."""
    if family.input_types is None:
        return
    contents = (message.get("content") for message in body.get("messages", ()))
    parts = (part for content in contents if isinstance(content, list) for part in content)
    kinds = dict.fromkeys(part.get("type") for part in parts if isinstance(part, dict))
    for input_type, name in (_INPUTS[kind] for kind in kinds if kind in _INPUTS):
        if input_type not in family.input_types:
            yield Text(
                "{model} is known to take no {kind}; sent as asked",
                model=body.get("model", ""),
                kind=name,
            )


def _matching_rules(body: Mapping[str, Any], rules: Sequence[str]) -> Iterator[str]:
    """Yield the rules (`field` or `field=value`) that match a body."""
    for rule in rules:
        name, equals, value = rule.partition("=")
        if name in body and (not equals or body[name] == value):
            yield rule.replace("=", " ")


def _read_biases(pairs: Sequence[str]) -> dict[str, float]:
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
