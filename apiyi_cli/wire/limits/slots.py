"""The places in flight of a key: at most so many requests at once, first come, first served.

`Places` counts within a process, `FilePlaces` over all processes of a host by the locked bytes
of a file; over several hosts it is `redis_limits` that counts.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Final

from apiyi_cli.core.disk import open_regular
from apiyi_cli.text import Text

Sleep = Callable[[float], None]


class Places:
    """The places in flight of this process: numbers that only one thread holds at a time."""

    TURNSTILE: Final = 1 << 30
    """Whoever has this place is the next to get one; all others ask for this one only, so that
    a newcomer does not overtake and a crowd does not search all places over and over."""
    SHORTEST_S: ClassVar = 0.001
    LONGEST_S: ClassVar = 0.05

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._next = 0

    def occupy(self, count: int, sleep: Sleep) -> int:
        """Wait for a place below `count`; `sleep` waits, or raises to give up."""
        wait_s = self.SHORTEST_S
        is_next = False
        try:
            while True:
                with self._lock:
                    is_next = is_next or self._take(self.TURNSTILE)
                    if is_next and (place := self._first_free(count)) is not None:
                        return place
                sleep(self.SHORTEST_S if is_next else wait_s)
                wait_s = min(2 * wait_s, self.LONGEST_S)
        finally:
            if is_next:
                self.vacate(self.TURNSTILE)

    def vacate(self, place: int) -> None:
        """Give a place back."""
        with self._lock:
            self._held.discard(place)
            self._unlock(place)
            if place != self.TURNSTILE:
                self._next = place

    def is_free(self, place: int) -> bool:
        """Tell whether nobody holds a place, in this process or another."""
        with self._lock:
            if not self._take(place):
                return False
            self._held.discard(place)
            self._unlock(place)
            return True

    def _first_free(self, count: int) -> int | None:
        for step in range(count):
            place = (self._next + step) % count
            if self._take(place):
                self._next = place + 1
                return place
        return None

    def _take(self, place: int) -> bool:
        # Asked first because the kernel would grant a process its own locks again.
        if place in self._held or not self._locks(place):
            return False
        self._held.add(place)
        return True

    def _locks(self, place: int) -> bool:
        return True

    def _unlock(self, place: int) -> None:
        """Nothing to tell anybody."""


class FilePlaces(Places):
    """The places in flight of all processes: locked bytes of a file that stays open.

    POSIX gives all of a process's locks on a file up as soon as the process closes *any*
    descriptor of it, so the file is opened once in a process and never closed.
    """

    def __init__(self, path: Path, fcntl: ModuleType) -> None:
        super().__init__()
        self._lockf = fcntl.lockf
        self._try, self._free = fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_UN
        self._descriptor = open_own(path)
        # Processes that begin together do not all begin with the same places.
        self._next = os.getpid()

    def _locks(self, place: int) -> bool:
        try:
            self._lockf(self._descriptor, self._try, 1, place)
        except OSError as error:
            # A system without locks to give is no reason to stop: the count of this process holds.
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True

    def _unlock(self, place: int) -> None:
        with suppress(OSError):
            self._lockf(self._descriptor, self._free, 1, place)


_open_places: dict[tuple[int, str], FilePlaces] = {}
_open_places_lock = threading.Lock()


def places_of(path: Path, fcntl: ModuleType) -> Places:
    """Return the places that this file stands for. Raises OSError where it cannot be had."""
    # A forked child has none of its parent's locks and needs a count of its own.
    name = (os.getpid(), os.path.realpath(path))
    with _open_places_lock:
        if name not in _open_places:
            _open_places[name] = FilePlaces(path, fcntl)
        return _open_places[name]


def open_own(path: Path) -> int:
    """Open a private file of this user, made if need be. Raises OSError for any other."""
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        raise OSError(Text("{path} is not a file of this user", path=path))
    return descriptor
