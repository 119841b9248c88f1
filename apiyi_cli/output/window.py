"""The size and abilities of the terminal on which an answer is drawn."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import cached_property
from types import FrameType

_REFLOWING = (
    "TMUX",
    "VTE_VERSION",
    "KITTY_WINDOW_ID",
    "WEZTERM_PANE",
    "ALACRITTY_WINDOW_ID",
    "ITERM_SESSION_ID",
    "WT_SESSION",
    "GHOSTTY_RESOURCES_DIR",
)
"""Variables set by terminals that reflow their lines when they get narrower."""


class Window:
    """The terminal that answer and messages share.

    `before_message`, if set, returns what has to be written to the terminal before a message
    interrupts the answer. `messages_shown` counts what came without asking: messages of other
    threads, and what a shell wrote while the process was stopped.
    """

    def __init__(self) -> None:
        self.before_message: Callable[[], bytes] | None = None
        self.messages_shown = 0

    @property
    def width(self) -> int:
        """Return the user's or the terminal's columns, 80 without a terminal."""
        return _read_columns() or _terminal_size()[0]

    @property
    def size(self) -> tuple[int, int]:
        """Return columns and rows of the terminal; the user may limit the columns."""
        columns, rows = _terminal_size()
        return min(_read_columns() or columns, columns), rows

    def watch_stops(self) -> None:
        """Count from now on when the process continues after Ctrl-Z.

        The shell has written below the answer then, and left the cursor on an empty row.
        """
        number = getattr(signal, "SIGCONT", None)
        if number is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, self._note_stop)

    def _note_stop(self, signum: int, frame: FrameType | None) -> None:
        self.messages_shown += 1

    @cached_property
    def can_draw(self) -> bool:
        """Return True if the terminal's cursor can be moved."""
        return os.environ.get("TERM") != "dumb"

    @cached_property
    def reflows(self) -> bool:
        """Return True if the terminal is known to reflow lines when it gets narrower."""
        return any(os.environ.get(name) for name in _REFLOWING)


def _terminal_size() -> tuple[int, int]:
    for fd in (1, 2):
        try:
            size = os.get_terminal_size(fd)
        except (OSError, AttributeError):
            continue
        return size.columns or 80, size.lines or 24
    return 80, 24


def _read_columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() else 0
