"""The clock as a value, and threads on systems that may refuse one.

Durations are measured on `monotonic`, which no change of the wall clock moves; `wall` is
for what people and servers read (dates, file names). Tests hand in their own `Clock`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

SIGNAL_CHECK_S = 1.0
"""The longest wait, in seconds, that a signal may not end.

The system call of a wait that a signal just precedes is not interrupted by it: Python would run
the signal's handler only when the wait is over.
"""


def _sleep(seconds: float) -> None:
    while seconds > SIGNAL_CHECK_S:
        time.sleep(SIGNAL_CHECK_S)
        seconds -= SIGNAL_CHECK_S
    time.sleep(seconds)


class Clock(PlainValue):
    """Seconds since some start, seconds since 1970, and a wait of some seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = _sleep


CLOCK = Clock()


def start_thread(target: Callable[[], object]) -> threading.Thread | None:
    """Start a daemon thread and return it; None if the system refuses one more.

    A limit on processes (`ulimit -u`, `--pids-limit`) shows only here: callers go on with the
    threads that they have.
    """
    thread = threading.Thread(target=target, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError):
        return None
    return thread


def describe_fewer_threads(count: int, jobs: int) -> Text:
    """Return the message that only `count` of `jobs` threads were started, at least one."""
    return Text(
        "{count} at once instead of {jobs}: the system allows no more threads here",
        count=max(1, count),
        jobs=jobs,
    )
