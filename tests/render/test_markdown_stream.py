from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pyte
import pytest
from rich.cells import cell_len

from apiyi_cli.core.events import Delta, Event, EventBatch, Reasoning, ToolCall
from apiyi_cli.errors import IncompleteError
from apiyi_cli.render.markdown_stream import pretty
from apiyi_cli.render.wrap import clip, cuts


def plain(said: str, *, width: int = 40, step: int = 0) -> str:
    batches: list[EventBatch] = (
        [[Delta(said[at : at + step])] for at in range(0, len(said), step)]
        if step
        else [[Delta(said)]]
    )
    items = pretty(batches, on_event=lambda event: None, width=width, color=False)
    return b"".join(items).decode()


def colored(said: str, *, width: int = 40) -> str:
    items = pretty([[Delta(said)]], on_event=lambda event: None, width=width, color=True)
    return b"".join(items).decode()


EVERYTHING = r"""# Title
Words **bold** _em_ ~~no~~ `code` [link](https://x.y) <https://z.w>
second line

- one
  more
  1. nested
- two

> quoted
> ```
> code
> ```

| a | 数量 |
|---|--:|
| x | 1 |

```python
def f():
    return "[red]"
```
***
tail"""


@pytest.mark.parametrize("step", [1, 2, 7, 50])
def test_the_rendering_does_not_depend_on_where_the_text_is_split(step: int) -> None:
    assert plain(EVERYTHING, step=step) == plain(EVERYTHING)


def test_every_kind_of_block_has_its_look() -> None:
    assert plain(EVERYTHING).splitlines() == [
        "# Title",
        "Words bold em no `code` link",
        "(https://x.y) https://z.w",
        "second line",
        "",
        "• one",
        "  more",
        "  1. nested",
        "• two",
        "",
        "▌ quoted",
        "▌ ```",
        "▌ code",
        "▌ ```",
        "",
        "a │ 数量",
        "──┼─────",
        "x │    1",
        "",
        "```python",
        "def f():",
        '    return "[red]"',
        "```",
        "─" * 40,
        "tail",
    ]


def test_a_block_is_printed_once_it_is_closed_and_code_line_by_line() -> None:
    pieces = ["one ", "two\n", "\nnext\n", "```\n", "a", "b\n", "c\n", "```\n"]
    printed = []

    def batches() -> Iterator[EventBatch]:
        for piece in pieces:
            printed.append("")
            yield [Delta(piece)]
        printed.append("")

    for item in pretty(batches(), on_event=lambda event: None, width=40, color=False):
        printed[-1] += item.decode()
    assert printed == ["", "", "one two\n\n", "next\n```\n", "", "ab\n", "c\n", "```\n", ""]


@pytest.mark.parametrize(
    "said",
    [
        "list[int] arr[0] [/x] [red] [/] [bold]x[/bold]",
        ":smile: :+1: 12:30:45",
        "List<String> and <div>html</div> <br>",
        r"\( a_1 \) \[ x \\ y \] C:\path\new",
        "[1]: https://example.com/reference",
        "![alt](https://a.b/c.png)",
        "snake_case_name __init__x a * b * c",
        "100% of $5 & more; &nbsp",
        "tilde ~ hat ^ pipe |",
    ],
)
def test_text_that_is_no_markup_of_markdown_is_printed_as_it_is(said: str) -> None:
    assert plain(said, width=100) == said + "\n"


def test_an_escaped_mark_loses_its_backslash() -> None:
    assert plain(r"snake\_case \*not em\* 1\. \`x\`") == "snake_case *not em* 1. `x`\n"


def test_an_entity_cannot_bring_in_what_was_made_safe() -> None:
    printed = plain("&#x202e;evil &#27;[31m &#155;2J &lt;b&gt;")
    assert printed == "\\u202eevil \ufffd[31m \ufffd2J <b>\n"


def test_a_link_shows_where_it_leads_and_is_no_terminal_hyperlink() -> None:
    printed = colored("[bank](https://evil.example/%1b)")
    assert "(https://evil.example/%1b)" in printed
    assert "\x1b]8" not in printed


