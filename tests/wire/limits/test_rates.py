from __future__ import annotations

import heapq
import random
from array import array
from collections.abc import Callable, Sequence

import pytest

from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates, start_blocks
from apiyi_cli.wire.limits.answer_lengths import learn, mean_tokens
from apiyi_cli.wire.limits.limiter import check_limits
from apiyi_cli.wire.limits.rates import admit, book, settle

Start = tuple[float, int]


def _row() -> array[float]:
    return array("d", bytes(8 * rates.SIZE))


def _fullest_windows(starts: Sequence[Start], window_s: float) -> tuple[int, int]:
    """Return the most starts and the most tokens in any window, both ends included.

    A request that is alone in its window does not count: it cannot be made smaller.
    """
    costly = [start for start in starts if start[1]]
    return _fullest([(at, 1) for at, _ in starts], window_s, 1), _fullest(costly, window_s, 2)


def _fullest(starts: Sequence[Start], window_s: float, fewest: int) -> int:
    most = held = first = 0
    for last, (moment, size) in enumerate(starts):
        held += size
        while starts[first][0] < moment - window_s:
            held -= starts[first][1]
            first += 1
        if last - first + 1 >= fewest:
            most = max(most, held)
    return most


def _saturated(limits: Limits, sizes: Sequence[int], until_s: float, now: float) -> list[Start]:
    counters = _row()
    starts: list[Start] = []
    end = now + until_s
    while now < end:
        size = sizes[len(starts) % len(sizes)]
        now = max(now, book(counters, limits, now, size))
        starts.append((now, size))
    return starts


@pytest.mark.parametrize(
    ("limits", "sizes", "part"),
    [
        (Limits(), [0], 0.95),
        (Limits(), [300], 0.95),
        (Limits(rpm=60, window_s=1.0), [0], 0.95),
        (Limits(rpm=20, window_s=0.5), [0], 0.95),
        (Limits(rpm=1), [0], 0.95),
        (Limits(rpm=2), [0], 0.95),
        (Limits(rpm=7, window_s=10), [0], 0.95),
    ],
)
def test_ten_minutes_of_requests_fill_no_window_and_use_95_percent(
    limits: Limits, sizes: list[int], part: float
) -> None:
    starts = _saturated(limits, sizes, 600, now=5000.0)
    most_starts, most_tokens = _fullest_windows(starts, limits.window_s)
    assert most_starts <= limits.rpm
    assert most_tokens <= limits.tpm
    took_s = starts[-1][0] - starts[0][0]
    assert (len(starts) - 1) * limits.window_s / took_s >= part * limits.rpm


@pytest.mark.parametrize("sizes", [[1500], [400, 9000, 20_000], [4000]])
def test_ten_minutes_of_tokens_fill_no_window_and_use_95_percent(sizes: list[int]) -> None:
    limits = Limits()
    starts = _saturated(limits, sizes, 600, now=5000.0)
    assert _fullest_windows(starts, 60)[1] <= limits.tpm
    took_s = starts[-1][0] - starts[0][0]
    assert sum(size for _, size in starts[:-1]) * 60 / took_s >= 0.95 * limits.tpm


