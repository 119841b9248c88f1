"""The page's uploads: stored in a private folder, linked into the folder of each run."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.core.disk import EXCLUSIVE, write_all
from apiyi_cli.core.filetypes import HEAD_BYTES, detect_type
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

MOST_UPLOAD_BYTES: Final = 100 << 20
MOST_ALL_BYTES: Final = 1 << 30
"""The limit for all uploads of a playground together."""
_PIECE_BYTES: Final = 1 << 18
_MOST_NAME_CHARS: Final = 80


class UploadedFile(NamedTuple):
    """One upload: its path, the user's name for it, its size and media type."""

    path: Path
    name: str
    size: int
    type: str


class UploadStore:
    """The uploads of one playground by id; thread-safe. The caller owns the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, UploadedFile] = {}
        self._lock = threading.Lock()

    def take(self, name: str, size: int, read: Callable[[int], bytes]) -> dict[str, Any]:
        """Store `size` bytes as a file and return its facts for the page.

        Raises UsageError for a file that is too large or ends too early.
        """
        with self._lock:
            total = sum(file.size for file in self._files.values())
        if size > MOST_UPLOAD_BYTES or total + size > MOST_ALL_BYTES:
            raise UsageError(
                Text("cannot take the file"),
                Text("it is larger than {size} MB", size=MOST_UPLOAD_BYTES >> 20),
            )
        id = secrets.token_hex(8)
        path = self._folder / id
        try:
            head = _write_pieces(path, size, read)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        kind = detect_type(head)
        file = UploadedFile(path, safe_name(name), size, kind.mime if kind else "")
        with self._lock:
            self._files[id] = file
        return {"id": id, "name": file.name, "size": size, "type": file.type}

    def drop(self, id: str) -> None:
        """Delete an upload; an unknown id is ignored."""
        with self._lock:
            file = self._files.pop(id, None)
        if file is not None:
            file.path.unlink(missing_ok=True)

    def assign_names(self, ids: Iterable[str]) -> dict[str, str]:
        """Return a file name for each upload, no two alike."""
        names: dict[str, str] = {}
        with self._lock:
            for id in ids:
                if (file := self._files.get(id)) is not None and id not in names:
                    names[id] = _unlike(file.name, names.values())
        return names

    def link_into(self, folder: Path, names: Mapping[str, str]) -> None:
        """Link the uploads into a folder under their names; raises OSError."""
        for id, name in names.items():
            with self._lock:
                file = self._files.get(id)
            if file is None:
                continue
            try:
                os.link(file.path, folder / name)
            except OSError:
                shutil.copyfile(file.path, folder / name)


def safe_name(name: str) -> str:
    """Return a file name without folders, leading dots and dashes, and odd characters."""
    base = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = re.sub(r"[^\w.-]+", "_", base).strip("._-").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    room = _MOST_NAME_CHARS - len(ending[:16]) - 1
    return f"{stem[:room] or 'file'}{dot}{ending[:16]}"


def _unlike(name: str, others: Iterable[str]) -> str:
    """Return the name, with a number if another upload has it already."""
    taken = {other.lower() for other in others}
    path, number, result = Path(name), 1, name
    while result.lower() in taken:
        number += 1
        result = f"{path.stem}-{number}{path.suffix}"
    return result


def _write_pieces(path: Path, size: int, read: Callable[[int], bytes]) -> bytes:
    """Write a file of exactly `size` bytes; return its first ones."""
    head, left = b"", size
    fd = os.open(path, EXCLUSIVE, 0o600)
    try:
        while left:
            piece = read(min(left, _PIECE_BYTES))
            if not piece:
                raise UsageError(Text("cannot take the file"), Text("it ended too early"))
            head = head or piece[:HEAD_BYTES]
            write_all(fd, piece)
            left -= len(piece)
    finally:
        os.close(fd)
    return head
