"""POST /v1/embeddings: feature-hashed unit vectors, so that similar texts are near.

A text's features are its words and the three-letter pieces of them; each adds plus or minus
its weight to one dimension, which its hash picks.
"""

from __future__ import annotations

import math
import re
import sys
from array import array
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from zlib import crc32

from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import model_of
from apiyi_cli.sandbox.received_request import ReceivedRequest
from apiyi_cli.sandbox.request_summary import tokens
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid

INPUTS_MAX = 2048
TOKENS_MAX = 8192
"""Tokens that a text may have; a request with a longer one is refused as a whole."""
DIMENSIONS = {
    "text-embedding-3-large": 3072,
    "text-embedding-3-small": 1536,
    "text-embedding-ada-002": 1536,
    "bge-m3": 1024,
}
_ORDINARY_DIMENSIONS = 1536
_PIECE_WEIGHT = 0.35
_WORD = re.compile(r"\w+")


def embeddings(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer with one vector per input, in order."""
    fields = checks.json_fields(request)
    model = model_of(fields, "embed")
    checks.check_bounds(fields, {"dimensions": (int, 1, 1 << 16)})
    form = checks.check_choice(fields, "encoding_format", "float", "base64")
    natural = DIMENSIONS.get(model, _ORDINARY_DIMENSIONS)
    size = fields.get("dimensions") or natural
    if size != natural and model in ("bge-m3", "text-embedding-ada-002"):
        raise invalid("This model does not support 'dimensions'", "dimensions")
    if size > natural:
        raise invalid(f"'dimensions' must be at most {natural}", "dimensions")
    texts = _texts(checks.require_field(fields, "input"))
    _check_lengths(texts, model)
    data = [
        {"object": "embedding", "index": k, "embedding": _encode(unit_vector(text, size), form)}
        for k, text in enumerate(texts)
    ]
    used = sum(tokens(text) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return ScriptedReply.json(
        {"object": "list", "data": data, "model": model, "usage": usage}, tokens=used
    )


def _check_lengths(texts: list[str], model: str) -> None:
    """Refuse the request for a text that is too long. The message does not say which."""
    longest = max(map(tokens, texts))
    if longest > TOKENS_MAX:
        raise invalid(
            f"This model's maximum context length is {TOKENS_MAX} tokens, however you requested "
            f"{longest} tokens ({longest} in your prompt; 0 for the completion). Please reduce "
            f"your prompt; or completion length.",
            "input",
            "context_length_exceeded",
        )


@lru_cache(maxsize=256)
def unit_vector(text: str, size: int) -> array[float]:
    """Return the single-precision vector of a text; its length is 1."""
    values = [0.0] * size
    for feature, weight in _features(text):
        digest = crc32(feature.encode("utf-8", "surrogatepass"))
        values[(digest >> 1) % size] += weight if digest & 1 else -weight
    length = math.sqrt(sum(value * value for value in values))
    if not length:
        values[0] = length = 1.0
    return array("f", [value / length for value in values])


def _features(text: str) -> Iterator[tuple[str, float]]:
    words = _WORD.findall(text.lower()) or [text]
    for word in words:
        yield word, 1.0
        framed = f"<{word}>"
        for at in range(len(framed) - 2):
            yield framed[at : at + 3], _PIECE_WEIGHT


def _encode(vector: array[float], form: str | None) -> Any:
    if form != "base64":
        return vector.tolist()
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return b64encode(vector.tobytes()).decode()


def _texts(given: Any) -> list[str]:
    """Return the inputs as texts: one, several, or token lists."""
    inputs = given if isinstance(given, list) else [given]
    if inputs and all(isinstance(item, int) for item in inputs):
        inputs = [inputs]
    if len(inputs) > INPUTS_MAX:
        raise invalid(f"'input' must have at most {INPUTS_MAX} items", "input")
    texts = []
    for item in inputs:
        if isinstance(item, list) and item and all(isinstance(token, int) for token in item):
            texts.append(" ".join(map(str, item)))
        elif isinstance(item, str) and item:
            texts.append(item)
        else:
            raise invalid("'input' must be texts or token lists, none of them empty", "input")
    return texts
