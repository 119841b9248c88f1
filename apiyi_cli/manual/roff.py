"""Formats blocks as roff with the man(7) macros, for groff and mandoc.

The source is ASCII: what is not becomes `\\[uXXXX]`. Hyphens are written `\\-` in code,
options and names, where a reader copies them, and stay hyphens in prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from apiyi_cli.manual import markdown

_SPELLING = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*|\b\w+-\w+\[", re.ASCII)
"""An option's name in prose, which readers search for and copy."""

BREAK = r"\:"
"""Where a line may end without a space or a hyphen."""

_WIDE = r"\u2e80-\u9fff\uff00-\uff60"
_CLOSING = r"，。、；：！？）」』】》"
_BETWEEN = re.compile(rf"(?<=([。；])|[{_WIDE}])(?=[^\s{_CLOSING}\\])(?<![（「『【《])")
"""The places between Chinese characters. After a sentence there is a space: mandoc knows no
other place where such a line can end."""

_FONTS = {"bold": r"\fB", "italic": r"\fI", "code": r"\fB"}


def roff(blocks: Iterable[markdown.Block]) -> Iterator[str]:
    """Yield the lines of the source, without line ends."""
    after_heading = False
    for block in blocks:
        yield from _lines(block, after_heading)
        after_heading = isinstance(block, markdown.Heading)


def escape(text: str, *, literal: bool = False) -> str:
    """Return text for use within a line; `literal` keeps hyphens and quotes copyable."""
    text = text.replace("\\", r"\e")
    if not literal:
        text = _SPELLING.sub(lambda match: match[0].replace("-", r"\-"), text)
    else:
        text = text.replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
        text = text.replace("^", r"\(ha").replace("~", r"\(ti")
    if text.isascii():
        return text
    text = _BETWEEN.sub(lambda place: " " if place[1] else BREAK, text)
    return "".join(
        character if character.isascii() else f"\\[u{ord(character):04X}]" for character in text
    )


def line(text: str) -> str:
    """Return escaped text as a line; a leading dot is escaped."""
    return rf"\&{text}" if text.startswith((".", "'")) else text


def inline(spans: markdown.Spans) -> str:
    """Return spans as one line in their fonts."""
    return line("".join(_span(span) for span in spans))


def _span(span: markdown.Span) -> str:
    if span.style == "plain":
        return escape(span.text)
    return f"{_FONTS[span.style]}{escape(span.text, literal=span.style == 'code')}\\fR"


def _lines(block: markdown.Block, after_heading: bool) -> Iterator[str]:
    match block:
        case markdown.Heading(level, title):
            yield f"{'.SH' if level == 1 else '.SS'} {escape(title)}"
        case markdown.Paragraph(spans):
            if not after_heading:
                yield ".PP"
            yield inline(spans)
        case markdown.Code(lines):
            yield from (".PP", ".RS 4", ".EX") if not after_heading else (".RS 4", ".EX")
            for code in lines:
                yield line(escape(code, literal=True))
            yield from (".EE", ".RE")
        case markdown.Items(items, numbered):
            for count, item in enumerate(items, 1):
                yield f".IP {count}. 4" if numbered else r".IP \(bu 3"
                yield inline(item)
        case markdown.Definitions(items):
            for term, explanation in items:
                yield from (".TP", inline(term), inline(explanation))
        case markdown.Table(rows):
            yield from () if after_heading else (".PP",)
            yield from _table(rows)


def _table(rows: tuple[tuple[markdown.Spans, ...], ...]) -> Iterator[str]:
    """Yield a tbl(1) table: bold heading, the last column wrapped to the remaining width."""
    count = len(rows[0])
    yield from (".TS", "tab(\t);")
    yield " ".join(["lB"] * count)
    yield " ".join(["l"] * (count - 1) + ["lx"]) + "."
    for row in rows:
        yield "\t".join(inline(cell) for cell in row[:-1]) + "\tT{"
        yield inline(row[-1])
        yield "T}"
    yield ".TE"
