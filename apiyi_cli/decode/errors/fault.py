"""Turns a refusal into the error to raise, with its facts.

The wire decides about retries by these `facts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from apiyi_cli.core.call import Cost, Reply, request_id_in
from apiyi_cli.decode.errors.error_body import ErrorBody, find_error, read_error_body
from apiyi_cli.decode.errors.error_class import FIREWALL, ErrorClass, classify_error, find_speaker
from apiyi_cli.decode.errors.error_table import RULES
from apiyi_cli.errors import REDIRECT, ApiyiError, Facts, Phase, RejectedError, TemporaryError
from apiyi_cli.text import Text

_ANY_REPLY = Reply(200, {}, ())
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?", re.ASCII)
_RESET = "x-ratelimit-reset-"
_COMMA = re.compile(r"(?<!day)(?<!Mon|Tue|Wed|Thu|Fri|Sat|Sun),\s*")


def classify_reply(reply: Reply, raw: bytes, *, cost: Cost, model: str | None = None) -> ApiyiError:
    """Return the error for a reply whose status is not 2xx.

    `raw` is its body, as far as it came. The facts have the status, the code, the request id (from
    a header, the body, or the tail of the message), the wait that was asked for, and the phase
    "status". The class follows the table of exit codes: 408 is incomplete for a `cost` of
    "heavy", whose work may continue and be billed, and temporary otherwise.
    """
    status, headers = reply.status, reply.headers
    if 300 <= status < 400:
        return _redirect(reply)
    body = read_error_body(raw, headers)
    error_class = classify_error(body, status, cost, model, reply.url)
    if status in (401, 403) and _is_firewall(body, error_class, headers):
        error_class = FIREWALL
    elif status == 502 and not raw.strip() and not _request_id(headers, body):
        error_class = error_class._replace(
            hint=Text("check the proxy (HTTPS_PROXY, --proxy): it may have answered")
        )
    return _error(error_class, body, reply, "status")


def classify_event(
    value: Any,
    reply: Reply = _ANY_REPLY,
    *,
    cost: Cost = "text",
    model: str | None = None,
    phase: Phase = "opened",
) -> ApiyiError | None:
    """Return the error inside a value of a 2xx reply or of a stream.

    None where the value is an answer. The class is that of the status which the body names, or
    else of its code, type and words; a refusal that says nothing known counts as temporary.
    """
    body = find_error(value)
    if body is None:
        return None
    error_class = classify_error(body, body.status or 200, cost, model)
    if (
        isinstance(value, dict)
        and value.get("success") is False
        and error_class.error is TemporaryError
    ):
        error_class = ErrorClass(RejectedError, Text("the gateway refused the request"))
    return _error(error_class, body, reply, phase)


def is_passed_on(value: Any) -> bool:
    """Return True for an error that the gateway passes on from an upstream channel.

    One that it has dealt with names its own software or carries its request id.
    """
    body = find_error(value)
    return body is not None and body.request_id is None and find_speaker(body, "text") == "upstream"


def _is_firewall(body: ErrorBody, error_class: ErrorClass, headers: Mapping[str, str]) -> bool:
    """Return True if a firewall refused: the gateway itself sends JSON.

    Plain words that a row of the table knows may still be the gateway's.
    """
    if "cf-mitigated" in headers or body.form == "page":
        return True
    known = (rule.words for rule in RULES if rule.cause == error_class.cause and rule.words)
    return body.form == "text" and not any(words.search(body.message) for words in known)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the gateway asks to wait, None if invalid.

    In this order: `retry-after-ms`, `retry-after` in seconds or as a date, and the
    `x-ratelimit-reset-*` of the limits that are used up. Of several the longest counts. A date
    counts from the reply's own `date`, since the two clocks may differ. A date in the past and
    anything negative or infinite is garbage.
    """
    asked = _read_wait_s(headers)
    return asked if asked is not None else _reset_s(headers)


def _read_wait_s(headers: Mapping[str, str]) -> float | None:
    wait_ms = _parse_number(headers.get("retry-after-ms", ""))
    if wait_ms is not None:
        return wait_ms / 1000
    # A header that came twice is joined by a comma, which a date has as well.
    parts = _COMMA.split(headers.get("retry-after", ""))
    waits = [wait for part in parts if (wait := _parse_wait_s(part, headers)) is not None]
    return max(waits, default=None)


def _parse_wait_s(text: str, headers: Mapping[str, str]) -> float | None:
    if (wait_s := _parse_number(text)) is not None:
        return wait_s
    then, now = _seconds_since_1970(text), _seconds_since_1970(headers.get("date", ""))
    return then - now if then is not None and now is not None and then >= now else None


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _seconds_since_1970(date: str) -> float | None:
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return then.timestamp()


def _reset_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the last exhausted limit is renewed (`1s`, `6m0s`, `20ms`)."""
    waits = []
    for name, text in headers.items():
        if not name.startswith(_RESET):
            continue
        left = headers.get(f"x-ratelimit-remaining-{name.removeprefix(_RESET)}")
        match = _SPAN.fullmatch(text.strip())
        if match and any(match.groups()) and (left is None or left.strip() == "0"):
            hours, minutes, seconds, milliseconds = (
                _parse_number(part or "") or 0 for part in match.groups()
            )
            waits.append(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)
    return max(waits, default=None)


def _error(error_class: ErrorClass, body: ErrorBody, reply: Reply, phase: Phase) -> ApiyiError:
    """Build the error; only a 429 or 503 waits for a rate limit's renewal."""
    headers = reply.headers
    why = body.message
    if not why and body.status:
        why = Text("upstream status {status}", status=body.status)
    limited = reply.status in (429, 503)
    again = headers.get("x-should-retry", "").strip().lower()
    return error_class.error(
        error_class.what,
        why or body.quote or Text("no reason given"),
        hint=error_class.hint,
        facts=Facts(
            status=reply.status,
            code=body.code or body.type,
            cause=error_class.cause,
            billed=error_class.billed,
            request_id=_request_id(headers, body),
            host=reply.host or None,
            phase=phase,
            retry_after_s=retry_after_s(headers) if limited else _read_wait_s(headers),
            should_retry={"true": True, "false": False}.get(again),
            param=body.param or None,
        ),
    )


def _request_id(headers: Mapping[str, str], body: ErrorBody) -> str | None:
    """Return the gateway's request id, else Cloudflare's."""
    return request_id_in(headers) or body.request_id or headers.get("cf-ray")


def _redirect(reply: Reply) -> ApiyiError:
    target = reply.headers.get("location", "")
    return RejectedError(
        Text("the gateway redirects elsewhere, which is not followed with a key"),
        Text("to {target}", target=target) if target else Text("it does not say where"),
        hint=Text("set the address meant as base URL (--base-url) if you trust it"),
        facts=Facts(
            status=reply.status,
            host=reply.host or None,
            request_id=reply.request_id,
            phase="status",
            cause=REDIRECT,
        ),
    )
