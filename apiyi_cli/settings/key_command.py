"""Running a profile's `key_command`, the program that prints the key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from apiyi_cli.core.secret import Secret, redact
from apiyi_cli.errors import AuthError

LIMIT_S = 10.0
_LONGEST_NOTE = 300


def printed_key(
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
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise AuthError(f"{what} did not start", f"{program}: {why}", hint=_hint()) from error
    try:
        out, err = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        why = f"{program} gave no key within {limit_s:g} s"
        raise AuthError(f"{what} was stopped", why, hint=_hint()) from None
    finally:
        # Its own children may hold the pipes open: they are closed here, not waited for.
        child.kill()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()
        child.wait()
    text = out.decode("utf-8", "replace")
    if child.returncode:
        why = f"{program} ended with status {child.returncode}"
        if said := _one_line(err, text):
            why += f": {said}"
        raise AuthError(f"{what} failed", why, hint=_hint())
    return text


def _hint() -> str:
    return "run the command yourself, or set APIYI_API_KEY"


def _one_line(said: bytes, printed: str) -> str:
    """Return the program's complaint on one line, without whatever it printed as a key."""
    words = [Secret(word) for word in {printed.strip(), *printed.split()} if word]
    line = " ".join(redact(said.decode("utf-8", "replace"), words).split())
    return line if len(line) <= _LONGEST_NOTE else line[:_LONGEST_NOTE] + "…"