def test_megabytes_of_a_data_url_are_not_printed() -> None:
    printed = plain(f"![cat](data:image/png;base64,{'A' * 3_000_000})", width=200)
    assert printed.startswith("![cat](data:image/png;base64,AAAA")
    assert "(3000022-characters)" in printed
    assert len(printed) < 200


# Of the processor: hours where the time grows with the square of the text, a second where not.
SLOW_S = 60


@pytest.mark.parametrize(
    "mark", ["*", "[", "`", "_", "![", "](", "<", "&", "\\", "~", "[a](", "**a "]
)
def test_a_text_made_to_be_slow_is_printed_in_time(mark: str) -> None:
    began = time.process_time()
    assert len(plain(f"x{mark * 10_000}\n\nx{mark * 100_000}")) > 100_000
    assert time.process_time() - began < SLOW_S


@pytest.mark.parametrize("said", ["- ", "> ", "# ", "1. ", "| ", "-|", "```", "=", "- - "])
def test_blocks_made_to_be_slow_are_printed_in_time(said: str) -> None:
    began = time.process_time()
    plain(said * 20_000)
    plain(f"{said}\n" * 2_000)
    assert time.process_time() - began < SLOW_S


def test_styles_are_sent_only_where_colour_is_wanted() -> None:
    assert "\x1b" not in plain(EVERYTHING)
    painted = colored(EVERYTHING)
    assert "\x1b[1mbold\x1b[0m" in painted
    screen = pyte.Screen(40, 60)
    pyte.Stream(screen).feed(painted.replace("\n", "\r\n"))
    seen = [line.rstrip() for line in screen.display if line.strip()]
    assert "def f():" in seen
    assert '    return "[red]"' in seen


def test_code_is_never_changed_or_wrapped_in_colour_or_without() -> None:
    code = '\tif x:   \n\n\tprint("' + "長" * 60 + '")  # [/x] :smile:\n\\r\n'
    assert plain(f"```py\n{code}```\n") == f"```py\n{code}```\n"
    screen = pyte.Screen(200, 10)
    pyte.Stream(screen).feed(colored(f"```c\n{code}```\n").replace("\n", "\r\n"))
    assert screen.display[3].replace(" ", "").startswith('print("長')


def test_an_unknown_or_huge_code_block_is_printed_without_colours() -> None:
    assert "x = 1\n" in colored("```nosuchlanguage\nx = 1\n```\n")
    line = "x = 1  # " + "word " * 20
    long = "\n".join([line] * 400)
    assert colored(f"```py\n{long}\n```\n").count(line) == 400


def test_chinese_text_fills_its_lines_and_no_line_begins_with_punctuation() -> None:
    said = "使用 Python 可以这样写，" * 12
    lines = plain(said, width=30).splitlines()
    assert "".join(lines).replace(" ", "") == said.replace(" ", "")
    assert all(cell_len(line) <= 30 for line in lines)
    assert not any(line[0] in "，。、" for line in lines)
    assert min(cell_len(line) for line in lines[:-1]) >= 22


@pytest.mark.parametrize("width", [16, 20, 33, 80])
def test_no_line_but_code_is_wider_than_the_terminal(width: int) -> None:
    said = (
        "word " * 30
        + "\n\n- "
        + "中文字 " * 20
        + "\n\n# "
        + "heading " * 9
        + "\n\n| a | b |\n|--|--|\n| "
        + "long cell " * 9
        + "| "
        + "长" * 40
        + " |\n\n> "
        + "quoted " * 20
        + "\n\n"
        + "x" * 200
    )
    assert all(cell_len(line) <= width for line in plain(said, width=width).splitlines())


def test_a_table_that_cannot_fit_is_printed_as_it_came() -> None:
    row = "|" + "|".join(["abcdef"] * 12) + "|"
    said = f"{row}\n{'|' + '|'.join(['---'] * 12) + '|'}\n{row}\n"
    assert plain(said, width=30) == said


