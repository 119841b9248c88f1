"""The Windows console, which obeys control sequences only in a special mode."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

_STD_HANDLES: Final = {1: -11, 2: -12}
_PROCESSED_OUTPUT: Final = 0x1
_VIRTUAL_TERMINAL: Final = 0x4


def enable_sequences(descriptors: Iterable[int]) -> None:
    """Make the consoles of these descriptors obey colours and cursor movements."""
    import ctypes

    windows: Any = ctypes
    set_console_modes(descriptors, windows.windll.kernel32, ctypes)


def set_console_modes(descriptors: Iterable[int], kernel: Any, ctypes: Any) -> None:
    """Set the modes; `kernel` is kernel32. Pipes and files have none."""
    for descriptor in descriptors:
        handle = kernel.GetStdHandle(_STD_HANDLES[descriptor])
        mode = ctypes.c_ulong()
        if kernel.GetConsoleMode(handle, ctypes.byref(mode)):
            kernel.SetConsoleMode(handle, mode.value | _PROCESSED_OUTPUT | _VIRTUAL_TERMINAL)
