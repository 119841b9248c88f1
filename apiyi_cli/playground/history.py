"""The page's history: requests and answers, in a private file of the state folder."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from apiyi_cli.core.disk import make_private_folder, open_regular, replace_private, write_all
from apiyi_cli.core.jsontext import InvalidJSON, read_event, write

FILE_NAME: Final = "history.ndjson"
MOST_ENTRIES: Final = 500
MOST_TEXT_CHARS: Final = 200_000
"""The kept part of an answer; the page showed all of it."""
_ID: Final = re.compile(r"[0-9a-f]{16}")
_SUMMARY: Final = ("id", "at", "command", "model", "prompt", "exit", "stopped", "billed", "cost")


class PageHistory:
    """Entries as NDJSON (0600), oldest first, and a folder for the files of each.

    Several playgrounds may write; each line is one write, and what is deleted is replaced as a
    whole under a lock. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Return True if a history is kept."""
        return self._folder is not None

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
        with self._hold_lock():
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            fd = open_regular(self._folder / FILE_NAME, flags)
            try:
                write_all(fd, write(entry) + b"\n")
            finally:
                os.close(fd)
        self._drop_old()

    def search(self, words: str = "") -> list[dict[str, Any]]:
        """Return short entries that have all the words, the newest first."""
        wanted = words.lower().split()
        shown = []
        for entry in reversed(self._entries()):
            text = f"{entry.get('command')} {entry.get('model')} {entry.get('prompt')}".lower()
            if all(word in text for word in wanted):
                short = {name: entry.get(name) for name in _SUMMARY}
                shown.append({**short, "prompt": str(entry.get("prompt") or "")[:200]})
        return shown

    def find(self, id: str) -> dict[str, Any] | None:
        """Return a whole entry, None if it does not exist."""
        return next((entry for entry in self._entries() if entry.get("id") == id), None)

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
            entries = self._entries()
            kept = [entry for entry in entries if id and entry.get("id") != id]
            self._replace(kept, entries)

    def _drop_old(self) -> None:
        with self._hold_lock():
            entries = self._entries()
            if len(entries) > MOST_ENTRIES + MOST_ENTRIES // 10:
                self._replace(entries[-MOST_ENTRIES:], entries)

    def _replace(self, kept: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
        assert self._folder is not None
        data = b"".join(write(entry) + b"\n" for entry in kept)
        replace_private(self._folder / FILE_NAME, data)
        left = {entry.get("id") for entry in kept}
        for entry in before:
            id = entry.get("id")
            if isinstance(id, str) and id not in left and _ID.fullmatch(id):
                shutil.rmtree(self._folder / id, ignore_errors=True)

    def _entries(self) -> list[dict[str, Any]]:
        """Return the readable entries; a line cut by a crash is left out."""
        if self._folder is None:
            return []
        try:
            fd = open_regular(self._folder / FILE_NAME)
        except OSError:
            return []
        entries = []
        with os.fdopen(fd, "rb") as file:
            for line in file:
                with suppress(InvalidJSON):
                    entry = read_event(line)
                    if isinstance(entry, dict):
                        entries.append(entry)
        return entries

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Hold the lock of this process and, if the system has one, of the folder."""
        assert self._folder is not None
        with self._lock:
            if os.name == "nt":
                yield
                return
            import fcntl

            fd = open_regular(self._folder / ".lock", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield
            finally:
                os.close(fd)
