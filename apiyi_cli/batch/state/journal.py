"""The journal of an output: attempts noted before sending, records noted after writing.

A file of JSON lines beside the output, only ever appended to:

    H  a run began: its version, input, options, the sizes of the files it appends to
    S  an attempt is about to be sent (the claim, written before the request); where several rows
       share a request each has one, all but the first with `shared`
    W  an answer with its line: one that has to wait for its turn in an ordered output, or
       that is about to be written into one whose lines do not say which row they are of
    P  lines are about to be appended at an offset, each with its size and its CRC-32: those
       that the output then has are written, though no D says so
    D  a record is in the output, whole
    A  a row was given up, or goes on in a smaller request where one for several was refused;
       `billed` says whether it may have been billed
    R  the error record of a row that is no longer in the input, because it was corrected
    L  an answer that was in the output and no longer is; its row may be sent again
    C  a rewritten output is ready to replace this one (see `replace_together`)
    E  the run ended, with its summary

A claim without D, A or a record in the output is *unknown*: it is not known if it was
billed. `entries` checks the lines, `resume` interprets them, `locks` and `files` keep the file
to one run and repair its torn tail.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from zlib import crc32

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.entries import JOURNAL_VERSION, parse_entry
from apiyi_cli.batch.state.files import END_OTHER_RUN, RUN_AGAIN, is_replaced, removed_error
from apiyi_cli.core.clock import CLOCK, start_thread
from apiyi_cli.core.disk import BINARY, NO_FOLLOW, read_at, sync_folder, write_all, write_new
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import OutputError
from apiyi_cli.output.files import cannot_write
from apiyi_cli.text import Text

SUFFIX: Final = ".apiyi-journal"
GROUP_LINES: Final = 64
GROUP_S: Final = 1.0
_COPY_BYTES: Final = 1 << 20
_TAIL_BYTES: Final = 1 << 16
_LOST: Final = (errno.EIO, errno.ENOSPC, errno.EDQUOT)

Fsync = Literal["group", "always", "never"]


class WrittenRecord(NamedTuple):
    """A record of the output: the row's id and hash, its place, its failure class."""

    id: str
    sha: str
    offset: int
    size: int
    failed: str | None
    billed: bool
    to: str


def journal_path(output: Path) -> Path:
    """Return the journal of an output: beside the file itself, not a link.

    Raises OutputError if the journal's name would be longer than the file system takes.
    """
    real = output.resolve() if os.path.islink(output) else output
    journal = real.with_name(real.name + SUFFIX)
    try:
        os.lstat(journal)
    except OSError as failure:
        if failure.errno == errno.ENAMETOOLONG:
            hint = Text("a shorter name for -o: its journal lies beside it")
            raise cannot_write(journal, failure, hint) from None
    return journal


