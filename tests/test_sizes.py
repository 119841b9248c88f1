"""How long functions, classes and files may be, so that each can be read in one go."""

from __future__ import annotations

from collections.abc import Iterator

from tests.source import SOURCES, classes, functions, length, parsed, relative

FUNCTION_MOST = 60
LONG_FUNCTION = 40
CLASS_MOST = 220
FILE_MOST = 400
DATA: set[str] = set()
"""Files that are data, such as tables of options."""
KNOWN_FUNCTIONS: set[str] = set()
"""Functions that are still too long: this list may only shrink."""
KNOWN_LONG = {
    "wire/retry/attempts.py: run_attempts",
    "wire/retry/decision.py: decide",
}
"""Functions that are long, but not too long; there shall be ten at most."""


def function_lengths() -> Iterator[tuple[str, int]]:
    for path in SOURCES:
        for name, lines in functions(parsed(path)):
            yield f"{relative(path)}: {name}", lines


def class_lengths() -> Iterator[tuple[str, int]]:
    for path in SOURCES:
        for node in classes(path):
            yield f"{relative(path)}: {node.name}", length(node)


def file_lengths() -> Iterator[tuple[str, int]]:
    for path in SOURCES:
        yield relative(path), len(path.read_text("utf-8").splitlines())


def check(too_long: dict[str, int], known: set[str]) -> None:
    new = {name: lines for name, lines in too_long.items() if name not in known}
    assert not new, f"too long: {new}"
    short = known - set(too_long)
    assert not short, f"short enough now, take out of the list: {short}"


def test_a_function_has_at_most_sixty_lines() -> None:
    too_long = {name: lines for name, lines in function_lengths() if lines > FUNCTION_MOST}
    check(too_long, KNOWN_FUNCTIONS)


def test_few_functions_have_more_than_forty_lines() -> None:
    too_long = {
        name: lines for name, lines in function_lengths() if LONG_FUNCTION < lines <= FUNCTION_MOST
    }
    check(too_long, KNOWN_LONG)


def test_a_class_has_at_most_two_hundred_and_twenty_lines() -> None:
    check({name: n for name, n in class_lengths() if n > CLASS_MOST}, set())


def test_a_file_has_at_most_four_hundred_lines() -> None:
    too_long = {name: lines for name, lines in file_lengths() if lines > FILE_MOST}
    check({name: n for name, n in too_long.items() if name not in DATA}, set())
    assert set(too_long) >= DATA, f"short enough now: {DATA - set(too_long)}"
