"""Whether another process runs: asked of POSIX with signal 0, of Windows never with a signal."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from typing import Any

import pytest

from apiyi_cli.core.processes import CONTROL_C_EXIT, exit_status, is_running, is_running_on_windows


class Kernel:
    """The functions of kernel32 that are called, for one process."""

    def __init__(self, code: int | None, error: int = 0) -> None:
        self.code = code
        self.error = error
        self.closed: list[int] = []

    def OpenProcess(self, access: int, inherit: bool, pid: int) -> int:
        assert (access, inherit) == (0x1000, False)
        return 0 if self.code is None else pid + 1000

    def GetLastError(self) -> int:
        return self.error

    def GetExitCodeProcess(self, handle: int, code: Any) -> int:
        assert self.code is not None
        code._obj.value = self.code
        return 1

    def CloseHandle(self, handle: int) -> None:
        self.closed.append(handle)


@pytest.mark.parametrize(
    ("code", "error", "runs"),
    [(259, 0, True), (0, 0, False), (0xC000013A, 0, False), (None, 87, False), (None, 5, True)],
)
def test_windows_is_asked_for_the_exit_code(code: int | None, error: int, runs: bool) -> None:
    kernel = Kernel(code, error)
    assert is_running_on_windows(7, kernel, ctypes) is runs
    assert kernel.closed == ([] if code is None else [1007])


def test_posix_is_asked_with_signal_0() -> None:
    assert is_running(os.getpid())
    assert is_running(os.getppid())
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
        assert not is_running(ended.pid)
    assert is_running(1 << 70)


def test_ctrl_c_has_its_own_status_on_windows() -> None:
    assert exit_status(signal.SIGINT, windows=True) == CONTROL_C_EXIT
    assert CONTROL_C_EXIT & 0xFFFFFFFF == 0xC000013A
    # What os._exit takes is a C int.
    assert -(1 << 31) <= CONTROL_C_EXIT < 0
    assert exit_status(signal.SIGTERM, windows=True) == 143
    assert exit_status(signal.SIGINT, windows=False) == 130
