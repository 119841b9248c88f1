"""What a Windows console is told, and in which encoding it is written."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from apiyi_cli.core.language import read_windows_language
from apiyi_cli.output.console import encode_for_console, find_console_encoding, set_console_modes


class Kernel:
    """kernel32 with a console on stdout and a pipe on stderr."""

    def __init__(self, language: int = 0x409) -> None:
        self.modes: dict[int, int] = {-11: 0x2}
        self.language = language

    def GetStdHandle(self, number: int) -> int:
        return number

    def GetConsoleMode(self, handle: int, mode: Any) -> int:
        if handle not in self.modes:
            return 0
        mode._obj.value = self.modes[handle]
        return 1

    def SetConsoleMode(self, handle: int, mode: int) -> None:
        self.modes[handle] = mode

    def GetUserDefaultUILanguage(self) -> int:
        return self.language


def test_control_sequences_are_switched_on_where_there_is_a_console() -> None:
    kernel = Kernel()
    set_console_modes((1, 2), kernel, ctypes)
    assert kernel.modes == {-11: 0x2 | 0x1 | 0x4}


@pytest.mark.parametrize(
    ("encoding", "written"),
    [(None, "你好\n".encode()), ("cp936", "你好\n".encode("gbk")), ("cp437", b"??\n")],
)
def test_text_is_written_in_the_encoding_of_the_console(
    encoding: str | None, written: bytes
) -> None:
    assert encode_for_console("你好\n".encode(), encoding) == written


def test_other_systems_are_written_utf_8() -> None:
    assert find_console_encoding(1) is None


@pytest.mark.parametrize(
    ("number", "language"),
    [(0x804, "zh"), (0x404, "zh"), (0xC04, "zh"), (0x409, "C"), (0x411, "C")],
)
def test_the_language_of_the_windows_user_is_known(number: int, language: str) -> None:
    assert read_windows_language(Kernel(number)) == language
