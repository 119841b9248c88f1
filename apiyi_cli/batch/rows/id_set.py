"""Flags and hashes of row ids, for millions of them in a few bytes each.

An id is kept as 64 bits of its hash: two of a million ids share one with a chance of
1 in 30 million, and then one of the two is refused as a duplicate.
"""

from __future__ import annotations

from array import array

_MASK = (1 << 64) - 1
_FIRST_SIZE = 1 << 10


class IdTable:
    """An open-addressed table: for each id 16 `flags` and 64 bits of a `sha`.

    `slot` returns the position of an id in both, valid until the next new id. The column
    of shas is made on first use: a run that resumes nothing needs none.
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
