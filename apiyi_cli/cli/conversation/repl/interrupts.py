"""`InterruptTimer`: whether two Ctrl-C came quickly, which ends a conversation."""

from __future__ import annotations

from collections.abc import Callable

QUICKLY_S = 1.0


class InterruptTimer:
    """Remembers when the user last typed Ctrl-C, at the prompt or in an answer."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last_s: float | None = None

    def note(self) -> bool:
        """Take one Ctrl-C; return True if it is the second within a second."""
        now_s = self._monotonic()
        is_second = self._last_s is not None and now_s - self._last_s <= QUICKLY_S
        self._last_s = now_s
        return is_second
