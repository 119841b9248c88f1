"""A PNG drawn from a seed: a mirrored pattern of squares in three colours."""

from __future__ import annotations

import struct
import zlib

GRID = 8
_MAGIC = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = struct.pack(">BBBBB", 8, 2, 0, 0, 0)


def png(seed: bytes, width: int, height: int, *, detail: int = GRID) -> bytes:
    """Return a true-colour PNG of this size; `seed` has at least 32 bytes.

    `detail` is the number of squares a side, at most `GRID`.
    """
    header = struct.pack(">II", width, height) + _TRUE_COLOUR
    packer = zlib.compressobj(1)
    packed = bytearray()
    last = -1
    line = b""
    for y in range(height):
        row = y * detail // height
        if row != last:
            last, line = row, b"\0" + _line(seed, row, width, detail)
        packed += packer.compress(line)
    packed += packer.flush()
    note = b"Comment\0[sandbox]"
    return b"".join(
        (
            _MAGIC,
            _chunk(b"IHDR", header),
            _chunk(b"tEXt", note),
            _chunk(b"IDAT", bytes(packed)),
            _chunk(b"IEND", b""),
        )
    )


def _line(seed: bytes, row: int, width: int, detail: int) -> bytes:
    """Return the pixels of one row of squares, the right half mirroring the left."""
    colours = (seed[0:3], seed[3:6], bytes(255 - value for value in seed[0:3]))
    squares = []
    for column in range(detail):
        mirrored = min(column, detail - 1 - column)
        start, end = column * width // detail, (column + 1) * width // detail
        pick = seed[6 + (row * GRID + mirrored) % 26] >> (mirrored % 6)
        squares.append(colours[pick % 3] * (end - start))
    return b"".join(squares)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
