"""Shows a long text on a terminal page by page, as `man` does."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from contextlib import suppress

from apiyi_cli.cli.process import Process

LESS = "FRX"
"""less's defaults: quit if the text fits the screen, keep colours and the text."""

COMMAND_NOT_FOUND = 127


def show_text(process: Process, text: str) -> None:
    """Write the text to stdout, through $PAGER or less if stdout is a terminal.

    A pager that cannot be started is passed over; one that is left early is not a failure.
    """
    data = text.encode("utf-8", "replace")
    if not (process.console.stdout_is_terminal and _run_pager(process, data)):
        process.console.write(data, "styled")


def _run_pager(process: Process, data: bytes) -> bool:
    """Show the text in a pager; return False if there is none."""
    named = process.environ.get("PAGER") or next(filter(shutil.which, ("less", "more")), "")
    words = shlex.split(named) if named.count('"') % 2 == named.count("'") % 2 == 0 else []
    if not words or words == ["cat"] or process.environ.get("TERM", "dumb") == "dumb":
        return False
    environ = {"LESS": LESS, "LESSCHARSET": "utf-8", **process.child_environment()}
    try:
        pager = subprocess.Popen(words, stdin=subprocess.PIPE, env=environ)
    except OSError:
        return False
    with suppress(BrokenPipeError):
        pager.communicate(data)
    return pager.returncode != COMMAND_NOT_FOUND
