"""Text that a terminal shows instead of obeying.

What a model or server says may hold escape sequences that set the window's title, write
the clipboard or make the terminal type an answer, and direction overrides that show a
command other than the one that is there. Here they become visible characters. Output into
a pipe never passes through this module: it is byte-exact.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

_NEEDS_CARE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# Every sequence (CSI, OSC, DCS, APC, PM, SOS) starts with ESC or with one C1 character:
# once those are plain text the rest of the sequence is, too, wherever it was split.
_SHOWN: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: "\u2421",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


class Safe:
    """Makes a text safe piece by piece.

    `\\t` and `\\n` stay, CR LF becomes LF even when the two come in different pieces, any
    other control character, C1 included, becomes its picture (`␛`) or escape (`\\x9b`),
    direction overrides and isolates their escape (`\\u202e`), a lone surrogate U+FFFD.
    """

    def __init__(self) -> None:
        self._cr = ""

    def feed(self, text: str) -> str:
        """Return what may be shown now; a CR at the end is held until the next piece."""
        if not self._cr and not _NEEDS_CARE.search(text):
            return text
        text = self._cr + text
        self._cr = "\r" if text.endswith("\r") else ""
        return text.removesuffix("\r").replace("\r\n", "\n").translate(_SHOWN)

    def close(self) -> str:
        """Return what was still held."""
        held, self._cr = self._cr, ""
        return held.translate(_SHOWN)


def safe(text: str) -> str:
    """Return a whole text made safe by the rules of `Safe`."""
    if not _NEEDS_CARE.search(text):
        return text
    return text.replace("\r\n", "\n").translate(_SHOWN)


def shown(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield UTF-8 output made safe for a terminal, item by item.

    Bytes that are not UTF-8 become U+FFFD, which also disarms the one-byte forms of C1. An
    error raised by `lines` passes through after what was held has been yielded.
    """
    decoder = getincrementaldecoder("utf-8")("replace")
    safely = Safe()
    try:
        for data in lines:
            if out := safely.feed(decoder.decode(data)):
                yield out.encode()
    except Exception:
        if out := safely.feed(decoder.decode(b"", True)) + safely.close():
            yield out.encode()
        raise
    if out := safely.feed(decoder.decode(b"", True)) + safely.close():
        yield out.encode()
