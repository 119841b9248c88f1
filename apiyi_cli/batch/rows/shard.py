"""`--shard K/N`: the rows that belong to one machine of several."""

from __future__ import annotations

import hashlib

from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class Shard:
    """The rows whose id belongs to part K of N, counted from 0 or 1."""

    def __init__(self, text: str) -> None:
        what = Text("cannot use --shard {text}", text=text)
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise UsageError(what, Text("it is not K/N"), hint="--shard 3/8")
        self._text = text
        if not 1 <= int(count) <= 1_000_000 or int(number) > int(count):
            raise UsageError(what, Text("K goes from 0 to N-1, or from 1 to N"))
        self.part = int(number) % int(count), int(count)
        """The part's number, counted from 0, and the number of parts."""

    def __str__(self) -> str:
        """Return the shard as the user wrote it."""
        return self._text

    def has(self, id: str) -> bool:
        """Return True if a row belongs to the part; the same on every machine."""
        digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()
        number, count = self.part
        return int.from_bytes(digest[:8], "big") % count == number
