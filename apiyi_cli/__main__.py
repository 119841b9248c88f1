"""`python -m apiyi_cli` and the `apiyi` command.

Until `main` has taken over, Ctrl-C ends the process silently instead of showing which
import it interrupted.
"""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from apiyi_cli.main import run  # noqa: E402

if __name__ == "__main__":
    run()
