"""Reads and writes the header of .npy files, which describes a matrix of floats.

The format is numpy's, version 1: a magic text, the length of the description, a Python dict
padded with blanks. It is written with a fixed length, so that it can be written again when the
matrix has grown.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAGIC: Final = b"\x93NUMPY"
NPY_HEAD_BYTES: Final = 128
_TYPE_CODES: Final = {"<f4": "f", "<f8": "d"}


class NpyHead(NamedTuple):
    """Rows and columns of a matrix, the `array` type code of its items, their offset."""

    rows: int
    columns: int
    type_code: str
    offset: int


def format_npy_head(rows: int, columns: int) -> bytes:
    """Return the head of a matrix of little-endian 32-bit floats, row after row."""
    shape = f"({rows}, {columns})"
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    room = NPY_HEAD_BYTES - len(MAGIC) - 4
    return MAGIC + b"\x01\x00" + room.to_bytes(2, "little") + f"{text:<{room - 1}}\n".encode()


def parse_npy_head(start: bytes) -> NpyHead:
    """Return the header at the start of a file. Raises ValueError for other matrices."""
    import ast

    if not start.startswith(MAGIC):
        raise ValueError("it is not an .npy file")
    width = 2 if start[6:7] == b"\x01" else 4
    begin = 8 + width
    end = begin + int.from_bytes(start[8:begin], "little")
    described = ast.literal_eval(start[begin:end].decode("latin-1").strip())
    shape, kind = described["shape"], described["descr"]
    if kind not in _TYPE_CODES or described["fortran_order"] or len(shape) != 2:
        raise ValueError(f"it holds {kind} in the shape {shape}")
    rows, columns = shape
    return NpyHead(rows, columns, _TYPE_CODES[kind], end)
