"""Replaces an output and its journal together by rewritten ones, or not at all.

All new files are written and synced beside the old ones first; then one line in the old journal
says so. The run that finds that line, after a crash or not, gives the new files their names.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from apiyi_cli.batch.state.entries import parse_entry
from apiyi_cli.core.disk import BINARY, sync_folder, write_all
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text

_TAIL_BYTES = 1 << 16


def replace_together(journal: Path, parts: dict[Path, Path]) -> None:
    """Rename new files (keys) to old ones (values); the journal must be the last."""
    line = {
        "t": "C",
        "parts": {str(new.absolute()): str(old.absolute()) for new, old in parts.items()},
    }
    for folder in {old.parent for old in parts.values()}:
        sync_folder(folder)
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | BINARY)
    try:
        write_all(fd, write(line) + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    finish_compaction(journal)


def finish_compaction(journal: Path) -> None:
    """Finish an interrupted compaction, if there is one.

    Raises OutputError when a file cannot be replaced.
    """
    entry = find_compaction(journal)
    if entry is None:
        return
    for new, old in entry["parts"].items():
        try:
            # Another process may just have done the same.
            with suppress(FileNotFoundError):
                Path(new).replace(old)
        except (OSError, ValueError, TypeError) as failure:
            why = getattr(failure, "strerror", None) or str(failure)
            raise OutputError(Text("cannot rewrite {old}", old=old), why) from failure
        sync_folder(Path(old).parent)


def find_compaction(journal: Path) -> dict[str, Any] | None:
    """Return the last line of a journal if it says that new files are ready."""
    with suppress(OSError), open(journal, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        entry = parse_entry(tail)
        if entry is not None and entry["t"] == "C":
            return entry
    return None
