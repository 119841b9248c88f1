"""Running a profile's `key_command`, the program that prints the key."""

from __future__ import annotations

import os
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
_LAST_WORDS_S = 0.5
"""How long the end of the output is awaited of a program that has ended."""


def read_printed_key(
    command: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    what: str,
    limit_s: float = LIMIT_S,
) -> str:
    """Return what the program printed.

    No shell, and no stdin: that is the prompt's. It runs in `folder`, so that no relative
    name means the user's working directory. Raises AuthError, with the program's own words
    redacted, when it does not start, fails, or takes longer than `limit_s`.
    """
    import subprocess

    program = os.path.expanduser(command[0])
    try:
        child = subprocess.Popen(
            [program, *command[1:]],
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
            Text("{what} did not start", what=what), f"{program}: {why}", hint=_hint()
        ) from error
    printed, complained = PipeReader(child.stdout), PipeReader(child.stderr)
    try:
        child.wait(limit_s)
    except subprocess.TimeoutExpired:
        why = Text(
            "{program} gave no key within {limit_s} s", program=program, limit_s=f"{limit_s:g}"
        )
        raise AuthError(Text("{what} was stopped", what=what), why, hint=_hint()) from None
    finally:
        child.kill()
        child.wait()
    out, err = printed.text(), complained.text()
    text = out.decode("utf-8", "replace")
    if child.returncode:
        why = Text(
            "{program} ended with status {returncode}", program=program, returncode=child.returncode
        )
        if complaint := _one_line(err, text):
            why += f": {complaint}"
        raise AuthError(Text("{what} failed", what=what), why, hint=_hint())
    return text


class PipeReader:
    """Reads a pipe to its end, or as much as can be a key.

    Read in a thread: a program that never stops printing is not read for ever, and what
    it has left running in the background (an agent) may hold the pipe open.
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
        """Return what has come, once the program has ended."""
        self._thread.join(_LAST_WORDS_S)
        return bytes(self._data)


def _hint() -> str:
    return Text("run the command yourself, or set APIYI_API_KEY")


def _one_line(complaint: bytes, printed: str) -> str:
    """Return the program's complaint on one line, without whatever it printed as a key.

    Nothing is told of one that printed more than any key: taking all of that out takes long.
    """
    if len(printed) > _LONGEST_KEY:
        return ""
    words = [Secret(word) for word in {printed.strip(), *printed.split()} if word]
    line = " ".join(redact(complaint.decode("utf-8", "replace"), words).split())
    return line if len(line) <= _LONGEST_NOTE else line[:_LONGEST_NOTE] + "…"
