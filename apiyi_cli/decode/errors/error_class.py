"""Finds the class of an error body: exit code, summary and hint.

Reads the rows of `decode.errors.error_table`; what no row matches is judged by its status.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from apiyi_cli.core.call import Cost
from apiyi_cli.decode.errors.error_body import ErrorBody, describe_address_check
from apiyi_cli.decode.errors.error_table import RULES, Rule, Speaker
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    Billed,
    FundsError,
    IncompleteError,
    RejectedError,
    TemporaryError,
    UnknownModelError,
    describe_billing,
)
from apiyi_cli.text import Text

_UNITS_PER_DOLLAR = 500_000

_GATEWAY_TYPE = re.compile(r"\w+_api_error|\w*api_panic|error")
_LENGTH = re.compile(
    r"context.?length|maximum context|too many tokens|prompt is too long"
    r"|exceeds the maximum length",
    re.I,
)
_CHAT_MODEL = re.compile(r"this is a chat model|not supported in the v1/completions", re.I)

_REJECTED = frozenset((400, 404, 405, 413, 415, 422, 451, 501))

_AMOUNT = r"\s*[:：=\[]?\s*([$＄]?)\s*([\d,]+(?:\.\d+)?)"
_HAS = re.compile(rf"(?:剩余额度|remaining quota|remaining balance|\bquota){_AMOUNT}", re.I)
_NEEDS = re.compile(
    rf"(?:需要预扣费额度|预扣费额度|preConsumedQuota|required quota|need(?:s|ed)?){_AMOUNT}", re.I
)


class ErrorClass(NamedTuple):
    """The error's class, a short summary, and the hint (None: the class's own).

    `billed`: may a retry pay twice; `cause` names the row of the table, None where
    the status alone decided.
    """

    error: type[ApiyiError]
    what: str
    hint: str | None = None
    billed: Billed = "no"
    cause: str | None = None


FIREWALL = ErrorClass(
    AuthError,
    Text("a firewall in front of the gateway refused the request"),
    Text("check the base URL and the network: a firewall answered"),
    cause="firewall",
)
"""A 401 or 403 whose body is not JSON: the gateway itself always sends JSON. Source: the pages of
Cloudflare on its 1xxx errors."""


def classify_error(
    body: ErrorBody, status: int, cost: Cost, model: str | None, url: str = ""
) -> ErrorClass:
    """Return the class of an error body with this status.

    A status of 200 says nothing. `url` is where the request went, for the hint.
    """
    speaker = find_speaker(body, cost)
    rule = next((rule for rule in RULES if matches_rule(rule, body, status, speaker)), None)
    if rule is None:
        return _by_status(body, status, cost, url)
    error_class = ErrorClass(rule.error, rule.what, rule.hint, rule.billed, rule.cause)
    if rule.billed == "maybe":
        return _classify_lost(error_class, cost)
    if rule.error is FundsError:
        return error_class._replace(hint=_funds_hint(body.message))
    if rule.error is UnknownModelError and model:
        return error_class._replace(what=Text("no such model for this key: {model}", model=model))
    if rule.cause == "wrong-request":
        return error_class._replace(hint=_fix(body, 400, url))
    return error_class


def find_speaker(body: ErrorBody, cost: Cost) -> Speaker:
    """Return the speaker: the gateway, or an upstream channel whose error it passes on.

    Free requests never go upstream. A type that names the gateway's software is the gateway's
    own, and so is an error without a type; any other type was written by somebody else.
    """
    if cost == "free" or not body.type or _GATEWAY_TYPE.fullmatch(body.type.lower()):
        return "gateway"
    return "upstream"


def matches_rule(rule: Rule, body: ErrorBody, status: int, speaker: Speaker) -> bool:
    """Return True if a row of the table matches this error body."""
    if rule.speaker not in (None, speaker):
        return False
    if status in rule.always:
        return True
    if rule.statuses is not None and status not in rule.statuses:
        return False
    if rule.codes and any(rule.codes.fullmatch(word) for word in (body.code, body.type) if word):
        return True
    if rule.code and rule.code.fullmatch(body.code or body.type or ""):
        return True
    return bool(rule.words and rule.words.search(body.message))


def _classify_lost(error_class: ErrorClass, cost: Cost) -> ErrorClass:
    """Return the class for an answer that was lost or may still be in progress."""
    if cost == "free":
        return error_class._replace(
            error=IncompleteError if error_class.cause == "late" else TemporaryError,
            hint=describe_billing("no", Text("run it again in a minute")),
            billed="no",
        )
    advice = filter(None, (error_class.hint,))
    return error_class._replace(hint=describe_billing(error_class.billed, *advice))


_KNOWN_FIXES = {
    "function tools with reasoning_effort are not supported": Text(
        "--reasoning-effort none, or the same with apiyi respond"
    ),
    r"thinking\.type\.enabled": Text(
        "--effort high: the model chooses how long it thinks, a budget is refused"
    ),
    "error while downloading": Text(
        "the gateway could not fetch a URL of the request: give the file in its place"
    ),
    "invalid_image_file": Text(
        "ffmpeg -i PICTURE picture.png writes it anew: phones write JPEGs that are refused"
    ),
    "do(?:es)? not support image input": Text(
        "leave the pictures out, or choose a model that sees"
    ),
    "integer above maximum value": Text("a smaller --max-tokens"),
}
"""Advice for refusals that the gateway's pages name."""


