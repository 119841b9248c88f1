"""Where a line of text may be broken, in columns as a terminal counts them.

Latin text breaks at spaces, Chinese and Japanese text between any two characters except
before closing and after opening punctuation (JLREQ 3.1.7, the rule that Chinese typesetting
shares).
"""

from __future__ import annotations

from rich.cells import cell_len, get_character_cell_size

_NOT_FIRST = frozenset("!),.:;?]}~¢°’”‰′″℃、。々〉》」』】〕〗〞︰！％），．：；？］｝～￠")
_NOT_LAST = frozenset("$([{£¥‘“〈《「『【〔〖〝＄（［｛￡￥")
_JOINER = "\u200d"


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
    for at, character in enumerate(text):
        cells = get_character_cell_size(character)
        if at > start and _may_break(text[at - 1], character):
            good = at
        # Once more where what moved to the new line leaves it too little room.
        while character != " " and column + cells > room and at > start and cells:
            start = good if good > start else at
            offsets.append(start)
            room, good = max(1, width), -1
            column = cell_len(text[start:at])
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


def pad(text: str, width: int) -> str:
    """Return the text filled up with spaces to `width` columns."""
    return text + " " * (width - cell_len(text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return cell_len(text)
