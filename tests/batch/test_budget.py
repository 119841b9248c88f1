"""What rows in flight may cost, together with what was answered."""

from __future__ import annotations

import threading
import time

import pytest

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.run.stop_rules import CostBudget
from apiyi_cli.batch.state.record import RowOutcome
from apiyi_cli.core.events import Usage
from apiyi_cli.errors import LimitError

ROW = Row(0, "r", "rows:1", "sha")


def answer(reserved_usd: float | None, tokens: int | None = None) -> RowOutcome:
    usage = None if tokens is None else Usage(1, tokens, 1 + tokens)
    return RowOutcome(ROW, usage=usage, reserved_usd=reserved_usd)


def test_what_is_in_flight_counts_until_its_cost_is_known() -> None:
    budget = CostBudget(1.0, lambda row, mean: 0.25)
    assert [budget.reserve(ROW) for _ in range(4)] == [0.25] * 4
    with pytest.raises(LimitError, match=r"after ≈ \$1.00"):
        budget.reserve(ROW, waits=False)
    # Cheaper than it seemed: two fit in its place.
    budget.settle(answer(0.25), 0.0)
    budget.settle(answer(0.25), 0.0)
    assert [budget.reserve(ROW, waits=False) for _ in range(2)] == [0.25] * 2
    for usd in (0.25, 0.5, 0.25, 0.0):
        budget.settle(answer(0.25), usd)
    with pytest.raises(LimitError, match="the next request would cost"):
        budget.reserve(ROW)


def test_the_mean_of_the_answers_is_the_estimate_of_the_next() -> None:
    means = list[float | None]()

    def estimate(row: Row, mean: float | None) -> float:
        means.append(mean)
        return 0.01

    budget = CostBudget(1.0, estimate)
    for tokens in (100, 300, None):
        budget.settle(answer(budget.reserve(ROW), tokens), 0.01)
    budget.reserve(ROW)
    assert means == [None, 100, 200, 200]


def test_an_answer_that_never_came_costs_its_estimate_if_it_may_be_billed() -> None:
    budget = CostBudget(1.0, lambda row, mean: 0.5)
    for maybe_billed in (False, True, True):
        outcome = answer(budget.reserve(ROW))
        outcome.maybe_billed = maybe_billed
        budget.settle(outcome, None)
    with pytest.raises(LimitError):
        budget.reserve(ROW)


def test_a_row_waits_for_those_in_flight_and_not_after_the_end() -> None:
    budget = CostBudget(1.0, lambda row, mean: 0.6)
    assert budget.reserve(ROW) == 0.6
    got = list[float | None]()
    waiting = [threading.Thread(target=lambda: got.append(budget.reserve(ROW))) for _ in range(2)]
    for thread in waiting:
        thread.start()
    time.sleep(0.05)
    assert got == []
    budget.settle(answer(0.6), 0.1)
    while not got:
        time.sleep(0.001)
    assert got == [0.6]
    budget.close()
    for thread in waiting:
        thread.join(5)
    assert got == [0.6, None]


def test_a_sum_of_many_estimates_is_not_too_much_by_a_rounding_error() -> None:
    budget = CostBudget(0.3, lambda row, mean: 0.1)
    assert [budget.reserve(ROW, waits=False) for _ in range(3)] == [0.1] * 3