def test_a_table_with_ragged_rows_and_bars_in_cells_keeps_every_cell() -> None:
    printed = plain("| a | b |\n|:--|--:|\n| `x\\|y` |\n| 1 | 2 | 3 |\n")
    assert printed.splitlines() == [
        "a     │ b │",
        "──────┼───┼──",
        "`x|y` │   │",
        "1     │ 2 │ 3",
    ]


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("Title\n===\nx", ["# Title", "x"]),
        ("Title\n---\nx", ["## Title", "x"]),
        ("a\n\n---\nb", ["a", "", "─" * 40, "b"]),
        ("### Deep ##\nx", ["### Deep", "x"]),
        ("#hashtag", ["#hashtag"]),
        ("it was in\n1984. A year", ["it was in", "1984. A year"]),
        ("steps:\n1. a\n2) b\n10. c", ["steps:", "1. a", "2) b", "10. c"]),
        ("* a\n+ b\n\n  more of b", ["• a", "• b", "", "  more of b"]),
        ("- [ ] todo\n- [x] done\n- [link](u)", ["☐ todo", "☑ done", "• link (u)"]),
        ("1. [x] numbered", ["1. [x] numbered"]),
        ("|head|\n|:--:|\n|x|\n|yy|", ["head", "────", " x", " yy"]),
        ("- \n- x", ["• ", "• x"]),
        ("text\n\n    x = [1]\n    y", ["text", "", "    x = [1]", "    y"]),
        ("> a\n> > b\n> - c\n\nd", ["▌ a", "▌ ▌ b", "▌ • c", "", "d"]),
        ("a\n> b\n# c", ["a", "▌ b", "# c"]),
        ("```\nnever closed", ["```", "never closed"]),
        ("**never closed", ["**never closed"]),
        ("\n\na", ["", "", "a"]),
        ("#", ["#"]),
    ],
)
def test_blocks_begin_and_end_where_markdown_says(said: str, lines: list[str]) -> None:
    assert plain(said).split("\n")[:-1] == lines


def test_a_terminal_of_no_width_still_gets_every_word() -> None:
    printed = plain("- some words\n> quoted\n\n| a | b |\n|--|--|\n| c | d |", width=0)
    for word in ("some", "words", "quoted", "a", "b", "c", "d"):
        assert word in printed


def test_quotes_are_drawn_some_levels_deep_and_keep_their_marks_beyond() -> None:
    assert plain(">" * 7 + " deep") == "▌ " * 5 + ">> deep\n"


def test_a_cut_stream_prints_what_was_there() -> None:
    def cut() -> Iterator[EventBatch]:
        yield [Delta("some **wor")]
        raise IncompleteError("cut")

    items = pretty(cut(), on_event=lambda event: None, width=40, color=False)
    assert next(items) == b"some **wor\n"
    with pytest.raises(IncompleteError):
        next(items)


def test_calls_and_events_that_are_not_the_answer_go_their_own_ways() -> None:
    asides: list[Event] = []
    batch: EventBatch = [Reasoning("hm"), Delta("*a*"), ToolCall("1", "f", '{"p":"**x** \x9b"}')]
    batch.append(Delta("# b", 1))
    printed = b"".join(pretty([batch], on_event=asides.append, width=40, color=False)).decode()
    assert asides == [Reasoning("hm")]
    assert printed.splitlines() == [
        "a",
        '{"id":"1","name":"f","arguments":{"p":"**x** \\u009b"}}',
        "",
        "# b",
    ]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("aa bb cc", 5, ["aa bb ", "cc"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("a abcdefgh", 4, ["a ", "abcd", "efgh"]),
        ("中文字", 4, ["中文", "字"]),
        ("中文。", 4, ["中", "文。"]),
        ("a「中", 3, ["a", "「", "中"]),
        ("x中文y", 5, ["x中文", "y"]),
        ("aa    bb", 3, ["aa    ", "bb"]),
        ("e\u0301e\u0301", 1, ["e\u0301", "e\u0301"]),
        ("", 5, [""]),
    ],
)
def test_lines_are_cut_where_their_script_allows(text: str, width: int, lines: list[str]) -> None:
    edges = [0, *cuts(text, width), len(text)]
    assert [text[a:b] for a, b in pairwise(edges)] == lines


def test_texts_are_clipped_in_columns_not_characters() -> None:
    assert clip("中文字", 5) == "中文…"
    assert clip("中文字", 4) == "中…"
    assert clip("abc", 3) == "abc"
    assert clip("abc", 0) == ""
