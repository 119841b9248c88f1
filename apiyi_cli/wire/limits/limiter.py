"""The rate limits of a key, kept by all of the user's processes together.

Owns two small files in the runtime folder, named after a hash of the key: one of numbers,
mapped into memory and changed under `flock`, and one that is only ever locked, where byte n
stands for the n-th request in flight. The kernel gives both kinds of lock back when a process
dies, however it dies. Nobody sleeps while holding the first one.

Where files or locks cannot be had (another system, a full disk, a network file system) the
limits are kept within this process. The arithmetic is in `rates`; what to do about a 429 is
decided in `retry`.
"""

from __future__ import annotations

import errno
import os
import shlex
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.settings.paths import private_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.limits import bookings as waiting
from apiyi_cli.wire.limits import rates
from apiyi_cli.wire.limits.rates import Cause
from apiyi_cli.wire.limits.slots import Places, Sleep, open_own, places_of
from apiyi_cli.wire.limits.windows import Row

LONGEST_PAUSE_S: Final = rates.LONGEST_PAUSE_S

Waits = Callable[[float, Cause], None]
"""Is told how long a request waits, and for what."""


def _untold(text: str) -> None:
    """Say nothing."""


def silent(wait_s: float, cause: Cause) -> None:
    """Say nothing of a wait."""


