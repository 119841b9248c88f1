"""Starts that a process reserves in blocks, and slots that it keeps for its next request."""

from __future__ import annotations

import random
import threading
from array import array
from collections import deque
from pathlib import Path

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.limits.start_blocks import MOST_STARTS, StartBlock


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(lambda: self.now, lambda: 0.0, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class GaveUpError(Exception):
    """Raised by a sleep that does not want to wait."""


def give_up(seconds: float) -> None:
    raise GaveUpError


def test_a_busy_process_books_seldom_and_a_calm_one_for_each_request() -> None:
    for interval_s, most in ((0.001, 40), (0.2, 1000)):
        counters = array("d", bytes(8 * rates.SIZE))
        block = StartBlock(Limits(rpm=10**7, tpm=10**10))
        now, renewed = 1000.0, 0
        for _ in range(1000):
            now += interval_s
            if not block.take(100, now):
                assert block.renew(counters, now, 100)
                renewed += 1
        assert most * 0.4 <= renewed <= most


@pytest.mark.parametrize("rpm", [400, 6000])
def test_no_window_has_more_starts_than_the_limit_over_four_limiters(
    tmp_path: Path, rpm: int
) -> None:
    chance, time = random.Random(rpm), Time()
    limits = Limits(rpm=rpm, tpm=10**10, window_s=10.0)
    limiters = [Limiter(tmp_path, "a", limits, clock=time.clock) for _ in range(4)]
    starts: list[float] = []
    while time.now < 1080:
        # Now and then nobody asks for a while, and then many do.
        time.now += chance.choice((0.0, 0.0, 0.0, 0.001, 0.001, 0.02, chance.random() ** 8))
        chance.choice(limiters).acquire(chance.randint(1, 300))
        starts.append(time.now)
    window: deque[float] = deque()
    for start in starts:
        window.append(start)
        while window[0] < start - limits.window_s:
            window.popleft()
        assert len(window) <= rpm
    assert len(starts) > 1500


def test_what_a_killed_process_had_reserved_is_free_after_one_window(tmp_path: Path) -> None:
    time = Time()
    limits = Limits(rpm=600, tpm=10**9, window_s=60.0)
    killed = Limiter(tmp_path, "a", limits, clock=time.clock)
    used = 0
    # Many at once: the block grows, and it dies with most of the last one unused.
    for _ in range(3):
        killed.acquire(10)
        used += 1
    other = Limiter(tmp_path, "a", limits, clock=time.clock)
    before = time.now
    count = 0
    while time.now < before + 59:
        other.acquire(10)
        count += 1
    assert 570 - MOST_STARTS <= count + used <= 600
    time.now += 61
    began, again = time.now, 0
    while time.now < began + 59:
        other.acquire(10)
        again += 1
    assert 565 <= again <= 600


def test_what_was_not_used_is_given_back_with_the_next_block(tmp_path: Path) -> None:
    time = Time()
    limits = Limits(rpm=10**6, tpm=10_000, window_s=60.0)
    counters = array("d", bytes(8 * rates.SIZE))
    block = StartBlock(limits)
    for _ in range(6):
        assert block.take(5, time.now) or block.renew(counters, time.now, 5)
    time.now += 1.0
    assert block.renew(counters, time.now, 5)
    plain = array("d", bytes(8 * rates.SIZE))
    for moment in (1000.0,) * 6 + (1001.0,):
        start = rates.book(plain, limits, moment, 5)
        assert rates.admit(plain, limits, moment, start, 5) == 0.0
    # Both have counted seven requests. The block has more in reserve, for 8 tokens each.
    waits = [rates.book(one, limits, 1001.0, 9_900) - 1001.0 for one in (counters, plain)]
    assert max(waits) < 0.5


def test_a_larger_request_than_the_reserved_ones_gets_its_own_tokens(tmp_path: Path) -> None:
    time = Time()
    limits = Limits(rpm=10**6, tpm=10_000, window_s=60.0)
    limiter = Limiter(tmp_path, "a", limits, clock=time.clock)
    for _ in range(5):
        limiter.acquire(3)
    assert limiter.acquire(9_900) <= 0.5
    assert limiter.acquire(9_900) > 55


def test_a_process_with_many_requests_keeps_a_slot_for_the_next(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "a", Limits(concurrency=3))
    first, second = limiter.take_slot(), limiter.take_slot()
    limiter.release_slot(second)
    assert limiter.take_slot() == second
    third = limiter.take_slot()
    with pytest.raises(GaveUpError):
        limiter.take_slot(give_up)
    for slot in (first, second, third):
        limiter.release_slot(slot)


def test_a_slot_that_is_kept_is_free_for_another_process_soon(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "a", Limits(concurrency=2))
    held, kept = limiter.take_slot(), limiter.take_slot()
    limiter.release_slot(kept)
    (path,) = tmp_path.glob("*.slots")
    tries = iter(range(1000))
    while _locked(path) > 1 and next(tries) < 999:
        threading.Event().wait(0.005)
    assert _locked(path) == 1
    limiter.release_slot(held)


def _locked(path: Path) -> int:
    """Return how many bytes of a file another process finds locked."""
    import subprocess
    import sys

    script = (
        "import fcntl, sys\n"
        "file, count = open(sys.argv[1], 'r+b'), 0\n"
        "for at in range(3):\n"
        "    try: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)\n"
        "    except OSError: count += 1\n"
        "print(count)"
    )
    run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True)
    return int(run.stdout)


