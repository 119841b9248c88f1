"""Keeps what came for failed rows where the output takes the texts of answers alone."""

from __future__ import annotations

import os
from pathlib import Path

from apiyi_cli.cli.messages import Messages
from apiyi_cli.core.disk import BINARY, write_all
from apiyi_cli.output.rescue import Rescue
from apiyi_cli.text import Text, system_reason


class KeptAnswers:
    """A file in the rescue folder with the records of failed rows that were answered."""

    def __init__(self, rescue: Rescue) -> None:
        self._rescue = rescue
        self._path: Path | None = None
        self._count = self._lost = 0
        self._reason = ""

    def take(self, record: bytes) -> None:
        """Append a record; the first one makes the file."""
        try:
            if self._path is None:
                self._path = self._rescue.keep([record])
            else:
                self._append(self._path, record)
        except OSError as failure:
            self._lost += 1
            self._reason = system_reason(failure)
        else:
            self._count += 1

    def report(self, messages: Messages) -> None:
        """Print where the records are, and how many were lost."""
        if self._count:
            count = f"{self._count:,}"
            messages.note(
                Text("what came for {count} failed rows is in {path}", count=count, path=self._path)
            )
        if self._lost:
            count = f"{self._lost:,}"
            messages.note(
                Text("{count} records were lost: {reason}", count=count, reason=self._reason)
            )

    @staticmethod
    def _append(path: Path, record: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | BINARY)
        try:
            write_all(fd, record)
            os.fsync(fd)
        finally:
            os.close(fd)
