"""A process that is killed while it waits for its turn holds nobody up."""

from __future__ import annotations

import fcntl
import math
import os
import random
import re
import signal
import subprocess
from array import array
from bisect import bisect_right
from pathlib import Path

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.sandbox.server import Gateway
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.wire.limits import bookings, rates
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.limits.slots import FileSlots, Slots, open_own
from apiyi_cli.wire.limits.windows import Counters
from tests.conftest import Program

LIMITS = Limits(rpm=60, tpm=60_000)
NOW = 1000.0


def row_of_nobody() -> Counters:
    return array("d", bytes(8 * rates.SIZE))


def wait_for_turn(counters: Counters, place: int, tokens: int, now: float = NOW) -> float:
    found = rates.snapshot(counters, now)
    start = rates.book(counters, LIMITS, now, tokens)
    bookings.record(counters, place, rates.read_booking(counters, start, tokens, found))
    return start


@pytest.mark.parametrize("tokens", [0, 100, 5_000, 70_000])
def test_after_the_last_has_died_it_is_as_if_they_had_never_come(tokens: int) -> None:
    counters, untouched = row_of_nobody(), row_of_nobody()
    for one in (counters, untouched):
        rates.book(one, LIMITS, NOW, tokens)
    for place in range(40):
        wait_for_turn(counters, place, tokens)
    bookings.release_gone(counters, LIMITS, NOW, lambda place: True)
    for _ in range(3):
        expected = rates.book(untouched, LIMITS, NOW, tokens)
        assert rates.book(counters, LIMITS, NOW, tokens) == pytest.approx(expected, abs=1e-6)


def test_who_lives_keeps_the_turn_and_who_comes_takes_one_of_the_dead() -> None:
    counters = row_of_nobody()
    rates.book(counters, LIMITS, NOW, 100)
    starts = [wait_for_turn(counters, place, 100) for place in range(20)]
    asked = []

    def is_gone(place: int) -> bool:
        asked.append(place)
        return place >= 4

    bookings.release_gone(counters, LIMITS, NOW, is_gone)
    assert asked == list(range(20))
    assert rates.book(counters, LIMITS, NOW, 100) == pytest.approx(starts[4], abs=0.01)
    asked.clear()
    bookings.release_gone(counters, LIMITS, NOW, is_gone)
    assert asked == [0, 1, 2, 3]
    bookings.release_gone(counters, LIMITS, starts[3], is_gone)
    assert asked == [0, 1, 2, 3]


