"""The progress of a long run: one updated line on a terminal, else single lines.

Drawing is left to two functions of the console: `status` replaces the last line of a
terminal, `say` adds one. No thread is used and the cursor is never hidden, so that a run
may be stopped or killed at any moment and leaves the terminal as it was.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from apiyi_cli.core.clock import CLOCK, Clock

TERMINAL_EVERY_S = 0.1
PLAIN_EVERY_S = 30.0
SHOWN_RATE_WINDOW_S = 30.0
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Progress:
    """The progress of `total` pieces of work (None: not known yet).

    With `status` the line renews itself at most ten times a second and is at most `width`
    columns wide; without it `say` gets a line every 30 s. May be shared by threads.
    """

    def __init__(
        self,
        total: int | None,
        *,
        say: Callable[[str], None],
        status: Callable[[str], None] | None = None,
        width: int = 80,
        clock: Clock = CLOCK,
    ) -> None:
        self.total = total
        self._say = say
        self._status = status
        self._width = width
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock.monotonic()
        self._next = self._started + (0.0 if status else PLAIN_EVERY_S)
        self._samples = deque([(self._started, 0)])
        self._stopped = False

    def show(self, done: int, **state: Any) -> None:
        """Set the current counts; draw them if it is time to.

        `state` is that of `line`.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._stopped or now < self._next:
                return
            self._next = now + (TERMINAL_EVERY_S if self._status else PLAIN_EVERY_S)
            line = self._line(done, now, **state)
        if self._status:
            from apiyi_cli.render.wrap import clip

            self._status(clip(line, self._width - 1))
        else:
            self._say(line)

    def line(self, done: int, **state: Any) -> str:
        """Return the line of the current counts.

        `ok` and `failed` are parts of `done`, `resumed` is the part that earlier runs did;
        `fields` are further words and values in their order (`{"req/min": "2950/3000"}`).
        """
        with self._lock:
            return self._line(done, self._clock.monotonic(), **state)

    def stop(self) -> None:
        """Remove the line; nothing is drawn after this. May be repeated."""
        with self._lock:
            stopped, self._stopped = self._stopped, True
        if self._status and not stopped:
            self._status("")

    def _line(
        self,
        done: int,
        now: float,
        *,
        ok: int,
        failed: int,
        resumed: int = 0,
        fields: Mapping[str, object] = _NOTHING,
    ) -> str:
        rate = self._rate(done - resumed, now)
        words = [f"{done:,}/{self.total:,}" if self.total is not None else f"{done:,}"]
        if self.total:
            words.append(f"{100 * done // self.total}%")
        words += [f"ok {ok:,}", f"failed {failed:,}"]
        if rate:
            words.append(f"{rate:.1f}/s")
            if self.total is not None and self.total > done:
                words.append(f"eta {span((self.total - done) / rate)}")
        words.append(f"after {span(now - self._started)}")
        words += (f"{name} {value}" for name, value in fields.items())
        return "  ".join(words)

    def _rate(self, done: int, now: float) -> float:
        """Return pieces per second over the last half minute, so that pauses show."""
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - SHOWN_RATE_WINDOW_S:
            self._samples.popleft()
        then, before = self._samples[0]
        return (done - before) / (now - then) if now > then else 0.0


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: 7s, 3m14s, 2h05m, 4d03h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"
