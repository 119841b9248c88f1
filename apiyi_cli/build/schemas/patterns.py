"""Patterns of JSON Schemas: JavaScript's syntax converted, and the cost of matching.

JSON Schema names the dialect of ECMA-262, Python has its own. Where both can read a pattern,
Python's reading counts, which is the more generous one (`\\w` holds letters of all scripts).
JavaScript's spellings are converted. Features that Python lacks (`\\p{L}`, a
lookbehind of several widths) makes the pattern unreadable, and it is not checked.
"""

from __future__ import annotations

import math
import re
import warnings
from functools import lru_cache
from typing import Final, NamedTuple

CHEAP_STEPS: Final = 1e6
"""Engine steps that take less than about 50 ms."""

_QUANTIFIER: Final = re.compile(r"(?:[*+?]|\{(\d+)(?:,(\d*))?\})[?+]?")
_GROUP: Final = re.compile(
    r"\?(?:[:=!>]|<[=!]|P?<(?P<name>[^\W\d]\w*)>|P=\w+|[aiLmsux]+(?:-[imsx]+)?[:)])"
)
_CODE_POINT: Final = re.compile(r"\\u\{([0-9A-Fa-f]{1,6})\}")
_CONTROL: Final = re.compile(r"\\c([A-Za-z])")
_SET_IN_CLASS: Final = re.compile(r"(-?)(\\[dDwWsS])(-?)")
_NAMED_REFERENCE: Final = re.compile(r"\\k<([^\W\d]\w*)>")


class MatchCost(NamedTuple):
    """The number of ways to try a pattern at one place of a text.

    That is 2 ** `log` * n ** `degree`, or beyond every power of n when `is_explosive`.
    2 ** `volume` is how often its innermost part is repeated by counts that are written.
    """

    log: float = 0.0
    degree: float = 0.0
    is_explosive: bool = False
    volume: float = 0.0

    def join(self, other: MatchCost) -> MatchCost:
        """Return the ways of this part followed by another."""
        return MatchCost(
            self.log + other.log,
            self.degree + other.degree,
            self.is_explosive or other.is_explosive,
            max(self.volume, other.volume),
        )

    def repeat(self, least: int, most: float) -> MatchCost:
        """Return the ways of this part repeated."""
        is_plain = not (self.log or self.degree or self.is_explosive)
        if math.isinf(most):
            return MatchCost(0.0, float(is_plain), not is_plain, self.volume)
        choices = math.log2(max(1.0, most - least + 1))
        volume = self.volume + math.log2(max(1.0, most))
        if is_plain:
            return MatchCost(choices, volume=volume)
        return MatchCost(self.log * most + choices, self.degree * most, self.is_explosive, volume)


class Pattern(NamedTuple):
    """A pattern that Python can read: converted, compiled, with the cost of matching."""

    source: str
    compiled: re.Pattern[str]
    ways: MatchCost
    is_anchored: bool

    def is_cheap(self, length: int) -> bool:
        """Return True if searching a text of this length takes negligible time."""
        if self.ways.is_explosive and length > 10:
            return False
        starts = 0 if self.is_anchored else 1
        steps = math.log2(length + 1) * (self.ways.degree + starts) + self.ways.log
        return steps + self.ways.volume <= math.log2(CHEAP_STEPS)


@lru_cache(maxsize=1024)
def read_pattern(text: str) -> Pattern | None:
    """Return the pattern, None if this Python cannot read it."""
    reader = _Reader(text)
    try:
        ways = reader.read()
        source = "".join(reader.out)
        with warnings.catch_warnings():
            # `[[a]` may mean something else one day.
            warnings.simplefilter("ignore")
            compiled = re.compile(source)
    except (re.error, RecursionError, OverflowError, ValueError):
        return None
    return Pattern(source, compiled, ways, source.startswith("^") and not reader.has_branches)


