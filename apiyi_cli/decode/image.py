"""Reads the pictures of a reply, and checks whether they are complete."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.core.filetypes import GIF, JPEG, PNG, SVG, WEBP, detect_picture, find_svg_root
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.frames.fields import read_object, read_string, usage
from apiyi_cli.decode.frames.reply_body import (
    facts_of,
    find_refusal,
    parse_body,
    read_events,
    read_whole,
)
from apiyi_cli.decode.frames.sse import frames
from apiyi_cli.decode.image_items import describe_refusal, describe_words, find_items, shorten
from apiyi_cli.errors import ApiyiError, IncompleteError, RejectedError, describe_billing
from apiyi_cli.text import Text, join_texts

_DATA_URL = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*,", re.ASCII | re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \t\r\n")
_LONGEST_LINK = 8192
_URL_SAFE = str.maketrans("-_", "+/")
_SVG_END = re.compile(rb"</(?:[\w.-]+:)?svg\s*>")
_TAG = re.compile(rb"<[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*>")


class Picture(NamedTuple):
    """One picture: its bytes or its URL, and the revised prompt.

    `whole` is false where its end is missing.
    """

    content: bytes
    url: str | None = None
    revised_prompt: str | None = None
    whole: bool = True


class UnreadablePicture(NamedTuple):
    """An item without a usable picture: the reason, and its data."""

    why: str
    content: bytes = b""


class Pictures(NamedTuple):
    """The pictures of one reply in order, its usage and its whole body.

    `lost` are the items that hold no usable picture.
    """

    items: list[Picture]
    lost: list[UnreadablePicture]
    usage: Usage | None
    raw: bytes


def pictures(reply: Reply, model: str | None = None) -> Pictures:
    """Read a reply to the request for pictures, streamed or whole.

    Base64 is taken with a `data:` prefix, line breaks, the URL-safe alphabet or without its
    padding; a field that is empty counts as absent. Raises what `reply_body.read_json` raises, and
    IncompleteError for an answer without any picture, with what it says instead.
    """
    kind, raw = read_whole(reply, "heavy", model)
    if detect_picture(raw) is not None:
        # The picture itself in place of JSON.
        return Pictures([Picture(raw, None, None, is_whole(raw))], [], None, raw)
    answer = (
        _merge_events(reply, raw, model)
        if kind == "sse"
        else parse_body(reply, kind, raw, large=True)
    )
    if error := find_refusal(reply, answer, "heavy", model):
        raise error
    read = [_read_item(item) for item in find_items(answer)]
    items = [item for item in read if isinstance(item, Picture)]
    lost = [item for item in read if isinstance(item, UnreadablePicture)]
    if not items:
        raise _no_picture(answer, lost, reply)
    return Pictures(items, lost, _usage(read_object(answer)), raw)


def _no_picture(answer: Any, lost: Sequence[UnreadablePicture], reply: Reply) -> ApiyiError:
    """Return the error of an answer without a picture: declined, or of the wrong kind."""
    facts = facts_of(reply, "content")
    if not lost and (refusal := describe_refusal(answer)):
        advice = Text("see the log in the console; change the prompt, or ask another model")
        hint = describe_billing("maybe", advice)
        return RejectedError(Text("the model made no picture"), refusal, hint=hint, facts=facts)
    return IncompleteError(
        Text("there is no picture in the answer"),
        describe_words(answer) or join_reasons(lost) or Text("it has no data"),
        hint=describe_billing("maybe", Text("change the prompt, or ask another model")),
        facts=facts,
    )


def _usage(answer: dict[str, Any]) -> Usage | None:
    if "usageMetadata" in answer:
        from apiyi_cli.decode.answers.google import google_usage

        return google_usage(answer["usageMetadata"])
    return usage(answer.get("usage"))


def is_whole(content: bytes) -> bool:
    """Return True if a picture has its end, as far as its format shows that."""
    kind = detect_picture(content)
    if kind is PNG:
        return b"IEND\xaeB`\x82" in content
    if kind is JPEG:
        # A thumbnail inside has its own end, but before the scan of the picture.
        return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")
    if kind is WEBP:
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    if kind is GIF:
        return b"\x3b" in content[-16:]
    if kind is SVG:
        if _SVG_END.search(_without_comments_at_end(content)[-1024:]):
            return True
        # Without content: `<svg …/>`.
        root = _TAG.match(content, max(0, find_svg_root(content)))
        return root is not None and root[0].endswith(b"/>")
    return kind is not None


def _without_comments_at_end(svg: bytes) -> bytes:
    tail = svg.rstrip()
    while tail.endswith(b"-->") and (start := tail.rfind(b"<!--")) >= 0:
        tail = tail[:start].rstrip()
    return tail


def join_reasons(lost: Iterable[UnreadablePicture]) -> str:
    """Return why items hold no picture, each reason once."""
    return join_texts(dict.fromkeys(item.why for item in lost), "; ")


def _read_item(item: Any) -> Picture | UnreadablePicture:
    """Return the picture of an item, or the reason why there is none."""
    fields = item if isinstance(item, dict) else {"url": item}
    revised = whole_characters(read_string(fields.get("revised_prompt"))) or None
    packed, url = (read_string(fields.get(name)).strip() for name in ("b64_json", "url"))
    if packed.startswith(("https://", "http://")):
        packed, url = "", packed
    if _DATA_URL.match(url) or ("://" not in url and _is_packed(url)):
        packed, url = packed or url, ""
    lost: UnreadablePicture | None = None
    if packed:
        content = _decode_base64(packed)
        if content is None:
            packed_bytes = packed.encode("utf-8", "replace")
            lost = UnreadablePicture(Text("it is not valid base64"), packed_bytes)
        elif detect_picture(content) is None:
            lost = UnreadablePicture(Text("its bytes are no picture"), content)
        elif (whole := is_whole(content)) or not url:
            return Picture(content, None, revised, whole)
    if url:
        return Picture(b"", url, revised)
    if lost is not None:
        return lost
    if revised:
        return UnreadablePicture(Text("text instead of a picture: {text}", text=shorten(revised)))
    return UnreadablePicture(Text("it is empty"))


def _is_packed(text: str) -> bool:
    """Return True for base64 in place of a link: a picture, or very long."""
    content = _decode_base64(text) if text else None
    return len(text) > _LONGEST_LINK or bool(content and detect_picture(content))


def _decode_base64(packed: str) -> bytes | None:
    """Return the bytes of base64 or of a data URL; None if invalid."""
    if prefix := _DATA_URL.match(packed):
        packed = packed[prefix.end() :]
        if not prefix[0].lower().endswith(";base64,"):
            return unquote_to_bytes(packed)
    try:
        # As it is, because a copy of a large picture costs more than decoding it.
        return binascii.a2b_base64(packed, strict_mode=True)
    except (binascii.Error, ValueError):
        packed = packed.translate(_BLANKS).translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(packed + "=" * (-len(packed) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def _merge_events(reply: Reply, raw: bytes, model: str | None) -> dict[str, Any]:
    """Return a stream's finished pictures as one object; raise an error among its events."""
    data = []
    counts = None
    for event in read_events(reply, [raw], model):
        pictures = event.get("data")
        if read_string(event.get("type")).endswith(".completed"):
            data.append(event)
        elif isinstance(pictures, list):
            data.extend(pictures)
        else:
            continue
        counts = event.get("usage") or counts
    if not data:
        from apiyi_cli.decode.answers.assemble import assemble_completion

        # A model that draws in chat may stream without being asked to.
        return assemble_completion(frame.data for batch in frames([raw]) for frame in batch)
    return {"data": data, "usage": counts}