def test_who_has_started_or_given_up_is_not_taken_back(tmp_path: Path) -> None:
    now = [NOW]
    clock = Clock(lambda: now[0], lambda: 0.0, lambda seconds: now.__setitem__(0, now[0] + seconds))
    limiter = Limiter(tmp_path, "a", LIMITS, clock=clock)
    limiter.acquire(slot=7)
    assert limiter.acquire(slot=7) > 0.7

    def gives_up(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(0, gives_up, 8)
    assert limiter.acquire(slot=9) == pytest.approx(1.035, abs=0.31)


def test_a_place_taken_over_brings_no_turn_with_it(tmp_path: Path) -> None:
    """The process that died held the place which this one has got now."""
    limiter = Limiter(tmp_path, "a", LIMITS, clock=Clock(lambda: NOW))
    place = limiter.take_slot()
    with limiter._counters as counters:
        rates.book(counters, LIMITS, NOW, 10)
        assert wait_for_turn(counters, place, 60_000) > NOW + 59
    waits: list[float] = []

    def gives_up(seconds: float) -> None:
        waits.append(seconds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(10, gives_up, place)
    assert waits == [pytest.approx(0.735, abs=0.01)]


def test_however_many_die_no_window_starts_more_than_the_limit() -> None:
    seeded = random.Random(3)
    counters = row_of_nobody()
    now = NOW
    turns: dict[int, float] = {}
    started: list[float] = []
    dead: set[int] = set()
    while len(started) < 1_000:
        place = seeded.randrange(30)
        if place not in turns and place not in dead:
            bookings.release_gone(counters, LIMITS, now, dead.__contains__)
            dead.clear()
            turns[place] = wait_for_turn(counters, place, 500, now)
        if turns and seeded.random() < 0.2:
            gone = seeded.choice(list(turns))
            del turns[gone]
            dead.add(gone)
        now += seeded.random()
        for one, start in sorted(turns.items(), key=lambda item: item[1]):
            if start <= now:
                wait_s = rates.admit(counters, LIMITS, now, start, 500)
                if not wait_s:
                    bookings.forget(counters, one)
                    del turns[one]
                if wait_s == 0:
                    started.append(now)
    for first, moment in enumerate(started):
        assert bisect_right(started, moment + LIMITS.window_s) - first <= LIMITS.rpm


@pytest.mark.parametrize("damage", [math.nan, math.inf, -math.inf, -1.0, 1e300, 5e9])
@pytest.mark.parametrize("distance", [0, 1, 2, 513, 514, 1025, 1537, 2048])
def test_damaged_notes_hold_nobody_up(damage: float, distance: int) -> None:
    counters = row_of_nobody()
    for place in range(3):
        wait_for_turn(counters, place, 10)
    counters[rates.BOOKINGS + distance] = damage
    bookings.release_gone(counters, LIMITS, NOW, lambda place: True)
    assert rates.book(counters, LIMITS, NOW, 10) < NOW + 4
    bookings.release_gone(counters, LIMITS, NOW, lambda place: True)
    assert counters[rates.BOOKINGS] <= NOW


def test_a_place_is_free_when_nobody_holds_it(tmp_path: Path) -> None:
    for places in (Slots(), FileSlots(tmp_path / "slots", fcntl)):
        assert places.is_free(3)
        held = places.take_slot(1, lambda seconds: pytest.fail("it waited"))
        assert not places.is_free(held)
        places.release_slot(held)
        assert places.is_free(held)


def test_places_beyond_the_notes_go_unnoted() -> None:
    counters = row_of_nobody()
    for place in (-1, 512, 1 << 30):
        bookings.record(counters, place, rates.Booking(NOW + 9, 10, 1.0, 1.0))
        bookings.forget(counters, place)
    assert not any(counters[rates.BOOKINGS : rates.BOOKINGS + rates.BOOKINGS_SIZE])


def test_killed_processes_give_their_turns_back(
    started: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    assert started("chat hi --rpm 6").code == 0
    for _ in range(4):
        running = started.start("chat hi --rpm 6 -v")
        stopped.append(running)
        assert running.stderr is not None
        while b"limit of 6 requests" not in (line := running.stderr.readline()):
            assert line, "it did not wait"
    for running in stopped:
        running.send_signal(signal.SIGKILL)
        running.wait(10)
    ended = started("chat hi --rpm 6 --max-time 1")
    assert ended.code == 9
    told = re.search(r"ask for ([\d.]+) s more", ended.err)
    assert told is not None and float(told[1]) < 12
    assert len(gateway.posts) == 1


def test_a_file_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: os.stat(tmp_path).st_uid + 1)
    with pytest.raises(OSError, match="not a file of this user"):
        open_own(tmp_path / "slots")


def test_numbers_are_not_repaired_where_not_every_waiting_request_is_recorded() -> None:
    counters = array("d", bytes(8 * rates.SIZE))
    many = LIMITS._replace(concurrency=10_000)
    booked = [rates.book(counters, many, NOW, 100) for _ in range(5)]
    bookings.release_gone(counters, many, NOW, lambda slot: True)
    assert rates.book(counters, many, NOW, 100) > booked[-1]


@pytest.mark.parametrize("ahead_s", [50.0, 1_000.0, 100_000.0])
def test_moments_that_no_clock_of_this_boot_gave_are_no_bookings(ahead_s: float) -> None:
    """Not even of slots that other requests hold at this moment."""
    counters = row_of_nobody()
    for index in range(1, rates.MEANS):
        counters[index] = NOW + ahead_s
    bookings.release_gone(counters, LIMITS, NOW, lambda place: place > 1)
    assert rates.book(counters, LIMITS, NOW, 100) == NOW
