"""A terminal that shows Markdown as it arrives: what is on the screen after each event."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Generator, Iterator

import pyte
import pytest

from apiyi_cli.core.events import Delta, EventBatch
from apiyi_cli.core.terminal_text import TerminalEncoder
from apiyi_cli.errors import IncompleteError
from apiyi_cli.render.markdown_stream import pretty
from tests.sampled import sampled

ENGLISH = (
    "A stream of plain words is shown as it comes, **bold ones** and `code` are laid out when "
    "the paragraph is closed. "
) * 3
CHINESE = (
    "终端里的中文也要逐字显示，**加粗**与`代码`在段落结束后重新排版。全角标点不会出现在行首！" * 3
)
EMOJI = "emoji 🎉 with 👨‍👩‍👧 joiners, ❤️ selectors, 🇨🇳 flags, 👍🏽 tones, word after word " * 3
LIST = "- [ ] open task\n- [x] done *task* that is long and goes on\n  - nested\n1. one\n2. two\n"
TABLE = "| name | 数量 | note |\n|:--|--:|:-:|\n| apple | 12 | fresh |\n| 梨 | 3 | `x` |\n"
FENCE = "```python\ndef f(x):\n\treturn [x] * 2  # a comment that is longer than narrow\n\n```\n"
QUOTE = "> quoted **text**\n> goes on\n"
EVERYTHING = (
    f"# Title *one*\n\n{ENGLISH}\n\n{LIST}\n{TABLE}\n{FENCE}\n{QUOTE}\n{CHINESE}\n\n***\n{EMOJI}"
)


class Terminal:
    """A screen with its scrollback, fed with what would be written to it."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self.screen)
        self._encoder = TerminalEncoder("live")
        self.reflows = False
        self.before_message: Callable[[], bytes] | None = None
        self.messages_shown = 0
        self.written = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.screen.columns, self.screen.lines

    def write(self, data: bytes) -> None:
        safe = self._encoder.feed(data)
        self.written += len(safe)
        # pyte drops what follows a joiner; like it, many terminals do not join.
        for ignored in ("\u200d", "\ufe0f"):
            safe = safe.replace(ignored.encode(), b"")
        self._stream.feed(safe.replace(b"\n", b"\r\n"))

    def rows(self) -> list[str]:
        """Return all rows, scrollback first, without what is empty at the end."""
        top = [
            "".join(row[x].data for x in range(self.screen.columns))
            for row in self.screen.history.top
        ]
        rows = [row.rstrip() for row in [*top, *self.screen.display]]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def cells(self) -> list[object]:
        """Return what each place of the screen holds, with its colours."""
        columns, rows = self.size
        return [self.screen.buffer[y][x] for y in range(rows) for x in range(columns)]

    def letters(self) -> str:
        return "".join(filter(str.isalnum, "".join(self.rows())))


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def show(
    terminal: Terminal, said: list[str], after: Callable[[str], None] = lambda seen: None
) -> Terminal:
    """Show the events, and call `after` with the text so far when each has been written."""
    received = ""

    def batches() -> Iterator[EventBatch]:
        nonlocal received
        for piece in said:
            yield [Delta(piece)]
            received += piece
            after(received)

    for data in pretty(
        batches(), on_event=lambda event: None, width=terminal.size[0], color=True, screen=terminal
    ):
        terminal.write(data)
    return terminal


def blockwise(said: str, columns: int, rows: int) -> Terminal:
    terminal = Terminal(columns, rows)
    items = pretty([[Delta(said)]], on_event=lambda event: None, width=columns, color=True)
    terminal.write(b"".join(items))
    return terminal


TEXTS = [ENGLISH, CHINESE, EMOJI, LIST, TABLE, FENCE, QUOTE, EVERYTHING]


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


SHOWN = list(itertools.product(range(len(TEXTS)), (20, 33, 80), (1, 3, 200)))


