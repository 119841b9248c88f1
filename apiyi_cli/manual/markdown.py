"""Parses the Markdown of the hand-written sections into blocks.

A small subset on purpose, what a man page can show: headings, paragraphs, `- ` and `1. `
lists, definition lists (a term on its own line, then a line that begins with `: `), tables
of two or three columns, code that is fenced, and within text **bold**, *italic* and `code`.
An item continues over following lines that are indented. Anything else is a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Literal

from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

Style = Literal["plain", "bold", "italic", "code"]


class Span(PlainValue):
    """A piece of text in one style."""

    text: str
    style: Style = "plain"


Spans = tuple[Span, ...]


class Heading(PlainValue):
    """A section's title (level 1) or a part's (level 2)."""

    level: int
    text: str


class Paragraph(PlainValue):
    """A paragraph of text."""

    text: Spans


class Items(PlainValue):
    """A list; `numbered` counts its items from 1."""

    items: tuple[Spans, ...]
    numbered: bool = False


class Definitions(PlainValue):
    """Terms, each with its explanation."""

    items: tuple[tuple[Spans, Spans], ...]


class Table(PlainValue):
    """Rows of cells; the first row is the heading."""

    rows: tuple[tuple[Spans, ...], ...]


class Code(PlainValue):
    """Lines shown unchanged."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Items | Definitions | Table | Code

# Patterns are texts, compiled by `re` when first used: most helps need none.
_SPAN = r"`([^`]+)`|\*\*([^*]+)\*\*|(?<!\*)\*([^*\s][^*]*)\*"
_STYLES: tuple[Style, ...] = ("plain", "code", "bold", "italic")
"""The styles of what is between two spans, and of the groups of `_SPAN`."""
_ITEM = r"(?:- |(\d+)\. )(.*)"
_RULE = r"\|(?:\s*:?-+:?\s*\|)+"


def blocks(source: str, say: Translate = as_is) -> Iterator[Block]:
    """Yield the blocks of a text in order.

    `say` translates: it gets each heading, paragraph, item, term, explanation and cell as it
    is written here, on one line. Code is not translated.
    """
    lines = source.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            end = lines.index("```", at + 1)
            yield Code(tuple(lines[at + 1 : end]))
            at = end + 1
        elif heading := re.fullmatch(r"(##?) (.+)", line):
            yield Heading(len(heading[1]), say(Text(heading[2])))
            at += 1
        else:
            end = _end(lines, at)
            yield _block(lines[at:end], say)
            at = end


def text(source: str) -> Spans:
    """Return the spans of a text."""
    pieces = zip(re.split(_SPAN, source), cycle(_STYLES), strict=False)
    return tuple(Span(piece, style) for piece, style in pieces if piece)


def plain(spans: Spans, *, quoted: bool = False) -> str:
    """Return the text without its styles; `quoted` keeps the backticks of code with spaces."""
    return "".join(
        f"`{span.text}`" if quoted and span.style == "code" and " " in span.text else span.text
        for span in spans
    )


def _end(lines: list[str], at: int) -> int:
    """Return where the block that begins at a line ends.

    Lists and definitions continue after an empty line when another item follows.
    """
    listed = re.match(_ITEM, lines[at]) is not None
    defined = _defines(lines, at)
    end = at
    while end < len(lines):
        if lines[end].strip():
            if lines[end].startswith(("```", "# ", "## ")):
                break
            end += 1
            continue
        after = end + 1
        more = after < len(lines) and (
            (listed and re.match(_ITEM, lines[after])) or (defined and _defines(lines, after))
        )
        if not more:
            break
        end = after
    return end


def _defines(lines: list[str], at: int) -> bool:
    return at + 1 < len(lines) and lines[at + 1].startswith(": ")


def _block(lines: list[str], say: Translate) -> Block:
    if lines[0].startswith("|"):
        rows = [line for line in lines if not re.fullmatch(_RULE, line.strip())]
        return Table(tuple(_cells(row, say) for row in rows))
    if re.match(_ITEM, lines[0]):
        return _items(lines, say)
    if _defines(lines, 0):
        return _definitions(lines, say)
    return Paragraph(text(say(Text(" ".join(line.strip() for line in lines)))))


def _cells(row: str, say: Translate) -> tuple[Spans, ...]:
    cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
    return tuple(text(say(Text(cell.strip().replace("\\|", "|")))) for cell in cells)


def _items(lines: list[str], say: Translate) -> Items:
    items: list[str] = []
    for line in lines:
        if match := re.match(_ITEM, line):
            items.append(match[2].strip())
        elif line.strip():
            items[-1] += " " + line.strip()
    return Items(tuple(text(say(Text(item))) for item in items), numbered=lines[0][0].isdigit())


def _definitions(lines: list[str], say: Translate) -> Definitions:
    definitions: list[list[str]] = []
    for at, line in enumerate(lines):
        if _defines(lines, at):
            definitions.append([line.strip(), ""])
        elif line.strip():
            words = line.removeprefix(": ").strip()
            definitions[-1][1] += f" {words}" if definitions[-1][1] else words
    return Definitions(
        tuple(
            (text(say(Text(term))), text(say(Text(explanation))))
            for term, explanation in definitions
        )
    )
