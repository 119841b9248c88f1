"""Joins recordings of a text's parts as they arrive: MP3, AAC, WAV, samples.

Ogg and FLAC number their frames; joining those is for ffmpeg.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from apiyi_cli.errors import IncompleteError
from apiyi_cli.text import Text

_UNKNOWN_SIZE: Final = 0xFFFFFFFF
_HEAD_BYTES: Final = 1 << 16
_ID3_BYTES: Final = 10
_SIZES_AT: Final = 4
_LENGTH_WITHIN: Final = 48
# MPEG-1 and MPEG-2 layer III: kbit/s by the index in the header (ISO 11172-3, 13818-3).
_KBITS: Final = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES_HZ: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def join_audio(parts: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """Yield the bytes of one recording that plays all parts in order.

    The kind is read from the bytes. Of MP3 the tags and the frames that state a length go; of
    WAV the first header stays, with an unknown length (`state_length` writes it into a file).
    Raises IncompleteError for WAV parts of different formats.
    """
    format_chunk: bytes | None = None
    for part in parts:
        pieces = iter(part)
        head = _read(pieces, b"", _SIZES_AT)
        if head[:4] == b"RIFF":
            head, about, size = _read_wav_head(pieces, head)
            if format_chunk is None:
                format_chunk = about
                yield _wav_head(about, _UNKNOWN_SIZE)
            elif about != format_chunk:
                raise IncompleteError(
                    Text("the parts do not fit together"),
                    Text("the server sent their sound in different formats"),
                )
            yield from _take(head, pieces, size)
            continue
        if head[:3] == b"ID3" or _is_mpeg(head):
            head = _strip_mp3_head(pieces, head)
        if head:
            yield head
        yield from pieces


def state_length(path: Path) -> None:
    """Write the length of a joined WAV into its header; skip other files."""
    with path.open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        at = head.find(b"data\xff\xff\xff\xff")
        if head[:8] != b"RIFF\xff\xff\xff\xff" or at < 0:
            return
        size = file.seek(0, 2)
        for place, start in ((_SIZES_AT, 8), (at + 4, at + 8)):
            file.seek(place)
            file.write(struct.pack("<I", min(size - start, _UNKNOWN_SIZE)))


def _read(pieces: Iterator[bytes], head: bytes, size: int) -> bytes:
    """Return `head`, continued from the pieces until it has `size` bytes or they end."""
    while len(head) < size:
        piece = next(pieces, None)
        if piece is None:
            break
        head += piece
    return head


def _wav_head(about: bytes, size: int) -> bytes:
    fields = (b"RIFF", size, b"WAVE", b"fmt ", len(about), about, b"data", size)
    return struct.pack(f"<4sI4s4sI{len(about)}s4sI", *fields)


def _take(head: bytes, pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield `size` bytes of samples, or all of unknown size; other chunks may follow."""
    left = size if 0 < size < _UNKNOWN_SIZE else None
    for piece in chain((head,), pieces):
        yield piece[:left]
        left = None if left is None else max(0, left - len(piece))


def _read_wav_head(pieces: Iterator[bytes], head: bytes) -> tuple[bytes, bytes, int]:
    """Return the first samples, the format chunk and the stated size of the samples."""
    at, about = 12, b""
    while True:
        head = _read(pieces, head, at + 8)
        if len(head) < at + 8 or at > _HEAD_BYTES:
            raise IncompleteError(
                Text("the answer is not what was asked for"), Text("a WAV file without samples")
            )
        kind, size = struct.unpack_from("<4sI", head, at)
        if kind == b"data":
            return head[at + 8 :], about, size
        head = _read(pieces, head, at + 8 + size)
        if kind == b"fmt ":
            about = head[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _is_mpeg(head: bytes) -> bool:
    """Return True for the header of a layer III frame; AAC has no layer there."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2


def _strip_mp3_head(pieces: Iterator[bytes], head: bytes) -> bytes:
    """Return the head without its ID3v2 tag and its Xing, Info or VBRI frame."""
    while head[:3] == b"ID3":
        head = _read(pieces, head, _ID3_BYTES)
        size = 0
        for byte in head[6:_ID3_BYTES]:
            size = size << 7 | byte & 0x7F
        head = _read(pieces, head, _ID3_BYTES + size + _SIZES_AT)[_ID3_BYTES + size :]
    size = _frame_bytes(head)
    frame = _read(pieces, head, size)
    is_about_length = any(mark in frame[4:_LENGTH_WITHIN] for mark in (b"Xing", b"Info", b"VBRI"))
    return frame[size:] if is_about_length else frame


def _frame_bytes(head: bytes) -> int:
    """Return the length of the layer III frame whose header begins `head`, 0 for none."""
    if len(head) < _SIZES_AT or not _is_mpeg(head):
        return 0
    version, rate, kbits = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version not in _RATES_HZ or rate == 3 or kbits in (0, 15):
        return 0
    is_first = version == 3
    scale = 144_000 if is_first else 72_000
    return scale * _KBITS[not is_first][kbits] // _RATES_HZ[version][rate] + (head[2] >> 1 & 1)
