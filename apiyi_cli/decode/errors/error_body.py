"""Reads error bodies of a server in their many shapes into one value.

The shapes are those of OpenAI, Anthropic, Google and of the one-api family of gateways, of which
APIYI is a relative, and of the proxies in front of them. `decode.errors.fault` draws the
conclusions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from apiyi_cli.core.jsontext import read, read_first, trim, whole_characters, write_text
from apiyi_cli.decode.frames.fields import is_markup
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

_TEXT_FIELDS = (
    "message",
    "msg",
    "error_msg",
    "errmsg",
    "status_msg",
    "err",
    "description",
    "detail",
)
_CODE_FIELDS = ("code", "error_code", "errcode")
_INNER_FIELDS = ("error", "errors", "ResponseMetadata", "base_resp", "header")
_ENVELOPE = frozenset(
    (
        *_TEXT_FIELDS,
        *_CODE_FIELDS,
        *_INNER_FIELDS,
        *("type", "param", "status", "status_code", "success", "request_id", "requestId"),
        *("data", "timestamp", "path", "localized_message", "object", "log_id", "trace_id"),
    )
)
_CAPITALS = {"Code": "code", "Message": "message", "RequestId": "request_id", "Error": "error"}
_MAX_DEPTH = 6
_ANSWER_FIELDS = frozenset(("choices", "data", "output", "results", "text", "candidates"))
_FINE = frozenset(("0", "200", "ok", "success"))


Form = Literal["json", "text", "page", ""]
"""The form of a refusal: JSON, plain text, a page of HTML, or empty."""


class ErrorBody(NamedTuple):
    """A refusal in the server's words.

    `message` is safe to show: keys masked, at most 500 characters, the request id taken out.
    `status` is the status that the body itself names (that of an upstream, often), None if none.
    `quote` is JSON as it came, for a reason in words that are not known.
    """

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    request_id: str | None = None
    form: Form = ""
    quote: str = ""


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
    if isinstance(value, str):
        return ErrorBody(_make_safe(value), form="text")
    if isinstance(value, int | float):
        return ErrorBody(write_text(value), form="text")
    body = _read_error(value) or ErrorBody()
    return body._replace(form="json", quote=_make_safe(write_text(value)) if value else "")


def decode_text(raw: bytes, headers: Mapping[str, str]) -> str:
    """Return the text of a body: UTF-8, else its declared charset, else GB18030.

    The charset is that of the content type or of a page's `meta`. Bytes that none of them can read
    comes out as U+FFFD.
    """
    with suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    from apiyi_cli.core.filetypes import find_byte_order_mark

    head = raw[:_META_WITHIN].decode("ascii", "replace")
    charset = find_charset(headers.get("content-type", "")) or find_charset(head)
    mark = find_byte_order_mark(raw)
    charset = charset or (mark[0] if mark else None)
    try:
        return raw.decode(charset, "replace") if charset else raw.decode("gb18030")
    except ValueError:
        return raw.decode("utf-8", "replace")


def find_charset(text: str) -> str | None:
    """Return the charset that a text names; None for UTF-8 and unknown ones."""
    import codecs

    if not (named := _CHARSET.search(text)):
        return None
    try:
        name = codecs.lookup(named[1]).name
        "".encode(name)
    except (LookupError, ValueError):
        return None
    # What GB2312 is called holds characters of its successors.
    return None if name == "utf-8" else "gb18030" if name in ("gb2312", "gbk") else name


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
    value = _lower_names(value)
    if (
        value.get("error")
        or value.get("type") == "error"
        or value.get("object") == "error"
        or value.get("success") is False
        or (not any(map(value.get, _ANSWER_FIELDS)) and _has_failed(value))
    ):
        return _read_error(value)
    if value.get("success") or value.get("data") or not value.keys() <= _ENVELOPE:
        return None
    if any(isinstance(value.get(name), dict) for name in _TEXT_FIELDS):
        # The message of an answer, as in the first event of Anthropic's streams.
        return None
    error = _read_error(value)
    if error is None or not error.message or value.get("code") is True:
        return None
    return None if (error.code or error.message).lower() in _FINE else error


def _has_failed(value: Mapping[str, Any]) -> bool:
    """Return True for `errors`, or a failure code like MiniMax's, Baidu's or Tencent's."""
    if isinstance(value.get("errors"), list | dict) and value["errors"]:
        return True
    base = value.get("base_resp")
    codes = [base.get("status_code")] if isinstance(base, dict) else []
    if isinstance(value.get("error_msg"), str) or isinstance(value.get("errmsg"), str):
        codes += [value.get("error_code"), value.get("errcode")]
    return any(_read_word(code) not in (None, "0", "200") for code in codes)


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
    levels = _find_levels(value)
    if not levels:
        return None
    inner = levels[0]
    message = next(filter(None, map(_find_message, levels)), "")
    request_id = _first_word(levels, ("request_id", "requestId"))
    # A gateway adds its id to the words of an upstream that has added its own: the last counts.
    for tail in _REQUEST_ID.finditer(message):
        request_id = tail[1].strip() or request_id
    message = _REQUEST_ID.sub("", message)
    code = _first_word(levels, _CODE_FIELDS)
    param = _read_word(inner.get("param"))
    return ErrorBody(
        message=_make_safe(message),
        code=code,
        type=next(filter(None, map(_type, levels[:-1] or levels)), None),
        param=param,
        status=_status(*(level.get("status_code") for level in reversed(levels)), code, param),
        request_id=request_id,
    )


