"""Which row is which: the id that a row names, or the one that is made of its content.

A row is known again by its id, wherever it stands. One that names none gets `~` and twelve
hexadecimal digits of its content's hash; further rows of the same content get `.2`, `.3` …. So
a line that is inserted, removed or moved costs nothing for the others.

Version 0.1 took the number of the row instead. Its outputs keep those ids: `LegacyIds` finds
them again by the hash of the content.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from apiyi_cli.batch.rows.id_set import IdTable
from apiyi_cli.core.jsontext import whole_characters, write_text
from apiyi_cli.text import Text

SEEN: Final = 1
"""The flag of an id that this input has had."""
BORROWED: Final = 256
"""The flag of an id of version 0.1 that a row without an id has here."""

_MADE = re.compile(r"~[0-9a-f]{12}(\.[0-9]+)?")
_DIGITS = 12
_MOST_OLD_ROWS = 1 << 24
_SHOWN_CHARACTERS = 80


class InvalidId(ValueError):
    """An id that a row may not have: the name of its field, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why


def read_id(fields: Mapping[str, Any]) -> str | None:
    """Return the id that a row names, None when it names none. Raises InvalidId.

    It is a text, or a whole number as it was written.
    """
    for name in ("custom_id", "id"):
        value = fields.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            told = write_text(value)
            if len(told) > _SHOWN_CHARACTERS:
                told = told[:_SHOWN_CHARACTERS] + "…"
            raise InvalidId(
                name, Text("expected a text or a whole number, not {message}", message=told)
            )
        # As it will stand in the record, and be read from there.
        value = whole_characters(value)
        if _MADE.fullmatch(value):
            raise InvalidId(
                name, Text("{value} looks like the id of a row that names none", value=value)
            )
        return value
    return None


class LegacyIds:
    """The ids that version 0.1 gave to rows without one: the numbers of the rows."""

    def __init__(self) -> None:
        self._shas = array("Q")
        self._by_content: IdTable | None = None

    def note(self, index: object, id: str, sha: str) -> None:
        """Take in a record or claim of version 0.1; the newest one of a row holds."""
        if not isinstance(index, int) or not 0 <= index < _MOST_OLD_ROWS or id != str(index):
            return
        if index >= len(self._shas):
            self._shas.extend(array("Q", bytes(8 * (index + 1 - len(self._shas)))))
        self._shas[index] = int(sha, 16)

    def find(self, made: str) -> str | None:
        """Return the old id of what would get the id `made` now."""
        if not self._shas:
            return None
        if self._by_content is None:
            self._by_content = self._sorted()
        index = self._by_content.shas[self._by_content.slot(made)]
        return str(index - 1) if index else None

    def _sorted(self) -> IdTable:
        counts, found = IdTable(), IdTable()
        for index, sha in enumerate(self._shas):
            if sha:
                content = _made(f"{sha:016x}", 1)
                slot = counts.slot(content)
                counts.shas[slot] += 1
                found.shas[found.slot(_made(f"{sha:016x}", counts.shas[slot]))] = index + 1
        return found


class FindsOldIds(Protocol):
    """What knows the ids that version 0.1 gave; `LegacyIds` of one output."""

    def find(self, made: str) -> str | None:
        """Return the old id of what would get the id `made` now."""


class IdAssigner:
    """Gives each row of one input its id, in the order of the input.

    `ids` learns which ids there are (its flag SEEN). `old` are ids of version 0.1; one is used
    when `knows(id, sha)` says that it still stands for that content.
    """

    def __init__(
        self,
        ids: IdTable,
        old: FindsOldIds | None = None,
        knows: Callable[[str, str], bool] = lambda id, sha: False,
    ) -> None:
        self._ids = ids
        self._old = old
        self._knows = knows
        self._repeated: dict[str, int] = {}

    def take(self, id: str) -> str | None:
        """Note an id that a row names; return why the row cannot have it, None if it can."""
        slot = self._ids.slot(id)
        flags = self._ids.flags[slot]
        if flags & BORROWED:
            return Text("in this output {id} is a row without an id, written by version 0.1", id=id)
        if flags & SEEN:
            return Text("duplicate id {id}", id=id)
        self._ids.flags[slot] = flags | SEEN
        return None

    def make(self, sha: str) -> str:
        """Return the id of a row that names none, from the hash of its content."""
        content = _made(sha, 1)
        slot = self._ids.slot(content)
        number = 1
        if content in self._repeated or self._ids.flags[slot] & SEEN:
            number = self._repeated[content] = self._repeated.get(content, 1) + 1
        # The first one's own flag, though it may go by an old id, tells that there was one.
        self._ids.flags[slot] |= SEEN
        made = _made(sha, number)
        if (old := self._borrowed(made, sha)) is not None:
            return old
        self._ids.flags[self._ids.slot(made)] |= SEEN
        return made

    def _borrowed(self, made: str, sha: str) -> str | None:
        id = None if self._old is None else self._old.find(made)
        if id is None or not self._knows(id, sha):
            return None
        slot = self._ids.slot(id)
        if self._ids.flags[slot] & SEEN:
            return None
        self._ids.flags[slot] |= SEEN | BORROWED
        return id


def is_generated_id(id: str) -> bool:
    """Return True for an id that was made of a row's content."""
    return _MADE.fullmatch(id) is not None


def _made(sha: str, number: int) -> str:
    return f"~{sha[:_DIGITS]}" + (f".{number}" if number > 1 else "")