@pytest.mark.parametrize("seed", range(30))
def test_no_window_is_ever_too_full_whatever_comes(seed: int) -> None:
    rng = random.Random(seed)
    limits = Limits(
        rpm=rng.choice([1, 3, 50, 3000]),
        tpm=rng.choice([100, 5000, 1_000_000]),
        window_s=rng.choice([0.3, 1.0, 60.0]),
    )
    counters = _row()
    now = rng.uniform(0, 1e6)
    starts: list[Start] = []
    for _ in range(400):
        size = rng.choice([0, 1, limits.tpm // 100, limits.tpm // 3, limits.tpm, 2 * limits.tpm])
        starts.append((book(counters, limits, now, size), size))
        assert starts[-1][0] >= now
        if rng.random() < 0.1:
            now = max(now, starts[-1][0] + rng.uniform(0, 2 * limits.window_s))
    assert starts == sorted(starts, key=lambda start: start[0])
    most_starts, most_tokens = _fullest_windows(starts, limits.window_s)
    assert most_starts <= limits.rpm
    assert most_tokens <= limits.tpm


def _late_starts(
    limits: Limits, workers: int, count: int, size: int, late_s: Callable[[float], float]
) -> list[Start]:
    """Play workers that always have a request waiting, and wake up late by `late_s(moment)`.

    Time goes on in the order of the wakings, as it does for processes that share a file.
    """
    counters = _row()
    starts: list[Start] = []
    wakings: list[tuple[float, int, float | None]] = [(100.0, one, None) for one in range(workers)]
    while len(starts) < count:
        now, worker, booked = heapq.heappop(wakings)
        if booked is not None:
            wait_s = admit(counters, limits, now, booked, size)
            if wait_s:
                heapq.heappush(wakings, (now + wait_s, worker, booked))
                continue
            if wait_s == 0:
                starts.append((now, size))
        start = book(counters, limits, now, size)
        heapq.heappush(wakings, (start + late_s(start), worker, start))
    return starts


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (Limits(rpm=100, window_s=2.0), 0),
        (Limits(rpm=3, window_s=2.0), 0),
        (Limits(rpm=1, window_s=2.0), 0),
        (Limits(rpm=1000, tpm=10_000, window_s=2.0), 100),
        (Limits(rpm=1000, tpm=10_000, window_s=2.0), 3000),
    ],
)
def test_however_late_requests_wake_up_no_window_of_real_starts_is_too_full(
    seed: int, limits: Limits, size: int
) -> None:
    rng = random.Random(seed)

    def late_s(moment: float) -> float:
        # Now and then everybody is held up until the same moment, as after SIGSTOP.
        if moment % 7 < 1:
            return 1 - moment % 7
        return rng.choice([0.0, 0.0, rng.uniform(0, 0.05), rng.uniform(0, 0.3)])

    starts = _late_starts(limits, 24, 400, size, late_s)
    most_starts, most_tokens = _fullest_windows(starts, limits.window_s)
    assert most_starts <= limits.rpm
    assert most_tokens <= limits.tpm


@pytest.mark.parametrize("seed", range(8))
def test_a_late_start_costs_no_part_of_the_rate(seed: int) -> None:
    rng = random.Random(seed)
    limits = Limits(rpm=100, window_s=2.0)

    def late_s(moment: float) -> float:
        return rng.uniform(0.03, 0.15) if rng.random() < 0.05 else rng.uniform(0, 0.002)

    starts = _late_starts(limits, 12, 2000, 0, late_s)
    took_s = starts[-1][0] - starts[0][0]
    assert (len(starts) - 1) / took_s * limits.window_s >= 0.95 * limits.rpm


def test_a_start_that_is_late_by_a_tenth_of_the_window_is_booked_again() -> None:
    counters = _row()
    start = book(counters, Limits(), 100.0, 10)
    assert admit(counters, Limits(), start + 6.1, start, 10) is None
    assert admit(counters, Limits(), start + 5.9, start, 10) == 0


def test_the_start_is_smooth_from_the_first_request_on() -> None:
    counters = _row()
    starts = [book(counters, Limits(), 100.0, 0) for _ in range(200)]
    assert sum(start <= 101.0 for start in starts) <= 50 + 20
    assert sum(start <= 100.0 for start in starts) <= 20


def test_a_request_above_the_whole_limit_goes_alone() -> None:
    limits = Limits(tpm=1000, window_s=10)
    counters = _row()
    assert book(counters, limits, 100.0, 400) == 100.0
    alone = book(counters, limits, 100.0, 1200)
    assert 110.0 <= alone <= 110.2
    assert alone + 9.9 < book(counters, limits, alone, 1) <= alone + 10.1


def test_the_first_request_goes_at_once_however_large() -> None:
    assert book(_row(), Limits(), 100.0, 1_200_000) == 100.0


