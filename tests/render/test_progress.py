from __future__ import annotations

import threading

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.render.progress import Progress, span


class Time:
    """A clock that stands still until told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(lambda: self.now, lambda: self.now, lambda seconds: None)


def test_on_a_terminal_the_line_renews_itself_ten_times_a_second_at_most() -> None:
    time, drawn = Time(), list[str]()
    progress = Progress(100, say=drawn.append, status=drawn.append, clock=time.clock)
    for done in range(100):
        time.now += 0.01
        progress.show(done, ok=done, failed=0)
    assert 9 <= len(drawn) <= 11


def test_the_line_tells_counts_rate_time_left_and_fields() -> None:
    time, drawn = Time(), list[str]()
    progress = Progress(10_000, say=drawn.append, status=drawn.append, width=120, clock=time.clock)
    time.now += 10
    progress.show(1_000, ok=990, failed=10, fields={"req/min": "2950/3000", "cost": "$0.12"})
    assert drawn == [
        "1,000/10,000  10%  ok 990  failed 10  100.0/s  eta 1m30s  after 10s  "
        "req/min 2950/3000  cost $0.12"
    ]


def test_the_line_never_reaches_the_last_column() -> None:
    drawn: list[str] = []
    progress = Progress(10, say=drawn.append, status=drawn.append, width=20, clock=Time().clock)
    progress.show(5, ok=5, failed=0, fields={"model": "长" * 30})
    assert len(drawn[0]) <= 19
    assert drawn[0].endswith("…")


def test_without_a_terminal_there_is_a_line_every_thirty_seconds() -> None:
    time, said = Time(), list[str]()
    progress = Progress(None, say=said.append, clock=time.clock)
    for second in range(1, 96):
        time.now += 1
        progress.show(second, ok=second, failed=0)
    progress.stop()
    assert [line.split("  ")[0] for line in said] == ["30", "60", "90"]


def test_the_rate_is_that_of_the_last_half_minute_and_of_this_run_alone() -> None:
    time, said = Time(), list[str]()
    progress = Progress(9_000, say=said.append, clock=time.clock)
    for second in range(1, 151):
        time.now += 1
        progress.show(5_000 + min(second, 60) * 10, ok=0, failed=0, resumed=5_000)
    assert "10.0/s" in said[0]
    assert "/s" not in said[-1]


def test_stopping_takes_the_line_away_once_and_nothing_is_drawn_after_it() -> None:
    time, drawn = Time(), list[str]()
    progress = Progress(3, say=drawn.append, status=drawn.append, clock=time.clock)
    progress.show(1, ok=1, failed=0)
    progress.stop()
    progress.stop()
    time.now += 100
    progress.show(2, ok=2, failed=0)
    assert drawn[1:] == [""]


def test_many_threads_may_report() -> None:
    drawn: list[str] = []
    progress = Progress(4000, say=drawn.append, status=drawn.append)

    def report() -> None:
        for done in range(1000):
            progress.show(done, ok=done, failed=0)

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.stop()
    assert drawn[-1] == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (59.4, "59s"), (59.6, "1m00s"), (194, "3m14s"), (7500, "2h05m")],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_days_are_told_with_hours() -> None:
    assert span(4 * 86400 + 3 * 3600 + 59) == "4d03h"
