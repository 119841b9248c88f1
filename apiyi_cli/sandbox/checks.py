"""Checks of request bodies: violations of the API reference get 400 with the parameter."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.scripted_reply import Refused, invalid, invalid_argument

Bounds = dict[str, tuple[type, float, float]]
"""Kind (int or float), lowest and highest value of the fields of a body."""

SAMPLING: Bounds = {
    "temperature": (float, 0, 2),
    "top_p": (float, 0, 1),
    "n": (int, 1, 128),
    "max_tokens": (int, 1, 1 << 31),
    "presence_penalty": (float, -2, 2),
    "frequency_penalty": (float, -2, 2),
    "seed": (int, -(1 << 63), (1 << 63) - 1),
}


def json_fields(request: ReceivedRequest) -> dict[str, Any]:
    """Return the JSON object of a request's body; raises Refused."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("application/json"):
        # Without a JSON type the family reads no model at all, and has no channel for "".
        from apiyi_cli.sandbox.endpoints.catalogue import no_channel

        raise no_channel("")
    try:
        fields = request.json
    except ValueError as error:
        raise invalid(f"We could not parse the JSON body: {error}", "", "invalid_request") from None
    if not isinstance(fields, dict):
        raise invalid("The body must be a JSON object", "", "invalid_request")
    return fields


def check_bounds(fields: dict[str, Any], bounds: Bounds) -> None:
    """Raise Refused if a field is not its kind of number, or out of bounds."""
    for name, (kind, low, high) in bounds.items():
        value = fields.get(name)
        if value is None:
            continue
        right = isinstance(value, int) or (kind is float and isinstance(value, float))
        if not right or isinstance(value, bool):
            wanted = "an integer" if kind is int else "a number"
            raise invalid(f"Invalid type for '{name}': expected {wanted}", name, "invalid_type")
        if not low <= value <= high:
            raise invalid(f"Invalid '{name}': must be from {low} to {high}", name)


def check_flags(fields: dict[str, Any], *names: str) -> None:
    """Raise Refused if one of these fields is neither true nor false."""
    for name in names:
        if not isinstance(fields.get(name), bool | None):
            raise invalid(f"Invalid type for '{name}': expected a boolean", name, "invalid_type")


def check_choice(fields: dict[str, Any], name: str, *choices: str) -> str | None:
    """Return a field that must be one of these words, None if not given. Raises Refused."""
    value = fields.get(name)
    if value is not None and value not in choices:
        listed = ", ".join(choices)
        raise invalid(f"Invalid value for '{name}': must be one of {listed}", name)
    return value


def require_field(fields: dict[str, Any], name: str) -> Any:
    """Return a required, non-empty field; raises Refused."""
    value = fields.get(name)
    if value is None or value == "" or value == []:
        raise missing(name)
    return value


def missing(name: str) -> Refused:
    """Return the refusal of a request without a required field."""
    message = f"Missing required parameter: '{name}'"
    return invalid(message, name, "missing_required_parameter")


def check_stop(fields: dict[str, Any]) -> None:
    """Raise Refused if `stop` is neither a text nor one to four texts."""
    stop = fields.get("stop")
    texts = stop if isinstance(stop, list) else [] if stop is None else [stop]
    if len(texts) > 4 or not all(isinstance(text, str) for text in texts):
        raise invalid("Invalid 'stop': a string, or at most 4 strings", "stop")


def refuse_unknown(fields: dict[str, Any], known: Collection[str], place: str = "") -> None:
    """Raise Refused as Google's API does for a field that it does not know."""
    if unknown := sorted(fields.keys() - known):
        name = f'Unknown name "{unknown[0]}"{place}'
        raise invalid_argument(f"Invalid JSON payload received. {name}: Cannot find field.")