def test_requests_without_tokens_do_not_wait_for_paid_tokens_but_keep_the_order() -> None:
    counters = _row()
    book(counters, Limits(), 100.0, 500_000)
    assert book(counters, Limits(), 100.0, 0) == 100.0
    later = book(counters, Limits(), 100.0, 500_000)
    assert later > 120
    assert book(counters, Limits(), 100.0, 0) >= later


def test_what_was_estimated_too_high_is_given_back() -> None:
    limits = Limits()
    spared, kept = _row(), _row()
    for counters in (spared, kept):
        book(counters, limits, 100.0, 400_000)
    settle(spared, limits, 101.0, 400_000, 1000)
    assert book(spared, limits, 101.0, 900_000) < 102
    assert book(kept, limits, 101.0, 900_000) > 159


def test_what_was_estimated_too_low_is_charged() -> None:
    counters = _row()
    limits = Limits()
    book(counters, limits, 100.0, 100)
    settle(counters, limits, 100.0, 100, 500_000)
    assert book(counters, limits, 100.0, 100_000) > 129
    full = _row()
    settle(full, limits, 100.0, 0, 950_000)
    settle(full, limits, 100.0, 950_000, 950_000)
    assert book(full, limits, 157.0, 100_000) >= 160.0


def test_whatever_the_gateway_counts_nobody_waits_for_more_than_a_window() -> None:
    counters, limits = _row(), Limits()
    for ago_s in range(5):
        book(counters, limits, 100.0, 10)
        settle(counters, limits, 100.0, 10, 10**9, ago_s)
        settle(counters, limits, 100.0, 0, 10**18, ago_s)
    assert 100.0 < book(counters, limits, 100.0, 10) <= 160.5
    assert rates.start_single(counters, limits, 100.0, 10)[0] == 0
    rates.note_throttled(counters, 100.0)
    wait_s, cause = rates.start_single(counters, limits, 100.0, 10)
    assert 0 < wait_s <= 60.5 and cause == "tokens"


def test_giving_back_more_than_there_is_leaves_no_debt() -> None:
    counters = _row()
    limits = Limits()
    settle(counters, limits, 100.0, 10**9, 0)
    starts = _first(counters, limits, 100.0, 200_000, 10)
    assert _fullest_windows([(start, 200_000) for start in starts], 60)[1] <= limits.tpm


def _first(
    counters: array[float], limits: Limits, now: float, size: int, count: int
) -> list[float]:
    return [book(counters, limits, now, size) for _ in range(count)]


def test_a_long_silence_forgets_the_cells() -> None:
    counters = _row()
    limits = Limits()
    _first(counters, limits, 100.0, 300_000, 5)
    assert book(counters, limits, 10_000.0, 1_000_000) == 10_000.0


@pytest.mark.parametrize("uptime_s", [100.0, 3 * 86_400.0])
def test_after_a_reboot_the_bookings_of_before_are_forgotten(uptime_s: float) -> None:
    counters = _row()
    # So near that no other guard would forget them: only the clock tells that it began anew.
    _first(counters, Limits(), uptime_s, 300_000, 20)
    rates.pause(counters, uptime_s, 100)
    assert book(counters, Limits(), 20.0, 100) == 20.0


@pytest.mark.parametrize("damage", [float("nan"), float("inf"), 1e300, -float("inf")])
def test_damaged_numbers_hold_nobody_up(damage: float) -> None:
    for index in range(1, rates.SIZE):
        counters = _row()
        counters[index] = damage
        assert 50.0 <= book(counters, Limits(), 50.0, 100) <= 50.0 + 61, index
        settle(counters, Limits(), 50.0, 100, 10)


def test_pauses_do_not_add_up() -> None:
    counters = _row()
    rates.pause(counters, 100.0, 5.0)
    rates.pause(counters, 101.0, 2.0)
    assert book(counters, Limits(), 101.0, 0) == 105.0
    assert admit(counters, Limits(), 104.9, 104.9, 0) is None
    assert admit(counters, Limits(), 105.0, 105.0, 0) == 0


