"""Which cells of a large table run in the suite, and which at night."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cells: Iterable[tuple[Any, ...]], every: int, ids: Iterable[str]) -> list[Any]:
    """Return a table's cells as parameters, all but every n-th of them marked nightly."""
    return [
        pytest.param(*cell, id=name, marks=() if number % every == 0 else pytest.mark.nightly)
        for number, (cell, name) in enumerate(zip(cells, ids, strict=True))
    ]
