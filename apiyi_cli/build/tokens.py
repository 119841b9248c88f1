"""Estimates the tokens of a request, for limits, `batch --check` and costs.

Text counts a third of its bytes; a picture its tiles, sound its seconds, a document its
pages, never the base64 that carries them. The answer's tokens are added.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TypeGuard

from apiyi_cli.core.call import Call, Part

FIRST_ANSWER: Final = 256.0
"""The assumed tokens of an answer of an unknown model."""
BYTES_IN_TOKEN: Final = 3
TOKENS_IN_SECOND: Final = 10
"""Tokens for a second of sound in OpenAI's models."""
TOKENS_IN_PAGE: Final = 1000
TOKENS_IN_SMALL_PICTURE: Final = 85
TOKENS_IN_TILE: Final = 170
TOKENS_IN_UNKNOWN_PICTURE: Final = 765
"""The assumed size of a picture that only the gateway reads: 1024 x 1024."""

_LENGTH_FIELDS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "maxOutputTokens")
_HEAD_CHARS = 1 << 16
_SHORTEST_BASE64 = 512
_BASE64 = r"[A-Za-z0-9+/_-]+={0,2}"
_PICTURE_FIELDS = ("image", "mask", "input_image", "input_reference")


def estimate_tokens(call: Call, answer_mean: float = FIRST_ANSWER) -> int:
    """Return the estimated tokens of a request and its answer.

    `answer_mean` is the mean length of the model's answers; it counts where the request
    does not bound the answer itself. Vectors and rankings have no answer in tokens.
    """
    asked = sum(_tokens_of(call.json)) if call.json is not None else 0.0
    asked += sum(map(_tokens_of_part, call.parts))
    if call.raw is not None:
        asked += len(call.raw) / BYTES_IN_TOKEN
    return math.ceil(asked + _answer_tokens(call, answer_mean))


def estimate_text_tokens(value: Any) -> int:
    """Return the tokens of a JSON value that is part of a request."""
    return math.ceil(sum(_tokens_of(value)))


def picture_tokens(width: int, height: int, *, low_detail: bool = False) -> int:
    """Return the tokens of a picture: its tiles of 512 pixels after the usual shrinking.

    Source: OpenAI, "Images and vision", the rule for the tile models: at most 2048 pixels
    each way, then at most 768 on the shorter side.
    """
    if low_detail:
        return TOKENS_IN_SMALL_PICTURE
    shrink = min(1.0, 2048 / max(width, height))
    shrink = min(shrink, max(768 / min(width, height), 1 / 512))
    tiles = [max(1, math.ceil(side * shrink / 512)) for side in (width, height)]
    return TOKENS_IN_SMALL_PICTURE + TOKENS_IN_TILE * tiles[0] * tiles[1]


def _answer_tokens(call: Call, answer_mean: float) -> float:
    if call.cost in ("free", "light"):
        return 0.0
    body = call.json if isinstance(call.json, dict) else {}
    if call.protocol == "google":
        config = body.get("generationConfig")
        body = config if isinstance(config, dict) else {}
    bounds = (body[name] for name in _LENGTH_FIELDS if _is_count(body.get(name)))
    bound = next(bounds, None)
    if bound is None:
        return answer_mean
    choices = body.get("n", body.get("candidateCount"))
    return float(bound) * (min(choices, 1000) if _is_count(choices) else 1)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40


def _tokens_of(value: Any) -> Iterator[float]:
    """Yield the tokens of everything in a JSON value. Depth is bounded by a stack."""
    waiting: list[tuple[Any, str, bool]] = [(value, "", False)]
    while waiting:
        node, name, low = waiting.pop()
        if isinstance(node, str):
            yield _tokens_of_text(node, name, low)
        elif isinstance(node, Mapping):
            yield sum(map(len, map(str, node))) / BYTES_IN_TOKEN
            low = low or node.get("detail") == "low"
            waiting += [(inner, str(field), low) for field, inner in node.items()]
        elif isinstance(node, list | tuple):
            if node and isinstance(node[0], int) and all(type(item) is int for item in node):
                # Tokens, given as their numbers.
                yield len(node)
            else:
                waiting += [(inner, name, low) for inner in node]


def _tokens_of_text(text: str, name: str, low_detail: bool) -> float:
    if text.startswith("data:") and ";base64," in text[:256]:
        head, _, content = text.partition(",")
        return _tokens_of_base64(content, head[5:].partition("/")[0], low_detail)
    if name in ("url", "image_url", *_PICTURE_FIELDS) and text.startswith(("https:", "http:")):
        return TOKENS_IN_SMALL_PICTURE if low_detail else TOKENS_IN_UNKNOWN_PICTURE
    if len(text) >= _SHORTEST_BASE64 and re.fullmatch(_BASE64, text[:_SHORTEST_BASE64]):
        kind = _sniff_family(text)
        if kind is not None:
            return _tokens_of_base64(text, kind, low_detail)
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return size / BYTES_IN_TOKEN


def _sniff_family(text: str) -> str | None:
    from apiyi_cli.core.filetypes import detect_type

    kind = detect_type(_decode_head(text, 128))
    return kind.family if kind is not None else None


def _tokens_of_base64(text: str, family: str, low_detail: bool) -> float:
    head = _decode_head(text, _HEAD_CHARS)
    return _tokens_of_media(head, len(text) * 3 // 4, _sniff_family(text) or family, low_detail)


def _tokens_of_media(head: bytes, size: int, family: str, low_detail: bool = False) -> float:
    from apiyi_cli.build.mediasize import pdf_pages, picture_size, sound_seconds

    if family == "image":
        if low_detail:
            return TOKENS_IN_SMALL_PICTURE
        pixels = picture_size(head)
        return picture_tokens(*pixels) if pixels is not None else TOKENS_IN_UNKNOWN_PICTURE
    if family == "audio":
        return TOKENS_IN_SECOND * sound_seconds(head, size)
    if family in ("document", "office", "application"):
        return TOKENS_IN_PAGE * pdf_pages(head, size)
    if family == "video":
        # A picture and its sound for each second, at the rate of a phone's camera.
        return 300 * max(1.0, size / 500_000)
    return size / BYTES_IN_TOKEN


def _decode_head(text: str, chars: int) -> bytes:
    piece = text[: chars - chars % 4].replace("-", "+").replace("_", "/")
    with suppress(binascii.Error, ValueError):
        return base64.b64decode(piece + "=" * (-len(piece) % 4))
    return b""


def _tokens_of_part(part: Part) -> float:
    if part.value is not None:
        return len(part.value.encode("utf-8", "surrogatepass")) / BYTES_IN_TOKEN
    from apiyi_cli.core.filetypes import detect_type

    head, size = _head_of_part(part)
    kind = detect_type(head)
    family = kind.family if kind is not None else (part.type or "").partition("/")[0]
    if part.name == "file" and family in ("video", "application"):
        family = "audio"
    return _tokens_of_media(head, size, family)


def _head_of_part(part: Part) -> tuple[bytes, int]:
    if part.content is not None:
        return part.content[:_HEAD_CHARS], len(part.content)
    if part.path is not None:
        with suppress(OSError), open(part.path, "rb") as file:
            return file.read(_HEAD_CHARS), os.fstat(file.fileno()).st_size
    return b"", 0


def upload_seconds(call: Call) -> float | None:
    """Return the seconds of the recording that a request uploads, None if there is none."""
    from apiyi_cli.build.mediasize import sound_seconds

    for part in call.parts:
        if part.name != "file":
            continue
        head, size = _head_of_part(part)
        return sound_seconds(head, size) if size else None
    return None
