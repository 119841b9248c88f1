"""How many connections the process may have open at once."""

from __future__ import annotations

RESERVED = 40
"""Descriptors for all that is no connection: files, journals, locks, the sandbox."""
WANTED = 4096


def most_jobs(jobs: int) -> int:
    """Return how many of these jobs can have a connection each, after raising the limit.

    Only the soft limit of this process is raised. Where the system has none, all can.
    """
    try:
        import resource
    except ImportError:
        return jobs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = WANTED if hard == unlimited else min(hard, WANTED)
    if soft not in (unlimited, wanted) and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass
    return jobs if soft == unlimited else max(1, min(jobs, soft - RESERVED))
