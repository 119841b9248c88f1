from __future__ import annotations

import pytest
from rich.cells import cell_len

from apiyi_cli.render.grid import fitted
from apiyi_cli.render.table import table


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() -> None:
    rows = [("gpt-4o", 1234567, None), ("模型", 5, "x")]
    assert table(rows, ("model", "tokens", "note"), width=80, color=False) == (
        "model      tokens  note\ngpt-4o  1,234,567\n模型            5  x\n"
    )


def test_a_row_is_always_one_line_that_fits() -> None:
    rows = [("x" * 100, "中" * 50, 7), ("a\nb", "\x1b[2J\t", 12)]
    printed = table(rows, ("first", "second", "n"), width=40, color=False)
    lines = printed.splitlines()
    assert len(lines) == 3
    assert all(cell_len(line) <= 40 for line in lines)
    assert lines[1].count("…") == 2
    assert "a␊b" in lines[2] and "␛[2J" in lines[2]


def test_no_rows_leave_the_headers() -> None:
    assert table([], ("a", "b"), width=80, color=False) == "a  b\n"


def test_only_the_headers_are_bold_and_only_with_colour() -> None:
    printed = table([("x",)], ("name",), width=80, color=True)
    assert printed == "\x1b[1mname\x1b[0m\nx\n"


def test_a_terminal_too_narrow_for_all_columns_cuts_the_lines() -> None:
    printed = table([tuple("abcdefgh")], ["column"] * 8, width=10, color=False)
    assert all(cell_len(line) <= 10 for line in printed.splitlines())


@pytest.mark.parametrize(
    ("natural", "width", "widths"),
    [
        ([3, 4], 20, [3, 4]),
        ([30, 4], 20, [14, 4]),
        ([30, 30], 22, [10, 10]),
        ([30, 30], 23, [11, 10]),
        ([30, 30, 2], 12, None),
        ([], 10, []),
    ],
)
def test_widths_are_taken_from_the_widest_columns(
    natural: list[int], width: int, widths: list[int] | None
) -> None:
    assert fitted(natural, width, gap=2) == widths
