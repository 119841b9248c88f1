"""Embeddings out of a reply: each vector as the JSON text that the server wrote.

The numbers are never parsed: a vector is cut out of the body as bytes, the rest of the
object is read as JSON, and the numbers come out again with the digits they had. This is
also what makes it fast. Only base64 is turned into numbers.
"""

from __future__ import annotations

import binascii
from array import array
from sys import byteorder
from typing import Any, NamedTuple

import orjson

from apiyi_cli.core.call import Reply
from apiyi_cli.core.events import Usage
from apiyi_cli.decode.usage import usage
from apiyi_cli.decode.whole import body, value
from apiyi_cli.errors import Facts, IncompleteError

_KEY = b'"embedding"'
_NUMERIC = b"0123456789+-.eE, \t\r\n"


class Vectors(NamedTuple):
    """The vectors of one reply in the order of its inputs, each as JSON text with brackets;
    its usage; and its whole body."""

    texts: list[bytes]
    usage: Usage | None
    raw: bytes


def vectors(
    reply: Reply, wanted: int, dimensions: int | None = None, *, keep_body: bool = False
) -> Vectors:
    """Read the reply for `wanted` inputs; its body is kept when asked for.

    Sorted by `index`, whatever order they came in. Raises IncompleteError for a vector that
    is missing, surplus, of another length than the first (or than `dimensions`), or that
    holds anything but numbers: nothing is ever paired with the wrong input.
    """
    raw = body(reply) if reply.status < 300 else b""
    cut, slices = _cut(raw)
    skeleton, _ = value(reply._replace(chunks=(cut,)) if raw else reply, cost="light")
    data = skeleton.get("data") if isinstance(skeleton, dict) else None
    items = [one for one in data or () if isinstance(one, dict)]
    places = [one.get("index", place) for place, one in enumerate(items)]
    if sorted(place for place in places if isinstance(place, int)) != list(range(wanted)):
        raise _unfit(reply, f"{len(items)} vectors came for {wanted} inputs")
    texts = [b""] * wanted
    length = dimensions
    for place, one in zip(places, items, strict=True):
        text = _text(one.get("embedding"), slices)
        if text is None:
            raise _unfit(reply, f"the vector of input {place} holds something but numbers")
        count = text.count(b",") + 1
        length = length or count
        if count != length:
            raise _unfit(reply, f"the vector of input {place} has {count} numbers, not {length}")
        texts[place] = text
    told = usage(skeleton.get("usage") if isinstance(skeleton, dict) else None)
    return Vectors(texts, told, raw if keep_body else b"")


def _cut(raw: bytes) -> tuple[bytes, list[bytes]]:
    """Take the arrays of numbers out of a body: each is replaced by its number in the list."""
    kept: list[bytes] = []
    slices: list[bytes] = []
    end = 0
    while (at := raw.find(_KEY, end)) >= 0:
        start = at + len(_KEY)
        opened = raw.find(b"[", start, start + 16)
        if opened < 0 or raw[start:opened].strip() != b":":
            kept.append(raw[end:start])
            end = start
            continue
        closed = raw.find(b"]", opened)
        if closed < 0:
            break
        kept.append(raw[end:opened] + str(len(slices)).encode())
        slices.append(raw[opened : closed + 1])
        end = closed + 1
    kept.append(raw[end:])
    return b"".join(kept), slices


def _text(embedding: Any, slices: list[bytes]) -> bytes | None:
    if isinstance(embedding, int) and 0 <= embedding < len(slices):
        inner = slices[embedding][1:-1]
        if not inner.strip() or inner.translate(None, _NUMERIC) or b",," in inner:
            return None
        return slices[embedding]
    if isinstance(embedding, str):
        return _unpacked(embedding)
    return None


def _unpacked(text: str) -> bytes | None:
    """Return the JSON text of little-endian 32-bit floats in base64, None when it is not that."""
    try:
        packed = binascii.a2b_base64(text)
        numbers = array("f", packed)
    except (ValueError, binascii.Error):
        return None
    if byteorder == "big":
        numbers.byteswap()
    written = orjson.dumps(numbers.tolist())
    return None if b"null" in written or not numbers else written


def _unfit(reply: Reply, why: str) -> IncompleteError:
    return IncompleteError(
        "the answer is not what was asked for",
        why,
        hint="it was billed; nothing of it is used",
        facts=Facts(status=reply.status, request_id=reply.request_id, host=reply.host or None),
    )
