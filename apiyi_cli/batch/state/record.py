"""The outcome of a row, and its line in OpenAI's batch output."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.core.events import Usage
from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.core.jsontext import Verbatim, is_strict, one_line, read_exact, write
from apiyi_cli.errors import PAGE, REDIRECT, ApiyiError

MAX_LEVELS = 250
"""Nesting that every reader accepts: jq 1.6 refuses 257 levels, Python's json about 1,000."""
_PIECE = re.compile(rb'"(?:[^"\\]|\\.)*"|(-?)(\d)(\d{4000,})(?=[,}\]\s])', re.DOTALL)
_MANY_DIGITS = re.compile(rb"\d{4001}")
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)

_CLASSES = {row.code: row.name for row in EXIT_CODES}
FREE_AGAIN = frozenset(("temporary", "auth", "no-funds", "limit", "setup", "output"))
"""Failure classes that do not depend on the row: it is sent again automatically."""


class PackedRequest(NamedTuple):
    """The request that several rows shared: their pack, and its whole usage.

    Its first row counts `requests`, those for larger packs of the same rows that were refused
    among them, and the `retries`; the others count none.
    """

    row: Row
    usage: Usage | None
    requests: int
    retries: int
    is_first: bool


@dataclass(slots=True)
class RowOutcome:
    """The result of one row in this run.

    Without `error` it is a success with `body`, the server's object. `ambiguous` of the
    `attempts` were made after one that may have been billed. `unsent` says that the run stopped
    before the row was finished: there is no record then, and `maybe_billed` says whether an
    attempt may have been billed. `holds_slot` says that the row has its concurrency slot until
    its record is durable. `line` is a record that is ready, from a journal, and `line_class`
    the `failed` of it; `is_kept` says that a journal has the line. `defect` is an unexpected
    exception. `remark` says what is wrong with a complete answer, `earlier` is the usage of
    answers that did not fit and were asked for again. `pack` is the request if the row shared
    it with others. `reserved_usd` is what was reserved of a budget for it, or for its pack if it
    is the last of that.
    """

    row: Row
    body: bytes | None = None
    text: str = ""
    usage: Usage | None = None
    error: ApiyiError | None = None
    status: int | None = None
    request_id: str | None = None
    refusal: bytes | None = None
    attempts: int = 0
    ambiguous: int = 0
    endpoint: str | None = None
    ms: int = 0
    unsent: bool = False
    maybe_billed: bool = False
    holds_slot: bool = False
    line: bytes | None = None
    line_class: str | None = None
    is_kept: bool = False
    defect: Exception | None = None
    remark: str | None = None
    earlier: list[Usage] = field(default_factory=list)
    pack: PackedRequest | None = None
    reserved_usd: float | None = None

    @property
    def sent(self) -> tuple[int, int]:
        """Return how many requests this outcome counts, and how many of them were retries."""
        if self.pack is None:
            return self.attempts, max(0, self.attempts - 1)
        return (self.pack.requests, self.pack.retries) if self.pack.is_first else (0, 0)

    @property
    def failed(self) -> str | None:
        """Return the failure's class (its exit code's name), None for a success."""
        return self.line_class if self.error is None else name_class(self.error)

    @property
    def was_answered(self) -> bool:
        """Return True if a failed row has a body that may have been paid for."""
        answered = self.status is None or 200 <= self.status < 300
        return answered and bool(self.refusal) and self.failed in ("incomplete", "rejected", "bug")


def name_class(error: ApiyiError) -> str:
    """Return the name of an error's class, which is mostly its exit code's.

    A wrong address says nothing about a row.
    """
    return "setup" if error.facts.cause in (REDIRECT, PAGE) else _CLASSES[error.exit_code]


def format_record(outcome: RowOutcome) -> bytes:
    """Return the line of an outcome, with its LF, as JSON for every reader.

    An answer that nests too deeply for that is its own text in there, and an integer of more
    than 4,000 digits, which Python refuses, has an exponent.
    """
    line = _format(outcome)
    if line.count(b"[") + line.count(b"{") > MAX_LEVELS and _depth(line) > MAX_LEVELS:
        line = _format(outcome, as_text=True)
    if _MANY_DIGITS.search(line):
        line = _PIECE.sub(_with_exponent, line)
    return line


def _format(outcome: RowOutcome, *, as_text: bool = False) -> bytes:
    row = outcome.row
    response = None
    if outcome.status is not None or outcome.refusal:
        body = outcome.body if outcome.error is None else outcome.refusal
        response = {
            "status_code": outcome.status,
            "request_id": outcome.request_id,
            "body": body.decode("utf-8", "replace") if body and as_text else _embed(body),
        }
    usage = outcome.usage
    fields: dict[str, Any] = {
        "custom_id": row.id,
        "index": row.index,
        "response": response,
        "error": None
        if outcome.error is None
        else _describe_error(outcome.error, outcome.maybe_billed),
        "usage": None if usage is None or as_text else usage.raw,
        "attempts": outcome.attempts,
        "endpoint": outcome.endpoint,
        "ms": outcome.ms,
        "sha": row.sha,
    }
    if outcome.pack is not None and outcome.pack.row.packed:
        fields["packed"] = len(outcome.pack.row.packed)
    if row.joined is not None:
        fields["row"] = row.joined
    return write(fields) + b"\n"


def _with_exponent(piece: re.Match[bytes]) -> bytes:
    if piece[2] is None:
        return piece[0]
    return b"%s%s.%se%d" % (piece[1], piece[2], piece[3], len(piece[3]))


def _depth(line: bytes) -> int:
    depth = most = 0
    for piece in _BRACKET.finditer(line):
        first = piece[0][:1]
        if first in b"[{":
            depth += 1
            most = max(most, depth)
        elif first != b'"':
            depth -= 1
    return most


def _describe_error(error: ApiyiError, maybe_billed: bool) -> dict[str, Any]:
    facts = error.facts
    return {
        "code": facts.code or (str(facts.status) if facts.status is not None else None),
        "type": type(error).__name__,
        "message": error.summary(),
        "class": name_class(error),
        "maybe_billed": maybe_billed,
    }


def _embed(body: bytes | None) -> Any:
    """Return a server's JSON for embedding: its bytes where they are strictly JSON."""
    if body is None:
        return None
    if is_strict(body):
        return Verbatim(one_line(body))
    try:
        return read_exact(body)
    except ValueError:
        pass
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        # What was paid for stays whole, although it is not text.
        return {"b64_json": base64.b64encode(body).decode("ascii")}
