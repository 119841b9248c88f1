"""Temporary files: private, and in memory if no folder is writable."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text, system_reason

_PREFIX = "apiyi-"
_HINT = Text("set TMPDIR to a folder with room")


class ScratchFile:
    """A temporary file that can be opened again by its `path` until it is closed.

    It is in the system's temporary folder. If that cannot be written, it is in
    the memory of this process (Linux), and only this process can open it.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Fill the file; errors of `pieces` are passed on. Raises OutputError if it fails."""
        fd, self.path, self._is_named = _open_new()
        self._kept_fd = None if self._is_named else fd
        try:
            with os.fdopen(fd, "wb", closefd=self._is_named) as file:
                for piece in pieces:
                    try:
                        file.write(piece)
                        file.flush()
                    except OSError as failure:
                        raise _unkept(failure) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the file; may be repeated."""
        if self._kept_fd is not None:
            os.close(self._kept_fd)
            self._kept_fd = None
        elif self._is_named:
            Path(self.path).unlink(missing_ok=True)
            self._is_named = False


def make_scratch_folder() -> Path:
    """Return a new private folder. Raises OutputError."""
    import tempfile

    try:
        return Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as failure:
        raise OutputError(
            Text("cannot make a temporary folder"), system_reason(failure), hint=_HINT
        ) from None


def _open_new() -> tuple[int, str, bool]:
    """Return a new file's descriptor and path, and whether the path is on a disk."""
    import tempfile

    try:
        return (*tempfile.mkstemp(prefix=_PREFIX), True)
    except OSError as failure:
        if not hasattr(os, "memfd_create"):
            raise _unkept(failure) from None
        try:
            fd = os.memfd_create(_PREFIX)
        except OSError:
            raise _unkept(failure) from None
        return fd, f"/proc/self/fd/{fd}", False


def _unkept(failure: OSError) -> OutputError:
    return OutputError(
        Text("cannot keep the input in a temporary file"), system_reason(failure), hint=_HINT
    )
