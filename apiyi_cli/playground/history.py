"""The page's history: requests and answers, in a private file of the state folder."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.core.disk import make_private_folder, open_regular, read_regular, replace_private
from apiyi_cli.core.jsontext import InvalidJSON, read_event, write
from apiyi_cli.store.session_writer import append_lines, lock_file

FILE_NAME: Final = "history.ndjson"
MOST_ENTRIES: Final = 10_000
MOST_HISTORY_BYTES: Final = 1 << 30
"""The size of all entries with their files; beyond either limit the oldest entries go."""
PAGE_ENTRIES: Final = 100
"""The number of entries that a search returns at once."""
MOST_TEXT_CHARS: Final = 200_000
"""The kept part of an answer; the page showed all of it."""
_ID: Final = re.compile(r"[0-9a-f]{16}")
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


class PageHistory:
    """Entries as NDJSON (0600), oldest first, and a folder for the files of each.

    Several playgrounds may write; each line is one write, and what is deleted is replaced as a
    whole under a lock. Without a folder nothing is kept.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        most_entries: int = MOST_ENTRIES,
        most_bytes: int = MOST_HISTORY_BYTES,
    ) -> None:
        self._folder = folder
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._index = HistoryIndex((folder or Path()) / FILE_NAME)

    def add(self, entry: dict[str, Any], files: list[Path]) -> None:
        """Store one entry and the files of its run; raises OSError."""
        if self._folder is None:
            return
        make_private_folder(self._folder)
        if files:
            place = self._folder / entry["id"]
            make_private_folder(place)
            for path in files:
                shutil.copyfile(path, place / path.name)
                (place / path.name).chmod(0o600)
        size = sum(path.stat().st_size for path in files)
        with self._hold_lock():
            append_lines(self._folder / FILE_NAME, write({**entry, "files_size": size}) + b"\n")
            self._drop_old()

    def search(self, words: str = "", before: str = "") -> dict[str, Any]:
        """Return the newest short entries that have all the words, and whether there are more.

        `before` is the id of the last entry of the page before, "" for the first page.
        """
        wanted = words.lower().split()
        rows = [row for row in self._rows() if all(word in row.searched for word in wanted)]
        rows.reverse()
        start = next((at + 1 for at, row in enumerate(rows) if row.id == before), 0)
        shown = rows[start : start + PAGE_ENTRIES]
        return {
            "entries": [row.short for row in shown],
            "more": len(rows) > start + len(shown),
            "total": len(rows),
        }

    def find(self, id: str) -> dict[str, Any] | None:
        """Return a whole entry, None if it does not exist."""
        row = next((row for row in self._rows() if row.id == id), None)
        return None if row is None else self._index.read(row)

    def find_file(self, id: str, name: str) -> Path | None:
        """Return the path of an entry's file, None if it does not exist."""
        if self._folder is None or not _ID.fullmatch(id):
            return None
        place = self._folder / id
        with suppress(OSError):
            if name in os.listdir(place):
                return place / name
        return None

    def delete(self, id: str) -> None:
        """Remove an entry and its files; "" removes all. Raises OSError."""
        if self._folder is None or not self._folder.is_dir():
            return
        with self._hold_lock():
            rows = self._rows()
            self._replace([row for row in rows if id and row.id != id], rows)

    def _rows(self) -> Sequence[IndexRow]:
        return () if self._folder is None else self._index.rows()

    def _drop_old(self) -> None:
        """Drop the oldest entries, a tenth more than needed; the caller holds the lock."""
        rows = self._rows()
        total = sum(row.size + row.files_size for row in rows)
        if len(rows) <= self._most_entries and total <= self._most_bytes:
            return
        most, most_bytes = self._most_entries * 9 // 10, self._most_bytes * 9 // 10
        at = 0
        while at < len(rows) - 1 and (len(rows) - at > most or total > most_bytes):
            total -= rows[at].size + rows[at].files_size
            at += 1
        self._replace(rows[at:], rows)

    def _replace(self, kept: Sequence[IndexRow], before: Sequence[IndexRow]) -> None:
        assert self._folder is not None
        path = self._folder / FILE_NAME
        content = b""
        with suppress(FileNotFoundError):
            content = read_regular(path)
        replace_private(path, b"".join(content[row.offset : row.offset + row.size] for row in kept))
        left = {row.id for row in kept}
        for row in before:
            if row.id not in left and _ID.fullmatch(row.id):
                shutil.rmtree(self._folder / row.id, ignore_errors=True)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Hold the lock of this process and, if the system has one, of the folder."""
        assert self._folder is not None
        with self._lock:
            fd = open_regular(self._folder / ".lock", os.O_RDWR | os.O_CREAT)
            try:
                with lock_file(fd):
                    yield
            finally:
                os.close(fd)
