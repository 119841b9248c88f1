"""`RankedDocuments`: scores in memory, printed forms of documents in a temporary file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from typing import Final

from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text, system_reason

MEMORY_BYTES: Final = 8 << 20
"""Printed forms stay in memory up to this size."""


class RankedDocuments:
    """Collects documents with their scores and returns the best, best first."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._scores = array("d")
        self._ends = array("q")
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, score: float, printed: bytes) -> None:
        """Add a document. Raises OutputError if the temporary folder is full."""
        try:
            self._file.write(printed)
        except OSError as failure:
            raise OutputError(
                Text("cannot keep the documents until they are ranked"),
                system_reason(failure),
                hint=Text("set TMPDIR to a folder with room"),
            ) from failure
        self._numbers.append(number)
        self._scores.append(score)
        self._ends.append(self._file.tell())

    def choose(self, top: int | None, threshold: float | None) -> list[tuple[int, float]]:
        """Return (number, score) of the documents to be printed, best first."""
        return [(self._numbers[at], self._scores[at]) for at in self._order(top, threshold)]

    def best(self, top: int | None, threshold: float | None) -> Iterator[tuple[int, float, bytes]]:
        """Yield number, score and printed form; equal scores in the order of their numbers."""
        for at in self._order(top, threshold):
            begin = self._ends[at - 1] if at else 0
            self._file.seek(begin)
            yield self._numbers[at], self._scores[at], self._file.read(self._ends[at] - begin)

    def _order(self, top: int | None, threshold: float | None) -> list[int]:
        chosen: list[int] = [
            at for at, score in enumerate(self._scores) if threshold is None or score >= threshold
        ]
        chosen.sort(key=lambda at: (-self._scores[at], self._numbers[at]))
        return chosen[:top]