class Limiter:
    """Keeps to the `limits` of one key, together with every process that uses the same folder.

    `key` tells keys apart and is not stored. Processes that keep to other `rpm`, `tpm` or
    `window_s` count on their own, so that a batch at `--rpm 10` does not hold up a chat; the
    places in flight are shared by all. One limiter serves all threads of a process. `tell`
    gets a sentence when the limits can be kept within this process only.

    Raises SetupError for limits that cannot be meant.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        limits: Limits,
        *,
        clock: Clock = CLOCK,
        tell: Callable[[str], None] = _untold,
    ) -> None:
        import hashlib

        self.limits = rates.checked(limits)
        self._clock = clock
        name = hashlib.sha256(b"apiyi limits\0" + key.encode()).hexdigest()[:32]
        numbers = f"{name}-{limits.rpm}-{limits.tpm}-{limits.window_s:g}.rates"
        self._path = folder / numbers
        fcntl = _fcntl()
        try:
            if fcntl is None:
                raise SetupError(Text("this system has no file locks"))
            private_dir(folder)
            self._row: _Row = _SharedRow(folder / numbers, fcntl)
            self._places = places_of(folder / f"{name}.slots", fcntl)
        except (OSError, SetupError) as error:
            tell(Text("rate limits are kept within this process only: {error}", error=error))
            self._row = _Row()
            self._places = Places()

    def reserve(self, tokens: int = 0) -> float:
        """Book one request of about `tokens` tokens; return the seconds until it may start."""
        with self._row as row:
            now = self._clock.monotonic()
            return rates.book(row, self.limits, now, tokens) - now

    def acquire(
        self,
        tokens: int = 0,
        sleep: Sleep | None = None,
        place: int = -1,
        *,
        alone: bool = False,
        waits: Waits = silent,
    ) -> float:
        """Wait until one request of about `tokens` tokens may start; return the seconds waited.

        First come, first served, over all processes. `sleep` waits, or raises to give up: then
        the booking is taken back, for nobody should wait for a request that will not come. So
        is that of a process which dies, if it holds the `place` in flight that it gives here.
        `waits` is told of each wait before it begins. A request that is `alone`, not one of
        many, does not wait for the tokens that others have booked: see `rates.start_alone`.
        """
        sleep = sleep or self._clock.sleep
        began = self._clock.monotonic()
        if alone:
            self._start_alone(tokens, sleep, place, waits)
            return self._clock.monotonic() - began
        while True:
            with self._row as row:
                now = self._clock.monotonic()
                if place >= 0:
                    waiting.take_back(row, self.limits, now, partial(self._is_gone, place))
                cause = rates.cause_of(row, self.limits, now)
                found = rates.before(row, now)
                start = rates.book(row, self.limits, now, tokens)
                if start > now:
                    waiting.note(row, place, rates.booked(row, start, tokens, found))
            try:
                while (wait_s := self._wait_s(start, tokens, place)) is not None:
                    if wait_s <= 0:
                        return self._clock.monotonic() - began
                    waits(wait_s, cause)
                    sleep(wait_s)
            except BaseException:
                with self._row as row:
                    now = self._clock.monotonic()
                    rates.cancel(row, self.limits, now, start, tokens, found)
                    waiting.forget(row, place)
                raise

    def _start_alone(self, tokens: int, sleep: Sleep, place: int, waits: Waits) -> None:
        while True:
            with self._row as row:
                now = self._clock.monotonic()
                waiting.take_back(row, self.limits, now, partial(self._is_gone, place))
                wait_s, cause = rates.start_alone(row, self.limits, now, tokens)
            if wait_s <= 0:
                return
            waits(wait_s, cause)
            sleep(wait_s)

    def leave(self, tokens: int, late_s: float) -> None:
        """Count a request when it leaves, `late_s` after it was let in: others make room."""
        with self._row as row:
            rates.leave(row, self.limits, self._clock.monotonic(), tokens, late_s)

    def settle(self, estimated: int, actual: int, ago_s: float = 0.0) -> None:
        """Replace the tokens booked for a request by what it took; it started `ago_s` ago."""
        if estimated != actual:
            with self._row as row:
                now = self._clock.monotonic()
                rates.settle(row, self.limits, now, estimated, actual, ago_s)

    def pause(self, wait_s: float) -> None:
        """Let nobody start a request for `wait_s` seconds, at most ten minutes."""
        with self._row as row:
            rates.pause(row, self._clock.monotonic(), min(wait_s, LONGEST_PAUSE_S))

    def note_throttled(self) -> None:
        """Note that the gateway has answered 429 for tokens."""
        with self._row as row:
            rates.note_throttled(row, self._clock.monotonic())

    @property
    def clear(self) -> str:
        """Return the command line that forgets what was counted so far."""
        return f"rm {shlex.quote(str(self._path))}"

    def mean(self, model: str) -> float:
        """Return how many tokens an answer of the model has on the mean."""
        with self._row as row:
            return rates.mean(row, model)

    def learn(self, model: str, tokens: int) -> None:
        """Count an answer of the model for `mean`."""
        with self._row as row:
            rates.learn(row, model, tokens)

    def occupy(self, sleep: Sleep | None = None) -> int:
        """Wait for one of the places in flight and return its number, for `vacate`."""
        return self._places.occupy(self.limits.concurrency, sleep or self._clock.sleep)

    def vacate(self, place: int) -> None:
        """Give a place in flight back."""
        self._places.vacate(place)

    @contextmanager
    def slot(self, sleep: Sleep | None = None) -> Iterator[None]:
        """Hold one of the places in flight."""
        place = self.occupy(sleep)
        try:
            yield
        finally:
            self.vacate(place)

    def _is_gone(self, own: int, place: int) -> bool:
        """Tell whether nobody holds a place any more, or `own` is it, taken over unknowingly."""
        return place == own or self._places.is_free(place)

    def _wait_s(self, start: float, tokens: int, place: int) -> float | None:
        """Start a booked request, return 0; or how long to wait; or None to book it again."""
        wait_s = start - self._clock.monotonic()
        if wait_s > 0:
            return wait_s
        with self._row as row:
            left_s = rates.admit(row, self.limits, self._clock.monotonic(), start, tokens)
            if not left_s:
                waiting.forget(row, place)
            return left_s


class _Row:
    """The numbers of `rates`, locked while used in a `with`; of this process alone."""

    def __init__(self) -> None:
        self._numbers: Row = array("d", bytes(8 * rates.SIZE))
        self._thread_lock = threading.Lock()

    def __enter__(self) -> Row:
        self._thread_lock.acquire()
        return self._numbers

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._thread_lock.release()


class _SharedRow(_Row):
    """The numbers of `rates`, in a file. Raises OSError where that cannot be."""

    VERSION: Final = 5.0
    """The layout, in the first number; in a file of another one nothing is believed."""

    def __init__(self, path: Path, fcntl: ModuleType) -> None:
        import mmap

        self._thread_lock = threading.Lock()
        self._flock = fcntl.flock
        self._exclusive, self._unlock = fcntl.LOCK_EX, fcntl.LOCK_UN
        self._descriptor = open_own(path)
        try:
            self._flock(self._descriptor, self._exclusive)
            _fill(self._descriptor, 8 * rates.SIZE)
            numbers = memoryview(mmap.mmap(self._descriptor, 8 * rates.SIZE)).cast("d")
            if numbers[0] != self.VERSION:
                numbers[:] = memoryview(bytes(8 * rates.SIZE)).cast("d")
                numbers[0] = self.VERSION
            self._flock(self._descriptor, self._unlock)
        except OSError:
            os.close(self._descriptor)
            raise
        self._numbers = numbers

    def __enter__(self) -> Row:
        self._thread_lock.acquire()
        try:
            self._flock(self._descriptor, self._exclusive)
        except BaseException:
            # A signal's exception may arrive when the lock has just been given.
            with suppress(OSError):
                self._flock(self._descriptor, self._unlock)
            self._thread_lock.release()
            raise
        return self._numbers

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            self._flock(self._descriptor, self._unlock)
        finally:
            self._thread_lock.release()


def _fill(descriptor: int, length: int) -> None:
    """Write zeros up to `length`. A file that only claims to be that long would end the
    process (SIGBUS) when its pages are touched on a full disk. Never shortens: others may have
    it mapped."""
    there = os.fstat(descriptor).st_size
    missing = bytes(max(0, length - there))
    if os.pwrite(descriptor, missing, there) != len(missing):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fcntl() -> ModuleType | None:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl
