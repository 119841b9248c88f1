"""Threads where the system may have none left to give."""

from __future__ import annotations

import threading
from collections.abc import Callable


def start_thread(target: Callable[[], object]) -> threading.Thread | None:
    """Start a daemon thread and return it; None where the system refuses one more.

    A limit on processes (`ulimit -u`, `--pids-limit`) shows only here: the caller has to
    get along with the threads that it has.
    """
    thread = threading.Thread(target=target, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError):
        return None
    return thread
