"""The prompts typed in conversations: one JSON string a line, the newest last.

The file is private (0600). A prompt that begins with a space is not kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from apiyi_cli.core.disk import make_private_folder, read_regular, replace_private
from apiyi_cli.core.jsontext import InvalidJSON, read, write
from apiyi_cli.store.session_writer import ends_line, lock_file, open_to_append, write_at_end

KEPT_PROMPTS = 1000
_TRIMMED_AT = 2 * KEPT_PROMPTS


class PromptHistory:
    """The history in a file, or in memory only (None); write failures are ignored."""

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
            make_private_folder(self._path.parent)
            fd = open_to_append(self._path)
            try:
                with lock_file(fd):
                    size = os.fstat(fd).st_size
                    line = write(text) + b"\n"
                    write_at_end(fd, size, line if ends_line(fd, size) else b"\n" + line)
            finally:
                os.close(fd)


def _read_prompts(path: Path | None) -> list[str]:
    """Return the readable lines of a history's file."""
    if path is None:
        return []
    try:
        lines = read_regular(path).split(b"\n")
    except OSError:
        return []
    values = [_read_value(line) for line in lines if line.strip()]
    return [value for value in values if isinstance(value, str)]


def _read_value(line: bytes) -> Any:
    try:
        return read(line)
    except InvalidJSON:
        return None