def _find_levels(value: Any) -> list[dict[str, Any]]:
    """Return the objects that describe an error, the innermost first.

    An error is an object, a text, JSON as a text, or a list of these, and may hold another one.
    """
    levels: list[dict[str, Any]] = []
    while value and len(levels) < _MAX_DEPTH:
        if isinstance(value, str):
            value = _read_object(value) or {"message": value}
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, dict)), {"message": value})
        if not isinstance(value, dict):
            break
        fields = _lower_names(value)
        levels.insert(0, fields)
        if isinstance(fields.get("errors"), dict) and not fields.get("error"):
            break
        value = next((fields[name] for name in _INNER_FIELDS if fields.get(name)), None)
        value = value or _read_object(fields.get("message"))
    return levels


def _lower_names(value: dict[str, Any]) -> dict[str, Any]:
    return {_CAPITALS.get(name, name): item for name, item in value.items()}


def _read_object(text: Any) -> dict[str, Any] | None:
    """Return the JSON object that a text is, None for any other value."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        value = read(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _first_word(levels: Iterable[Mapping[str, Any]], names: Iterable[str]) -> str | None:
    words = (_read_word(level.get(name)) for level in levels for name in names)
    return next(filter(None, words), None)


def _find_message(fields: Mapping[str, Any]) -> str:
    """Return the first field with a message, also from lists and objects of messages."""
    names = (*_TEXT_FIELDS, "localized_message", "errors", "title")
    return next(filter(None, (_join_message(fields.get(name)) for name in names)), "")


def _join_message(message: Any, depth: int = 0) -> str:
    """Return a message as text: FastAPI's places, a text for each field or language."""
    if isinstance(message, str):
        return message if message.strip() else ""
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(message, list):
        return "; ".join(filter(None, (_join_message(item, depth + 1) for item in message)))
    if not isinstance(message, dict):
        return ""
    if message.get("msg") and "loc" in message:
        return _format_place(message)
    named = (_join_message(message.get(name), depth + 1) for name in (*_TEXT_FIELDS, "title"))
    if text := next(filter(None, named), ""):
        return text
    texts = ((name, _join_message(item, depth + 1)) for name, item in message.items())
    return "; ".join(f"{name}: {text}" for name, text in texts if text)


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
