"""Time as a value that can be handed in.

Durations are measured on `monotonic`, which no change of the wall clock moves; `wall` is
for what people and servers read (dates, file names). Tests hand in their own `Clock`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """The three things a program can ask of time: seconds since some start, seconds since
    1970, and a wait of some seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()
