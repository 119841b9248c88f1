"""Limits of open files: how many connections the process may have at once."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

RESERVED_DESCRIPTORS = 40
"""Descriptors besides connections: files, journals, locks, the sandbox."""
WANTED = 4096
NEEDED = 7
"""Descriptors of one request: a connection, its waits, the limits, files being read."""


def limit_jobs(jobs: int) -> int:
    """Return how many of these jobs can have a connection each. Raise the soft limit first.

    Without a limit of the system it is all of them.
    """
    try:
        import resource
    except ImportError:
        return jobs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = WANTED if hard == unlimited else min(hard, WANTED)
    if soft not in (unlimited, wanted) and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return jobs if soft == unlimited else max(1, min(jobs, soft - RESERVED_DESCRIPTORS))


def require_descriptors() -> None:
    """Raise SetupError unless a request can open the descriptors that it needs.

    Checked before anything is sent: an answer that is paid for must not fail for them.
    """
    # The module `resource` need not be loaded for the answer; -1 means unlimited.
    soft = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1
    if not 0 <= soft <= RESERVED_DESCRIPTORS:
        return
    limit_jobs(1)
    with ExitStack() as held:
        try:
            for _ in range(NEEDED):
                held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        except OSError:
            raise too_few_descriptors(soft) from None


def too_few_descriptors(count: int | None = None) -> SetupError:
    """Return the error for a too low limit of open files."""
    what = Text("cannot open the files and connections that are needed")
    why = Text("too few files may be open at once here")
    if count is not None:
        why = Text("too few files may be open at once here ({count})", count=count)
    return SetupError(what, why, hint="ulimit -n 256")
