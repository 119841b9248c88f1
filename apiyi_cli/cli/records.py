"""Our own JSON records, and the errors in them, written here with keys redacted.

A server's objects are passed on unchanged (`--json`); our own records are redacted.
A server may repeat the key of a request in its words, its request id, or a link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import ApiyiError

Redact = Callable[[str], str]


def describe_error(failure: ApiyiError, redact: Redact) -> dict[str, Any]:
    """Return the error as the object of records, redacted."""
    fields: Any = failure.as_json()["error"]
    described: dict[str, Any] = redact_values(fields, redact)
    return described


def write_record(fields: Mapping[str, Any], redact: Redact) -> bytes:
    """Return a record as one line of JSON with its LF, every value redacted."""
    return write(redact_values(fields, redact)) + b"\n"


def redact_values(value: Any, redact: Redact) -> Any:
    """Return the value with every text in it redacted; member names stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redact_values(item, redact) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item, redact) for item in value]
    return value
