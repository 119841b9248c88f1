"""Splits a long text at sentence ends into parts that speech models take."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MOST_CHARACTERS: Final = 4096
"""The longest `input` of the endpoint (OpenAI, "Create speech")."""
MOST_TOKEN_BYTES: Final = 5400
"""A part's bytes for the models that count 2,000 tokens, a token for three bytes."""

_BREAKS: Final = (
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"(?:[。！？｡…]+|[.!?؟।]+(?=[\"'”’»)\]]*\s))[\"'”’»）)\]」』】]*\s*"),
    re.compile(r"[，、；：,;:—]+\s*"),
    re.compile(r"\s+"),
)
"""Where a text is cut, best first: between paragraphs, lines, sentences, clauses, words."""

_JOINER: Final = "\u200d"


def split_text(text: str, *, counts_tokens: bool = False) -> list[str]:
    """Return the parts of a text in order, without the blanks between them.

    Each has at most 4,096 characters, with `counts_tokens` 5,400 bytes of UTF-8 as well, and
    ends at a paragraph, a line, a sentence, a clause or a word, whichever is best in its
    second half. A word that is too long is cut, but never within a character.
    """
    return list(_split(text.strip(), counts_tokens=counts_tokens))


def _split(text: str, *, counts_tokens: bool) -> Iterator[str]:
    begin = 0
    while begin < len(text):
        window = text[begin : begin + MOST_CHARACTERS]
        if counts_tokens:
            window = window.encode("utf-8", "surrogatepass")[:MOST_TOKEN_BYTES].decode(
                "utf-8", "ignore"
            )
        size = len(window)
        if begin + size < len(text):
            size = _find_break(text, begin, size)
        if part := text[begin : begin + size].strip():
            yield part
        begin += size


def _find_break(text: str, begin: int, size: int) -> int:
    """Return how many characters after `begin` the next part has, at most `size`."""
    least, end = begin + size // 2, begin + size
    for pattern in _BREAKS:
        # A break may go on beyond the window: the blanks after it are not spoken.
        found = [match.end() for match in pattern.finditer(text, least, end)]
        if found:
            return found[-1] - begin
    while end > least and _is_joined(text, end):
        end -= 1
    return end - begin


def _is_joined(text: str, at: int) -> bool:
    """Return True if a cut at `at` would be within one visible character."""
    return unicodedata.category(text[at])[0] == "M" or _JOINER in text[at - 1 : at + 1]
