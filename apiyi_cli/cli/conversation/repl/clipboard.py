"""The clipboard: OSC 52 if the terminal supports it, else a program of the platform."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping

from apiyi_cli.cli.process import Process
from apiyi_cli.core.terminal_text import neutralize
from apiyi_cli.errors import SetupError
from apiyi_cli.output.console import write_unseen
from apiyi_cli.text import Text

_MOST_BYTES = 74_994
"""The size that every terminal accepts: 100,000 characters with the frame, in base64."""
_PROGRAM_S = 5.0


def copy_text(process: Process, text: str) -> str:
    """Copy a text to the clipboard, control characters made visible; return the method.

    Raises SetupError if neither the terminal nor a program supports it.
    """
    data = neutralize(text).encode("utf-8", "replace")
    environ = process.environ
    if _takes_osc52(environ) and len(data) <= _MOST_BYTES:
        write_unseen(process.console, b"\x1b]52;c;" + b64encode(data) + b"\x07")
        return "OSC 52"
    for words in _programs(environ):
        if shutil.which(words[0]) is not None and _run(words, data, process.child_environment()):
            return words[0]
    raise SetupError(
        Text("cannot copy"),
        Text("neither this terminal nor a program takes the text"),
        hint=Text("install wl-copy, xclip or xsel; /save FILE writes it to a file"),
    )


def _takes_osc52(environ: Mapping[str, str]) -> bool:
    """Return True unless the terminal is known to ignore the sequence.

    tmux ignores it from programs by default, and has its own way; VTE, the Linux console and
    Apple's Terminal do not know it.
    """
    if environ.get("TMUX") or environ.get("VTE_VERSION"):
        return False
    if environ.get("TERM", "dumb") in ("dumb", "linux"):
        return False
    return environ.get("TERM_PROGRAM") != "Apple_Terminal"


def _programs(environ: Mapping[str, str]) -> Iterator[list[str]]:
    if environ.get("TMUX"):
        # -w hands it on to the terminal around tmux.
        yield ["tmux", "load-buffer", "-w", "-"]
    yield ["pbcopy"]
    if environ.get("WAYLAND_DISPLAY"):
        yield ["wl-copy"]
    if environ.get("DISPLAY"):
        yield ["xclip", "-selection", "clipboard"]
        yield ["xsel", "--clipboard", "--input"]
    yield ["clip.exe"]


def _run(words: list[str], data: bytes, environ: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(
            words,
            input=data.decode().encode("utf-16") if words[0] == "clip.exe" else data,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROGRAM_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