@pytest.mark.parametrize(
    ("number", "columns", "size"), sampled(SHOWN, 2, ("-".join(map(str, one)) for one in SHOWN))
)
def test_at_the_end_the_screen_is_what_block_by_block_gives(
    number: int, columns: int, size: int
) -> None:
    text = TEXTS[number]
    live = show(Terminal(columns, 40), pieces(text, size))
    whole = blockwise(text, columns, 40)
    assert live.rows() == whole.rows()
    assert live.cells() == whole.cells()
    assert (live.screen.cursor.x, live.screen.cursor.y) == (0, whole.screen.cursor.y)


@pytest.mark.parametrize("size", [1, 85], ids=["23 a second", "2,000 a second"])
@pytest.mark.parametrize("columns", [20, 80])
@pytest.mark.parametrize("text", [ENGLISH, CHINESE, EMOJI, LIST, TABLE, QUOTE, EVERYTHING])
def test_every_letter_is_on_the_screen_before_the_next_event(
    text: str, columns: int, size: int
) -> None:
    """At 2,000 characters a second a read of the socket brings dozens of them."""
    terminal = Terminal(columns, 24)
    missing: list[str] = []

    def look(received: str) -> None:
        # A line of code that is wider than the screen may wait for its end.
        in_code = received.count("```") % 2 and columns == 20
        # The letter of a box that is ticked is no longer shown once it is drawn.
        if not in_code and len(terminal.letters()) < len(letters(received.replace("[x", ""))):
            missing.append(received)

    show(terminal, pieces(text, size), look)
    assert missing == []


@pytest.mark.parametrize("text", [ENGLISH[:300], CHINESE[:300], "word " * 60])
def test_a_paragraph_costs_few_bytes_and_is_drawn_anew_at_most_once(text: str) -> None:
    terminal = Terminal(80, 24)
    seen: list[int] = []
    show(terminal, pieces(text, 1), lambda received: seen.append(terminal.written))
    assert terminal.written <= 4 * len(text.encode())
    # As it comes, only a word at the edge is written a second time.
    assert seen[-1] <= len(text.encode()) + 40 * len(terminal.rows())


TALL = (ENGLISH * 3, CHINESE * 4, EMOJI * 3, LIST * 6, QUOTE * 9)
SCROLLED = list(itertools.product(range(len(TALL)), (1, 7, 500), ((20, 6), (33, 10), (80, 8))))


@pytest.mark.parametrize(
    ("number", "size", "screen"), sampled(SCROLLED, 2, map(str, range(len(SCROLLED))))
)
def test_what_outgrows_the_screen_is_in_the_scrollback_once(
    number: int, size: int, screen: tuple[int, int]
) -> None:
    text, (columns, rows) = TALL[number], screen
    live = show(Terminal(columns, rows), pieces(text, size))
    whole = blockwise(text, columns, rows)
    assert live.letters() == whole.letters()
    assert live.screen.display == whole.screen.display


def test_a_table_that_outgrows_the_screen_keeps_every_row() -> None:
    text = TABLE + "".join(f"| row {k} | {k} | something |\n" for k in range(60))
    live = show(Terminal(40, 12), pieces(text, 5))
    rows = [row for row in live.rows() if row.startswith("row ")]
    assert [row.split("│")[0].strip() for row in rows] == [f"row {k}" for k in range(60)]


@pytest.mark.parametrize(("columns", "rows"), [(30, 24), (100, 24), (60, 8), (25, 8)])
def test_a_resize_in_the_middle_of_a_paragraph_loses_and_repeats_nothing(
    columns: int, rows: int
) -> None:
    terminal = Terminal(60, 24)

    def resize(received: str) -> None:
        if len(received) == 150:
            terminal.screen.resize(rows, columns)

    show(terminal, pieces(ENGLISH, 1), resize)
    assert terminal.letters() == blockwise(ENGLISH, columns, rows).letters()
    assert all(len(row) <= columns for row in terminal.rows())


