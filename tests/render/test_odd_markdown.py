"""Odd Markdown as it arrives: nothing is lost or repeated on screens of any size."""

from __future__ import annotations

import unicodedata

import pytest

from tests.render.test_live import Terminal, blockwise, letters, pieces, show
from tests.sampled import sampled

ODD = {
    "right to left": "שלום עולם, mixed עברית and العربية الفصحى text. " * 4 + "\n\nend\n",
    "tabs": "a\tb\n\n\tcode by a tab\n\n- item\twith\t"
    + "word " * 30
    + "\n\n1.\tone\n\t- two\n\tmore",
    "open table": "| a | b |\n|--|--|\n| 1 | 2 |\n| 3 | a cell that goes on and on with words ",
    "open fence": "text\n```py\nprint('hello')\nfor x in range(3):\n    pass",
    "open emphasis": "**bold that never closes, *italic, `code, [link](http://x.example/a, ~~gone "
    * 3,
    "open quote": "> a\n>> b\n>> - item\n> ```\n> code\n> ```\ngoes on lazily\n\n",
    "HTML": '<div id="c">\n<b>bold</b> <script>x(1)</script>\n</div>\n\n<td>1</td>\n<!-- x -->\n',
    "combining": "h\u0301e\u0308l\u0323l\u0302o\u0300 cafe\u0301 हिन्दी नमस्ते ไทยภาษา " * 9 + "\n",
    "joined emoji": "👨‍👩‍👧‍👦👩🏽‍💻🏳️‍🌈👩‍❤️‍💋‍👨 family " * 8 + "\n",
    "long words": f"https://example.com/{'abcdefghij' * 30} tail {'x' * 300} {' 中' * 100}\n",
    "nested list": f"- a\n  - b\n    - c {'low ' * 9}\n      - d\n        1. e\n  - up\n\n- last\n",
    "tasks": "- [ ] open\n- [X] done\n* [ ] star\n1. [ ] number\n- [] not\n  - [x] in [ ] one\n",
    "centred": "| left | mid | right |\n|:--|:-:|--:|\n| a | b | c |\n| long | 中文字 | 12,345 |\n",
    "wide table": "".join(
        f"| {' | '.join(row * 9)} |\n" for row in (["head"], ["--"], ["value of it"], ["more"])
    ),
    "CRLF": "# One\n\n**bold**\nmore\n\n- a\n- b\n\n```py\nx = 1\n```\n|a|b|\n|-|-|\n".replace(
        "\n", "\r\n"
    ),
    "fence in a list": "1. do this:\n   ```sh\n   ls -l\n   ```\n2. then **that**\n",
    "underlined": "Title\n=====\n\nSub\n---\n\nline one\nline two\n---\n***\n- - -\n",
    "formulas": "\\[ x = \\frac{a}{b} \\] and $a_b * c_d$ then \\(y\\) " * 4 + "\n",
    "backticks": "``a ` b`` and ```inline``` text `` ` `` `open\n| `x|y` | c \\| d |\n|-|-|\n",
    "controls": "a\x00b\x07c\x7fd\u2028e\x85f\n\x0bg\x0ch \ud83d\ude00i \ud800j\n",
    "edges": "中" * 100 + "，" * 10 + "（" * 10 + "ﾃｽﾄ " * 20 + "한국어 문장 " * 9 + "\n",
}
CELLS = [
    (text, columns, rows, size)
    for text in ODD.values()
    for columns in (12, 20, 33, 80)
    for rows in (40, 12)
    for size in (1, 3, 85)
]
NAMES = [f"{list(ODD)[at // 24]} {cell[1]}x{cell[2]} by {cell[3]}" for at, cell in enumerate(CELLS)]


class OddTerminal(Terminal):
    """A screen without what takes no column, whose rest pyte would drop."""

    def write(self, data: bytes) -> None:
        safe = self._encoder.feed(data)
        self.written += len(safe)
        text = "".join(
            character
            for character in safe.decode("utf-8", "replace")
            if unicodedata.category(character) not in ("Mc", "Mn", "Cf", "Zl", "Zp")
        )
        self._stream.feed(text.replace("\n", "\r\n").encode())


@pytest.mark.parametrize(("text", "columns", "rows", "size"), sampled(CELLS, 11, NAMES))
def test_odd_markdown_is_all_there_at_any_moment_and_laid_out_at_the_end(
    text: str, columns: int, rows: int, size: int
) -> None:
    """At 23 characters a second an event brings one of them, at 2,000 dozens."""
    terminal, whole = OddTerminal(columns, rows), OddTerminal(columns, rows)
    whole.write(blockwise_bytes(text, columns))
    missing: list[str] = []

    def look(received: str) -> None:
        # Code and tables appear line by line where a line is wider than the screen.
        waits = columns == 12 and received.rpartition("\n")[2]
        shown = received.replace("[x", "").replace("[X", "")
        if not waits and len(terminal.letters()) < len(letters(shown)):
            missing.append(received)

    show(terminal, pieces(text, size), look)
    assert missing == []
    assert terminal.letters() == whole.letters()
    assert terminal.screen.cursor.x == 0
    if len(whole.rows()) < rows:
        assert terminal.rows() == whole.rows()
        assert terminal.cells() == whole.cells()
    assert terminal.written <= 4 * max(len(text.encode("utf-8", "replace")), whole.written) + 60


def blockwise_bytes(text: str, columns: int) -> bytes:
    from apiyi_cli.core.events import Delta
    from apiyi_cli.render.markdown_stream import pretty

    items = pretty([[Delta(text)]], on_event=lambda event: None, width=columns, color=True)
    return b"".join(items)


def test_a_line_that_goes_on_with_a_quote_lazily_keeps_its_first_letter() -> None:
    assert blockwise("> one\ntwo\n  three\n", 40, 9).rows() == ["▌ one", "▌ two", "▌ three"]


def test_a_table_that_is_too_wide_is_wrapped_and_no_row_is_repeated() -> None:
    head, rule, row = (f"| {' | '.join([cell] * 9)} |\n" for cell in ("head", "--", "value"))
    live = show(OddTerminal(12, 8), pieces(head + rule + row * 3, 5))
    assert "".join(live.rows()).count("head") == 9
    assert live.letters() == "head" * 9 + "value" * 27
