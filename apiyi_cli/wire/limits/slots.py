"""The concurrency slots of a key, given first come, first served.

`Slots` counts within a process, `FileSlots` over all processes of a host by the locked bytes
of a file, `redis_limiter` over several hosts.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from math import inf
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Final

from apiyi_cli.core.clock import start_thread
from apiyi_cli.core.disk import open_regular
from apiyi_cli.text import Text

Sleep = Callable[[float], None]


class Slots:
    """The concurrency slots of this process: numbers, each held by one thread."""

    TURNSTILE: Final = 1 << 30
    """The slot of the next in line. All others ask for this one only, so that a newcomer does not
    overtake and a crowd does not search all slots again and again."""
    SHORTEST_S: ClassVar = 0.001
    LONGEST_S: ClassVar = 0.05

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._idle: list[int] = []
        self._lock = threading.Lock()
        self._next = 0

    def take_slot(self, count: int, sleep: Sleep) -> int:
        """Wait for a slot below `count`; `sleep` waits, or raises to give up."""
        wait_s = self.SHORTEST_S
        is_next = False
        try:
            while True:
                with self._lock:
                    is_next = is_next or self._take(self.TURNSTILE)
                    if is_next and (slot := self._first_free(count)) is not None:
                        # In the same step: no other thread meets a queue in which nobody waits.
                        is_next = False
                        self._free(self.TURNSTILE)
                        return slot
                sleep(self.SHORTEST_S if is_next else wait_s)
                wait_s = min(2 * wait_s, self.LONGEST_S)
        finally:
            if is_next:
                self.release_slot(self.TURNSTILE)

    def release_slot(self, slot: int) -> None:
        """Release a slot."""
        self._free(slot)

    @property
    def has_held(self) -> bool:
        """Return True if this process holds a slot."""
        return len(self._held) > len(self._idle)

    def is_free(self, slot: int) -> bool:
        """Return True if no request of this or another process holds a slot."""
        with self._lock:
            return slot in self._idle or self._can_take(slot)

    def _first_free(self, count: int) -> int | None:
        for step in range(count):
            slot = (self._next + step) % count
            if self._take(slot):
                self._next = slot + 1
                return slot
        return None

    def _take(self, slot: int) -> bool:
        # Checked first because the kernel would grant a process its own locks again.
        if slot in self._held or not self._lock_slot(slot):
            return False
        self._held.add(slot)
        return True

    def _can_take(self, slot: int) -> bool:
        if not self._take(slot):
            return False
        self._free(slot)
        return True

    def _free(self, slot: int) -> None:
        # In this order no thread takes the slot in between and loses it.
        self._unlock_slot(slot)
        self._held.discard(slot)
        if slot != self.TURNSTILE:
            self._next = slot

    def _lock_slot(self, slot: int, count: int = 1) -> bool:
        return True

    def _unlock_slot(self, slot: int) -> None:
        """Do nothing: there is no other process."""


class FileSlots(Slots):
    """The concurrency slots of all processes: locked bytes of a file that stays open.

    POSIX drops all locks of a process on a file as soon as the process closes *any* descriptor
    of it, so the file is opened once in a process and never closed.

    While a process has several requests in flight, a slot that one of them gives back stays
    locked for the next one. It is passed on in a list, whose `append` and `pop` are atomic, and
    not under a lock: a hundred threads that take a lock twice for each request wait for each
    other more than for their answers. A thread frees idle slots when another process waits, at
    which it looks twenty times a second, and when this process has not used them for as long.
    """

    IDLE_S: Final = 0.05
    THREAD_IDLE_S: Final = 1.0
    """The thread ends after so many seconds without an idle slot."""

    def __init__(self, path: Path, fcntl: ModuleType) -> None:
        super().__init__()
        self._lockf = fcntl.lockf
        self._try, self._unlock = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
        self._descriptor = open_own(path)
        # Processes that begin together do not all begin with the same slots.
        self._next = os.getpid()
        self._used_at = -inf
        self._is_awaited = self._has_thread = False

    def take_slot(self, count: int, sleep: Sleep) -> int:
        """Wait for a slot below `count`; `sleep` waits, or raises to give up."""
        if self.TURNSTILE not in self._held and (slot := self._reuse(count)) is not None:
            return slot
        slot = super().take_slot(count, sleep)
        self._keep_idle()
        return slot

    def release_slot(self, slot: int) -> None:
        """Release a slot, to this process's next request if there are many."""
        if slot == self.TURNSTILE or len(self._held) == 1 or self._is_awaited:
            super().release_slot(slot)
            return
        self._used_at = time.monotonic()
        self._idle.append(slot)
        self._keep_idle()

    def _first_free(self, count: int) -> int | None:
        slot = self._reuse(count)
        if slot is None and (slot := super()._first_free(count)) is not None:
            self._take_more(slot + 1, count)
        return slot

    def _take_more(self, first: int, count: int) -> None:
        """Take as many idle slots in one step as are in use.

        A hundred threads begin at once.
        """
        wanted = range(first, min(count, first + len(self._held) - 2))
        slots = list(takewhile(lambda slot: slot not in self._held, wanted))
        while slots and not self._lock_slot(first, len(slots)):
            del slots[len(slots) // 2 :]
        if slots:
            self._held.update(slots)
            self._used_at = time.monotonic()
            self._idle += slots

    def _reuse(self, count: int) -> int | None:
        """Return an idle slot below `count`, None if there is none."""
        with suppress(IndexError):
            while (slot := self._idle.pop()) >= count:
                self._free(slot)
            self._used_at = time.monotonic()
            return slot
        return None

    def _keep_idle(self) -> None:
        """Let a thread look after the idle slots, if there are any."""
        if self._has_thread or not self._idle:
            return
        with self._lock:
            has_thread, self._has_thread = self._has_thread, True
        if not has_thread and start_thread(self._free_unused) is None:
            self._has_thread = False
            self._free_idle()

    def _free_unused(self) -> None:
        while self._has_thread:
            time.sleep(self.IDLE_S)
            with self._lock:
                # A thread of this process that waits uses the idle slots itself.
                is_ours = self.TURNSTILE in self._held
                self._is_awaited = not is_ours and not self._can_take(self.TURNSTILE)
            unused_s = time.monotonic() - self._used_at
            if self._is_awaited or unused_s >= self.IDLE_S:
                self._free_idle()
            if unused_s >= self.THREAD_IDLE_S:
                with self._lock:
                    self._has_thread = self._is_awaited = False
                    # A slot that was released meanwhile still needs the thread.
                    self._has_thread = bool(self._idle)

    def _free_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._free(self._idle.pop())

    def _lock_slot(self, slot: int, count: int = 1) -> bool:
        try:
            self._lockf(self._descriptor, self._try, count, slot)
        except OSError as error:
            # A system without locks does not stop the run: the count of this process holds.
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def _unlock_slot(self, slot: int) -> None:
        with suppress(OSError):
            self._lockf(self._descriptor, self._unlock, 1, slot)


_open_slots: dict[tuple[int, str], FileSlots] = {}
_open_slots_lock = threading.Lock()


def find_slots(path: Path, fcntl: ModuleType) -> Slots:
    """Return the slots of this file, opened once. Raises OSError if it cannot be opened."""
    # A forked child has none of its parent's locks and needs its own count.
    name = (os.getpid(), os.path.realpath(path))
    with _open_slots_lock:
        if name not in _open_slots:
            _open_slots[name] = FileSlots(path, fcntl)
        return _open_slots[name]


def open_own(path: Path) -> int:
    """Open a private file of this user, creating it if needed. Raises OSError for any other."""
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        raise OSError(Text("{path} is not a file of this user", path=path))
    return descriptor
