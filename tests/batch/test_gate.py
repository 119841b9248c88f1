from __future__ import annotations

from itertools import pairwise

from apiyi_cli.batch.run.gate import AimdLimit
from apiyi_cli.core.clock import Clock


def test_a_batch_halves_once_in_a_storm_and_grows_with_successes() -> None:
    now = [10.0]
    pace = AimdLimit(40, Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    pace.note_throttled(sent_at=9.0)
    assert pace.allowed == 20
    pace.note_throttled(sent_at=9.5)
    pace.note_throttled(sent_at=10.0)
    assert pace.allowed == 20
    now[0] = 30.0
    pace.note_throttled(sent_at=29.0)
    assert pace.allowed == 10
    for _ in range(49):
        pace.note_succeeded()
    assert pace.allowed == 10
    pace.note_succeeded()
    assert pace.allowed == 11
    for _ in range(50 * 100):
        pace.note_succeeded()
    assert pace.allowed == 40


def test_a_batch_keeps_one_request_in_flight_at_least() -> None:
    now = [0.0]
    pace = AimdLimit(3, Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    for moment in range(1, 6):
        now[0] = moment
        pace.note_throttled(sent_at=moment - 0.5)
    assert pace.allowed == 1


def test_a_batch_of_slow_answers_is_at_full_rate_a_minute_after_a_storm() -> None:
    now = [0.0]
    pace = AimdLimit(100, Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    for moment in range(1, 31):
        now[0] = moment
        pace.note_throttled(sent_at=moment - 0.5)
    assert pace.allowed == 1
    allowed = []
    for moment in range(31, 91, 3):
        # Each answer takes three seconds: what is allowed comes back at once, all well.
        now[0] = moment
        allowed.append(pace.allowed)
        for _ in range(pace.allowed):
            pace.note_succeeded()
    assert allowed == sorted(allowed) and max(b - a for a, b in pairwise(allowed)) < 12
    assert allowed[-1] == 100
