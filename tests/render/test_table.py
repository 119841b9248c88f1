from __future__ import annotations

import pytest
from rich.cells import cell_len

from apiyi_cli.render.table import format_table
from apiyi_cli.text import Text


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() -> None:
    rows = [("gpt-4o", 1234567, None), ("模型", 5, "x")]
    assert format_table(rows, ("model", "tokens", "note"), width=80, color=False) == (
        "model      tokens  note\ngpt-4o  1,234,567\n模型            5  x\n"
    )


def test_a_row_is_always_one_line_that_fits() -> None:
    rows = [("x" * 100, "中" * 50, 7), ("a\nb", "\x1b[2J\t", 12)]
    printed = format_table(rows, ("first", "second", "n"), width=40, color=False)
    lines = printed.splitlines()
    assert len(lines) == 3
    assert all(cell_len(line) <= 40 for line in lines)
    assert lines[1].count("…") == 2
    assert "a␊b" in lines[2] and "␛[2J" in lines[2]


def test_no_rows_leave_the_headers() -> None:
    assert format_table([], ("a", "b"), width=80, color=False) == "a  b\n"


def test_only_the_headers_are_bold_and_only_with_colour() -> None:
    printed = format_table([("x",)], ("name",), width=80, color=True)
    assert printed == "\x1b[1mname\x1b[0m\nx\n"


def test_a_terminal_too_narrow_for_all_columns_cuts_the_lines() -> None:
    printed = format_table([tuple("abcdefgh")], ["column"] * 8, width=10, color=False)
    assert all(cell_len(line) <= 10 for line in printed.splitlines())


@pytest.mark.parametrize(
    ("natural", "width", "widths"),
    [((3, 4), 20, [3, 4]), ((30, 4), 20, [14, 4]), ((30, 30), 22, [10, 10])],
)
def test_widths_are_taken_from_the_widest_columns(
    natural: tuple[int, ...], width: int, widths: list[int]
) -> None:
    cells = ["x" * size for size in natural]
    line = format_table([cells], [""] * len(cells), width=width, color=False).splitlines()[1]
    assert list(map(len, line.split("  "))) == widths


def test_headers_and_messages_are_translated_and_names_are_not() -> None:
    rows = [("model", Text("unknown"))]
    shown = format_table(
        rows,
        (Text("model"), Text("cost")),
        width=80,
        color=False,
        translate=lambda text: text.upper() if isinstance(text, Text) else text,
    )
    assert shown == "MODEL  COST\nmodel  UNKNOWN\n"


def test_figures_are_right_aligned_whatever_they_hold() -> None:
    rows: list[list[object]] = [["a", 1, "unknown"], ["b", 1000, "≈ $1.00"]]
    table = format_table(rows, ["n", "count", "cost"], width=40, color=False, figures=(1, 2))
    assert table.splitlines() == [
        "n  count     cost",
        "a      1  unknown",
        "b  1,000  ≈ $1.00",
    ]
