"""`InterruptTimer`: recognises two quick Ctrl-C, which end a conversation."""

from __future__ import annotations

from collections.abc import Callable

from apiyi_cli.output.console import Console, write_unseen

QUICKLY_S = 1.0


class InterruptTimer:
    """Remembers when the user last typed Ctrl-C."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last_s: float | None = None
        self.is_second = False

    def note(self) -> bool:
        """Note one Ctrl-C; return True if it is the second within a second."""
        now_s = self._monotonic()
        self.is_second = self._last_s is not None and now_s - self._last_s <= QUICKLY_S
        self._last_s = now_s
        return self.is_second

    def reset(self) -> None:
        """Note any other input: the next Ctrl-C is a first one again."""
        self._last_s, self.is_second = None, False


def clear_interrupt(console: Console) -> None:
    """Give the next message a row without the ^C that the terminal has shown."""
    if console.line_is_open or not console.window.can_draw:
        console.say("")
    else:
        write_unseen(console, b"\r\x1b[K")
