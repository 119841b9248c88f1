"""The user's terminal for questions and editors, whatever stdin and stdout are."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import IO, Final

from apiyi_cli.errors import Interrupted

_YES: Final = frozenset(("y", "yes", "是"))


class UserTerminal:
    """The user's terminal, open for reading and writing; to be used in a `with` statement.

    On Windows these are two files: what is typed comes from CONIN$, and CONOUT$ shows. Raises
    OSError where there is no terminal.
    """

    def __init__(self, *, windows: bool = os.name == "nt") -> None:
        with ExitStack() as stack:
            self.writer: IO[bytes] = stack.enter_context(
                open("CONOUT$" if windows else "/dev/tty", "wb", buffering=0)
            )
            # Unbuffered: what is typed ahead is for the program that reads the terminal next.
            self.reader: IO[bytes] = stack.enter_context(
                open("CONIN$" if windows else "/dev/tty", "rb", buffering=0)
            )
            self._stack = stack.pop_all()

    def __enter__(self) -> UserTerminal:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def ask(self, question: str) -> bool:
        """Return True if the user answers the question with yes; no answer is a no."""
        try:
            self.writer.write(question.encode("utf-8", "replace"))
            return is_yes(self.reader.readline().decode("utf-8", "replace"))
        except Interrupted:
            # What is printed next begins a line.
            self.writer.write(b"\n")
            raise


def has_user_terminal() -> bool:
    """Return True if the user can be asked."""
    try:
        UserTerminal().__exit__()
    except OSError:
        return False
    return True


def is_yes(answer: str) -> bool:
    """Return True for what says yes to a question that ends with [y/N]."""
    return answer.strip().lower() in _YES
