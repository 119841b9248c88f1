"""Texts side by side: nothing lost, nothing acting, below each other where it is narrow."""

from __future__ import annotations

from apiyi_cli.render.columns import columns

TWO = [("left", "one two three"), ("right", "four\nfive")]


def test_texts_stand_beside_each_other_under_their_titles() -> None:
    lines = columns(TWO, width=60, color=False).decode().splitlines()
    assert lines[0].split() == ["left", "right"]
    assert lines[1].split() == ["one", "two", "three", "four"]
    assert lines[2].split() == ["five"]
    assert all(len(line) <= 60 for line in lines)


def test_long_texts_are_wrapped_within_their_column() -> None:
    shown = columns([("a", "word " * 50), ("b", "x" * 100)], width=60, color=False).decode()
    assert shown.count("word") == 50
    assert shown.count("x") == 100
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_where_there_is_no_room_they_stand_below_each_other() -> None:
    lines = columns(TWO, width=40, color=False).decode().splitlines()
    assert [line for line in lines if line.strip()] == [
        "left",
        "one two three",
        "right",
        "four",
        "five",
    ]


def test_nothing_in_them_is_markup_or_acts() -> None:
    hostile = "[red]list[int][/] :smile: \x1b]52;c;A\x07\x1b[2J\x9b1m"
    for width in (30, 200):
        shown = columns([("a", hostile), ("b", "")], width=width, color=False).decode()
        assert "\x1b" not in shown and "\x9b" not in shown and "\x07" not in shown
        assert ":smile:" in shown and "[/]" in shown


def test_only_with_colour_are_titles_styled() -> None:
    assert b"\x1b[1m" in columns(TWO, width=80, color=True)
    assert b"\x1b" not in columns(TWO, width=80, color=False)
