"""Saves a paid answer that cannot be written to its output."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import EXCLUSIVE, make_private_folder, write_all
from apiyi_cli.errors import ApiyiError, Interrupted, OutputError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text, join_texts, system_reason

KEPT_MAX_BYTES = 64 << 20
SIGPIPE = getattr(signal, "SIGPIPE", 13)


class RescueError(OSError):
    """No folder took the whole answer; `partial` is the file with its beginning."""

    partial: Path | None = None


class Rescue(PlainValue):
    """The folders for an answer whose output failed: the first that works is used.

    The usual one is `$XDG_STATE_HOME/apiyi/rescue`. `spare` names others when those fail,
    such as the system's temporary directory, which may be on another disk; it is called then
    only, because looking for that directory writes to the disk. `stop` is called before the
    rest of the answer is received, so that nothing is sent any more for an output that
    nobody gets.
    """

    directories: tuple[Path, ...]
    clock: Clock = CLOCK
    stop: Callable[[], object] = lambda: None
    spare: Callable[[], Iterable[Path]] = tuple

    def keep(self, data: Iterable[bytes]) -> Path:
        """Write the data to a new file, 0600, and return its path.

        An `ApiyiError` in `data` ends it (a cut answer is kept as far as it came). A disk that
        takes only a part has the next directory get all of it. Raises RescueError when none
        takes the whole; the longest part stays where it is.
        """
        buffer = AnswerBuffer(_until_failure(data))
        failure = RescueError(Text("there is no directory for it"))
        longest = 0
        for directory in chain(self.directories, self._spare_directories()):
            path, size = None, 0
            try:
                fd, path = self._create(directory)
                with os.fdopen(fd, "wb", buffering=0) as file:
                    for piece in buffer.replay():
                        write_all(fd, piece)
                        size += len(piece)
                    os.fsync(file.fileno())
                return path
            except OSError as error:
                partial = failure.partial
                failure = RescueError(error.errno, error.strerror or str(error))
                failure.partial = partial
                if path is None:
                    continue
                size = path.stat().st_size
                discarded = path if size <= longest else partial
                if size > longest:
                    failure.partial, longest = path, size
                if discarded is not None:
                    discarded.unlink(missing_ok=True)
                if not buffer.is_whole:
                    break
        raise failure

    def _create(self, directory: Path) -> tuple[int, Path]:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.clock.wall()))
        make_private_folder(directory)
        for count in range(1, 1000):
            name = f"{stamp}-{os.getpid()}" + (f"-{count}" if count > 1 else "")
            with suppress(FileExistsError):
                return os.open(directory / name, EXCLUSIVE, 0o600), directory / name
        raise FileExistsError(Text("there is no directory for it"))

    def _spare_directories(self) -> Iterator[Path]:
        with suppress(OSError, ApiyiError):
            yield from self.spare()


class AnswerBuffer:
    """Yields the pieces of an answer and keeps them, in case they cannot be written.

    A list's items have arrived already; an iterator's pieces arrive on request.
    After 64 MiB only the current piece is remembered: an answer that long is no longer one
    that a user waits for, and memory must not grow with the output.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._has_come = isinstance(pieces, list) and bool(pieces)
        self._pieces = iter(pieces)
        self._came: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._size += len(piece)
            if self._size > KEPT_MAX_BYTES:
                self._came.clear()
            self._came.append(piece)
            yield piece

    @property
    def is_whole(self) -> bool:
        """Return True if everything that arrived is kept."""
        return self._size <= KEPT_MAX_BYTES

    def replay(self) -> Iterator[bytes]:
        """Yield the kept pieces, then the rest as it arrives."""
        yield from [*self._came]
        yield from self

    def rescue_rest(self, rescue: Rescue) -> str | None:
        """Receive the rest, save everything and return the hint that says where.

        None when there is nothing to keep.
        """
        if not (self._came or self._has_come):
            return None
        rescue.stop()
        what = Text("the answer") if self.is_whole else Text("the rest of the answer")
        try:
            path = rescue.keep(chain(self._came, self._pieces))
        except OSError as error:
            return describe_loss(what, error)
        return Text("take {what} from {path}", what=what, path=path)

    def drain(self, stop: Interrupted) -> Iterator[bytes]:
        """Yield what has arrived; tell the source that a signal stops the run.

        A renderer that holds text back hands it out then; what has not been received yet is
        not waited for.
        """
        throw = getattr(self._pieces, "throw", None)
        try:
            if throw is not None:
                yield throw(stop)
            if throw is not None or self._has_come:
                yield from self._pieces
        except (Interrupted, StopIteration):
            return

    def keep_on_signal(self, stop: Interrupted, rescue: Rescue) -> Path | None:
        """Save what has arrived when a signal stops the run; return where, None on failure."""
        came = [*self._came, *self.drain(stop)]
        try:
            return rescue.keep(came) if any(came) else None
        except OSError:
            return None


def describe_loss(what: Text, error: OSError) -> Text:
    """Return the hint for paid data that no folder took whole."""
    values = {"what": what, "path": getattr(error, "partial", None), "why": system_reason(error)}
    if values["path"] is not None:
        return Text(
            "make room, then ask again: only the beginning of {what} could be kept, in {path} "
            "({why})",
            **values,
        )
    return Text(
        "make room, then ask again: {what} could not be kept elsewhere either ({why})", **values
    )


def keep_received(lines: Iterable[bytes], rescue: Rescue) -> Iterator[bytes]:
    """Yield the lines; save what a failure among them has received, and say where."""
    try:
        yield from lines
    except ApiyiError as failure:
        if not failure.received:
            raise
        hints = [failure.hint]
        with suppress(OSError):
            hints.append(Text("what came is in {path}", path=rescue.keep([failure.received])))
        hint = join_texts(filter(None, hints), "; ")
        raise failure.with_received(b"").with_hint(hint) from failure.__cause__


def write_or_rescue(
    pieces: Iterable[bytes], write: Callable[[bytes], object], rescue: Rescue | None
) -> None:
    """Write each piece as it arrives. If that fails, receive the rest and rescue it all.

    Raises the OutputError of `write`, its hint naming the file that holds the answer. A
    reader that went away (`Interrupted` by SIGPIPE) is not a failure, and nothing is rescued.
    When another signal arrives while a piece is written, what `pieces` hold back is written
    before the signal goes on; one that arrives while they wait is theirs to handle.
    """
    buffer = AnswerBuffer(pieces)
    for piece in buffer:
        try:
            write(piece)
        except OutputError as error:
            if rescue is not None and (hint := buffer.rescue_rest(rescue)):
                raise error.with_hint(hint) from error.__cause__
            raise
        except Interrupted as stop:
            if stop.signum != SIGPIPE:
                for rest in buffer.drain(stop):
                    write(rest)
            raise


def _until_failure(data: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from data
    except ApiyiError:
        return
