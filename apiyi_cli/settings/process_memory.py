"""The memory of this process, which holds the key: closed to other processes of the user."""

from __future__ import annotations

import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def protect_memory() -> bool:
    """Switch off core dumps and tracing of this process; return True if that was done.

    Linux alone has it (prctl(2), PR_SET_DUMPABLE). A program that is started from here gets its
    own memory back. Called when a key is read: a core file, or a debugger of another program of
    the same user, must not find it.
    """
    if sys.platform != "linux":
        return False
    try:
        # The bare module: `ctypes` around it takes 10 ms to import, this one half of one.
        import _ctypes

        handle = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        prctl = _ctypes.dlsym(handle, "prctl")
        return bool(_ctypes.call_function(prctl, (_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0)
    except Exception:
        # A Python without it: the key is as safe as any other program's.
        return False
