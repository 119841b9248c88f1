"""Reads picture size, recording length and PDF pages from the first bytes."""

from __future__ import annotations

import re
import struct
from typing import Final

from apiyi_cli.core.filetypes import BMP, GIF, JPEG, PNG, WAV, WEBP, detect_type

BYTES_IN_SECOND: Final = 8_000
"""Compressed speech at 64 kbit/s, for recordings whose header has no bit rate."""
BYTES_IN_PAGE: Final = 50_000
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The JPEG segments that hold the size of the picture."""
_MP3_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MP3_LOW_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_PAGE = re.compile(rb"/Type\s*/Page\b")


def picture_size(head: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG, GIF, WebP or BMP, None if unknown."""
    kind, size = detect_type(head), None
    if kind is PNG and len(head) >= 24:
        size = struct.unpack(">II", head[16:24])
    elif kind is GIF and len(head) >= 10:
        size = struct.unpack("<HH", head[6:10])
    elif kind is BMP and len(head) >= 26:
        width, height = struct.unpack("<ii", head[18:26])
        size = (abs(width), abs(height))
    elif kind is JPEG:
        size = _jpeg_size(head)
    elif kind is WEBP:
        size = _webp_size(head)
    return size if size is not None and min(size) > 0 else None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        if marker == 0xFF:
            at += 1
        elif marker in (0x01, *range(0xD0, 0xD9)):
            at += 2
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        width, height = head[24:27], head[27:30]
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
    if kind == b"VP8 " and len(head) >= 30:
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def sound_seconds(head: bytes, size: int) -> float:
    """Return how long a recording of `size` bytes is.

    Exact for WAV, by the first frame's bit rate for MP3, else by the rate of compressed speech.
    """
    if detect_type(head) is WAV:
        at = head.find(b"fmt ")
        rate = int.from_bytes(head[at + 16 : at + 20], "little") if at >= 0 else 0
        return max(0, size - 44) / rate if rate else size / BYTES_IN_SECOND
    kbits = _mp3_kbits(head)
    return size / (kbits * 125) if kbits else size / BYTES_IN_SECOND


def _mp3_kbits(head: bytes) -> int:
    at = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        a, b, c, d = (byte & 0x7F for byte in head[6:10])
        at = 10 + (a << 21 | b << 14 | c << 7 | d)
    frame = head[at : at + 3]
    if len(frame) < 3 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return 0
    table = _MP3_KBITS if frame[1] & 0x18 == 0x18 else _MP3_LOW_KBITS
    return table[frame[2] >> 4]


def pdf_pages(head: bytes, size: int) -> int:
    """Return about how many pages a PDF has; its first bytes seldom hold them all."""
    return max(1, len(_PAGE.findall(head)), size // BYTES_IN_PAGE)
