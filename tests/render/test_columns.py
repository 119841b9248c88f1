"""Answers beside each other."""

from __future__ import annotations

import re

from rich.cells import cell_len

from apiyi_cli.render.columns import Column, ColumnStyle, format_below, format_beside, has_room

PLAIN = ColumnStyle(color=False, markdown=False)
RENDERED = ColumnStyle(color=True, markdown=True)
TWO = [Column("left", "one two three"), Column("right", "four\nfive")]


def test_texts_are_beside_each_other_under_their_titles() -> None:
    lines = format_beside(TWO, 60, PLAIN)
    assert [line.split() for line in lines] == [
        ["left", "right"],
        ["one", "two", "three", "four"],
        ["five"],
    ]
    assert {
        line.index(word) for line, word in zip(lines, ("right", "four", "five"), strict=True)
    } == {31}


def test_long_lines_stay_within_their_column() -> None:
    code = "```\n" + "x" * 100 + "\n```\n"
    columns = [Column("a", "word " * 50), Column("模型", code + "中文字" * 20, "(cut)")]
    lines = format_beside(columns, 60, RENDERED)
    bare = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines]
    assert "".join(bare).count("word") == 50
    assert sum(line.count("x") for line in bare) == 100
    assert all(cell_len(line) <= 60 for line in bare)
    assert bare[-1].strip() == "" or "(cut)" in "".join(bare)


def test_markdown_is_rendered_where_it_is_wanted() -> None:
    column = Column("a", "# Head\n\n- **bold**", "(failed)")
    assert format_below(column, 40, PLAIN) == ["a", "# Head", "", "- **bold**", "(failed)", ""]
    rendered = format_below(column, 40, RENDERED)
    assert "\x1b[1mbold" in rendered[3] and "•" in rendered[3]


def test_nothing_in_them_is_markup_or_acts() -> None:
    hostile = "[red]list[int][/] :smile: \x1b]52;c;A\x07\x1b[2J\x9b1m"
    for style in (PLAIN, ColumnStyle(color=False, markdown=True)):
        text = "".join(format_beside([Column("a", hostile), Column("b", "")], 200, style))
        assert not set("\x1b\x9b\x07") & set(text)
        assert ":smile:" in text and "[/]" in text


def test_narrow_columns_are_not_wanted() -> None:
    assert has_room(2, 60) and not has_room(3, 60)
