"""Conversations on disk: one NDJSON file of messages per name, in the form `--messages` reads.

A turn is appended in one write, so that two runs do not mix their lines. Files are the
user's own (0600) and are only ever appended to or removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from apiyi_cli.errors import SetupError, UsageError

_NAME = re.compile(r"^[^\W_][\w.@+-]{0,99}$")
ENDING = ".ndjson"


class Kept(NamedTuple):
    """One conversation: its name, its messages' number, when it was used last (seconds since
    1970) and its size in bytes."""

    name: str
    messages: int
    used: float
    size: int


class Sessions:
    """The conversations in a folder, which is made when the first one is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return the file of a conversation. Raises UsageError for what cannot be a name."""
        if not _NAME.match(name):
            raise UsageError(
                f"cannot use the session name {name!r}",
                "a name is letters, digits and . @ + - _, up to 100, and starts with one of the "
                "first two",
            )
        return self._folder / f"{name}{ENDING}"

    def messages(self, name: str) -> list[dict[str, Any]]:
        """Return the messages in order, [] for a new name. Raises SetupError for a broken line."""
        path = self.path(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as failure:
            raise SetupError(f"cannot read {path}", failure.strerror or str(failure)) from None
        found = []
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                message = orjson.loads(line)
            except orjson.JSONDecodeError as failure:
                raise _broken(path, number, str(failure)) from None
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise _broken(path, number, "not a message with a role")
            found.append(message)
        return found

    def append(self, name: str, messages: Sequence[dict[str, Any]]) -> None:
        """Add messages to the end, all or none. Raises SetupError when that cannot be done."""
        path = self.path(name)
        lines = b"".join(orjson.dumps(message) + b"\n" for message in messages)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            fd = os.open(path, flags, 0o600)
            with os.fdopen(fd, "ab", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                written = file.write(lines) or 0
                if written != len(lines):
                    # The disk is full: half a turn would be a broken line for the next run.
                    if os.fstat(file.fileno()).st_size == size + written:
                        os.ftruncate(file.fileno(), size)
                    raise OSError(28, os.strerror(28))
                os.fsync(file.fileno())
        except OSError as failure:
            raise SetupError(
                f"cannot keep the conversation in {path}", failure.strerror or str(failure)
            ) from None

    def latest(self) -> str | None:
        """Return the name of the conversation that was used last, None when there is none."""
        kept = self.all()
        return kept[0].name if kept else None

    def all(self) -> list[Kept]:
        """Return every conversation, the one that was used last first."""
        found = []
        try:
            paths = [path for path in self._folder.iterdir() if path.name.endswith(ENDING)]
        except FileNotFoundError:
            return []
        for path in paths:
            status = path.stat()
            lines = sum(1 for line in path.read_bytes().split(b"\n") if line.strip())
            name = path.name.removesuffix(ENDING)
            found.append(Kept(name, lines, status.st_mtime, status.st_size))
        return sorted(found, key=lambda one: (-one.used, one.name))

    def remove(self, name: str) -> None:
        """Remove a conversation. Raises UsageError when there is none of that name."""
        try:
            self.path(name).unlink()
        except FileNotFoundError:
            raise UsageError(
                f"there is no session {name!r}", "nothing was removed", hint="apiyi session list"
            ) from None


def _broken(path: Path, number: int, why: str) -> SetupError:
    return SetupError(
        f"cannot read {path}:{number}",
        why,
        hint=f"correct or delete line {number}; the rest of the file is untouched",
    )
