"""Pictures drawn from a seed: a mirrored pattern of squares in three colours."""

from __future__ import annotations

import struct
import zlib

GRID = 8
_CLEAR, _END, _CODES_AT_ONCE = 128, 129, 126
"""GIF's codes for a new table and the end, and how many bytes follow before the table is full."""
_MAGIC = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = struct.pack(">BBBBB", 8, 2, 0, 0, 0)


def draw(seed: bytes, width: int, height: int, form: str | None) -> bytes:
    """Return a picture in the requested form: GIF, SVG, else PNG."""
    if form == "gif":
        return _gif(seed, width, height)
    return _svg(seed, width, height) if form == "svg" else png(seed, width, height)


def _svg(seed: bytes, width: int, height: int) -> bytes:
    side_x, side_y = width / GRID, height / GRID
    squares = "".join(
        f'<rect x="{column * side_x:g}" y="{row * side_y:g}" width="{side_x:g}" '
        f'height="{side_y:g}" fill="#{_colour(seed, row, column, GRID).hex()}"/>'
        for row in range(GRID)
        for column in range(GRID)
    )
    size = f'width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{squares}</svg>'.encode()


def _gif(seed: bytes, width: int, height: int) -> bytes:
    """Return an unpacked GIF: its table begins anew before codes grow."""
    colours = _list_colours(seed)
    pixels = bytearray()
    for y in range(height):
        row = y * GRID // height
        for column in range(GRID):
            start, end = column * width // GRID, (column + 1) * width // GRID
            index = colours.index(_colour(seed, row, column, GRID))
            pixels += bytes((index,)) * (end - start)
    codes = bytearray()
    for at in range(0, len(pixels), _CODES_AT_ONCE):
        codes.append(_CLEAR)
        codes += pixels[at : at + _CODES_AT_ONCE]
    codes.append(_END)
    blocks = b"".join(
        bytes((len(block),)) + block
        for block in (codes[at : at + 255] for at in range(0, len(codes), 255))
    )
    palette = b"".join(colours).ljust(3 * 128, b"\0")
    screen = struct.pack("<HHBBB", width, height, 0xF6, 0, 0)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return b"".join((b"GIF89a", screen, palette, frame, b"\x07", blocks, b"\0;"))


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
    note = _chunk(b"tEXt", b"Comment\0[sandbox]")
    content = _chunk(b"IHDR", header) + note + _chunk(b"IDAT", bytes(packed))
    return _MAGIC + content + _chunk(b"IEND", b"")


def _list_colours(seed: bytes) -> tuple[bytes, bytes, bytes]:
    return seed[0:3], seed[3:6], bytes(255 - value for value in seed[0:3])


def _colour(seed: bytes, row: int, column: int, detail: int) -> bytes:
    """Return the colour of a square; the right half mirrors the left."""
    mirrored = min(column, detail - 1 - column)
    pick = seed[6 + (row * GRID + mirrored) % 26] >> (mirrored % 6)
    return _list_colours(seed)[pick % 3]


def _line(seed: bytes, row: int, width: int, detail: int) -> bytes:
    squares = []
    for column in range(detail):
        start, end = column * width // detail, (column + 1) * width // detail
        squares.append(_colour(seed, row, column, detail) * (end - start))
    return b"".join(squares)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
