"""A text that matches a regular expression, for `pattern` in schemas.

Walks the tree that the standard library's own parser makes of the expression. Constructs without
tree to walk (look-around, back-references to nothing) contributes nothing.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

_PRINTABLE = [chr(code) for code in (*range(97, 123), *range(48, 58), *range(32, 127))]


def matching(pattern: str) -> str:
    """Return the shortest plain text that matches; an empty text for a broken pattern."""
    try:
        tree = import_module("re._parser").parse(pattern)
    except (re.error, ImportError):
        return ""
    return "".join(_MatchWriter().text(tree))


class _MatchWriter:
    def __init__(self) -> None:
        self.groups: dict[int, str] = {}

    def text(self, tree: Any) -> str:
        return "".join(self.item(str(op), value) for op, value in tree)

    def item(self, op: str, value: Any) -> str:
        if op == "LITERAL":
            return chr(value)
        if op == "IN":
            return _member(value)
        if op == "NOT_LITERAL":
            return _member([("NEGATE", None), ("LITERAL", value)])
        if op == "ANY":
            return "a"
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self.text(value[2]) * int(value[0])
        if op == "BRANCH":
            return self.text(value[1][0])
        if op == "SUBPATTERN":
            matched = self.text(value[3])
            if value[0] is not None:
                self.groups[value[0]] = matched
            return matched
        if op == "ATOMIC_GROUP":
            return self.text(value)
        return self.groups.get(value, "") if op == "GROUPREF" else ""


def _member(items: Any) -> str:
    """Return a character of a class."""
    op, value = str(items[0][0]), items[0][1]
    if op == "NEGATE":
        return next((c for c in _PRINTABLE if not _within(c, items[1:])), "")
    if op == "CATEGORY":
        return next(c for c in _PRINTABLE if _within(c, items[:1]))
    return chr(value[0] if op == "RANGE" else value)


def _within(character: str, items: Any) -> bool:
    for op, value in items:
        kind = str(op)
        if kind == "LITERAL" and ord(character) == value:
            return True
        if kind == "RANGE" and value[0] <= ord(character) <= value[1]:
            return True
        if kind == "CATEGORY" and re.match(_CLASS_PATTERNS[str(value)], character):
            return True
    return False


_CLASS_PATTERNS = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_NOT_WORD": r"\W",
    "CATEGORY_NOT_SPACE": r"\S",
}
