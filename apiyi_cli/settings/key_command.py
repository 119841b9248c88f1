"""Running a profile's `key_command`, the program that prints the key."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from apiyi_cli.core.secret import Secret, redact
from apiyi_cli.errors import AuthError
from apiyi_cli.text import Text

LIMIT_S = 10.0
_LONGEST_NOTE = 300
_LONGEST_KEY = 1000
_MOST_BYTES = 65_536
_HINT = Text("run the command yourself, or set APIYI_API_KEY")
_PIPE_END_S = 0.5
"""Seconds to wait for the end of the output after the program has ended."""


def read_printed_key(
    command: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    what: str,
    limit_s: float = LIMIT_S,
) -> str:
    """Return what the program printed on stdout.

    It runs without a shell and without stdin, which belongs to the prompt, and in `folder`, so
    that relative names do not depend on the user's working directory. `what` names the setting
    in errors. Raises AuthError, with the program's stderr redacted, if it does not start, fails
    or takes longer than `limit_s` seconds.
    """
    program = os.path.expanduser(command[0])
    child = _start([program, *command[1:]], environ, folder, what)
    stdout, stderr = PipeReader(child.stdout), PipeReader(child.stderr)
    try:
        child.wait(limit_s)
    except subprocess.TimeoutExpired:
        why = Text(
            "{program} gave no key within {limit_s} s", program=program, limit_s=f"{limit_s:g}"
        )
        raise AuthError(Text("{what} was stopped", what=what), why, hint=_HINT) from None
    finally:
        child.kill()
        child.wait()
    text = stdout.text().decode("utf-8", "replace")
    if child.returncode:
        why = Text(
            "{program} ended with status {returncode}", program=program, returncode=child.returncode
        )
        if complaint := _one_line(stderr.text(), text):
            why += f": {complaint}"
        raise AuthError(Text("{what} failed", what=what), why, hint=_HINT)
    return text


def _start(
    argv: Sequence[str], environ: Mapping[str, str], folder: Path, what: str
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder if folder.is_dir() else "/",
            env=environ,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise AuthError(
            Text("{what} did not start", what=what), f"{argv[0]}: {why}", hint=_HINT
        ) from error


class PipeReader:
    """Reads a pipe in a thread until its end or 64 KiB.

    The thread may be left behind: a process that the program started in the background (an
    agent) may keep the pipe open.
    """

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._data = bytearray()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes] | None) -> None:
        if pipe is None:
            return
        with pipe:
            while len(self._data) < _MOST_BYTES and (data := pipe.read(4096)):
                self._data += data

    def text(self) -> bytes:
        """Return what was read; call it after the program has ended."""
        self._thread.join(_PIPE_END_S)
        return bytes(self._data)


def _one_line(complaint: bytes, printed: str) -> str:
    """Return the program's stderr on one line, with everything it printed on stdout redacted.

    "" if it printed more than any key has: redacting all of that would take long.
    """
    if len(printed) > _LONGEST_KEY:
        return ""
    words = [Secret(word) for word in {printed.strip(), *printed.split()} if word]
    line = " ".join(redact(complaint.decode("utf-8", "replace"), words).split())
    return line if len(line) <= _LONGEST_NOTE else line[:_LONGEST_NOTE] + "…"
