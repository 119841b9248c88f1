"""What a server says when it refuses: one value out of the many shapes that error bodies have.

The shapes are those of OpenAI, Anthropic, Google and of the one-api family of gateways, of which
APIYI is a relative, and of the proxies in front of them. What follows from a complaint is
`decode.fault`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import read_first, trim, whole_characters
from apiyi_cli.decode.lenient import is_page
from apiyi_cli.text import Text

_MAX_MESSAGE = 500
_KEY = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_*+/=.~%-]{6,}")
_REQUEST_ID = re.compile(r"\s*[(（]request id[:：]\s*([^)）]*)[)）]", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(rb"<h1[^>]*>(.*?)</h1", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_RAY = re.compile(rb"Ray ID:?\s*(?:<[^>]*>\s*)*([0-9a-f]{12,20})", re.IGNORECASE)

_TEXT_FIELDS = ("message", "msg", "error_msg", "err", "description", "detail")
_ENVELOPE = frozenset(
    (
        *_TEXT_FIELDS,
        *("code", "type", "param", "status", "status_code", "success", "request_id", "requestId"),
        *("header", "error", "data", "timestamp", "path", "localized_message"),
    )
)
_FINE = frozenset(("0", "200", "ok", "success"))


class Complaint(NamedTuple):
    """A refusal in the server's words.

    `message` is safe to show: keys masked, at most 500 characters, the request id taken out.
    `status` is the status that the body itself names (that of an upstream, often), None if none.
    """

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    request_id: str | None = None


def complaint_in(raw: bytes, headers: Mapping[str, str]) -> Complaint:
    """Return what the body of a refused request says: JSON of any shape, a page, plain text.

    Of several objects back to back the first counts. An empty body gives an empty complaint.
    """
    text = trim(raw)
    if not text:
        return Complaint()
    if is_page(text):
        return page(text, headers)
    try:
        value = read_first(text)
    except ValueError:
        return Complaint(_shown(text[: 8 * _MAX_MESSAGE].decode("utf-8", "replace")))
    if isinstance(value, str | int | float):
        return Complaint(_shown(str(value)))
    return _complaint(value) or Complaint()


def complaint_of(value: Any) -> Complaint | None:
    """Return the complaint inside a value that came with success; None if it is an answer.

    An answer is told from `{"code", "message"}` by its having anything besides such fields. A
    false `error`, as in `"error": null`, is none.
    """
    if isinstance(value, list):
        return complaint_of(value[0]) if value and isinstance(value[0], dict) else None
    if not isinstance(value, dict):
        return None
    if value.get("error") or value.get("type") == "error" or value.get("success") is False:
        return _complaint(value)
    if value.get("success") or value.get("data") or not value.keys() <= _ENVELOPE:
        return None
    told = _complaint(value)
    if told is None or not told.message or value.get("code") is True:
        return None
    return None if (told.code or told.message).lower() in _FINE else told


def page(text: bytes, headers: Mapping[str, str]) -> Complaint:
    """Return the title of an HTML page and the id under which Cloudflare logged it."""
    found = _TITLE.search(text) or _HEADING.search(text)
    title = _TAG.sub(" ", found[1].decode("utf-8", "replace")) if found else ""
    ray = headers.get("cf-ray")
    if not ray and (named := _RAY.search(text)):
        ray = named[1].decode("ascii")
    import html

    said = _shown(html.unescape(title))
    return Complaint(
        (Text("HTML page “{said}”", said=said) if said else Text("an HTML page")), request_id=ray
    )


def _complaint(value: Any) -> Complaint | None:
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), None)
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    inner = error if isinstance(error, dict) else value
    message = error if isinstance(error, str) else _text_in(inner) or _text_in(value)
    header = value.get("header")
    if not message and isinstance(header, dict):
        message = _text_in(header)
    request_id = _word(value.get("request_id")) or _word(value.get("requestId"))
    if tail := _REQUEST_ID.search(message):
        request_id = tail[1].strip() or request_id
        message = message[: tail.start()] + message[tail.end() :]
    code = _word(inner.get("code")) or _word(value.get("code"))
    param = _word(inner.get("param"))
    return Complaint(
        message=_shown(message),
        code=code,
        type=_type(inner),
        param=param,
        status=_status(value.get("status_code"), inner.get("status_code"), code, param),
        request_id=request_id,
    )


def _text_in(fields: Mapping[str, Any]) -> str:
    """Return the first field that says something, also as FastAPI's list of places."""
    for name in (*_TEXT_FIELDS, "localized_message"):
        said = fields.get(name)
        if isinstance(said, str) and said.strip():
            return said
        if isinstance(said, list):
            places = [item for item in said if isinstance(item, dict)]
            if texts := [_place(item) for item in places if item.get("msg")]:
                return "; ".join(texts)
    return ""


def _place(item: Mapping[str, Any]) -> str:
    where = item.get("loc")
    parts = [str(part) for part in where] if isinstance(where, list) else []
    return f"{'.'.join(parts)}: {item['msg']}" if parts else str(item["msg"])


def _type(fields: Mapping[str, Any]) -> str | None:
    """Return the kind of the error; Google calls it `status`."""
    kind = _word(fields.get("type"))
    if (kind is None or kind == "error") and isinstance(fields.get("status"), str):
        return _word(fields["status"])
    return kind


def _status(*values: Any) -> int | None:
    for value in values:
        digits = str(value)
        if len(digits) == 3 and digits.isascii() and digits.isdigit() and 400 <= int(digits) < 600:
            return int(digits)
    return None


def _word(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _shown(str(value)) or None


def _shown(text: str) -> str:
    """Return the text on one line, without keys and of bounded length."""
    text = _KEY.sub("sk-…", " ".join(whole_characters(text).split()))
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"
