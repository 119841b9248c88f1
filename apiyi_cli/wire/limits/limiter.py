"""A key's rate limits, shared by all processes of the user on this host.

Owns two small files in the runtime folder, named after a hash of the key: one of numbers,
mapped into memory and changed under `flock`, and one that is only locked, where byte n is the
n-th concurrency slot. The kernel releases both kinds of lock however a process dies. Nobody
sleeps while holding the first one. A process with many requests takes it for a block of them
(`start_blocks`), and writes what they took together.

Without files or locks (another system, a full disk, a network file system) the limits are kept
within this process. The arithmetic is in `rates`; `retry` decides what follows from a 429.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.digest import sha256
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.settings.paths import private_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.limits import answer_lengths, bookings, rates
from apiyi_cli.wire.limits.rates import Cause, OnWait, RateSnapshot
from apiyi_cli.wire.limits.slots import Sleep, Slots, find_slots, open_own
from apiyi_cli.wire.limits.start_blocks import StartBlock
from apiyi_cli.wire.limits.windows import Counters

_RANGES: Final = {
    "rpm": (1, 10**12),
    "tpm": (1, 10**12),
    "concurrency": (1, 10_000),
    "window_s": (0.01, 86_400),
}


def ignore(*values: object) -> None:
    """Do nothing: the default for notices."""


class Limiter:
    """Enforces the `limits` of one key, together with all processes that use the folder.

    `key` identifies the key and is not stored. Processes with another `rpm`, `tpm` or `window_s`
    count separately, so that a batch at `--rpm 10` does not hold up a chat; the concurrency
    slots are shared by all. One limiter serves all threads of a process. `tell` gets a message
    if the limits can be kept within this process only. `clear_command` clears the counters.

    Raises SetupError for limits outside of their range.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        limits: Limits,
        *,
        clock: Clock = CLOCK,
        tell: Callable[[str], None] = ignore,
    ) -> None:
        self.limits = check_limits(limits)
        self._clock = clock
        name = sha256(b"apiyi limits\0" + key.encode()).hexdigest()[:32]
        numbers = f"{name}-{limits.rpm}-{limits.tpm}-{limits.window_s:g}.rates"
        self._numbers_path = folder / numbers
        self._starts = StartBlock(limits)
        self._starting = threading.Lock()
        self._notes: deque[Callable[[Counters, float], None]] = deque()
        self._wrote_at = -math.inf
        try:
            fcntl = _import_fcntl()
            private_dir(folder)
            self._counters: LocalCounters = FileCounters(folder / numbers, fcntl)
            self._slots = find_slots(folder / f"{name}.slots", fcntl)
        except (OSError, SetupError) as error:
            tell(Text("rate limits are kept within this process only: {error}", error=error))
            self._counters = LocalCounters()
            self._slots = Slots()

    @property
    def clear_command(self) -> str:
        """Return the command that clears the counters; quoting it loads more than a run needs."""
        return f"rm {quote_word(str(self._numbers_path))}"

    def acquire(
        self,
        tokens: int = 0,
        sleep: Sleep | None = None,
        slot: int = -1,
        *,
        single: bool = False,
        on_wait: OnWait = ignore,
    ) -> float:
        """Wait until one request of about `tokens` tokens may start; return the seconds waited.

        First come, first served, over all processes. `sleep` waits, or raises to give up: then
        the booking is cancelled, because others must not wait for a request that will not be sent.
        So is the booking of a process that dies while it holds the concurrency `slot` given
        here. `on_wait` is called before each wait. A `single` request, not one of many, does not
        wait for the tokens that others have booked: see `rates.start_single`.
        """
        sleep = sleep or self._clock.sleep
        began = self._clock.monotonic()
        if single:
            self._start_single(tokens, sleep, slot, on_wait)
            return self._clock.monotonic() - began
        tokens = min(tokens, self.limits.tpm)
        while (turn := self._start_or_book(tokens, slot)) is not None:
            cause, earlier, start = turn
            try:
                while (wait_s := self._wait_s(start, tokens, slot)) is not None:
                    if wait_s <= 0:
                        return self._clock.monotonic() - began
                    on_wait(wait_s, cause)
                    sleep(wait_s)
            except BaseException:
                with self._counters as counters:
                    now = self._clock.monotonic()
                    rates.cancel(counters, self.limits, now, start, tokens, earlier)
                    bookings.forget(counters, slot)
                raise
        return self._clock.monotonic() - began

    def _start_or_book(self, tokens: int, slot: int) -> tuple[Cause, RateSnapshot, float] | None:
        """Start one request and return None, or book it.

        Then returns what it waits for, the numbers before it, and its start.
        """
        starts = self._starts
        if starts.take(tokens, now := self._clock.monotonic()):
            if starts.is_low(now) and self._starting.acquire(blocking=False):
                try:
                    self._renew_ahead()
                finally:
                    self._starting.release()
            return None
        # Who finds the block used up waits here for the thread that renews it, not for the file.
        with self._starting:
            if starts.take(tokens, self._clock.monotonic()):
                return None
            return self._renew_or_book(tokens, slot)

    def _renew_ahead(self) -> None:
        with self._counters as counters:
            now = self._clock.monotonic()
            self._write_notes(counters, now)
            self._starts.renew(counters, now, None)

    def _renew_or_book(self, tokens: int, slot: int) -> tuple[Cause, RateSnapshot, float] | None:
        with self._counters as counters:
            now = self._clock.monotonic()
            self._write_notes(counters, now)
            if slot >= 0:
                bookings.release_gone(counters, self.limits, now, partial(self._is_gone, slot))
            if self._starts.renew(counters, now, tokens):
                bookings.forget(counters, slot)
                return None
            cause = rates.cause_of(counters, self.limits, now)
            earlier = rates.snapshot(counters, now)
            start = rates.book(counters, self.limits, now, tokens)
            if start > now:
                booking = rates.read_booking(counters, start, tokens, earlier)
                bookings.record(counters, slot, booking)
        return cause, earlier, start

    def _start_single(self, tokens: int, sleep: Sleep, slot: int, on_wait: OnWait) -> None:
        while True:
            with self._counters as counters:
                now = self._clock.monotonic()
                bookings.release_gone(counters, self.limits, now, partial(self._is_gone, slot))
                wait_s, cause = rates.start_single(counters, self.limits, now, tokens)
            if wait_s <= 0:
                return
            on_wait(wait_s, cause)
            sleep(wait_s)

    def note_sent(self, tokens: int, late_s: float) -> None:
        """Count a request when it is sent, `late_s` after it was admitted."""
        with self._counters as counters:
            rates.count_late(counters, self.limits, self._clock.monotonic(), tokens, late_s)

    def settle(self, estimated: int, actual: int, ago_s: float = 0.0) -> None:
        """Replace the booked tokens of a request by the real ones; it started `ago_s` ago."""
        if estimated != actual:
            at = self._clock.monotonic() - ago_s
            settle, limits = rates.settle, self.limits
            self._note(
                lambda numbers, now: settle(numbers, limits, now, estimated, actual, now - at)
            )

    def pause(self, wait_s: float) -> None:
        """Allow no start for `wait_s` seconds, at most ten minutes."""
        with self._counters as counters:
            rates.pause(counters, self._clock.monotonic(), min(wait_s, rates.LONGEST_PAUSE_S))

    def note_throttled(self) -> None:
        """Note that the gateway has answered 429 for tokens."""
        with self._counters as counters:
            rates.note_throttled(counters, self._clock.monotonic())

    def mean_tokens(self, model: str) -> float:
        """Return the mean tokens of an answer of the model."""
        # Not locked: the mean of another model, which has just taken its place, does no harm.
        return answer_lengths.mean_tokens(self._counters.numbers, model)

    def learn(self, model: str, tokens: int) -> None:
        """Count an answer of the model for `mean_tokens`."""
        self._note(lambda counters, now: answer_lengths.learn(counters, model, tokens))

    def _note(self, note: Callable[[Counters, float], None]) -> None:
        """Write to the counters soon, with other notes; at once if nothing is in flight."""
        self._notes.append(note)
        now = self._clock.monotonic()
        if now - self._wrote_at >= self._starts.lasts_s or not self._slots.has_held:
            # Other threads leave it to this one.
            self._wrote_at = now
            self._write_now()

    def _write_now(self) -> None:
        with self._counters as counters:
            self._write_notes(counters, self._clock.monotonic())

    def _write_notes(self, counters: Counters, now: float) -> None:
        """Write the notes; the caller holds the lock of the counters."""
        self._wrote_at = now
        while self._notes:
            self._notes.popleft()(counters, now)

    def take_slot(self, sleep: Sleep | None = None) -> int:
        """Wait for one of the concurrency slots and return its number, for `release_slot`."""
        return self._slots.take_slot(self.limits.concurrency, sleep or self._clock.sleep)

    def release_slot(self, slot: int) -> None:
        """Release a concurrency slot; with the last one, write what is noted."""
        self._slots.release_slot(slot)
        if self._notes and not self._slots.has_held:
            self._write_now()

    def _is_gone(self, own: int, slot: int) -> bool:
        """Return True if the slot is free, or was released and taken by this request."""
        return slot == own or self._slots.is_free(slot)

    def _wait_s(self, start: float, tokens: int, slot: int) -> float | None:
        """Start a booked request; return 0, the seconds to wait, or None to book again."""
        wait_s = start - self._clock.monotonic()
        if wait_s > 0:
            return wait_s
        with self._counters as counters:
            left_s = rates.admit(counters, self.limits, self._clock.monotonic(), start, tokens)
            if not left_s:
                bookings.forget(counters, slot)
            return left_s


