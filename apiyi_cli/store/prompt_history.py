"""The prompts typed in conversations: one JSON string a line, the newest last.

The file is private (0600). A prompt that begins with a space is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from apiyi_cli.core.disk import read_regular, replace_private
from apiyi_cli.core.jsontext import InvalidJSON, read, write
from apiyi_cli.store.session_writer import append_lines

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
            append_lines(self._path, write(text) + b"\n")


def _read_prompts(path: Path | None) -> list[str]:
    prompts: list[str] = []
    with suppress(OSError):
        for line in [] if path is None else read_regular(path).split(b"\n"):
            with suppress(InvalidJSON):
                value = read(line)
                prompts += [value] if isinstance(value, str) else []
    return prompts
