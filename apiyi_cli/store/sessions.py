"""Conversations on disk, and the prompts typed in them.

A conversation is one NDJSON file of messages per name, as `--messages` reads it. The messages of a
turn are appended in one write, so that two runs do not mix their lines; an interactive conversation
appends its answers as they come (`session_writer`). Files are private (0600).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from apiyi_cli.core.disk import read_regular, replace_private
from apiyi_cli.core.jsontext import InvalidJSON, read, write
from apiyi_cli.errors import OutputError, SetupError, UsageError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.store.session_writer import append_lines, cannot_keep, read_cut_line
from apiyi_cli.text import Text, system_reason

_NAME = r"[^\W_][\w.@+-]*"
MOST_NAME_BYTES = 200
KEPT_PROMPTS = 1000
_TRIMMED_AT = 2 * KEPT_PROMPTS
ENDING = ".ndjson"


class SessionInfo(NamedTuple):
    """A stored conversation: name, number of messages, last use (Unix time), bytes."""

    name: str
    messages: int
    used_s: float
    size: int


class SessionStore(PlainValue):
    """The conversations in a folder, which is created with the first one."""

    _folder: Path

    @classmethod
    def open(cls, environ: Mapping[str, str], name: str = "sessions") -> SessionStore:
        """Return the store in a folder of the state directory."""
        from apiyi_cli.settings.paths import state_dir

        return cls(state_dir(environ) / name)

    def path(self, name: str) -> Path:
        """Return the file of a conversation. Raises UsageError for an invalid name."""
        if not re.fullmatch(_NAME, name) or len(name.encode()) > MOST_NAME_BYTES:
            why = Text(
                "a name is letters, digits and . @ + - _, begins with a letter "
                "or digit, and has {most_name_bytes} bytes at most",
                most_name_bytes=MOST_NAME_BYTES,
            )
            raise UsageError(Text("cannot use the session name {name}", name=repr(name)), why)
        return self._folder / f"{name}{ENDING}"

    def messages(self, name: str) -> list[dict[str, Any]]:
        """Return the messages in order, [] for a new name. Raises SetupError for a broken line."""
        path = self.path(name)
        try:
            content = read_regular(path)
        except FileNotFoundError:
            return []
        except OSError as failure:
            what = Text("cannot read {path}", path=path)
            raise SetupError(what, system_reason(failure)) from None
        messages = []
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                message = read(line)
            except InvalidJSON as failure:
                message = read_cut_line(line)
                if message is None:
                    raise _broken_line_error(path, number, str(failure)) from None
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise _broken_line_error(path, number, Text("not a message with a role"))
            messages.append(message)
        return messages

    def append(self, name: str, messages: Sequence[dict[str, Any]]) -> None:
        """Append messages, all or none. Raises OutputError if that fails."""
        path = self.path(name)
        try:
            append_lines(path, _encode(messages), synced=True)
        except OSError as failure:
            raise cannot_keep(path, failure) from None

    def replace(self, name: str, messages: Sequence[dict[str, Any]]) -> None:
        """Replace all messages of a conversation. Raises OutputError."""
        path = self.path(name)
        try:
            replace_private(path, _encode(messages))
        except OSError as failure:
            raise cannot_keep(path, failure) from None

    def newest(self) -> SessionInfo | None:
        """Return the conversation that was used last, None without any."""
        return next(iter(self.all()), None)

    def find(self, name: str) -> SessionInfo | None:
        """Return the conversation of this name, None if there is none."""
        return next((info for info in self.all() if info.name == name), None)

    def drop(self, name: str) -> bool:
        """Remove a conversation; return False if there is none. Raises OutputError."""
        path = self.path(name)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as failure:
            what = Text("cannot remove {path}", path=path)
            raise OutputError(what, system_reason(failure)) from None
        return True

    def drop_old(self, age_s: float) -> None:
        """Remove conversations unused for `age_s` seconds."""
        for status, path in self._list_files():
            if status.st_mtime < time.time() - age_s:
                with suppress(OSError):
                    path.unlink()

    def all(self) -> list[SessionInfo]:
        """Return every conversation, the one that was used last first."""
        infos = []
        for status, path in self._list_files():
            # Another process may have removed it.
            with suppress(OSError):
                lines = sum(1 for line in read_regular(path).split(b"\n") if line.strip())
                name = path.name.removesuffix(ENDING)
                infos.append(SessionInfo(name, lines, status.st_mtime, status.st_size))
        return infos

    def _list_files(self) -> list[tuple[os.stat_result, Path]]:
        """Return the files with their status, the one used last first."""
        files = []
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.name.endswith(ENDING) and re.fullmatch(_NAME, path.name):
                    with suppress(OSError):
                        files.append((path.stat(), path))
        return sorted(files, key=lambda file: (-file[0].st_mtime_ns, file[1].name))

    def remove(self, name: str) -> None:
        """Remove a conversation. Raises UsageError if it does not exist."""
        if not self.drop(name):
            what = Text("there is no session {name}", name=repr(name))
            raise UsageError(what, Text("nothing was removed"), hint="apiyi session list")


class PromptHistory:
    """The prompts typed in conversations, in a private file or in memory only (None).

    A line is one JSON string, the newest last. One that begins with a space is not kept. Write
    failures are ignored.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._prompts = _read_prompts(path)
        if path is not None and len(self._prompts) > _TRIMMED_AT:
            self._prompts = self._prompts[-KEPT_PROMPTS:]
            with suppress(OSError):
                replace_private(path, b"".join(write(text) + b"\n" for text in self._prompts))

    @classmethod
    def open(cls, environ: Mapping[str, str]) -> PromptHistory:
        """Return the history in the state directory."""
        from apiyi_cli.settings.paths import state_dir

        return cls(state_dir(environ) / "prompts.ndjson")

    @property
    def prompts(self) -> list[str]:
        """Return the prompts, the oldest first."""
        return self._prompts[-KEPT_PROMPTS:]

    def add(self, text: str) -> None:
        """Add a prompt, unless it begins with a space or equals the one before."""
        if text.startswith(" ") or not text.strip() or text in self._prompts[-1:]:
            return
        self._prompts.append(text)
        if self._path is None:
            return
        with suppress(OSError):
            append_lines(self._path, write(text) + b"\n")


def _read_prompts(path: Path | None) -> list[str]:
    prompts: list[str] = []
    with suppress(OSError):
        for line in [] if path is None else read_regular(path).split(b"\n"):
            with suppress(InvalidJSON):
                value = read(line)
                prompts += [value] if isinstance(value, str) else []
    return prompts


def _encode(messages: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(write(message) + b"\n" for message in messages)


def _broken_line_error(path: Path, number: int, why: str) -> SetupError:
    what = Text("cannot read {path}:{number}", path=path, number=number)
    hint = Text("correct or delete line {number}; the rest of the file is untouched", number=number)
    return SetupError(what, why, hint=hint)
