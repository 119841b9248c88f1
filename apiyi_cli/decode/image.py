"""Pictures out of a reply, and whether the bytes of a picture are all there."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.core.filetypes import GIF, JPEG, PNG, SVG, WEBP, detect_picture, find_svg_root
from apiyi_cli.core.jsontext import read_event, whole_characters
from apiyi_cli.decode.fault import classify_event
from apiyi_cli.decode.reply_body import (
    classify_refusal,
    detect_kind,
    facts_of,
    parse_body,
    read_body,
)
from apiyi_cli.decode.sse import frames
from apiyi_cli.decode.usage import usage
from apiyi_cli.errors import IncompleteError, describe_billing
from apiyi_cli.text import Text, join_texts

_DATA_URL = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*,", re.ASCII | re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \t\r\n")
_URL_SAFE = str.maketrans("-_", "+/")
_SHOWN_CHARS = 200
_SVG_END = re.compile(rb"</(?:[\w.-]+:)?svg\s*>")
_TAG = re.compile(rb"<[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*>")


class Picture(NamedTuple):
    """One picture: its bytes, or the URL where they are, and the prompt as it was revised.

    `whole` is false where its end is missing.
    """

    content: bytes
    url: str | None = None
    revised_prompt: str | None = None
    whole: bool = True


class Lost(NamedTuple):
    """An item that holds no usable picture: why, and what it held."""

    why: str
    content: bytes = b""


class Pictures(NamedTuple):
    """The pictures of one reply in their order, its usage and its whole body.

    `lost` are the items that hold no usable picture.
    """

    items: list[Picture]
    lost: list[Lost]
    usage: Usage | None
    raw: bytes


def pictures(reply: Reply, model: str | None = None) -> Pictures:
    """Read a reply to the request for pictures, streamed or whole.

    Base64 is taken with a `data:` prefix, line breaks, the URL-safe alphabet or without its
    padding; a field that is empty counts as absent. Raises what `reply_body.read_json` raises, and
    IncompleteError when there is no picture in the answer at all, with what it says instead.
    """
    try:
        if reply.status >= 300:
            raise classify_refusal(reply, cost="heavy", model=model)
        kind, chunks = detect_kind(reply)
        raw = read_body(reply, chunks)
        if detect_picture(raw) is not None:
            # The picture itself in place of JSON.
            return Pictures([Picture(raw, None, None, is_whole(raw))], [], None, raw)
        found = _from_events(raw) if kind == "sse" else parse_body(reply, kind, raw)
        error = classify_event(
            found,
            status=reply.status,
            headers=reply.headers,
            host=reply.host,
            cost="heavy",
            model=model,
        )
        if error:
            raise error
    finally:
        reply.close()
    items: list[Picture] = []
    lost: list[Lost] = []
    for item in _items(found):
        read = _picture(item)
        if isinstance(read, Lost):
            lost.append(read)
        else:
            items.append(read)
    if not items:
        said = _words(found) or join_reasons(lost) or Text("it has no data")
        raise IncompleteError(
            Text("there is no picture in the answer"),
            said,
            hint=describe_billing("maybe", Text("change the prompt, or ask another model")),
            facts=facts_of(reply, "content"),
        )
    told = usage(found.get("usage") if isinstance(found, dict) else None)
    return Pictures(items, lost, told, raw)


def is_whole(content: bytes) -> bool:
    """Tell whether a picture has its end, as far as its format shows that."""
    kind = detect_picture(content)
    if kind is PNG:
        return b"IEND\xaeB`\x82" in content
    if kind is JPEG:
        # A thumbnail inside has an end of its own, but before the scan of the picture.
        return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")
    if kind is WEBP:
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    if kind is GIF:
        return b"\x3b" in content[-16:]
    if kind is SVG:
        tail = _without_comments_at_end(content)
        return _SVG_END.search(tail[-1024:]) is not None or _closes_itself(content)
    return kind is not None


def _without_comments_at_end(svg: bytes) -> bytes:
    tail = svg.rstrip()
    while tail.endswith(b"-->") and (start := tail.rfind(b"<!--")) >= 0:
        tail = tail[:start].rstrip()
    return tail


def _closes_itself(svg: bytes) -> bool:
    """Return True for a drawing of nothing: `<svg …/>`."""
    root = _TAG.match(svg, max(0, find_svg_root(svg)))
    return root is not None and root[0].endswith(b"/>")


def _items(found: Any) -> list[Any]:
    if not isinstance(found, dict):
        return found if isinstance(found, list) else []
    for name in ("data", "images"):
        listed = found.get(name)
        if isinstance(listed, list):
            return listed
        if isinstance(listed, dict):
            return [listed]
    return [found] if found.get("b64_json") or found.get("url") else []


def join_reasons(lost: Iterable[Lost]) -> str:
    """Return why items hold no picture, each reason once."""
    return join_texts(dict.fromkeys(one.why for one in lost), "; ")


def _picture(item: Any) -> Picture | Lost:
    """Return the picture of an item, or why there is none."""
    fields = item if isinstance(item, dict) else {"url": item}
    told = fields.get("revised_prompt")
    revised = whole_characters(told) if isinstance(told, str) and told else None
    packed, url = (_text(fields.get(name)) for name in ("b64_json", "url"))
    if packed.startswith(("https://", "http://")):
        packed, url = "", packed
    if _DATA_URL.match(url):
        packed, url = packed or url, ""
    lost: Lost | None = None
    if packed:
        content = _unpacked(packed)
        if content is None:
            packed_bytes = packed.encode("utf-8", "replace")
            lost = Lost(Text("it is not valid base64"), packed_bytes)
        elif detect_picture(content) is None:
            lost = Lost(Text("its bytes are no picture"), content)
        elif (whole := is_whole(content)) or not url:
            return Picture(content, None, revised, whole)
    if url:
        return Picture(b"", url, revised)
    if lost is not None:
        return lost
    if revised:
        return Lost(Text("text instead of a picture: {text}", text=_short(revised)))
    return Lost(Text("it is empty"))


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _unpacked(packed: str) -> bytes | None:
    """Return the bytes of a base64 text or of a data URL; None where they cannot be read."""
    if prefix := _DATA_URL.match(packed):
        packed = packed[prefix.end() :]
        if not prefix[0].lower().endswith(";base64,"):
            return unquote_to_bytes(packed)
    if not packed.isalnum():
        packed = packed.translate(_BLANKS).translate(_URL_SAFE)
    packed = packed.rstrip("=")
    try:
        return binascii.a2b_base64(packed + "=" * (-len(packed) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def _from_events(raw: bytes) -> dict[str, Any]:
    """Return the finished pictures of a stream, or its error, as one object of the whole form."""
    data = []
    told = None
    for frame in (one for burst in frames([raw]) for one in burst):
        try:
            event = read_event(frame.data)
        except ValueError:
            continue
        if not isinstance(event, dict):
            continue
        if classify_event(event):
            return event
        if str(event.get("type", "")).endswith(".completed"):
            data.append(event)
            told = event.get("usage") or told
        elif isinstance(event.get("data"), list):
            data.extend(event["data"])
            told = event.get("usage") or told
    return {"data": data, "usage": told}


def _words(found: Any) -> str:
    """Return what the answer says in words, where it has words in place of pictures."""
    texts = []
    if isinstance(found, dict):
        for choice in found.get("choices") or ():
            message = choice.get("message") if isinstance(choice, dict) else None
            if isinstance(message, dict):
                texts.append(_text(message.get("content")) or _text(message.get("refusal")))
        texts += [_text(found.get(name)) for name in ("text", "message", "output_text")]
    texts += [_text(item.get("revised_prompt")) for item in _items(found) if isinstance(item, dict)]
    said = next((text for text in texts if text), "")
    return Text("it says: {short}", short=_short(whole_characters(said))) if said else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…"
