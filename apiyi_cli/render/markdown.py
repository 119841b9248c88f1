"""Formats one block of Markdown for a terminal.

Imported by `pretty` alone, when there is Markdown to show: this module loads rich and the
inline parser it brings. Colours are the terminal's own sixteen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from apiyi_cli.core.terminal_text import neutralize
from apiyi_cli.render.blocks import Block, Blocks
from apiyi_cli.render.table import Cell, Side, fits, layout, paint
from apiyi_cli.render.wrap import cuts

if TYPE_CHECKING:
    from markdown_it.token import Token

# Everything else after a backslash is more likely LaTeX or a path than an escape.
_ESCAPABLE = frozenset("*_`#~|<>-+.")
_HIGHLIGHTED_MAX = 16 << 10
# Text that may take the parser seconds is printed without styles.
_PARSED_MAX = 32 << 10
_QUOTES_MAX = 5
_TASK = re.compile(r"\[([ xX])\][ \t]+")
_BAR = re.compile(r"(?<!\\)\|")
_BASE64 = re.compile(r"(data:[^,\s]{0,100};base64,[A-Za-z0-9+/=_-]{32})[A-Za-z0-9+/=_-]{64,}")

_DIM = Style(dim=True)
_CODE = Style(color="cyan")
_LINK = Style(underline=True)
_MARK = Style(color="yellow")
_HEADINGS = {1: Style(bold=True, underline=True), 2: Style(bold=True)}
_SPANS = {"strong": Style(bold=True), "em": Style(italic=True), "s": Style(strike=True)}


class _Inline(MarkdownIt):
    """The parser of a block's text; URLs keep their spelling."""

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link