class _Reader:
    """Reads a pattern once: writes Python's spelling to `out`, adds up the ways."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self.has_branches = False

    def read(self) -> MatchCost:
        ways = self._alternatives(0)
        if self.at < len(self.text):
            raise ValueError("unbalanced parenthesis")
        return ways

    def _alternatives(self, depth: int) -> MatchCost:
        branches = [self._sequence(depth)]
        while self._take("|"):
            self.out.append("|")
            self.has_branches = self.has_branches or depth == 0
            branches.append(self._sequence(depth))
        if len(branches) == 1:
            return branches[0]
        # 2 ** 60 is as good as endless, and a float holds what comes of it.
        log = math.log2(sum(2.0 ** min(60.0, branch.log) for branch in branches))
        degree = max(branch.degree for branch in branches)
        return MatchCost(
            log,
            degree,
            any(branch.is_explosive for branch in branches),
            max(branch.volume for branch in branches),
        )

    def _sequence(self, depth: int) -> MatchCost:
        ways = MatchCost()
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            part = self._atom(depth)
            if match := _QUANTIFIER.match(self.text, self.at):
                self.at = match.end()
                self.out.append(match[0])
                part = part.repeat(*_bounds(match))
            ways = ways.join(part)
        return ways

    def _atom(self, depth: int) -> MatchCost:
        char = self.text[self.at]
        if char == "(":
            return self._group(depth)
        if char == "[":
            self._class()
        elif char == "\\":
            return self._escape()
        elif char == "{":
            # Python takes `{,3}` for a quantifier, JavaScript for text.
            self.out.append("\\{")
            self.at += 1
        else:
            self.out.append(char)
            self.at += 1
        return MatchCost()

    def _group(self, depth: int) -> MatchCost:
        self.at += 1
        self.out.append("(")
        if self.text.startswith("?", self.at):
            match = _GROUP.match(self.text, self.at)
            if match is None:
                raise ValueError("unknown group")
            self.at = match.end()
            self.out.append(f"?P<{match['name']}>" if match["name"] else match[0])
            if match[0].endswith(")"):
                return MatchCost()
        ways = self._alternatives(depth + 1)
        if not self._take(")"):
            raise ValueError("missing parenthesis")
        self.out.append(")")
        return ways

    def _escape(self) -> MatchCost:
        if match := _NAMED_REFERENCE.match(self.text, self.at):
            self.out.append(f"(?P={match[1]})")
            self.at = match.end()
            return MatchCost(0.0, 1.0)
        is_reference = self.text[self.at + 1 : self.at + 2] in "123456789"
        self._convert_escape()
        return MatchCost(0.0, 1.0) if is_reference else MatchCost()

    def _convert_escape(self) -> None:
        if match := _CODE_POINT.match(self.text, self.at):
            self.out.append(re.escape(chr(int(match[1], 16))))
        elif match := _CONTROL.match(self.text, self.at):
            self.out.append(re.escape(chr(ord(match[1]) % 32)))
        else:
            self.out.append(self.text[self.at : self.at + 2])
            self.at += 2
            return
        self.at = match.end()

    def _class(self) -> None:
        if self.text.startswith("[^]", self.at):
            self.out.append(r"[\s\S]")
            self.at += 3
            return
        if self.text.startswith("[]", self.at):
            # Of no character: never fits.
            self.out.append("(?!)")
            self.at += 2
            return
        start = self.at
        self.out.append("[")
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != "]":
            if match := _SET_IN_CLASS.match(self.text, self.at):
                # In JavaScript a `-` beside a set is itself, in Python it is a mistake.
                self.out += ["\\-" if match[1] else "", match[2], "\\-" if match[3] else ""]
                self.at = match.end()
            elif self.text[self.at] == "\\":
                self._convert_escape()
            else:
                char = self.text[self.at]
                self.out.append(f"\\{char}" if char == "[" else char)
                self.at += 1
        if not self._take("]"):
            raise ValueError(f"unterminated class at {start}")
        self.out.append("]")

    def _take(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True


def _bounds(match: re.Match[str]) -> tuple[int, float]:
    """Return the least and most repetitions of a quantifier."""
    if match[1] is None:
        return {"*": (0, math.inf), "+": (1, math.inf), "?": (0, 1.0)}[match[0][0]]
    if match[2] is None:
        return int(match[1]), float(match[1])
    return int(match[1]), float(match[2]) if match[2] else math.inf
