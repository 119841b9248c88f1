"""The report of an unexpected exception: a private file without keys, nothing printed."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from pathlib import Path

from apiyi_cli import __version__
from apiyi_cli.cli.process import Process
from apiyi_cli.core.secret import redact
from apiyi_cli.settings.paths import private_dir, private_write, state_dir


def crash_file(bug: BaseException, process: Process) -> Path | None:
    """Write the traceback, 0600, below the state folder; return its path, None on failure.

    Local variables are not in it, nor is the command line beyond its first word.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(process.clock.wall()))
    text = (
        f"apiyi {__version__}, Python {platform.python_version()}, {sys.platform}\n"
        f"command: apiyi {' '.join(sys.argv[1:2])}\n{''.join(traceback.format_exception(bug))}"
    )
    try:
        folder = private_dir(state_dir(process.environ) / "crash")
        path = folder / f"{stamp}-{os.getpid()}.txt"
        private_write(path, redact(text, process.secrets).encode("utf-8", "replace"))
    except Exception:
        return None
    return path