def _by_status(body: ErrorBody, status: int, cost: Cost, url: str) -> ErrorClass:
    if status == 408 and cost == "heavy":
        return ErrorClass(
            IncompleteError,
            Text("the gateway stopped waiting for the answer"),
            describe_billing("maybe", Text("look at the log in the console before repeating it")),
            "maybe",
        )
    temporary = status == 200 or status >= 500 or status in (408, 409, 425)
    if temporary and status not in _REJECTED:
        return ErrorClass(
            TemporaryError, Text("the gateway has a problem"), Text("run it again in a minute")
        )
    return ErrorClass(
        RejectedError, Text("the gateway refused the request"), _fix(body, status, url)
    )


def _fix(body: ErrorBody, status: int, url: str) -> str | None:
    """Return advice on how to change a refused request, None if unknown."""
    if _LENGTH.search(f"{body.code} {body.message}"):
        return Text("shorten the input, or choose a model with a longer context")
    if _CHAT_MODEL.search(body.message):
        return "apiyi chat"
    for words, hint in _KNOWN_FIXES.items():
        if re.search(words, f"{body.code} {body.message}", re.IGNORECASE):
            return hint
    if status == 413:
        return Text("send less: shorten the input, or compress the files")
    if status == 501:
        return Text("the gateway does not offer this; use another command or model")
    if status in (404, 405):
        return describe_address_check(url)
    return None


def _funds_hint(text: str) -> str | None:
    """Return a hint with both amounts in dollars, if the message has both."""
    has, needs = _dollars(_HAS, text), _dollars(_NEEDS, text)
    if has is None or needs is None:
        return None
    return Text(
        "has ${has}, needs ${needs} at most: lower --max-tokens, shorten "
        "the input, or top up at https://api.apiyi.com",
        has=f"{has:.4f}",
        needs=f"{needs:.4f}",
    )


def read_needed_usd(text: str) -> float | None:
    """Return the dollars that a request needs at most, None if unknown."""
    return _dollars(_NEEDS, text)


def _dollars(amount: re.Pattern[str], text: str) -> float | None:
    """Return an amount in dollars; without a `$` before it, it is in quota units."""
    match = amount.search(text)
    if not match:
        return None
    number = float(match[2].replace(",", "") or "0")
    return number if match[1] else number / _UNITS_PER_DOLLAR
