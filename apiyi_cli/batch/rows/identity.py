"""Ids of rows: the one that a row names, or one generated from its content.

A row is recognized by its id, wherever it is in the input. One that names none gets `~` and twelve
hexadecimal digits of its content's hash; further rows of the same content get `.2`, `.3` …. So
a line that is inserted, removed or moved costs nothing for the others.

Version 0.1 used the number of the row instead. Its outputs keep those ids: `LegacyIds` finds
them by the hash of the content.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apiyi_cli.batch.rows.fields import InvalidField
from apiyi_cli.core.jsontext import whole_characters, write_text
from apiyi_cli.text import Text

SEEN: Final = 1
"""The flag of an id that was read in this input."""
BORROWED: Final = 256
"""The flag of an id of version 0.1 that a row without an id has here."""

_GENERATED = re.compile(r"~[0-9a-f]{12}(\.[0-9]+)?")
_DIGITS = 12
_MAX_OLD_ROWS = 1 << 24
_SHOWN_CHARACTERS = 80
_MASK = (1 << 64) - 1
_FIRST_SIZE = 1 << 10


def read_id(fields: Mapping[str, Any]) -> str | None:
    """Return the id that a row names, None when it names none. Raises InvalidField.

    It is a text, or a whole number as it was written.
    """
    for name in ("custom_id", "id"):
        value = fields.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            text = write_text(value)
            if len(text) > _SHOWN_CHARACTERS:
                text = text[:_SHOWN_CHARACTERS] + "…"
            why = Text("expected a text or a whole number, not {message}", message=text)
            raise InvalidField(name, why)
        # As it will be in the record, and be read from there.
        value = whole_characters(value)
        if _GENERATED.fullmatch(value):
            raise InvalidField(
                name, Text("{value} looks like the id of a row that names none", value=value)
            )
        return value
    return None


class IdTable:
    """An open-addressed table: for each id 16 `flags` and 64 bits of a `sha`.

    An id is kept as 64 bits of its hash: two of a million ids share one with a chance of 1 in 30
    million, and then one of the two is refused as a duplicate. `slot` returns the position of an
    id in both, valid until the next new id. The column of shas is made on first use: a run that
    resumes nothing needs none.
    """

    def __init__(self) -> None:
        self.flags = array("H", bytes(2 * _FIRST_SIZE))
        self._keys = array("Q", bytes(8 * _FIRST_SIZE))
        self._shas: array[int] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def shas(self) -> array[int]:
        """Return the column of shas, 0 where none was set."""
        if self._shas is None:
            self._shas = array("Q", bytes(8 * len(self._keys)))
        return self._shas

    def slot(self, id: str) -> int:
        """Return the position of an id; a new one is added with all flags off."""
        if 5 * self._count > 3 * len(self._keys):
            self._grow()
        key = (hash(id) & _MASK) or 1
        keys = self._keys
        mask = len(keys) - 1
        place = key & mask
        while (entry := keys[place]) != key:
            if not entry:
                keys[place] = key
                self._count += 1
                break
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        old_keys, old_flags, old_shas = self._keys, self.flags, self._shas
        size = 2 * len(old_keys)
        keys = array("Q", bytes(8 * size))
        flags = array("H", bytes(2 * size))
        shas = None if old_shas is None else array("Q", bytes(8 * size))
        mask = size - 1
        for old, key in enumerate(old_keys):
            if not key:
                continue
            place = key & mask
            while keys[place]:
                place = (place + 1) & mask
            keys[place] = key
            flags[place] = old_flags[old]
            if shas is not None and old_shas is not None:
                shas[place] = old_shas[old]
        self._keys, self.flags, self._shas = keys, flags, shas


class LegacyIds:
    """The ids that version 0.1 gave to rows without one: the numbers of the rows."""

    def __init__(self) -> None:
        self._shas = array("Q")
        self._by_content: IdTable | None = None

    def note(self, index: object, id: str, sha: str) -> None:
        """Remember a record or claim of version 0.1; the newest of each row counts."""
        if not isinstance(index, int) or not 0 <= index < _MAX_OLD_ROWS or id != str(index):
            return
        self._by_content = None
        if index >= len(self._shas):
            self._shas.extend(array("Q", bytes(8 * (index + 1 - len(self._shas)))))
        self._shas[index] = int(sha, 16)

    def __bool__(self) -> bool:
        return bool(self._shas)

    def has(self, id: str, sha: str) -> bool:
        """Return True if version 0.1 gave this id to a row of this content."""
        if not (id.isascii() and id.isdigit() and len(id) < _DIGITS):
            return False
        index = int(id)
        return index < len(self._shas) and self._shas[index] == int(sha, 16)

    def find(self, generated: str) -> str | None:
        """Return the old id of the row that now gets the id `generated`."""
        if not self._shas:
            return None
        if self._by_content is None:
            self._by_content = self._index()
        index = self._by_content.shas[self._by_content.slot(generated)]
        return str(index - 1) if index else None

    def _index(self) -> IdTable:
        counts, index_by_id = IdTable(), IdTable()
        for index, sha in enumerate(self._shas):
            if sha:
                content = _generate(f"{sha:016x}", 1)
                slot = counts.slot(content)
                counts.shas[slot] += 1
                index_by_id.shas[index_by_id.slot(_generate(f"{sha:016x}", counts.shas[slot]))] = (
                    index + 1
                )
        return index_by_id


@dataclass
class IdAssigner:
    """Gives each row of one input its id, in the order of the input.

    `ids` learns which ids there are (its flag SEEN). `find_old` returns the id of version 0.1 for
    one of now; it is used if `knows(id, sha)` says that it still names that content.
    """

    _ids: IdTable
    _find_old: Callable[[str], str | None] | None = None
    _knows: Callable[[str, str], bool] = lambda id, sha: False
    _repeated: dict[str, int] = field(default_factory=dict)

    def take(self, id: str) -> str | None:
        """Add an id that a row names. Return why the row cannot have it, None if it can."""
        slot = self._ids.slot(id)
        flags = self._ids.flags[slot]
        if flags & BORROWED:
            return Text("in this output {id} is a row without an id, written by version 0.1", id=id)
        if flags & SEEN:
            return Text("duplicate id {id}", id=id)
        self._ids.flags[slot] = flags | SEEN
        return None

    def make(self, sha: str) -> str:
        """Return an id made from the hash of a row that has none."""
        content = _generate(sha, 1)
        slot = self._ids.slot(content)
        number = 1
        if content in self._repeated or self._ids.flags[slot] & SEEN:
            number = self._repeated[content] = self._repeated.get(content, 1) + 1
        # Set even if the first one has an old id, so that the second is counted.
        self._ids.flags[slot] |= SEEN
        generated = _generate(sha, number)
        if (old := self._borrow(generated, sha)) is not None:
            return old
        self._ids.flags[self._ids.slot(generated)] |= SEEN
        return generated

    def _borrow(self, generated: str, sha: str) -> str | None:
        id = None if self._find_old is None else self._find_old(generated)
        if id is None or not self._knows(id, sha):
            return None
        slot = self._ids.slot(id)
        if self._ids.flags[slot] & SEEN:
            return None
        self._ids.flags[slot] |= SEEN | BORROWED
        return id


def is_generated_id(id: str) -> bool:
    """Return True for an id that was generated from a row's content."""
    return _GENERATED.fullmatch(id) is not None


def _generate(sha: str, number: int) -> str:
    return f"~{sha[:_DIGITS]}" + (f".{number}" if number > 1 else "")
