"""Holds an output in the store of limits: file locks may not reach other machines.

The output is known by the first line of its journal, which every machine that sees the file sees.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apiyi_cli.batch.run.stop_rules import make_time_error
from apiyi_cli.batch.state.files import END_OTHER_RUN
from apiyi_cli.batch.state.locks import (
    WAIT_FOR_IT,
    describe_process,
    in_use_error,
    is_stale,
    parse_holder,
)
from apiyi_cli.core.clock import Clock
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text
from apiyi_cli.wire.limits.redis_limiter import LEASE_S, RedisLimiter

_WAIT_S: Final = 1.0


@dataclass
class StoreLock:
    """A run's lease on its output in a store; the run ends by `_total_at`."""

    _store: RedisLimiter
    _clock: Clock
    _note: Callable[[str], None]
    _total_at: float | None = None
    _path: Path | None = None

    def take(self, path: Path, journal: Path) -> None:
        """Take the lease unless there is no journal; wait for that of a dead machine.

        Raises SetupError if another machine goes on holding it, LimitError if the run must end.
        """
        if self._path is not None or (name := _name_of(journal)) is None:
            return
        # Containers may have the same process number: the run makes the holder unique.
        ours = {**describe_process(), "run": secrets.token_hex(8)}
        until_s, gone = self._clock.monotonic() + 1.2 * LEASE_S, ""
        is_told = False
        while holder := self._store.hold_output(name, write(ours).decode(), gone, self._sleep):
            theirs = parse_holder(holder)
            pid, host = theirs.get("pid"), theirs.get("host")
            if is_stale(theirs, ours):
                gone = holder
                continue
            is_neighbour = host == ours["host"] and pid != ours["pid"]
            if is_neighbour or self._clock.monotonic() >= until_s:
                raise in_use_error(path, pid, host).with_hint(WAIT_FOR_IT)
            if not is_told:
                is_told = True
                named = {"path": path, "pid": pid, "host": host, "wait_s": f"{1.2 * LEASE_S:g}"}
                message = Text(
                    "{path} is held by process {pid} on {host}, says the limits' store; "
                    "waiting up to {wait_s} s, in case it has died",
                    **named,
                )
                self._note(message)
            self._sleep(_WAIT_S)
        self._path = path

    def _sleep(self, wait_s: float) -> None:
        if self._total_at is not None and self._clock.monotonic() + wait_s > self._total_at:
            raise make_time_error()
        self._clock.sleep(wait_s)

    def find_trouble(self) -> OutputError | None:
        """Return the error if another run has taken the output, else None."""
        if not self._store.has_lost_output:
            return None
        why = Text("the limits' store was away, and gave it to another run")
        what = Text("somebody else writes to {name}", name=self._path)
        return OutputError(what, why, hint=END_OTHER_RUN)

    def release(self) -> None:
        """Release the lease."""
        self._store.release_output()


def _name_of(journal: Path) -> str | None:
    """Return the hash of a journal's first line, None if there is none."""
    try:
        with open(journal, "rb") as file:
            line = file.readline()
    except OSError:
        return None
    return hashlib.sha256(line).hexdigest()[:32] if line.endswith(b"\n") else None
