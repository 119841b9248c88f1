"""Pictures on the terminal: the sequences of kitty and iTerm2, and chafa for the others."""

from __future__ import annotations

import binascii
import os
from collections.abc import Mapping
from typing import Literal

_CHUNK_CHARS = 4096
_KITTY = ("kitty", "ghostty")
_ITERM = ("iterm.app", "wezterm", "mintty", "rio")


def protocol(environ: Mapping[str, str]) -> Literal["kitty", "iterm"] | None:
    """Return the protocol for pictures that the terminal understands.

    Inside tmux or screen None: they swallow the sequences.
    """
    if environ.get("TMUX") or environ.get("TERM", "").startswith(("screen", "tmux")):
        return None
    program = environ.get("TERM_PROGRAM", "").lower()
    term = environ.get("TERM", "").lower()
    if environ.get("KITTY_WINDOW_ID") or any(name in (program, term[6:]) for name in _KITTY):
        return "kitty"
    name = environ.get("LC_TERMINAL", "").lower()
    return "iterm" if program in _ITERM or name == "iterm2" else None


def kitty(png: bytes) -> bytes:
    """Return the sequences that show a PNG in kitty: base64 in pieces of at most 4096."""
    packed = binascii.b2a_base64(png, newline=False)
    pieces = [packed[at : at + _CHUNK_CHARS] for at in range(0, len(packed), _CHUNK_CHARS)]
    sequences = []
    for number, piece in enumerate(pieces, 1):
        # q=2: the terminal must not answer, nobody would read it.
        keys = b"a=T,f=100,q=2," if number == 1 else b""
        more = b"0" if number == len(pieces) else b"1"
        sequences.append(b"\x1b_G" + keys + b"m=" + more + b";" + piece + b"\x1b\\")
    return b"".join(sequences) + b"\n"


def iterm(content: bytes) -> bytes:
    """Return the sequence that shows a picture of any type in iTerm2."""
    size = str(len(content)).encode()
    packed = binascii.b2a_base64(content, newline=False)
    return b"\x1b]1337;File=inline=1;size=" + size + b":" + packed + b"\x07\n"


def chafa(path: str, width: int) -> list[str]:
    """Return the command that draws a file with characters, `width` columns wide at most."""
    # Absolute, because a path that begins with a dash would be an option.
    return ["chafa", "--size", f"{width}x", os.path.abspath(path)]
