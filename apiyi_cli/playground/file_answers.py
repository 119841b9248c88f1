"""Answers with a run's file, or the part that a player asks for."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from apiyi_cli.core.disk import open_regular
from apiyi_cli.core.filetypes import HEAD_BYTES, detect_type
from apiyi_cli.playground.security import FILE_POLICY, HttpAnswer, HttpRefusal

_PIECE_BYTES: Final = 1 << 18
_SHOWN_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def answer_file(path: Path | None, wanted: str = "") -> HttpAnswer:
    """Return a file, shown or saved by its type; `wanted` is the Range line.

    Players seek by ranges, and Safari plays nothing without them. Raises HttpRefusal.
    """
    if path is None:
        raise HttpRefusal(404, "the file is gone")
    try:
        file = open(open_regular(path), "rb")
    except OSError:
        raise HttpRefusal(404, "the file is gone") from None
    size = file.seek(0, 2)
    file.seek(0)
    kind = detect_type(file.read(HEAD_BYTES))
    file.close()
    mime = kind.mime if kind else "application/octet-stream"
    is_shown = mime in _SHOWN_TYPES or mime.startswith(("audio/", "video/"))
    named = f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(path.name)}"
    part = _find_part(wanted, size)
    start, end = part or (0, size)
    headers = [
        ("Content-Disposition", named),
        ("Accept-Ranges", "bytes"),
        ("Content-Length", str(end - start)),
    ]
    if part is not None:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    status = 200 if part is None else 206
    pieces = _read_pieces(path, start, end)
    return HttpAnswer(pieces, mime, status, policy=FILE_POLICY, headers=tuple(headers))


def _find_part(wanted: str, size: int) -> tuple[int, int] | None:
    """Return start and end of the wanted part, None for the whole file. Raises HttpRefusal."""
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        start, end = max(0, size - int(last)), size
    if start >= end:
        raise HttpRefusal(416, "the file has no such part")
    return start, end


def _read_pieces(path: Path, start: int, end: int) -> Generator[bytes]:
    with open(open_regular(path), "rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(_PIECE_BYTES, end - start))):
            start += len(piece)
            yield piece
