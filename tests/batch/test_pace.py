from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

import pytest

from apiyi_cli.batch.run.gate import FIRST_PROBE_S, LONGEST_PROBE_S, AimdLimit, Pace
from apiyi_cli.core.clock import Clock

Refuses = Callable[[float, int], bool]
"""Whether the gateway refuses a request at a moment, with so many in flight."""


class Simulation:
    """A batch on a given clock: rows with slots and pace, refused rows that come again later."""

    def __init__(self, refuses: Refuses, jobs: int = 32, answer_s: float = 0.2) -> None:
        self.now = 1000.0
        clock = Clock(lambda: self.now, lambda: 0.0, lambda seconds: None)
        self.pace, self.slots = Pace(clock), AimdLimit(jobs, clock)
        self.refuses, self.answer_s = refuses, answer_s
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.in_flight = 0

    def run(self, seconds: float, spacing_s: float = 0.02, retry_after_s: float = 0.0) -> None:
        """Start as many requests as slots, pace and the own limit of 50 in a second allow."""
        ends_at, own_at = self.now + seconds, self.now
        replies: list[tuple[float, int, float, bool]] = []
        number = itertools.count()
        while self.now < ends_at:
            while replies and replies[0][0] <= self.now:
                _, _, sent_at, was_refused = heapq.heappop(replies)
                if was_refused:
                    cut, _ = self.pace.note_refused(sent_at, retry_after_s)
                    if cut:
                        self.slots.cut(self.in_flight)
                else:
                    self.pace.note_answered(sent_at)
                    self.slots.note_succeeded()
                self.in_flight -= 1
            has_slot = self.in_flight < self.slots.allowed
            if has_slot and own_at <= self.now and not self.pace.wait_s():
                self.pace.start()
                self.pace.note_sent()
                own_at = max(own_at, self.now - spacing_s) + spacing_s
                refused = self.refuses(self.now, self.in_flight)
                (self.refused if refused else self.accepted).append(self.now)
                self.in_flight += 1
                reply_at = self.now + (0.02 if refused else self.answer_s)
                heapq.heappush(replies, (reply_at, next(number), self.now, refused))
            self.now += 0.005


def bucket(rate: float, size: float) -> Refuses:
    """Return a gateway that enforces a token bucket."""
    state = [size, 1000.0]

    def refuses(now: float, in_flight: int) -> bool:
        state[0] = min(size, state[0] + (now - state[1]) * rate)
        state[1] = now
        if state[0] < 1:
            return True
        state[0] -= 1
        return False

    return refuses


def window(count: int, seconds: float) -> Refuses:
    """Return a gateway that enforces an exact sliding window."""
    accepted: deque[float] = deque()

    def refuses(now: float, in_flight: int) -> bool:
        while accepted and accepted[0] <= now - seconds:
            accepted.popleft()
        if len(accepted) >= count:
            return True
        accepted.append(now)
        return False

    return refuses


def minute(count: int, seconds: float) -> Refuses:
    """Return a gateway that counts anew at the beginning of each period."""
    counts: dict[int, int] = {}

    def refuses(now: float, in_flight: int) -> bool:
        period = int(now // seconds)
        counts[period] = counts.get(period, 0) + 1
        return counts[period] > count

    return refuses


@pytest.mark.parametrize(
    ("gateway", "most_refused"),
    [
        (bucket(25, 5), 0.1),
        (bucket(25, 100), 0.1),
        (window(125, 5), 0.1),
        (window(1500, 60), 0.1),
        (minute(125, 5), 0.15),
        (minute(1500, 60), 0.1),
    ],
    ids=["bucket", "deep bucket", "5 s", "60 s", "each 5 s", "each minute"],
)
def test_half_of_the_own_rate_is_found_and_kept_without_a_storm(
    gateway: Refuses, most_refused: float
) -> None:
    batch = Simulation(gateway)
    batch.run(240)
    assert len(batch.accepted) >= 0.9 * 25 * 240
    assert len(batch.refused) <= most_refused * len(batch.accepted)


def test_single_refusals_of_three_rows_in_a_hundred_slow_nobody() -> None:
    number = itertools.count()
    batch = Simulation(lambda now, in_flight: next(number) % 33 == 7)
    batch.run(60, retry_after_s=20.0)
    assert len(batch.accepted) + len(batch.refused) >= 0.98 * 50 * 60
    assert batch.pace.rate == float("inf")
    assert batch.slots.allowed == 32


def test_a_storm_is_met_by_single_requests_and_over_within_seconds() -> None:
    batch = Simulation(lambda now, in_flight: 1010 <= now < 1070)
    batch.run(120)
    assert len(batch.refused) <= 60
    # The gateway answers again at 1070, of which the batch learns with its next probe.
    assert min(at for at in batch.accepted if at > 1070) < 1070 + LONGEST_PROBE_S + 0.1
    back = [at for at in batch.accepted if 1080 <= at < 1085]
    assert len(back) >= 0.9 * 50 * 5


def test_a_gateway_that_asks_all_to_wait_is_left_alone_for_so_long() -> None:
    batch = Simulation(lambda now, in_flight: now < 1045)
    batch.run(75, retry_after_s=30.0)
    later = [at for at in batch.refused if at > 1002]
    assert len(later) == 1 and later[0] >= 1030
    assert batch.accepted[0] >= later[0] + 30.0


def test_a_limit_of_requests_in_flight_is_not_stormed() -> None:
    batch = Simulation(lambda now, in_flight: in_flight >= 16, answer_s=1.0)
    batch.run(120)
    assert len(batch.accepted) >= 0.85 * 16 * 120
    assert len(batch.refused) <= 0.15 * len(batch.accepted)


def test_slow_limits_are_found_as_well() -> None:
    batch = Simulation(bucket(0.5, 5))
    batch.run(1200, spacing_s=1.0)
    assert len(batch.accepted) >= 0.9 * 0.5 * 1200
    assert len(batch.refused) <= 0.35 * len(batch.accepted)


def test_refusals_of_what_was_sent_before_a_cut_do_not_count() -> None:
    now = [10.0]
    pace = Pace(Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    for _ in range(32):
        pace.note_sent()
    pace.note_answered(10.0)
    now[0] = 10.5
    cuts = [pace.note_refused(10.0)[0] for _ in range(20)]
    assert cuts.index(True) == 6 and sum(cuts) == 1
    assert pace.rate > 10


def test_a_first_refusal_of_everything_leaves_one_probe_at_a_time() -> None:
    now = [10.0]
    pace = Pace(Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    for _ in range(5):
        pace.start()
        pace.note_sent()
    now[0] = 10.1
    assert [pace.note_refused(10.0) for _ in range(5)][-1] == (False, 0.0)
    waits = []
    for _ in range(6):
        waits.append(pace.wait_s())
        now[0] += waits[-1]
        pace.start()
        pace.note_sent()
        assert pace.wait_s() > 0
        pace.note_refused(now[0])
    assert waits == pytest.approx([FIRST_PROBE_S, 1.0, 2.0, 4.0, LONGEST_PROBE_S, 4.0])
    now[0] += 4.0
    pace.start()
    pace.note_sent()
    pace.note_answered(now[0])
    assert pace.wait_s() == 0
