"""`python -m apiyi_cli` and the `apiyi` command.

Until `main` has taken over, Ctrl-C ends the process silently instead of showing which
import it interrupted.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

# What is imported makes no garbage; `main` says when it is collected again.
gc.disable()

if sys.getfilesystemencoding() == "ascii":
    # A locale that knows ASCII only: arguments and file names would come as escapes.
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from apiyi_cli.main import run  # noqa: E402

if __name__ == "__main__":
    run()
