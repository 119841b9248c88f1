"""The JSON records that are our own, and the errors in them: written here, without keys.

What a server sent is passed on as it came (`--json`); what this program says about it is not.
A server may repeat the key of a request in its words, its request id, or a link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import ApiyiError

Redact = Callable[[str], str]


def describe_error(failure: ApiyiError, redact: Redact) -> dict[str, Any]:
    """Return the error as the object that is written in records, without keys."""
    fields: Any = failure.as_json()["error"]
    described: dict[str, Any] = redact_values(fields, redact)
    return described


def write_record(fields: Mapping[str, Any], redact: Redact) -> bytes:
    """Return a record of ours as one line of JSON with its LF, without keys in any value."""
    return write(redact_values(fields, redact)) + b"\n"


def redact_values(value: Any, redact: Redact) -> Any:
    """Return the value with every text in it redacted; names of members stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redact_values(item, redact) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item, redact) for item in value]
    return value
