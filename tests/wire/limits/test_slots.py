"""The slots of a file: what is kept for the process's next request, and what is given up."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.wire.limits.slots import FileSlots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

fcntl = pytest.importorskip("fcntl")


class PatientSlots(FileSlots):
    """Slots that are kept for as long as a test runs."""

    IDLE_S = 3600.0  # type: ignore[misc]


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[PatientSlots]:
    yield PatientSlots(tmp_path / "slots", fcntl)


def give_up(seconds: float) -> None:
    raise TimeoutError


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    tries = iter(range(5000))
    while not is_so() and next(tries) < 4999:
        wait(0.001)
    assert is_so()


def test_a_slot_kept_for_the_next_request_is_free_and_taken_again(slots: PatientSlots) -> None:
    taken = [slots.take_slot(4, give_up) for _ in range(4)]
    slots.release_slot(taken[1])
    assert slots.is_free(taken[1]) and not slots.is_free(taken[0])
    assert slots.take_slot(4, give_up) == taken[1]
    assert slots.has_held


def test_kept_slots_beyond_a_smaller_count_are_given_up(slots: PatientSlots) -> None:
    taken = sorted(slots.take_slot(5, give_up) for _ in range(5))
    slots.release_slot(taken[0])
    slots.release_slot(taken[-1])
    assert slots.take_slot(taken[-1], give_up) == taken[0]
    assert slots.is_free(taken[-1])
    with pytest.raises(TimeoutError):
        slots.take_slot(1, give_up) if taken[0] == 0 else give_up(0)


def test_after_the_last_request_all_slots_are_free(slots: PatientSlots) -> None:
    taken = [slots.take_slot(8, give_up) for _ in range(3)]
    for slot in taken:
        slots.release_slot(slot)
    assert not slots.has_held
    assert all(map(slots.is_free, range(8)))


class CountedSlots(PatientSlots):
    """Slots that count how often they ask the system."""

    calls = 0

    def _lock_slot(self, slot: int, count: int = 1) -> bool:
        self.calls += 1
        return super()._lock_slot(slot, count)


def test_a_hundred_slots_are_taken_in_few_steps_and_none_twice(tmp_path: Path) -> None:
    slots = CountedSlots(tmp_path / "slots", fcntl)
    slots.release_slot(slots.take_slot(100, give_up))
    slots.calls = 0
    taken = [slots.take_slot(100, give_up) for _ in range(100)]
    assert sorted(taken) == list(range(100)) and slots.calls < 40
    with pytest.raises(TimeoutError):
        slots.take_slot(100, give_up)
    slots.calls = 0
    for _ in range(1000):
        slots.release_slot(taken.pop())
        taken.append(slots.take_slot(100, give_up))
    assert slots.calls == 0


def test_slots_of_another_process_are_not_taken_along(tmp_path: Path) -> None:
    slots = CountedSlots(tmp_path / "slots", fcntl)
    with holding(tmp_path / "slots", 5):
        taken = [slots.take_slot(8, give_up) for _ in range(7)]
        with pytest.raises(TimeoutError):
            slots.take_slot(8, give_up)
    assert sorted(taken) == [0, 1, 2, 3, 4, 6, 7]


def test_threads_that_pass_slots_on_never_share_one(slots: PatientSlots) -> None:
    in_use: set[int] = set()
    shared: list[int] = []

    def work() -> None:
        for _ in range(500):
            slot = slots.take_slot(4, wait)
            if slot in in_use:
                shared.append(slot)
            in_use.add(slot)
            in_use.discard(slot)
            slots.release_slot(slot)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not shared and not slots.has_held


def test_without_a_thread_to_look_after_them_no_slots_are_kept(
    slots: PatientSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiyi_cli.wire.limits.slots.start_thread", lambda target: None)
    first, second = slots.take_slot(2, give_up), slots.take_slot(2, give_up)
    slots.release_slot(second)
    assert slots._held == {first}


class EagerSlots(FileSlots):
    """Slots that look at once whether another process waits, and are always in use."""

    IDLE_S = 0.005  # type: ignore[misc]
    _used_at = property(lambda self: math.inf, lambda self, moment: None)


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(path: Path, slot: int) -> Iterator[None]:
    """Let another process hold a slot."""
    words = [sys.executable, "-c", HOLDER, str(path), str(slot)]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        yield
    finally:
        holder.communicate()


def test_slots_are_not_kept_while_another_process_waits(tmp_path: Path) -> None:
    path = tmp_path / "slots"
    slots = EagerSlots(path, fcntl)
    taken = [slots.take_slot(8, give_up) for _ in range(4)]
    with holding(path, slots.TURNSTILE):
        slots.release_slot(taken[0])
        until(lambda: taken[0] not in slots._held)
        # From now on they go at once.
        slots.release_slot(taken[1])
        assert taken[1] not in slots._held
    until(lambda: not slots._is_awaited)
    slots.release_slot(taken[2])
    assert slots._held == {*taken[2:]}
    slots._has_thread = False


class BriefSlots(FileSlots):
    """Slots that are kept for a moment."""

    IDLE_S = 0.02  # type: ignore[misc]
    THREAD_IDLE_S = 0.04  # type: ignore[misc]


def test_the_thread_ends_with_its_work_and_begins_anew(tmp_path: Path) -> None:
    slots = BriefSlots(tmp_path / "slots", fcntl)
    taken = [slots.take_slot(3, give_up) for _ in range(3)]
    for slot in taken[1:]:
        slots.release_slot(slot)
        until(lambda: not slots._has_thread)
        assert slot not in slots._held
    for slot in [slots.take_slot(3, give_up), slots.take_slot(3, give_up), taken[0]]:
        slots.release_slot(slot)
    until(lambda: not slots._held)


def test_a_slot_that_was_taken_along_and_is_not_used_is_freed(tmp_path: Path) -> None:
    slots = BriefSlots(tmp_path / "slots", fcntl)
    taken = {slots.take_slot(8, give_up) for _ in range(2)}
    until(lambda: slots._held == taken)


def test_a_slot_that_is_used_again_and_again_is_kept(tmp_path: Path) -> None:
    slots = BriefSlots(tmp_path / "slots", fcntl)
    taken = [slots.take_slot(8, give_up) for _ in range(4)]
    ends_at = time.monotonic() + 0.3
    while time.monotonic() < ends_at:
        slots.release_slot(taken.pop())
        time.sleep(0.005)
        taken.append(slots.take_slot(8, give_up))
    assert len(set(taken)) == 4
