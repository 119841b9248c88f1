"""Pictures on a terminal: sequences of kitty and iTerm2, and chafa for others."""

from __future__ import annotations

import binascii
import os
import struct
from collections.abc import Mapping
from typing import Literal

_CHUNK_CHARS = 4096
_CELL = (8, 16)
"""The size of a character in pixels if the terminal does not say."""
_PROMPT_ROWS = 3
"""Rows left for the file's name and the next prompt."""
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


def find_room(columns: int, rows: int) -> tuple[int, int]:
    """Return the columns and rows that a picture may take in a window."""
    return max(columns, 1), max(rows - _PROMPT_ROWS, 1)


def kitty(png: bytes, room: tuple[int, int]) -> bytes:
    """Return kitty's sequences for a PNG: base64 in pieces of at most 4096.

    A picture that is larger than the `room`, in columns and rows, is made to fit.
    """
    size = b"".join(b"%c=%d," % pair for pair in _fit_png(png, room))
    packed = binascii.b2a_base64(png, newline=False)
    pieces = [packed[at : at + _CHUNK_CHARS] for at in range(0, len(packed), _CHUNK_CHARS)]
    sequences = []
    for number, piece in enumerate(pieces, 1):
        # q=2: the terminal must not answer, because the answer is not read.
        keys = b"a=T,f=100,q=2," + size if number == 1 else b""
        more = b"0" if number == len(pieces) else b"1"
        sequences.append(b"\x1b_G" + keys + b"m=" + more + b";" + piece + b"\x1b\\")
    return b"".join(sequences) + b"\n"


def _fit_png(png: bytes, room: tuple[int, int]) -> list[tuple[bytes, int]]:
    """Return kitty's parameter for the longer side; the other one follows."""
    width, height = struct.unpack(">II", png[16:24].ljust(8, b"\0"))
    columns, rows = width / _CELL[0], height / _CELL[1]
    if columns <= room[0] and rows <= room[1]:
        return []
    if columns / room[0] >= rows / room[1]:
        return [(b"c", room[0])]
    return [(b"r", room[1])]


def iterm(content: bytes, room: tuple[int, int]) -> bytes:
    """Return iTerm2's sequence for a picture of any type, within columns and rows."""
    size = str(len(content)).encode()
    packed = binascii.b2a_base64(content, newline=False)
    fit = b"width=%d;height=%d;preserveAspectRatio=1" % room
    return b"\x1b]1337;File=inline=1;size=" + size + b";" + fit + b":" + packed + b"\x07\n"


def chafa(path: str, room: tuple[int, int]) -> list[str]:
    """Return the command that draws a file with characters, within columns and rows."""
    # Absolute, because a path that begins with a dash would be an option.
    return ["chafa", "--size", f"{room[0]}x{room[1]}", os.path.abspath(path)]
