"""A process that is killed while it waits for its turn holds nobody up."""

from __future__ import annotations

import fcntl
import math
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
from apiyi_cli.wire.limits import bookings as waiting
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.limiter import Limiter
from apiyi_cli.wire.limits.slots import FilePlaces, Places
from apiyi_cli.wire.limits.windows import Row
from tests.conftest import Program

LIMITS = Limits(rpm=60, tpm=60_000)
NOW = 1000.0


def row_of_nobody() -> Row:
    return array("d", bytes(8 * rates.SIZE))


def wait_for_turn(row: Row, place: int, tokens: int, now: float = NOW) -> float:
    found = rates.before(row, now)
    start = rates.book(row, LIMITS, now, tokens)
    waiting.note(row, place, rates.booked(row, start, tokens, found))
    return start


@pytest.mark.parametrize("tokens", [0, 100, 5_000, 70_000])
def test_after_the_last_has_died_it_is_as_if_they_had_never_come(tokens: int) -> None:
    row, untouched = row_of_nobody(), row_of_nobody()
    for one in (row, untouched):
        rates.book(one, LIMITS, NOW, tokens)
    for place in range(40):
        wait_for_turn(row, place, tokens)
    waiting.take_back(row, LIMITS, NOW, lambda place: True)
    for _ in range(3):
        expected = rates.book(untouched, LIMITS, NOW, tokens)
        assert rates.book(row, LIMITS, NOW, tokens) == pytest.approx(expected, abs=1e-6)


def test_who_lives_keeps_the_turn_and_who_comes_takes_one_of_the_dead() -> None:
    row = row_of_nobody()
    rates.book(row, LIMITS, NOW, 100)
    starts = [wait_for_turn(row, place, 100) for place in range(20)]
    asked = []

    def is_gone(place: int) -> bool:
        asked.append(place)
        return place >= 4

    waiting.take_back(row, LIMITS, NOW, is_gone)
    assert asked == list(range(20))
    assert rates.book(row, LIMITS, NOW, 100) == pytest.approx(starts[4], abs=0.01)
    asked.clear()
    waiting.take_back(row, LIMITS, NOW, is_gone)
    assert asked == [0, 1, 2, 3]
    waiting.take_back(row, LIMITS, starts[3], is_gone)
    assert asked == [0, 1, 2, 3]


def test_who_has_started_or_given_up_is_not_taken_back(tmp_path: Path) -> None:
    now = [NOW]
    clock = Clock(lambda: now[0], lambda: 0.0, lambda seconds: now.__setitem__(0, now[0] + seconds))
    limiter = Limiter(tmp_path, "a", LIMITS, clock=clock)
    limiter.acquire(place=7)
    assert limiter.acquire(place=7) > 0.7

    def gives_up(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(0, gives_up, 8)
    assert limiter.acquire(place=9) == pytest.approx(1.035, abs=0.31)


def test_a_place_taken_over_brings_no_turn_with_it(tmp_path: Path) -> None:
    """The process that died held the place which this one has got now."""
    limiter = Limiter(tmp_path, "a", LIMITS, clock=Clock(lambda: NOW))
    place = limiter.occupy()
    with limiter._row as row:
        rates.book(row, LIMITS, NOW, 10)
        assert wait_for_turn(row, place, 60_000) > NOW + 59
    waits: list[float] = []

    def gives_up(seconds: float) -> None:
        waits.append(seconds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(10, gives_up, place)
    assert waits == [pytest.approx(0.735, abs=0.01)]


def test_however_many_die_no_window_starts_more_than_the_limit() -> None:
    seeded = random.Random(3)
    row = row_of_nobody()
    now = NOW
    turns: dict[int, float] = {}
    started: list[float] = []
    dead: set[int] = set()
    while len(started) < 1_000:
        place = seeded.randrange(30)
        if place not in turns and place not in dead:
            waiting.take_back(row, LIMITS, now, dead.__contains__)
            dead.clear()
            turns[place] = wait_for_turn(row, place, 500, now)
        if turns and seeded.random() < 0.2:
            gone = seeded.choice(list(turns))
            del turns[gone]
            dead.add(gone)
        now += seeded.random()
        for one, start in sorted(turns.items(), key=lambda item: item[1]):
            if start <= now:
                wait_s = rates.admit(row, LIMITS, now, start, 500)
                if not wait_s:
                    waiting.forget(row, one)
                    del turns[one]
                if wait_s == 0:
                    started.append(now)
    for first, moment in enumerate(started):
        assert bisect_right(started, moment + LIMITS.window_s) - first <= LIMITS.rpm


@pytest.mark.parametrize("damage", [math.nan, math.inf, -math.inf, -1.0, 1e300, 5e9])
@pytest.mark.parametrize("distance", [0, 1, 2, 513, 514, 1025, 1537, 2048])
def test_damaged_notes_hold_nobody_up(damage: float, distance: int) -> None:
    row = row_of_nobody()
    for place in range(3):
        wait_for_turn(row, place, 10)
    row[rates.WAITING + distance] = damage
    waiting.take_back(row, LIMITS, NOW, lambda place: True)
    assert rates.book(row, LIMITS, NOW, 10) < NOW + 4
    waiting.take_back(row, LIMITS, NOW, lambda place: True)
    assert row[rates.WAITING] <= NOW


def test_a_place_is_free_when_nobody_holds_it(tmp_path: Path) -> None:
    for places in (Places(), FilePlaces(tmp_path / "slots", fcntl)):
        assert places.is_free(3)
        held = places.occupy(1, lambda seconds: pytest.fail("it waited"))
        assert not places.is_free(held)
        places.vacate(held)
        assert places.is_free(held)


def test_places_beyond_the_notes_go_unnoted() -> None:
    row = row_of_nobody()
    for place in (-1, 512, 1 << 30):
        waiting.note(row, place, rates.Booking(NOW + 9, 10, 1.0, 1.0))
        waiting.forget(row, place)
    assert not any(row[rates.WAITING : rates.WAITING + rates.WAITING_SIZE])


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
