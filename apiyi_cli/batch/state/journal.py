"""The journal of an output: what was asked for before it was sent, what was written after.

A file of JSON lines beside the output, only ever appended to:

    H  a run began: its version, input, options, the sizes of the files it appends to
    S  an attempt is about to be sent (the claim; first of all, it is durable)
    W  an answer with its line: one that has to wait for its turn in an ordered output, or
       that is about to be written into one that does not say whose line it is
    P  lines are about to be appended at an offset, each with its size and its CRC-32: those
       that the output then has are written, though no D says so
    D  a record stands in the output, whole
    A  a row was given up; `billed` tells whether it may have been paid for
    R  the error record of a row that is no longer in the input: it was mended
    L  an answer that was there and is not any more, and whose row may be sent again
    C  an output written anew is ready to take the place of this one (see `redo`)
    E  the run ended, with its summary

A claim without D, A or a record in the output is *unknown*: nobody can tell whether it was
paid for. `entries` knows their forms, `past` reads all this; locking and the repair of torn
tails are in `files`.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal
from zlib import crc32

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import VERSION
from apiyi_cli.batch.state.files import is_replaced
from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import write_all, write_new
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.threads import start_thread
from apiyi_cli.errors import OutputError
from apiyi_cli.text import Text, system_reason

SUFFIX: Final = ".apiyi-journal"
GROUP_LINES: Final = 64
GROUP_S: Final = 1.0

_LOST = (errno.EIO, errno.ENOSPC, errno.EDQUOT)

Fsync = Literal["group", "always", "never"]


def journal_path(output: Path) -> Path:
    """Return where the journal of an output lies: beside the file itself, not beside a link.

    Raises OutputError where the journal's name would be longer than the file system takes.
    """
    real = output.resolve() if os.path.islink(output) else output
    journal = real.with_name(real.name + SUFFIX)
    try:
        os.lstat(journal)
    except OSError as failure:
        if failure.errno == errno.ENAMETOOLONG:
            raise OutputError(
                Text("cannot write {path}", path=journal),
                system_reason(failure),
                hint=Text("a shorter name for -o: its journal lies beside it"),
            ) from None
    return journal


class Journal:
    """Appends lines, each with one write, from any thread.

    What was written survives the death of the process at once; how much a power failure may
    take is bounded by `fsync`: a group is what came within a second or 64 lines. `synced` are
    further descriptors (the outputs) that go to the disk before the journal, so that it
    never knows of a record that is not there.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: Fsync = "group",
        synced: Iterable[int] = (),
        clock: Clock = CLOCK,
    ) -> None:
        self.path = path
        self._fsync = fsync
        self._synced = tuple(synced)
        self._clock = clock
        self._lock = threading.Lock()
        self._broken: OutputError | None = None
        self._trouble: OutputError | None = None
        self._fd = os.open(
            path,
            os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0),
            0o600,
        )
        self._size = os.fstat(self._fd).st_size
        self._unsynced = 0
        self._synced_at = clock.monotonic()
        self._wake = threading.Event()
        self._closing = False
        self._syncer: threading.Thread | None = None
        self._has_no_thread = False

    def began(self, fields: Mapping[str, Any]) -> None:
        """Write the header of a run."""
        self._append(_line("H", version=VERSION, pid=os.getpid(), **fields))

    def claim(self, row: Row, attempt: int, uuid: str, ambiguous: int = 0) -> None:
        """Note that an attempt is about to be sent. Raises OutputError: then it must not be.

        `ambiguous` attempts of the row, this one included, follow one that may be paid for.
        """
        cost = row.call.cost if row.call is not None else "text"
        line = {
            "t": "S",
            "index": row.index,
            "id": row.id,
            "sha": row.sha,
            "attempt": attempt,
            "uuid": uuid,
            "class": cost,
            **({"ambiguous": ambiguous} if ambiguous else {}),
        }
        self._append(write(line) + b"\n")

    def held(self, row: Row, line: bytes, failed: str | None, target: str) -> None:
        """Keep a line that is paid for and has to wait for its turn in the output."""
        self.keep([format_kept(row, line, failed, target)])

    def keep(self, entries: Iterable[bytes]) -> None:
        """Keep lines that are paid for and do not stand in the output yet: see `format_kept`."""
        data = b"".join(entries)
        if data:
            self._append(data)

    def placing(self, offset: int, lines: Iterable[tuple[Row, bytes, str | None]]) -> None:
        """Note the lines that are about to be appended: row, line, class of its error."""
        rows = [
            {
                "id": row.id,
                "sha": row.sha,
                "size": len(line),
                "crc": crc32(line),
                "failed": failed,
            }
            for row, line, failed in lines
        ]
        self._append(_line("P", offset=offset, to="out", rows=rows))

    def done(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Note records that stand in the output: `id`, `sha`, `offset`, `size`, `failed`, `to`."""
        self._append(b"".join(_line("D", **one) for one in records))

    def note(self, kind: Literal["R", "L"], rows: Iterable[Mapping[str, Any]]) -> None:
        """Note rows, `id` and `sha`, that are no longer in the input (R), or in the output (L)."""
        data = b"".join(_line(kind, **row) for row in rows)
        if data:
            self._append(data)

    def find_trouble(self) -> OutputError | None:
        """Return what became of the file meanwhile, None when it is as this run left it."""
        with self._lock:
            # A worker's line between the two sizes would make the file look shortened.
            is_shorter = os.fstat(self._fd).st_size < self._size
        if self._trouble is None and is_shorter:
            self._trouble = self._shared(Text("has shortened"))
        elif self._trouble is None and is_replaced(self.path, self._fd):
            self._trouble = OutputError(
                Text("{path} was removed or replaced", path=self.path),
                Text("nothing more can be recorded in it"),
            )
        return self._trouble

    def abandoned(self, row: Row, *, billed: bool) -> None:
        """Note that a row was given up before its answer came."""
        self._append(_line("A", id=row.id, sha=row.sha, billed=billed))

    def ended(self, summary: Mapping[str, Any], *, complete: bool) -> None:
        """Note how the run ended; `complete` when it went through all of its input."""
        self._append(_line("E", complete=complete, summary=summary))

    def close(self) -> None:
        """Bring everything to the disk and close; may be repeated.

        Raises OutputError, once all is closed, when the disk did not take it.
        """
        with self._lock:
            if self._fd < 0:
                return
            self._closing = True
        self._wake.set()
        if self._syncer is not None:
            self._syncer.join()
        if self._fsync != "never":
            self._sync()
        self._bring_back()
        with self._lock:
            os.close(self._fd)
            self._fd = -1
        if self._broken is not None:
            raise self._broken

    def _append(self, data: bytes) -> None:
        with self._lock:
            if self._broken is not None:
                raise self._broken
            try:
                write_all(self._fd, data)
            except OSError as failure:
                # Whatever a later line would be appended to must be a whole line; where even
                # that fails, the next run finds the tail torn.
                with suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                self._broken = self._failed(failure)
                raise self._broken from failure
            self._compare(data)
            self._size += len(data)
            self._unsynced += 1
        if self._fsync == "always":
            self._sync()
        elif self._fsync == "group":
            self._sync_soon()

    def _compare(self, data: bytes) -> None:
        """Notice that somebody else writes to the file, or has shortened it."""
        begin = os.lseek(self._fd, 0, os.SEEK_CUR) - len(data)
        if begin != self._size:
            word = Text("writes to") if begin > self._size else Text("has shortened")
            self._trouble = self._broken = self._shared(word)

    def _shared(self, word: str) -> OutputError:
        return OutputError(
            Text("somebody else {word} {path}", word=word, path=self.path),
            Text("what was sent and what was answered cannot be kept apart any more"),
            hint=Text("end the other run; then run this line again: it goes on where it stopped"),
        )

    def _bring_back(self) -> None:
        """Write the journal anew where its name is gone: it knows what was paid for."""
        if os.path.lexists(self.path):
            return
        size = os.fstat(self._fd).st_size
        with suppress(OSError):
            write_new(
                self.path, (os.pread(self._fd, 1 << 20, at) for at in range(0, size, 1 << 20))
            )

    def _failed(self, failure: OSError) -> OutputError:
        return OutputError(
            Text("cannot write {path}", path=self.path),
            system_reason(failure),
            hint=Text("make room, then run the same line again: it goes on where it stopped"),
        )

    def _sync_soon(self) -> None:
        if self._has_no_thread:
            if self._unsynced >= GROUP_LINES or self._clock.monotonic() - self._synced_at > GROUP_S:
                self._sync()
        elif self._syncer is None:
            with self._lock:
                if self._syncer is None and not self._closing:
                    self._syncer = start_thread(self._sync_groups)
                    self._has_no_thread = self._syncer is None
        elif self._unsynced >= GROUP_LINES:
            self._wake.set()

    def _sync_groups(self) -> None:
        while not self._closing:
            self._wake.wait(GROUP_S)
            self._wake.clear()
            if self._unsynced:
                self._sync()

    def _sync(self) -> None:
        self._unsynced = 0
        self._synced_at = self._clock.monotonic()
        for fd in (*self._synced, self._fd):
            try:
                os.fsync(fd)
            except OSError as failure:
                # Pipes and some file systems cannot; what can is synced all the same. But
                # what a disk has lost is told once, by this call, and never again.
                if failure.errno in _LOST and self._broken is None:
                    self._broken = self._failed(failure)


def format_kept(row: Row, line: bytes, failed: str | None, target: str) -> bytes:
    """Return the line of a journal that keeps the line of an answer."""
    text = line.decode("utf-8")
    return _line("W", id=row.id, sha=row.sha, failed=failed, to=target, line=text)


def _line(kind: str, **fields: Any) -> bytes:
    return write({"t": kind, **fields}) + b"\n"