def test_threads_take_no_more_starts_than_were_reserved() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    block = StartBlock(Limits(rpm=10**7, tpm=10**10))
    reserved = 0
    while reserved < MOST_STARTS:
        reserved = 2 * reserved or 1
        assert block.renew(counters, 1000.0, 100)
        while reserved < MOST_STARTS and block.take(100, 1000.0):
            pass
    taken: list[bool] = []

    def work() -> None:
        taken.extend([block.take(100, 1000.0) for _ in range(MOST_STARTS)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == MOST_STARTS - 1


def test_while_a_block_is_renewed_the_others_use_up_the_rest(tmp_path: Path) -> None:
    time = Time()
    limiter = Limiter(tmp_path, "a", Limits(rpm=10**7, tpm=10**10), clock=time.clock)
    for _ in range(12 + 8):
        limiter.acquire(10)
    with limiter._counters:
        # The ninth of the sixteen finds the block low, and waits for the numbers.
        renewing = threading.Thread(target=limiter.acquire, args=(10,), daemon=True)
        renewing.start()
        tries = iter(range(5000))
        while not limiter._starting.locked() and next(tries) < 4999:
            threading.Event().wait(0.001)
        others = threading.Thread(
            target=lambda: [limiter.acquire(10) for _ in range(7)], daemon=True
        )
        others.start()
        others.join(10)
        assert renewing.is_alive() and not others.is_alive()
    renewing.join(10)
    # The new block is there before the old one is used up: nobody renews it.
    with limiter._counters:
        last = threading.Thread(target=limiter.acquire, args=(10,), daemon=True)
        last.start()
        last.join(10)
        assert not last.is_alive()


def test_who_waited_for_a_new_block_uses_it(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "a", Limits(rpm=10**7, tpm=10**10), clock=Time().clock)
    with limiter._starting:
        waiting = threading.Thread(target=limiter.acquire, args=(0,), daemon=True)
        waiting.start()
        waiting.join(0.02)
        limiter._renew_ahead()
        block = limiter._starts._block
    waiting.join(10)
    assert limiter._starts._block is block and not block.starts


def test_a_larger_block_for_bursts_shrinks_by_half_at_most() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    block = StartBlock(Limits(rpm=10**7, tpm=10**10))
    now, renewals = 1000.0, []
    for _ in range(6):
        renewals.append(0)
        for _ in range(100):
            if not block.take(100, now):
                assert block.renew(counters, now, 100)
                renewals[-1] += 1
        # Between two bursts only one request.
        now += 0.2
        assert block.renew(counters, now, 100)
        now += 0.2
    assert renewals[0] >= 7 and max(renewals[1:]) <= 4


def test_estimates_that_differ_a_little_use_one_block() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    block = StartBlock(Limits(rpm=10**7, tpm=10**10))
    chance, renewed = random.Random(1), 0
    for _ in range(1000):
        tokens = chance.randint(300, 500)
        if not block.take(tokens, 1000.0):
            assert block.renew(counters, 1000.0, tokens)
            renewed += 1
    assert renewed <= 8 + 1000 / MOST_STARTS