class LocalCounters:
    """The numbers of `rates` for this process alone, locked while used in a `with`."""

    def __init__(self) -> None:
        self.numbers: Counters = array("d", bytes(8 * rates.SIZE))
        self._thread_lock = threading.Lock()

    def __enter__(self) -> Counters:
        self._thread_lock.acquire()
        return self.numbers

    def __exit__(self, *details: object) -> None:
        self._thread_lock.release()


class FileCounters(LocalCounters):
    """The numbers of `rates`, in a file. Raises OSError if it cannot be used."""

    VERSION: Final = 5.0
    """The layout, in the first number. A file with another one is cleared."""

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
        self.numbers = numbers

    def __enter__(self) -> Counters:
        self._thread_lock.acquire()
        try:
            self._flock(self._descriptor, self._exclusive)
        except BaseException:
            # The exception of a signal may arrive when the lock has just been granted.
            with suppress(OSError):
                self._flock(self._descriptor, self._unlock)
            self._thread_lock.release()
            raise
        return self.numbers

    def __exit__(self, *details: object) -> None:
        try:
            self._flock(self._descriptor, self._unlock)
        finally:
            self._thread_lock.release()


def _fill(descriptor: int, length: int) -> None:
    """Write zeros up to `length`; never shorten the file, which others may have mapped.

    A sparse file would kill the process (SIGBUS) when its pages are touched on a full disk.
    """
    there = os.fstat(descriptor).st_size
    missing = bytes(max(0, length - there))
    if os.pwrite(descriptor, missing, there) != len(missing):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _import_fcntl() -> ModuleType:
    try:
        import fcntl
    except ImportError:
        raise SetupError(Text("this system has no file locks")) from None
    return fcntl


def check_limits(limits: Limits) -> Limits:
    """Return the limits; raise SetupError if one is out of range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(limits, name)
        kinds = (int, float) if name == "window_s" else (int,)
        if type(value) not in kinds or not low <= value <= high:
            kind = Text("a number") if float in kinds else Text("a whole number")
            named = {"name": name, "value": repr(value), "message": kind, "low": low, "high": high}
            what = Text("the rate limits cannot be used")
            why = Text("{name} is {value}, not {message} from {low} to {high}", **named)
            raise SetupError(what, why, hint=f"apiyi config unset limits.{name}")
    return limits
