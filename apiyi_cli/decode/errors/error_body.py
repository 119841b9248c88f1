"""Reads error bodies of a server in their many shapes into one value.

The shapes are those of OpenAI, Anthropic, Google and of the one-api family of gateways, of which
APIYI is a relative, and of the proxies in front of them. `decode.errors.fault` draws the
conclusions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from apiyi_cli.core.jsontext import read_first, trim, whole_characters
from apiyi_cli.decode.frames.fields import is_markup, read_objects
from apiyi_cli.text import Text

_MAX_MESSAGE = 500
_KEY = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_*+/=.~%-]{6,}")
_REQUEST_ID = re.compile(r"\s*[(（]request id[:：]\s*([^)）]*)[)）]", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(r"<h1[^>]*>(.*?)</h1", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]+)", re.IGNORECASE)
_META_WITHIN = 4096
_WORDS_WITHIN = 1 << 16
_TAG = re.compile(r"<[^>]*>")
_RAY = re.compile(r"Ray ID:?\s*(?:<[^>]*>\s*)*([0-9a-f]{12,20})", re.IGNORECASE)

_TEXT_FIELDS = ("message", "msg", "error_msg", "err", "description", "detail")
_ENVELOPE = frozenset(
    (
        *_TEXT_FIELDS,
        *("code", "type", "param", "status", "status_code", "success", "request_id", "requestId"),
        *("header", "error", "data", "timestamp", "path", "localized_message", "object"),
    )
)
_FINE = frozenset(("0", "200", "ok", "success"))


Form = Literal["json", "text", "page", ""]
"""The form of a refusal: JSON, plain text, a page of HTML, or empty."""


class ErrorBody(NamedTuple):
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
    form: Form = ""


def read_error_body(raw: bytes, headers: Mapping[str, str]) -> ErrorBody:
    """Return the error in the body of a refused request: JSON, a page, plain text.

    Of several objects back to back the first counts. An empty body gives an empty ErrorBody.
    """
    text = trim(raw)
    if not text:
        return ErrorBody()
    if is_markup(text):
        return read_error_page(text, headers)
    try:
        value = read_first(_as_utf8(text, headers))
    except ValueError:
        return ErrorBody(quote_text(text, headers), form="text")
    if isinstance(value, str | int | float):
        return ErrorBody(_make_safe(str(value)), form="text")
    return (_read_error(value) or ErrorBody())._replace(form="json")


def decode_text(raw: bytes, headers: Mapping[str, str]) -> str:
    """Return the text of a body: UTF-8, else its declared charset, else GB18030.

    The charset is that of the content type or of a page's `meta`. Bytes that none of them can read
    comes out as U+FFFD.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    named = _CHARSET.search(headers.get("content-type", "")) or _CHARSET.search(
        raw[:_META_WITHIN].decode("ascii", "replace")
    )
    try:
        if named and named[1].lower().replace("-", "") != "utf8":
            return raw.decode(named[1], "replace")
        return raw.decode("gb18030")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def quote_text(raw: bytes, headers: Mapping[str, str]) -> str:
    """Return a body of plain text, safe to show."""
    head = raw[:_WORDS_WITHIN]
    if len(head) < len(raw):
        # No character is cut: all of it would not read as UTF-8 then.
        head = head[: max(head.rfind(mark) for mark in (b" ", b"\n", b"{", b"\x00")) + 1] or head
    return _make_safe(decode_text(head, headers)[: 8 * _MAX_MESSAGE])


def _as_utf8(raw: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return decode_text(raw, headers).encode()
    return raw


def describe_address_check(url: str) -> str:
    """Return the hint for an answer that does not come from the API."""
    path = urlsplit(url).path if url else ""
    if "/v1" in path:
        return Text("check the base URL, and that its server has this endpoint: apiyi doctor")
    return Text("check the base URL: it should end in /v1")


def find_error(value: Any) -> ErrorBody | None:
    """Return the error inside a value of a 2xx reply, None for an answer.

    An answer has fields besides `{"code", "message"}` and the like. A false `error`, as in
    `"error": null`, does not count.
    """
    if isinstance(value, list):
        return find_error(value[0]) if value and isinstance(value[0], dict) else None
    if not isinstance(value, dict):
        return None
    if (
        value.get("error")
        or value.get("type") == "error"
        or value.get("object") == "error"
        or value.get("success") is False
    ):
        return _read_error(value)
    if value.get("success") or value.get("data") or not value.keys() <= _ENVELOPE:
        return None
    error = _read_error(value)
    if error is None or not error.message or value.get("code") is True:
        return None
    return None if (error.code or error.message).lower() in _FINE else error


def read_error_page(text: bytes, headers: Mapping[str, str]) -> ErrorBody:
    """Return the title of an HTML page, and Cloudflare's ray id."""
    source = decode_text(text, headers)
    heading = _TITLE.search(source) or _HEADING.search(source)
    title = _TAG.sub(" ", heading[1]) if heading else ""
    ray = headers.get("cf-ray")
    if not ray and (named := _RAY.search(source)):
        ray = named[1]
    import html

    title = _make_safe(html.unescape(title))
    message = Text("HTML page “{said}”", said=title) if title else Text("an HTML page")
    return ErrorBody(message, request_id=ray, form="page")


def _read_error(value: Any) -> ErrorBody | None:
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), None)
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    inner = error if isinstance(error, dict) else value
    message = error if isinstance(error, str) else _find_message(inner) or _find_message(value)
    header = value.get("header")
    if not message and isinstance(header, dict):
        message = _find_message(header)
    request_id = _read_word(value.get("request_id")) or _read_word(value.get("requestId"))
    # A gateway adds its id to the words of an upstream that has added its own: the last counts.
    for tail in _REQUEST_ID.finditer(message):
        request_id = tail[1].strip() or request_id
    message = _REQUEST_ID.sub("", message)
    code = _read_word(inner.get("code")) or _read_word(value.get("code"))
    param = _read_word(inner.get("param"))
    return ErrorBody(
        message=_make_safe(message),
        code=code,
        type=_type(inner),
        param=param,
        status=_status(value.get("status_code"), inner.get("status_code"), code, param),
        request_id=request_id,
    )


def _find_message(fields: Mapping[str, Any]) -> str:
    """Return the first field with a message, also from FastAPI's list of places."""
    for name in (*_TEXT_FIELDS, "localized_message"):
        message = fields.get(name)
        if isinstance(message, str) and message.strip():
            return message
        if isinstance(message, list):
            places = read_objects(message)
            if texts := [_format_place(item) for item in places if item.get("msg")]:
                return "; ".join(texts)
    return ""


def _format_place(item: Mapping[str, Any]) -> str:
    where = item.get("loc")
    parts = [str(part) for part in where] if isinstance(where, list) else []
    return f"{'.'.join(parts)}: {item['msg']}" if parts else str(item["msg"])


def _type(fields: Mapping[str, Any]) -> str | None:
    """Return the type of the error; Google calls it `status`."""
    kind = _read_word(fields.get("type"))
    if (kind is None or kind == "error") and isinstance(fields.get("status"), str):
        return _read_word(fields["status"])
    return kind


def _status(*values: Any) -> int | None:
    for value in values:
        digits = str(value)
        if len(digits) == 3 and digits.isascii() and digits.isdigit() and 400 <= int(digits) < 600:
            return int(digits)
    return None


def _read_word(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _make_safe(str(value)) or None


def _make_safe(text: str) -> str:
    """Return the text on one line, without keys and of bounded length."""
    text = _KEY.sub("sk-…", " ".join(whole_characters(text).split()))
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"
