"""Makes text safe for a terminal: it is shown, not obeyed.

A model's or server's text may contain escape sequences that set the window's title, write
the clipboard or make the terminal type an answer, and direction overrides that show a
command other than the one that is there. Here they become visible characters.

The console applies these rules to everything that reaches a terminal. A renderer that lays
text out calls them first, because only then is the text as wide as it will be.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Callable
from functools import cache
from typing import Literal

Content = Literal["text", "json", "styled", "live", "raw"]
"""What bytes for stdout are: text; JSON, which has to stay JSON; text that our renderers have
made safe and given colours, or also draw anew; bytes that are not text (a picture)."""

_PASSING = {
    "styled": "(\x1b\\[[0-9;]*m)",
    # Also to the beginning of a row some rows above, to a column, and erase from there.
    "live": "(\x1b\\[(?:[0-9;]*m|[0-9]{0,3}F|[0-9]{0,4}G|K))",
}

_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_C0 = tuple(code for code in range(0x20) if chr(code) not in "\t\n")


# Made on first use: a run into a pipe needs none of them.
@cache
def _needs_care() -> re.Pattern[str]:
    return re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@cache
def _surrogates() -> dict[int, str]:
    return dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


@cache
def _as_text() -> dict[int, str]:
    """Return replacements for every character that a terminal would obey.

    Every sequence (CSI, OSC, DCS, APC, PM, SOS) starts with ESC or with one C1 character: once
    those are plain text the rest of the sequence is, too, wherever it was split.
    """
    return {
        **{code: chr(0x2400 + code) for code in _C0},
        0x7F: "\u2421",
        **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
        **{code: f"\\u{code:04x}" for code in _BIDI},
        **_surrogates(),
    }


@cache
def _as_json() -> dict[int, str]:
    return {
        **{code: f"\\u{code:04x}" for code in (*_C0, *range(0x7F, 0xA0), *_BIDI)},
        **_surrogates(),
    }


class Neutralizer:
    """Makes a text safe piece by piece.

    `\\t` and `\\n` stay, CR LF becomes LF even when the two come in different pieces, any
    other control character, C1 included, becomes its picture (`␛`) or escape (`\\x9b`),
    direction overrides and isolates their escape (`\\u202e`), a lone surrogate U+FFFD. With
    `json` all of them become `\\u` escapes, which a JSON string may hold.
    """

    def __init__(self, *, json: bool = False) -> None:
        self._table = _as_json if json else _as_text
        self._cr = ""

    def feed(self, text: str) -> str:
        """Return the safe text so far. A CR at the end is held until the next piece."""
        if not self._cr and not _needs_care().search(text):
            return text
        text = self._cr + text
        self._cr = "\r" if text.endswith("\r") else ""
        return text.removesuffix("\r").replace("\r\n", "\n").translate(self._table())

    def close(self) -> str:
        """Return the held text."""
        held, self._cr = self._cr, ""
        return held.translate(self._table())


def neutralize(text: str, table: Callable[[], dict[int, str]] = _as_text) -> str:
    """Return a whole text made safe by the rules of `Neutralizer`."""
    if not _needs_care().search(text):
        return text
    return text.replace("\r\n", "\n").translate(table())


def neutralize_json(text: str) -> str:
    """Return JSON that is equal to `text` and safe to show."""
    return neutralize(text, _as_json)


def neutralize_line(text: str) -> str:
    """Return a text made safe and put on one line."""
    return neutralize(text).replace("\n", "␊").replace("\t", " ")


class TerminalEncoder:
    """Makes output safe for a terminal, item by item, by its kind of content.

    Bytes that are not UTF-8 become U+FFFD, which also disarms the one-byte forms of C1. Of
    `styled` output the colour sequences alone pass: a renderer that forgot to make a text
    safe still cannot move the cursor or reach the clipboard. Of `live` output those that draw
    rows anew pass as well.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._neutralizer = Neutralizer(json=content == "json")

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that may be written now."""
        if self._content == "raw":
            return data
        return self._encode(self._decoder.decode(data))

    def close(self) -> bytes:
        """Return the held bytes."""
        if self._content == "raw":
            return b""
        rest = self._encode(self._decoder.decode(b"", True))
        return rest + self._neutralizer.close().encode()

    def _encode(self, text: str) -> bytes:
        passing = _PASSING.get(self._content)
        if passing is None or "\x1b" not in text:
            return self._neutralizer.feed(text).encode()
        pieces = re.split(passing, text)
        pieces[::2] = map(self._neutralizer.feed, pieces[::2])
        return "".join(pieces).encode()


def encode_for_terminal(data: bytes, content: Content) -> bytes:
    """Return a whole output made safe for a terminal."""
    encoder = TerminalEncoder(content)
    return encoder.feed(data) + encoder.close()
