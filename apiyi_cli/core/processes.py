"""Other processes of this machine: whether one runs, and the status of an interrupted one.

POSIX asks with signal 0. On Windows that number is CTRL_C_EVENT: it would interrupt the process
that is asked about, so the system is asked for the exit code instead.
"""

from __future__ import annotations

import os
import signal
from typing import Any, Final

_STILL_ACTIVE: Final = 259
_QUERY_LIMITED_INFORMATION: Final = 0x1000
_ACCESS_DENIED: Final = 5
CONTROL_C_EXIT: Final = 0xC000013A - (1 << 32)
"""STATUS_CONTROL_C_EXIT as the signed number that a process exits with: shells and make on
Windows know it for Ctrl-C, and stop their loops."""


def is_running(pid: int) -> bool:
    """Return True unless a process is known to be gone; it is not signalled."""
    if pid == os.getpid():
        return True
    if os.name == "nt":
        import ctypes

        return is_running_on_windows(pid, ctypes.windll.kernel32, ctypes)  # type: ignore[attr-defined]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def is_running_on_windows(pid: int, kernel: Any, ctypes: Any) -> bool:
    """Return what `is_running` means on Windows; `kernel` is kernel32."""
    handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        # A process of another user cannot be opened, but it is there.
        return bool(kernel.GetLastError() == _ACCESS_DENIED)
    try:
        code = ctypes.c_ulong()
        known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        return not known or code.value == _STILL_ACTIVE
    finally:
        kernel.CloseHandle(handle)


def exit_status(signum: int, *, windows: bool = os.name == "nt") -> int:
    """Return the exit status for a signal that a run cannot die by."""
    interrupting = (signal.SIGINT, getattr(signal, "SIGBREAK", 21))
    return CONTROL_C_EXIT if windows and signum in interrupting else 128 + signum