def test_a_message_comes_between_whole_lines_and_the_block_goes_on_below() -> None:
    terminal = Terminal(60, 24)

    def interrupt(received: str) -> None:
        if received.endswith("open **bold** "):
            assert terminal.before_message is not None
            terminal.write(terminal.before_message() + b"NOTE\n")

    show(terminal, ["done\n\nopen ", "**bold** ", "words ", "go on\n"], interrupt)
    assert terminal.rows() == ["done", "", "open bold", "NOTE", "words go on"]


def test_a_message_of_another_thread_leaves_the_open_block_as_it_is() -> None:
    terminal = Terminal(60, 24)

    def interrupt(received: str) -> None:
        if received == "open **bold** ":
            terminal.write(b"\nNOTE\n")
            terminal.messages_shown += 1

    show(terminal, ["open ", "**bold** ", "words\n"], interrupt)
    assert terminal.rows() == ["open **bold**", "NOTE", "words"]


def test_a_cut_stream_leaves_the_layout_of_what_came() -> None:
    terminal = Terminal(60, 24)

    def batches() -> Iterator[EventBatch]:
        yield [Delta("some **bold")]
        yield [Delta("** wor")]
        raise IncompleteError("cut")

    with pytest.raises(IncompleteError):
        for data in pretty(
            batches(), on_event=lambda event: None, width=60, color=True, screen=terminal
        ):
            terminal.write(data)
    assert terminal.rows() == ["some bold wor"]
    assert terminal.screen.cursor.x == 0


def test_a_signal_while_a_piece_is_written_shows_the_open_block_on_rows_of_its_own() -> None:
    terminal = Terminal(60, 24)
    batches: list[EventBatch] = [[Delta("first\n\nopen **bo")], [Delta("ld**")]]
    items = pretty(
        batches,
        on_event=lambda event: None,
        width=60,
        color=True,
        screen=terminal,
    )
    terminal.write(next(items))
    # The second piece gets lost on its way.
    next(items)
    assert isinstance(items, Generator)
    terminal.write(items.throw(KeyboardInterrupt()))
    assert terminal.rows() == ["first", "", "open **bo", "open bold"]


def test_base64_is_never_shown_while_it_comes() -> None:
    terminal = Terminal(80, 24)
    shown: list[str] = []
    text = f"a picture ![x](data:image/png;base64,{'QUJD' * 2000}) and more\n"
    show(terminal, pieces(text, 40), lambda received: shown.append("".join(terminal.rows())))
    assert max(map(len, shown)) < 400
    assert "and more" in terminal.rows()[-1]


def test_a_terminal_too_small_to_draw_on_gets_whole_blocks() -> None:
    terminal = show(Terminal(7, 3), pieces("some words\n\nmore words", 1))
    assert terminal.letters() == "somewordsmorewords"


def test_no_screen_is_erased_as_a_whole_which_tmux_keeps_in_the_scrollback() -> None:
    items = pretty(
        [[Delta(piece)] for piece in pieces(EVERYTHING, 1)],
        on_event=lambda event: None,
        width=30,
        color=True,
        screen=Terminal(30, 10),
    )
    written = b"".join(items)
    assert b"\x1b[K" in written and b"J" not in re.sub(rb"\x1b\[[0-9;]*[mKFG]", b"", written)


@pytest.mark.nightly
def test_random_texts_lose_nothing_on_screens_of_any_size() -> None:
    words = [
        "word ",
        "**bold** ",
        "`code` ",
        "中文字，",
        "🎉",
        "*it* ",
        "\n",
        "\n\n",
        "\n- ",
        "x" * 50,
    ]
    for seed in range(300):
        chance = random.Random(seed)
        text = "".join(chance.choice(words) for _ in range(chance.randint(5, 150)))
        columns, rows = chance.choice([12, 20, 33, 80]), chance.choice([8, 12, 24])
        live = show(Terminal(columns, rows), pieces(text, chance.choice([1, 3, 20])))
        assert live.letters() == blockwise(text, columns, rows).letters(), seed