def test_the_mean_starts_at_256_and_follows_the_last_answers() -> None:
    counters = _row()
    assert mean_tokens(counters, "gpt-4o") == 256
    learn(counters, "gpt-4o", 1000)
    assert mean_tokens(counters, "gpt-4o") == 1000
    learn(counters, "gpt-4o", 500)
    assert mean_tokens(counters, "gpt-4o") == 750
    for _ in range(400):
        learn(counters, "gpt-4o", 10)
    assert 10 <= mean_tokens(counters, "gpt-4o") < 11
    assert mean_tokens(counters, "gpt-4o-mini") == 256


def test_more_models_than_places_overwrite_each_other_and_never_mix() -> None:
    counters = _row()
    for number in range(500):
        learn(counters, f"model-{number}", number)
        assert mean_tokens(counters, f"model-{number}") == number
    assert all(mean_tokens(counters, f"model-{number}") in (number, 256) for number in range(500))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rpm", 0),
        ("rpm", -3),
        ("rpm", 1.5),
        ("rpm", True),
        ("rpm", None),
        ("tpm", "many"),
        ("tpm", 10**13),
        ("concurrency", 0),
        ("concurrency", 10**6),
        ("window_s", 0),
        ("window_s", -1.0),
        ("window_s", float("nan")),
        ("window_s", float("inf")),
    ],
)
def test_limits_that_cannot_be_meant_are_named(name: str, value: object) -> None:
    with pytest.raises(SetupError, match=f"{name} is "):
        check_limits(Limits(**{name: value}))  # type: ignore[arg-type]


def test_limits_that_can_be_meant_pass() -> None:
    small = Limits(1, 1, 1, 0.05)
    assert check_limits(small) is small
    assert check_limits(Limits(window_s=60))


def test_starts_that_arrive_late_by_the_jitter_still_fit_into_a_window() -> None:
    limits = Limits(rpm=60, window_s=60.0)
    counters = _row()
    starts = [book(counters, limits, 1000.0, 0) for _ in range(200)]
    # One that is late by all of the jitter shares a window with those of a jitter later.
    longer_s = limits.window_s * (1 + rates.JITTER)
    for first, moment in enumerate(starts):
        assert sum(start <= moment + longer_s for start in starts[first:]) <= limits.rpm


def test_a_single_request_without_tokens_counts_as_a_request_alone() -> None:
    counters = _row()
    limits = Limits(rpm=2, window_s=60.0)
    waits = [rates.start_single(counters, limits, 1000.0, 0)[0] for _ in range(3)]
    assert waits[0] == 0.0 and waits[-1] > 0
    assert rates.start_single(counters, Limits(rpm=100), 2000.0, 5) == (0.0, "requests")


@pytest.mark.parametrize("seed", range(6))
def test_many_start_at_once_where_each_might_start_after_the_other(seed: int) -> None:
    rng = random.Random(seed)
    limits = Limits(
        rpm=rng.choice([100, 5000, 1_000_000]), tpm=rng.choice([2_000, 1_000_000, 10**9])
    )
    counters, now = _row(), 1000.0
    for _ in range(25):
        size, count = rng.choice([0, 1, 30, 400]), rng.randint(1, 40)
        before, singly = counters[:], counters[:]
        expected = all(start_blocks.start_now(singly, limits, now, size, 1) for _ in range(count))
        assert start_blocks.start_now(counters, limits, now, count * size, count) == expected
        if expected:
            assert list(counters) == pytest.approx(list(singly), rel=1e-12)
        else:
            left, there = (rates.snapshot(one, now)[:3] for one in (counters, before))
            assert left == pytest.approx(there, rel=1e-12)
        now += rng.choice([0.0, 0.01, 0.1, 1.0, 30.0])


def test_many_do_not_start_at_once_where_late_ones_have_filled_the_window() -> None:
    counters, limits = _row(), Limits(rpm=10_000)
    rates._count_started(counters, limits, 1000.0, 0, 9_990)
    assert not start_blocks.start_now(counters, limits, 1000.0, 0, 11)
    assert start_blocks.start_now(counters, limits, 1000.0, 0, 10)