class Journal:
    """Appends lines, each with one write, from any thread.

    A written line survives the death of the process; how much a power failure may take is
    bounded by `fsync`: a group is what came within a second or 64 lines. `synced` are further
    descriptors (the outputs) that are synced before the journal, so that it never knows of a
    record that is not there.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: Fsync = "group",
        synced: Iterable[int] = (),
    ) -> None:
        self.path = path
        self._fsync = fsync
        self._synced = tuple(synced)
        self._lock = threading.Lock()
        self._broken: OutputError | None = None
        self._trouble: OutputError | None = None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_FOLLOW | BINARY
        self._fd = os.open(path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._unsynced = 0
        self._synced_at_s = CLOCK.monotonic()
        self._wake = threading.Event()
        self._closing = False
        self._syncer: threading.Thread | None = None
        self._has_no_thread = False

    def begin(self, fields: Mapping[str, Any]) -> None:
        """Write the header of a run."""
        ours = {"version": JOURNAL_VERSION, "pid": os.getpid(), "run": secrets.token_hex(8)}
        self._append(_format("H", **ours, **fields))

    def claim(self, rows: Sequence[Row], attempt: int, uuid: str, ambiguous: int = 0) -> None:
        """Note that an attempt is about to be sent. Raises OutputError: then it must not be.

        One request for several `rows` is a claim of each of them, the first one's being that of
        the request. `ambiguous` attempts of a row, this one included, follow one that may be
        billed.
        """
        lines: list[bytes] = []
        for row in rows:
            line = {
                "t": "S",
                "index": row.index,
                "id": row.id,
                "sha": row.sha,
                "attempt": attempt,
                "uuid": uuid,
                "class": row.call.cost if row.call is not None else "text",
                **({"ambiguous": ambiguous} if ambiguous else {}),
                **({"shared": True} if lines else {}),
            }
            lines.append(write(line) + b"\n")
        self._append(b"".join(lines))

    def hold(self, entries: Iterable[bytes]) -> None:
        """Keep paid lines that are not in the output yet; see `format_held`."""
        self._append(b"".join(entries))

    def announce(self, offset: int, lines: Iterable[tuple[Row, bytes, str | None]]) -> None:
        """Note the lines that are about to be appended: row, line, class of its error."""
        rows = [
            {"id": row.id, "sha": row.sha, "size": len(line), "crc": crc32(line), "failed": failed}
            for row, line, failed in lines
        ]
        self._append(_format("P", offset=offset, to="out", rows=rows))

    def note_written(self, records: Iterable[WrittenRecord]) -> None:
        """Note records that are in the output."""
        self._append(b"".join(_format("D", **record._asdict()) for record in records))

    def note_missing(self, kind: Literal["R", "L"], rows: Iterable[Mapping[str, Any]]) -> None:
        """Note rows (`id`, `sha`) that are missing in the input (R) or output (L)."""
        self._append(b"".join(_format(kind, **row) for row in rows))

    def abandon(self, rows: Iterable[Row], *, billed: bool) -> None:
        """Note that rows were given up unanswered, or go on in other requests."""
        lines = (_format("A", id=row.id, sha=row.sha, billed=billed) for row in rows)
        self._append(b"".join(lines))

    def end(self, summary: Mapping[str, Any], *, complete: bool) -> None:
        """Note how the run ended; `complete` if it read all of its input."""
        self._append(_format("E", complete=complete, summary=summary))

    def find_trouble(self) -> OutputError | None:
        """Return the error if another process changed the file, else None."""
        with self._lock:
            # A worker's line between the two sizes would make the file look shortened.
            is_shorter = os.fstat(self._fd).st_size < self._size
        if self._trouble is None and is_shorter:
            self._trouble = self._changed_error(Text("has shortened"))
        elif self._trouble is None and is_replaced(self.path, self._fd):
            self._trouble = removed_error(self.path)
        return self._trouble

    def close(self) -> None:
        """Sync everything to the disk and close; may be repeated.

        Raises OutputError, once all is closed, if the disk did not take it.
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
        self._restore_name()
        with self._lock:
            os.close(self._fd)
            self._fd = -1
        if self._broken is not None:
            raise self._broken

    def _append(self, data: bytes) -> None:
        if not data:
            return
        with self._lock:
            if self._broken is not None:
                raise self._broken
            try:
                write_all(self._fd, data)
            except OSError as failure:
                # A later line must follow a whole line; if even the cut fails, the next run
                # finds the tail torn.
                with suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                self._broken = cannot_write(self.path, failure, RUN_AGAIN)
                raise self._broken from failure
            self._check_offset(os.lseek(self._fd, 0, os.SEEK_CUR) - len(data))
            self._size += len(data)
            self._unsynced += 1
        if self._fsync == "always":
            self._sync()
        elif self._fsync == "group":
            self._sync_soon()

    def _check_offset(self, offset: int) -> None:
        if offset != self._size:
            verb = Text("writes to") if offset > self._size else Text("has shortened")
            self._trouble = self._broken = self._changed_error(verb)

    def _changed_error(self, verb: str) -> OutputError:
        what = Text("somebody else {word} {path}", word=verb, path=self.path)
        why = Text("what was sent and what was answered cannot be kept apart any more")
        return OutputError(what, why, hint=END_OTHER_RUN)

    def _restore_name(self) -> None:
        """Write the journal again if it was removed: it records what was paid for."""
        if os.path.lexists(self.path):
            return
        offsets = range(0, os.fstat(self._fd).st_size, _COPY_BYTES)
        with suppress(OSError):
            write_new(self.path, (read_at(self._fd, _COPY_BYTES, at) for at in offsets))

    def _sync_soon(self) -> None:
        is_due = self._unsynced >= GROUP_LINES
        if self._has_no_thread:
            if is_due or CLOCK.monotonic() - self._synced_at_s > GROUP_S:
                self._sync()
        elif self._syncer is None:
            with self._lock:
                if self._syncer is None and not self._closing:
                    self._syncer = start_thread(self._sync_groups)
                    self._has_no_thread = self._syncer is None
        elif is_due:
            self._wake.set()

    def _sync_groups(self) -> None:
        while not self._closing:
            self._wake.wait(GROUP_S)
            self._wake.clear()
            if self._unsynced:
                self._sync()

    def _sync(self) -> None:
        self._unsynced = 0
        self._synced_at_s = CLOCK.monotonic()
        for fd in (*self._synced, self._fd):
            try:
                os.fsync(fd)
            except OSError as failure:
                # Pipes and some file systems cannot sync; the rest is synced all the same. But
                # the system reports what a disk has lost only once, to this call.
                if failure.errno in _LOST and self._broken is None:
                    self._broken = cannot_write(self.path, failure, RUN_AGAIN)


def format_held(row: Row, line: bytes, failed: str | None, target: str) -> bytes:
    """Return the journal's line that keeps a paid line of the output."""
    return _format("W", id=row.id, sha=row.sha, failed=failed, to=target, line=line.decode("utf-8"))


def replace_together(journal: Path, parts: dict[Path, Path]) -> None:
    """Rename new files (keys) to old ones (values), the journal last; all or none.

    All new files are written and synced beside the old ones first; then one line in the old
    journal says so. The run that finds that line, after a crash or not, gives them their names.
    """
    paths = {str(new.absolute()): str(old.absolute()) for new, old in parts.items()}
    for folder in {old.parent for old in parts.values()}:
        sync_folder(folder)
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | BINARY)
    try:
        write_all(fd, _format("C", parts=paths))
        os.fsync(fd)
    finally:
        os.close(fd)
    finish_compaction(journal)


def finish_compaction(journal: Path) -> None:
    """Finish an interrupted compaction, if there is one.

    Raises OutputError when a file cannot be replaced.
    """
    entry = find_compaction(journal)
    if entry is None:
        return
    for new, old in entry["parts"].items():
        try:
            # Another process may just have done the same.
            with suppress(FileNotFoundError):
                Path(new).replace(old)
        except (OSError, ValueError, TypeError) as failure:
            why = getattr(failure, "strerror", None) or str(failure)
            raise OutputError(Text("cannot rewrite {old}", old=old), why) from failure
        sync_folder(Path(old).parent)


def find_compaction(journal: Path) -> dict[str, Any] | None:
    """Return the last line of a journal if it says that new files are ready."""
    with suppress(OSError), open(journal, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        entry = parse_entry(file.read().rstrip(b"\n").rpartition(b"\n")[2])
        if entry is not None and entry["t"] == "C":
            return entry
    return None


def _format(kind: str, **fields: Any) -> bytes:
    return write({"t": kind, **fields}) + b"\n"