class Markdown:
    """Formats blocks in the order of the text; keeps the open code block."""

    def __init__(self, width: int, color: bool, depth: int = 1) -> None:
        self._depth = depth
        self.width = max(width, 8)
        self._color = color
        self._code: list[str] = []
        self._code_size = 0
        # Without `reference` a definition stays visible, without `text_join` an escape can
        # be distinguished from the character that it escapes.
        self._inline = _Inline("commonmark", {"html": False}).enable("strikethrough")
        self._inline.disable(["reference", "text_join"])

    def render(self, blocks: Sequence[Block]) -> str:
        """Return the terminal output for some blocks, each line with its end."""
        try:
            return self._render(blocks)
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            # A layout that fails must not take away an answer that was paid for.
            return "".join(f"{block.text}\n" for block in blocks)

    def _render(self, blocks: Iterable[Block]) -> str:
        out: list[str] = []
        for kind, group in groupby(blocks, key=lambda block: block.kind):
            if kind == "code":
                out += self._code_lines(list(group))
            else:
                for block in group:
                    out += (paint(line, self._color) + "\n" for line in self._lines(block))
        return "".join(out)

    def _lines(self, block: Block) -> Iterator[Text]:
        if block.kind == "blank":
            yield Text()
        elif block.kind == "fence":
            self._code.clear()
            self._code_size = 0
            yield _style(block.text, _DIM)
        elif block.kind == "verbatim":
            yield _style(block.text, _CODE)
        elif block.kind == "rule":
            yield _style("─" * self.width, _DIM)
        elif block.kind == "heading":
            yield from self._heading(block)
        elif block.kind == "quote":
            yield from self._quote(block)
        elif block.kind == "table":
            yield from self._table(block)
        else:
            yield from self._prose(block)

    def _heading(self, block: Block) -> Iterator[Text]:
        words = self._words(block.text)
        words.stylize_before(_HEADINGS.get(len(block.mark), Style(bold=True, dim=True)))
        if not self._color:
            words = Text(f"{block.mark} ").append_text(words)
        yield from self._wrap(words, Text(), 0)

    def _prose(self, block: Block) -> Iterator[Text]:
        lead = Text(" " * min(block.indent, self.width // 2))
        hang = cell_len(lead.plain)
        text = block.text
        if block.kind == "item":
            mark, text = _find_mark(block)
            lead.append(f"{mark} ", style=_MARK)
            hang = cell_len(lead.plain)
        yield from self._wrap(self._words(text), lead, hang)

    def _quote(self, block: Block) -> Iterator[Text]:
        inner = "\n".join(map(_strip_quote_mark, block.text.split("\n")))
        for line in self._quote_lines(inner):
            yield _style("▌ ", _DIM).append_text(line)

    def _quote_lines(self, inner: str) -> Iterator[Text]:
        if self._depth == _QUOTES_MAX:
            yield from map(Text, inner.split("\n"))
            return
        deeper = Markdown(self.width - 2, self._color, self._depth + 1)
        blocks = Blocks()
        for block in [*blocks.feed(inner), *blocks.close()]:
            if block.kind == "code":
                yield Text(block.text)
            else:
                yield from deeper._lines(block)

    def _wrap(self, words: Text, lead: Text, hang: int) -> Iterator[Text]:
        for line in words.split("\n", allow_blank=True):
            line.expand_tabs(4)
            room = self.width - hang
            for piece in line.divide(cuts(line.plain, room, room)):
                piece.rstrip()
                yield lead.copy().append_text(piece)
                lead = Text(" " * hang)

    def _table(self, block: Block) -> Iterator[Text]:
        head, marks, *rest = block.text.split("\n")
        texts = [[self._words(cell) for cell in _split_row(row)] for row in (head, *rest)]
        for text in texts[0]:
            text.stylize_before(_HEADINGS[2])
        count = max(map(len, texts))
        rows = [
            [*map(Cell, row), *(Cell(Text()) for _ in range(count - len(row)))] for row in texts
        ]
        if not fits(rows, self.width, gap=3):
            yield from map(Text, block.text.split("\n"))
            return
        sides = [_find_side(mark) for mark in _split_row(marks)] + ["left"] * count
        yield from layout(rows, sides[:count], self.width, ruled=True)

    def _code_lines(self, blocks: list[Block]) -> Iterator[str]:
        lines = [block.text for block in blocks]
        known = len(self._code)
        self._code += lines
        self._code_size += sum(map(len, lines))
        if not self._color or self._code_size > _HIGHLIGHTED_MAX:
            painted = lines
        else:
            painted = self._highlight(blocks[0].mark)[known:]
        return (line + "\n" for line in painted)

    def _highlight(self, language: str) -> list[str]:
        # The block so far is coloured anew for each batch of lines: only from its beginning
        # is it known what a line is part of.
        from rich.syntax import Syntax

        lexer = Syntax("", language or "text", tab_size=0).lexer
        if lexer is None:
            return self._code
        theme = Syntax.get_theme("ansi_dark")
        painted = Text()
        for kind, value in lexer.get_tokens("\n".join(self._code)):
            painted.append(value, theme.get_style_for_token(kind))
        lines = painted.split("\n", allow_blank=True)[: len(self._code)]
        if [line.plain for line in lines] != self._code:
            return self._code
        return [paint(line, self._color) for line in lines]

    def _words(self, text: str) -> Text:
        text = _BASE64.sub(_shorten, text)
        if len(text) > _PARSED_MAX:
            return Text(text)
        words = Text()
        tokens = self._inline.parseInline(text)[0].children or []
        styles: list[Style] = []
        links: list[tuple[str, int]] = []
        for token in tokens:
            name = token.type.removesuffix("_open").removesuffix("_close")
            if name == "link":
                self._link(words, token, links)
            elif name in _SPANS:
                if token.nesting > 0:
                    styles.append(_SPANS[name])
                else:
                    styles.pop()
            else:
                style = Style.combine([Style.null(), *styles, *([_LINK] if links else [])])
                self._append(words, token, style)
        return words

    def _append(self, words: Text, token: Token, style: Style) -> None:
        # An entity (&#x202e;) can stand for what was neutralised in the text itself.
        content = neutralize(token.content)
        if token.type == "code_inline":
            words.append(content if self._color else f"`{content}`", style=style + _CODE)
        elif token.type in ("softbreak", "hardbreak"):
            words.append("\n")
        elif token.type == "image":
            words.append(
                f"![{content}]({neutralize(str(token.attrs.get('src', '')))})", style=style
            )
        elif token.type == "text_special" and token.info == "escape":
            words.append(
                content if content in _ESCAPABLE else neutralize(token.markup), style=style
            )
        else:
            words.append(content, style=style)

    def _link(self, words: Text, token: Token, links: list[tuple[str, int]]) -> None:
        if token.nesting > 0:
            links.append((str(token.attrs.get("href", "")), len(words)))
            return
        href, start = links.pop()
        if words.plain[start:] not in (href, href.removeprefix("mailto:")):
            words.append(f" ({neutralize(href)})", style=_DIM)


def _strip_quote_mark(line: str) -> str:
    """Return a quote's line without its `>`; a lazy continuation has none."""
    bare = line.lstrip()
    return bare[1:].removeprefix(" ") if bare.startswith(">") else line


def _find_mark(block: Block) -> tuple[str, str]:
    """Return the mark and the text of a list item. A task's mark is a box."""
    if block.mark not in "-*+":
        return block.mark, block.text
    if task := _TASK.match(block.text):
        return "☐" if task[1] == " " else "☑", block.text[task.end() :]
    return "•", block.text


def _find_side(mark: str) -> Side:
    """Return the alignment of a table's column, by the colons below its head."""
    if not mark.endswith(":"):
        return "left"
    return "center" if mark.startswith(":") else "right"


def _style(text: str, style: Style) -> Text:
    # The style of a Text as a whole would hold for what is appended later, and is dropped
    # without a span.
    return Text().append(text, style)


def _shorten(data_url: re.Match[str]) -> str:
    return f"{data_url[1]}…({len(data_url[0])}-characters)"


def _split_row(line: str) -> list[str]:
    """Return a Markdown row's cells; `\\|` is a bar inside a cell."""
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inner)]
