from __future__ import annotations

from itertools import pairwise

from apiyi_cli.batch.run.gate import AimdLimit
from apiyi_cli.core.clock import Clock


def test_a_batch_is_cut_to_what_is_in_flight_and_grows_with_successes() -> None:
    now = [10.0]
    limit = AimdLimit(40, Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    limit.cut(in_flight=36)
    assert limit.allowed == 35
    limit.cut(in_flight=36)
    assert limit.allowed == 35
    limit.cut(in_flight=4)
    assert limit.allowed == 17
    for _ in range(49):
        limit.note_succeeded()
    assert limit.allowed == 17
    limit.note_succeeded()
    assert limit.allowed == 18
    for _ in range(50 * 100):
        limit.note_succeeded()
    assert limit.allowed == 40


def test_a_batch_keeps_one_request_in_flight_at_least() -> None:
    now = [0.0]
    limit = AimdLimit(3, Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    for moment in range(1, 6):
        now[0] = moment
        limit.cut(in_flight=1)
    assert limit.allowed == 1


def test_a_batch_of_slow_answers_has_all_slots_seconds_after_a_storm() -> None:
    now = [0.0]
    limit = AimdLimit(100, Clock(lambda: now[0], lambda: 0.0, lambda seconds: None))
    for moment in range(1, 31):
        now[0] = moment
        limit.cut(in_flight=1)
    assert limit.allowed == 1
    allowed = []
    for moment in range(31, 49, 2):
        # Each answer takes two seconds: what is allowed comes back at once, all well.
        now[0] = moment
        for _ in range(limit.allowed):
            limit.note_succeeded()
        allowed.append(limit.allowed)
    assert allowed == sorted(allowed) and max(b - a for a, b in pairwise(allowed)) < 20
    assert allowed[-1] == 100
