"""Line breaks in text, by the columns of a terminal.

Latin text breaks at spaces, Chinese and Japanese text between any two characters except
before closing and after opening punctuation (JLREQ 3.1.7, the rule that Chinese typesetting
shares).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len, get_character_cell_size

_NOT_FIRST = frozenset("!),.:;?]}~¢°’”‰′″℃、。々〉》」』】〕〗〞︰！％），．：；？］｝～￠")
_NOT_LAST = frozenset("$([{£¥‘“〈《「『【〔〖〝＄（［｛￡￥")
_JOINER = "\u200d"
_EMOJI_SELECTOR = "\ufe0f"
# Terminals do not agree on the width of these: joiners, selectors, flags, skin tones.
_UNCERTAIN = re.compile("[\u200d\ufe0f\u20e3\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")
_WIDE = re.compile("[\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")


def cuts(text: str, width: int, first_width: int | None = None) -> list[int]:
    """Return the offsets at which new lines begin so that none is wider than `width`.

    `first_width` holds for the first line. A word that is wider than a line is cut. Spaces
    at the end of a line do not count: they hang over.
    """
    room = max(1, first_width if first_width is not None else width)
    if text.isascii() and len(text) <= room:
        return []
    offsets: list[int] = []
    start, column, good = 0, 0, -1
    is_certain = has_certain_width(text)
    for at, character in enumerate(text):
        # A selector is counted with the character before it, which it may make wide.
        cells = get_character_cell_size(character) if is_certain else _cells_at(text, at)
        if at > start and _may_break(text[at - 1], character):
            good = at
        # Once more where what moved to the new line leaves it too little room.
        while character != " " and column + cells > room and at > start and cells:
            start = good if good > start else at
            offsets.append(start)
            room, good = max(1, width), -1
            column = most_cells(text[start:at])
        column += cells
    return offsets


def _may_break(before: str, after: str) -> bool:
    if after == " ":
        return False
    if before == " ":
        return True
    if before == _JOINER or get_character_cell_size(after) == 0:
        return False
    wide = get_character_cell_size(before) == 2 or get_character_cell_size(after) == 2
    return wide and after not in _NOT_FIRST and before not in _NOT_LAST


def has_certain_width(text: str) -> bool:
    """Return True if all terminals agree on how many columns a text takes."""
    return text.isascii() or not _UNCERTAIN.search(text)


def most_cells(text: str) -> int:
    """Return the most columns that a terminal may need for a text."""
    if text.isascii():
        return len(text)
    cells = sum(map(get_character_cell_size, text))
    if not has_certain_width(text):
        cells += text.count(_EMOJI_SELECTOR)
        cells += sum(2 - get_character_cell_size(character) for character in _WIDE.findall(text))
    return cells


def takes_column(character: str) -> bool:
    """Return True for a character that may take a terminal column alone."""
    return bool(get_character_cell_size(character) or _WIDE.match(character))


def _cells_at(text: str, at: int) -> int:
    """Return the columns of one character; a selector is counted with the one before it."""
    if text[at] == _EMOJI_SELECTOR:
        return 0
    selected = text[at + 1 : at + 2] == _EMOJI_SELECTOR
    return most_cells(text[at]) + selected


def clip(text: str, width: int) -> str:
    """Return the text cut to `width` columns, the cut marked by an ellipsis."""
    if cell_len(text) <= width:
        return text
    column = 0
    for at, character in enumerate(text):
        column += get_character_cell_size(character)
        if column > width - 1:
            return text[:at] + "…" if width > 0 else ""
    return text


def fold(pieces: Sequence[str], separator: str, width: int) -> str:
    """Return the joined pieces, with line ends in place of separators that do not fit."""
    lines = [*pieces[:1]]
    for piece in pieces[1:]:
        joined = f"{lines[-1]}{separator}{piece}"
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(piece)
    return "\n".join(lines)


def pad(text: str, width: int) -> str:
    """Return the text filled up with spaces to `width` columns."""
    return text + " " * (width - cell_len(text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return cell_len(text)
