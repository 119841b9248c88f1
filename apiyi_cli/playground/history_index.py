"""The index of a history file: short entries and their places, read on demand."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.core.disk import open_regular
from apiyi_cli.core.jsontext import InvalidJSON, read_event

MOST_PROMPT_CHARS: Final = 200
MOST_SEARCHED_CHARS: Final = 4000
_HEAD_BYTES: Final = 64
"""The start of a line; it contains the entry's id."""
_SHORT: Final = ("id", "at", "command", "model", "prompt", "exit", "stopped", "billed", "cost")


class IndexRow(NamedTuple):
    """An entry: its short form, searched text, place, and bytes on disk."""

    short: dict[str, Any]
    searched: str
    offset: int
    size: int
    files_size: int
    head: bytes

    @property
    def id(self) -> str:
        """Return the entry's id."""
        return str(self.short["id"])


class HistoryIndex:
    """The rows of an NDJSON file, oldest first; thread-safe.

    Each call reads only the lines that are new since the last. A file that was replaced is
    noticed by the last line, which is then elsewhere, and read from its beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._rows: list[IndexRow] = []
        self._end = 0

    def rows(self) -> Sequence[IndexRow]:
        """Return the rows of all lines that are whole and objects."""
        with self._lock:
            try:
                fd = open_regular(self._path)
            except OSError:
                self._rows, self._end = [], 0
                return []
            with os.fdopen(fd, "rb") as file:
                self._read_on(file)
            return list(self._rows)

    def read(self, row: IndexRow) -> dict[str, Any] | None:
        """Return the whole entry of a row, None if the file was replaced meanwhile."""
        with suppress(OSError, InvalidJSON), os.fdopen(open_regular(self._path), "rb") as file:
            file.seek(row.offset)
            entry = read_event(file.read(row.size))
            if isinstance(entry, dict) and entry.get("id") == row.id:
                return entry
        return None

    def _read_on(self, file: Any) -> None:
        if not self._is_same(file):
            self._rows, self._end = [], 0
        file.seek(self._end)
        for line in file:
            if not line.endswith(b"\n"):
                # Another playground may still be writing it.
                return
            if (row := _read_row(line, self._end)) is not None:
                self._rows.append(row)
            self._end += len(line)

    def _is_same(self, file: Any) -> bool:
        """Return True if the file still has the last line that was read."""
        if os.fstat(file.fileno()).st_size < self._end:
            return False
        if not self._rows:
            return self._end == 0
        last = self._rows[-1]
        file.seek(last.offset)
        return bool(file.read(len(last.head)) == last.head)


def _read_row(line: bytes, offset: int) -> IndexRow | None:
    try:
        entry = read_event(line)
    except InvalidJSON:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return None
    prompt = str(entry.get("prompt") or "")
    text = f"{entry.get('command')} {entry.get('model')} {prompt[:MOST_SEARCHED_CHARS]}"
    short = {name: entry.get(name) for name in _SHORT}
    size = entry.get("files_size")
    return IndexRow(
        {**short, "prompt": prompt[:MOST_PROMPT_CHARS]},
        text.lower(),
        offset,
        len(line),
        size if isinstance(size, int) else 0,
        line[:_HEAD_BYTES],
    )
