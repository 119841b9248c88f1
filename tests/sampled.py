"""Which part of a large table or a long row of samples runs by day, and which at night."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def more_at_night(day: int, night: int) -> list[Any]:
    """Return a number of samples as a parameter: few by day, many at night."""
    return [day, pytest.param(night, marks=pytest.mark.nightly)]


def sampled(cells: Iterable[tuple[Any, ...]], every: int, ids: Iterable[str]) -> list[Any]:
    """Return a table's cells as parameters, all but every n-th of them marked nightly."""
    return [
        pytest.param(*cell, id=name, marks=() if number % every == 0 else pytest.mark.nightly)
        for number, (cell, name) in enumerate(zip(cells, ids, strict=True))
    ]
