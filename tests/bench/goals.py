"""Prints what was measured beside its goal, and at the end which goals were missed."""

from __future__ import annotations

import operator
import re

_SIGNS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_ROW = re.compile(r"  -> (.*?) +([0-9.]+)   \(goal: ([<>]=?) ([0-9.]+)\)")
_missed: list[str] = []
_met: list[str] = []


def ratio(name: str, value: float, bound: str) -> None:
    """Print a value and its goal, such as `<= 1.2`."""
    row = f"  -> {name:46} {value:5.2f}   (goal: {bound})"
    print(row, flush=True)
    note_rows(row)


def note_rows(text: str) -> None:
    """Count the rows in the output of a part that is a process of its own."""
    for name, value, sign, bound in _ROW.findall(text):
        is_met = _SIGNS[sign](float(value), float(bound))
        (_met if is_met else _missed).append(f"{name}: {value}, goal {sign} {bound}")


def print_summary() -> None:
    """Print how many goals were met, and each that was missed."""
    print(f"\n{len(_met)} of {len(_met) + len(_missed)} goals met")
    for line in _missed:
        print(f"  missed: {line}")
