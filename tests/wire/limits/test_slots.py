"""The slots of a file: what is kept for the process's next request, and what is given up."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.wire.limits.slots import FileSlots

if TYPE_CHECKING:
    from collections.abc import Iterator

fcntl = pytest.importorskip("fcntl")


class PatientSlots(FileSlots):
    """Slots that are kept for as long as a test runs."""

    IDLE_S = 3600.0  # type: ignore[misc]


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[PatientSlots]:
    yield PatientSlots(tmp_path / "slots", fcntl)


def give_up(seconds: float) -> None:
    raise TimeoutError


def test_a_slot_kept_for_the_next_request_is_free_and_taken_again(slots: PatientSlots) -> None:
    taken = [slots.take_slot(8, give_up) for _ in range(4)]
    slots.release_slot(taken[1])
    assert slots.is_free(taken[1]) and not slots.is_free(taken[0])
    assert slots.take_slot(8, give_up) == taken[1]
    assert slots.has_held


def test_kept_slots_beyond_a_smaller_count_are_given_up(slots: PatientSlots) -> None:
    taken = sorted(slots.take_slot(8, give_up) for _ in range(5))
    slots.release_slot(taken[0])
    slots.release_slot(taken[-1])
    assert slots.take_slot(taken[-1], give_up) == taken[0]
    assert slots.is_free(taken[-1])
    with pytest.raises(TimeoutError):
        slots.take_slot(1, give_up) if taken[0] == 0 else give_up(0)


def test_with_the_last_request_all_kept_slots_go(slots: PatientSlots) -> None:
    taken = [slots.take_slot(8, give_up) for _ in range(3)]
    for slot in taken:
        slots.release_slot(slot)
    assert not slots.has_held
    assert all(map(slots.is_free, taken))


class EagerSlots(FileSlots):
    """Slots that look at once whether another process waits."""

    IDLE_S = 0.0  # type: ignore[misc]


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


def test_slots_are_not_kept_while_another_process_waits(tmp_path: Path) -> None:
    path = tmp_path / "slots"
    slots = EagerSlots(path, fcntl)
    taken = [slots.take_slot(8, give_up) for _ in range(4)]
    words = [sys.executable, "-c", HOLDER, str(path), str(slots.TURNSTILE)]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        slots.release_slot(taken[0])
        assert slots.is_free(taken[0])
    finally:
        holder.communicate()


class BriefSlots(FileSlots):
    """Slots that are kept for a moment."""

    IDLE_S = 0.02  # type: ignore[misc]


def test_a_slot_that_is_used_again_and_again_is_kept(tmp_path: Path) -> None:
    slots = BriefSlots(tmp_path / "slots", fcntl)
    taken = [slots.take_slot(8, give_up) for _ in range(4)]
    ends_at = time.monotonic() + 0.3
    while time.monotonic() < ends_at:
        slots.release_slot(taken.pop())
        time.sleep(0.005)
        taken.append(slots.take_slot(8, give_up))
    assert len(set(taken)) == 4
