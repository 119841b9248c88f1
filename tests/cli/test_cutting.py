"""Where a long recording is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiyi_cli.cli.commands.transcribe.split import LONGEST_PART_S, cut_points


@pytest.mark.parametrize(
    ("length_s", "silences", "points"),
    [
        (100.0, [(50.0, 51.0)], []),
        (780.0, [], []),
        (781.0, [], [780.0]),
        (1000.0, [(100.0, 101.0), (500.0, 502.0), (700.0, 701.0), (779.9, 790.0)], [700.5]),
        (1000.0, [(100.0, 101.0)], [780.0]),
        (2000.0, [(600.0, 602.0), (1200.0, 1201.0)], [601.0, 1200.5, 1980.5]),
    ],
)
def test_cuts_are_in_the_last_silence_within_reach(
    length_s: float, silences: list[tuple[float, float]], points: list[float]
) -> None:
    assert cut_points(length_s, silences) == points


@given(st.floats(1, 20_000), st.lists(st.tuples(st.floats(0, 20_000), st.floats(0, 5))))
def test_no_part_is_longer_than_it_may_be(
    length_s: float, spans: list[tuple[float, float]]
) -> None:
    silences = sorted((start, start + long) for start, long in spans)
    points = [0.0, *cut_points(length_s, silences), length_s]
    assert all(0 < after - before <= LONGEST_PART_S + 1e-6 for before, after in pairwise(points))
