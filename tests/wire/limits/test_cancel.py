"""Requests that are booked with the limits and then not sent hold nobody up."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from pathlib import Path

import pytest

from apiyi_cli.core.call import Call
from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import (
    ApiyiError,
    Facts,
    IncompleteError,
    LimitError,
    RejectedError,
    TemporaryError,
)
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.admission import Admission
from apiyi_cli.wire.limits.limiter import Limiter
from tests.wire.limits.booking import reserve

LIMITS = Limits(rpm=60, tpm=60_000)
CALL = Call("POST", "/chat/completions", json={"model": "m"}, model="m")


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def limiter_in(folder: Path, time: Time) -> Limiter:
    return Limiter(folder, "key", LIMITS, clock=time.clock)


def admission(limiter: Limiter, time: Time, *, size: int, total_at: float | None) -> Admission:
    return Admission(
        limiter,
        CALL._replace(json={"model": "m", "prompt": "x" * size}),
        usage=lambda: None,
        on_wait=lambda wait_s, cause: None,
        total_at=total_at,
        clock=time.clock,
    )


@pytest.mark.parametrize("tokens", [0, 300, 500_000])
def test_a_booking_that_is_given_up_leaves_no_trace(tmp_path: Path, tokens: int) -> None:
    time = Time()
    limiter = limiter_in(tmp_path, time)
    limiter.acquire(40_000)
    untouched = limiter_in(tmp_path / "other", time)
    untouched.acquire(40_000)

    def gives_up(wait_s: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(tokens, gives_up)
    for size in (0, 300, 15_000, 500_000, 10):
        assert reserve(limiter, size) == pytest.approx(reserve(untouched, size), abs=0.01)


def test_runs_that_end_before_their_turn_do_not_add_up(tmp_path: Path, time: Time) -> None:
    limiter = limiter_in(tmp_path, time)
    limiter.acquire(1000)
    told = []
    for _ in range(3):
        with (
            pytest.raises(LimitError) as failure,
            admission(limiter, time, size=900_000, total_at=1005.0),
        ):
            pytest.fail("it was admitted")
        told.append(failure.value.why)
    assert told == [told[0]] * 3


def test_who_booked_behind_keeps_the_place_and_later_ones_come_forward() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    rates.book(counters, LIMITS, 1000.0, 30_000)
    found = rates.snapshot(counters, 1000.0)
    start = rates.book(counters, LIMITS, 1000.0, 20_000)
    behind = rates.book(counters, LIMITS, 1000.0, 100)
    rates.cancel(counters, LIMITS, 1000.0, start, 20_000, found)
    after = rates.book(counters, LIMITS, 1000.0, 100)
    assert behind <= after < behind + 2


def test_giving_up_lets_no_window_start_more_than_the_limit() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    now, started = 1000.0, []
    for turn in range(3000):
        found = rates.snapshot(counters, now)
        start = rates.book(counters, LIMITS, now, 600)
        if turn % 3 == 1:
            rates.cancel(counters, LIMITS, now, start, 600, found)
            continue
        now = max(now, start)
        wait_s = rates.admit(counters, LIMITS, now, start, 600)
        while wait_s:
            now += wait_s
            wait_s = rates.admit(counters, LIMITS, now, start, 600)
        if wait_s == 0:
            started.append(now)
    for first, moment in enumerate(started):
        within = [one for one in started[first:] if one <= moment + LIMITS.window_s]
        assert len(within) <= 60


@pytest.mark.parametrize(
    ("failure", "is_free"),
    [
        (TemporaryError("x", facts=Facts(phase="connect", kind="refused")), True),
        (IncompleteError("x", facts=Facts(phase="sent", kind="timeout")), False),
        (TemporaryError("x", facts=Facts(phase="status", status=503)), True),
        (TemporaryError("x", facts=Facts(phase="status", status=429)), True),
        (RejectedError("x", facts=Facts(phase="status", status=400)), True),
        (IncompleteError("x", facts=Facts(phase="status", status=504)), False),
        (IncompleteError("x", facts=Facts(phase="opened", status=200)), False),
    ],
)
def test_a_request_that_was_refused_or_not_sent_gives_its_tokens_back(
    tmp_path: Path, time: Time, failure: ApiyiError, is_free: bool
) -> None:
    limiter = limiter_in(tmp_path, time)
    with pytest.raises(type(failure)), admission(limiter, time, size=90_000, total_at=None):
        raise failure
    time.now += 2.0
    assert (reserve(limiter, 1000) == 0.0) is is_free


def test_an_answer_of_vectors_is_booked_as_no_tokens(tmp_path: Path, time: Time) -> None:
    limiter = limiter_in(tmp_path, time)
    call = Call("POST", "/embeddings", json={"model": "m"}, model="m", cost="light")
    for _ in range(3):
        with Admission(
            limiter,
            call,
            usage=lambda: None,
            on_wait=lambda wait_s, cause: None,
            total_at=None,
            clock=time.clock,
        ):
            pass
    # Three requests of ten tokens at 60 requests and 60,000 tokens a minute.
    assert time.now == pytest.approx(1000.0 + 2 * 1.035, abs=0.5)
    other = limiter_in(tmp_path / "other", time)
    for _ in range(3):
        other.acquire(10)
    assert reserve(limiter, 59_970) == pytest.approx(reserve(other, 59_970), abs=2.5)


@pytest.mark.parametrize(("estimated", "part"), [(320, 0.9), (240, 0.94), (222, 0.95)])
def test_what_was_used_decides_the_rate_not_what_was_estimated(estimated: int, part: float) -> None:
    limits, actual = Limits(rpm=100_000, tpm=60_000), 222
    counters = array("d", bytes(8 * rates.SIZE))
    now, took_s, used = 1000.0, 3.0, list[float]()
    running: list[float] = []
    # Thirty who always want to, each booked ahead of its turn.
    waiting = [rates.book(counters, limits, now, estimated) for _ in range(30)]
    while now < 1600.0:
        now = min((*waiting[:1], *(start + took_s for start in running)))
        for start in [one for one in running if one + took_s <= now]:
            running.remove(start)
            rates.settle(counters, limits, now, estimated, actual, now - start)
            waiting.append(rates.book(counters, limits, now, estimated))
        if waiting and waiting[0] <= now:
            start = waiting.pop(0)
            wait_s = rates.admit(counters, limits, now, start, estimated)
            if wait_s == 0:
                used.append(now)
                running.append(now)
            elif wait_s is None:
                waiting.append(rates.book(counters, limits, now, estimated))
            else:
                waiting.insert(0, now + wait_s)
    steady = [one for one in used if one >= 1120.0]
    for moment in steady:
        within = bisect_right(steady, moment + limits.window_s) - bisect_left(steady, moment)
        assert within * actual <= limits.tpm
    fast = (len(steady) - 1) * actual * limits.window_s / (steady[-1] - steady[0])
    assert fast >= part * limits.tpm


@pytest.mark.parametrize(("late_s", "counts_anew"), [(0.0, False), (0.7, False), (9.0, True)])
def test_who_leaves_late_is_counted_when_it_leaves(
    tmp_path: Path, time: Time, late_s: float, counts_anew: bool
) -> None:
    """The gateway counts what arrives: who connects for long takes room of a later window."""
    limiter = Limiter(tmp_path, "key", Limits(rpm=3, tpm=60_000), clock=time.clock)
    began = time.now
    leaving = [admission(limiter, time, size=30, total_at=None) for _ in range(3)]
    sent = []
    for one in leaving:
        leaves = one.__enter__()
        time.now += late_s
        leaves()
        sent.append(time.now)
        one.__exit__(None, None, None)
    limiter.acquire(10)
    assert time.now >= sent[0] + 60
    if not counts_anew:
        assert time.now < began + 65


def test_leaving_late_moves_the_count_and_adds_none() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    start = rates.book(counters, LIMITS, 1000.0, 600)
    assert rates.admit(counters, LIMITS, 1000.0, start, 600) == 0
    rates.count_late(counters, LIMITS, 1020.0, 600, 20.0)
    others = [rates.book(counters, LIMITS, 1020.0, 0) for _ in range(59)]
    for number, _ in enumerate(others):
        assert rates.admit(counters, LIMITS, 1021.0 + number / 2, 1021.0 + number / 2, 0) == 0
    # The sixtieth of the window has to wait for the first, which left at 1020 and not at 1000.
    wait_s = rates.admit(counters, LIMITS, 1062.0, 1062.0, 0)
    assert wait_s is not None and 1062.0 + wait_s > 1080.0
