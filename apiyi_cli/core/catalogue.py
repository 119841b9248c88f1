"""The Chinese messages: English texts as they were made, matched with what stands for them.

Messages are written in English where they arise, values and all, and translated where they
are shown. So a catalogue is asked for a finished text: the message that is equal to it
counts, else the template (`cannot read {}`) that it can have been made from. The file is a
gettext catalogue; it is read here because gettext looks up equal texts only.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "locale" / "zh_CN" / "LC_MESSAGES"
MAGIC = 0x950412DE
"""How a compiled catalogue begins."""

_FEW_LETTERS = 8
"""A template with fewer letters than this of its own might have made anything; it counts for
values of one word, or a list of such, only."""

_VALUE = re.compile(r"\{(\d*)(!t)?\}")


class Template(NamedTuple):
    """A message with values: the English text between them, and what stands for it.

    In `told` a `{}` is the next value, `{0}` the first one; with `!t` the value is a message
    itself and is translated, too.
    """

    parts: tuple[str, ...]
    told: str

    @property
    def letters(self) -> int:
        """Return how many letters of a text the template accounts for."""
        return sum(one.isalpha() for part in self.parts for one in part)

    def values(self, text: str) -> list[str] | None:
        """Return the values with which the template makes the text, None when it cannot.

        Where several would do, each value but the last is as short as can be.
        """
        first, *between, last = self.parts
        end = len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last) and len(first) <= end):
            return None
        found = []
        at = len(first)
        for part in between:
            start = text.find(part, at, end)
            if start < 0:
                return None
            found.append(text[at:start])
            at = start + len(part)
        found.append(text[at:end])
        if self.letters < _FEW_LETTERS and any(" " in value.replace(", ", ",") for value in found):
            return None
        return found


class Catalogue:
    """Messages by their English text; those whose translation is empty have none."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        self._whole = {text: told for text, told in messages.items() if told}
        made = (Template(tuple(text.split("{}")), told) for text, told in self._whole.items())
        templates = [one for one in made if len(one.parts) > 1]
        # What leaves less to the values comes first: `cannot read {}:{}` before `cannot {}`.
        self._templates = sorted(templates, key=lambda one: -sum(map(len, one.parts)))

    def knows(self, text: str) -> bool:
        """Tell whether a message accounts for the text as a whole."""
        return text in self._whole or self._match(text) is not None

    def translate(self, text: str) -> str:
        """Return a text in Chinese; what no message accounts for stays as it is.

        Statements that a semicolon joins are translated each on its own, unless they are the
        values of one.
        """
        if (whole := self._whole.get(text)) is not None:
            return whole
        found = self._match(text)
        parts = text.split("; ")
        if len(parts) > 1 and (found is None or all(map(self.knows, parts))):
            return "；".join(map(self.translate, parts))
        return text if found is None else self._filled(*found)

    def _match(self, text: str) -> tuple[str, list[str]] | None:
        for template in self._templates:
            if (values := template.values(text)) is not None:
                return template.told, values
        return None

    def _filled(self, told: str, values: list[str]) -> str:
        following = iter(values)

        def value(place: re.Match[str]) -> str:
            text = values[int(place[1])] if place[1] else next(following)
            return self.translate(text) if place[2] else text

        return _VALUE.sub(value, told)


@cache
def installed() -> Catalogue:
    """Return the catalogue that the package carries; one that is missing is empty."""
    try:
        return Catalogue(messages((FOLDER / "apiyi.mo").read_bytes()))
    except OSError:
        return Catalogue({})


def messages(compiled: bytes) -> dict[str, str]:
    """Return the messages of a compiled catalogue, without its header.

    The layout is the one of the gettext manual, "The Format of GNU MO Files". Raises
    ValueError for anything else.
    """
    magic, _, count, sources, targets = struct.unpack_from("<5I", compiled)
    if magic != MAGIC:
        raise ValueError("not a compiled catalogue")

    def string(table: int, number: int) -> str:
        length, at = struct.unpack_from("<2I", compiled, table + 8 * number)
        return compiled[at : at + length].decode()

    found = {string(sources, number): string(targets, number) for number in range(count)}
    found.pop("", None)
    return found
