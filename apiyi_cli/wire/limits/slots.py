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
                        return slot
                sleep(self.SHORTEST_S if is_next else wait_s)
                wait_s = min(2 * wait_s, self.LONGEST_S)
        finally:
            if is_next:
                self.release_slot(self.TURNSTILE)

    def release_slot(self, slot: int) -> None:
        """Release a slot."""
        with self._lock:
            self._held.discard(slot)
            self._unlock_slot(slot)
            if slot != self.TURNSTILE:
                self._next = slot

    @property
    def has_held(self) -> bool:
        """Return True if this process holds a slot."""
        return len(self._held) > len(self._idle)

    def is_free(self, slot: int) -> bool:
        """Return True if no request of this or another process holds a slot."""
        with self._lock:
            if slot in self._idle:
                return True
            if not self._take(slot):
                return False
            self._held.discard(slot)
            self._unlock_slot(slot)
            return True

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

    def _lock_slot(self, slot: int) -> bool:
        return True

    def _unlock_slot(self, slot: int) -> None:
        """Do nothing: there is no other process."""


class FileSlots(Slots):
    """The concurrency slots of all processes: locked bytes of a file that stays open.

    POSIX drops all locks of a process on a file as soon as the process closes *any* descriptor
    of it, so the file is opened once in a process and never closed.

    While a process has several requests in flight, a slot that one of them gives back stays
    locked for the next one, without asking the system. It is freed when another process waits,
    which is looked at twenty times a second, and when this process has not used it for as long.
    """

    IDLE_S: Final = 0.05

    def __init__(self, path: Path, fcntl: ModuleType) -> None:
        super().__init__()
        self._lockf = fcntl.lockf
        self._try, self._free = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
        self._descriptor = open_own(path)
        # Processes that begin together do not all begin with the same slots.
        self._next = os.getpid()
        self._asked_at = self._used_at = -inf
        self._has_sweeper = False

    def take_slot(self, count: int, sleep: Sleep) -> int:
        """Wait for a slot below `count`; `sleep` waits, or raises to give up."""
        with self._lock:
            if self._idle and not self._is_awaited() and (slot := self._reuse(count)) is not None:
                return slot
        return super().take_slot(count, sleep)

    def release_slot(self, slot: int) -> None:
        """Release a slot, to this process's next request if there are many."""
        with self._lock:
            is_busy = len(self._held) - len(self._idle) > 1
            if (
                slot != self.TURNSTILE
                and is_busy
                and not self._is_awaited()
                and self._sweep_later()
            ):
                self._used_at = time.monotonic()
                self._idle.append(slot)
                return
        super().release_slot(slot)
        if self._idle and not self.has_held:
            with self._lock:
                self._free_idle()

    def _first_free(self, count: int) -> int | None:
        slot = self._reuse(count)
        return super()._first_free(count) if slot is None else slot

    def _reuse(self, count: int) -> int | None:
        """Return an idle slot below `count`, None if there is none."""
        while self._idle:
            slot = self._idle.pop()
            if slot < count:
                self._used_at = time.monotonic()
                return slot
            self._held.discard(slot)
            self._unlock_slot(slot)
        return None

    def _is_awaited(self) -> bool:
        """Release all idle slots and return True, if another process waits for one."""
        if self.TURNSTILE not in self._held:
            now = time.monotonic()
            if now < self._asked_at + self.IDLE_S:
                return False
            if self._take(self.TURNSTILE):
                self._held.discard(self.TURNSTILE)
                self._unlock_slot(self.TURNSTILE)
                self._asked_at = now
                return False
        self._free_idle()
        return True

    def _free_idle(self) -> None:
        for slot in self._idle:
            self._held.discard(slot)
            self._unlock_slot(slot)
        self._idle.clear()

    def _sweep_later(self) -> bool:
        """Release idle slots after a while; return False if the system refuses a thread."""
        if not self._has_sweeper:
            self._has_sweeper = start_thread(self._sweep) is not None
        return self._has_sweeper

    def _sweep(self) -> None:
        while True:
            time.sleep(self.IDLE_S)
            with self._lock:
                if self._idle and time.monotonic() - self._used_at >= self.IDLE_S:
                    self._free_idle()
                if not self._idle:
                    self._has_sweeper = False
                    return

    def _lock_slot(self, slot: int) -> bool:
        try:
            self._lockf(self._descriptor, self._try, 1, slot)
        except OSError as error:
            # A system without locks does not stop the run: the count of this process holds.
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def _unlock_slot(self, slot: int) -> None:
        with suppress(OSError):
            self._lockf(self._descriptor, self._free, 1, slot)


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
