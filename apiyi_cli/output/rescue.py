"""What becomes of an answer that was paid for and cannot be written."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.core.disk import make_private_folder
from apiyi_cli.errors import ApiyiError, Interrupted, OutputError
from apiyi_cli.text import Text, system_reason

KEPT_MAX_BYTES = 64 << 20
SIGPIPE = getattr(signal, "SIGPIPE", 13)


class Rescue(NamedTuple):
    """Where an answer goes when its output failed: the first of `directories` that takes it.

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

        An `ApiyiError` in `data` ends it (a cut answer is kept as far as it came). Raises
        OSError when no directory takes the file; then the data is lost.
        """
        pieces = _until_failure(data)
        fd, path = self._opened()
        with os.fdopen(fd, "wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)
            os.fsync(file.fileno())
        return path

    def _opened(self) -> tuple[int, Path]:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.clock.wall()))
        failure = OSError(Text("there is no directory for it"))
        for directory in chain(self.directories, self._spare()):
            for count in range(1, 1000):
                name = f"{stamp}-{os.getpid()}" + (f"-{count}" if count > 1 else "")
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
                try:
                    make_private_folder(directory)
                    return os.open(directory / name, flags, 0o600), directory / name
                except FileExistsError:
                    continue
                except OSError as error:
                    failure = error
                    break
        raise failure

    def _spare(self) -> Iterator[Path]:
        with suppress(OSError, ApiyiError):
            yield from self.spare()


class Kept:
    """Hands on the items of an answer and remembers them, in case they cannot be written.

    What stands in a list has come already; an iterator's items come when they are asked for.
    After 64 MiB only the item at hand is remembered: an answer that long is no longer one
    that a person waits for, and memory must not grow with the output.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._has_come = isinstance(lines, list) and bool(lines)
        self._items = iter(lines)
        self._came: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for item in self._items:
            self._size += len(item)
            if self._size > KEPT_MAX_BYTES:
                self._came.clear()
            self._came.append(item)
            yield item

    def rescued(self, rescue: Rescue) -> str | None:
        """Receive what is still to come, rescue all of it and return the hint that says where.

        None when there is nothing to rescue.
        """
        if not (self._came or self._has_come):
            return None
        rescue.stop()
        what = (
            Text("the answer") if self._size <= KEPT_MAX_BYTES else Text("the rest of the answer")
        )
        try:
            path = rescue.keep(chain(self._came, self._items))
        except OSError as error:
            why = system_reason(error)
            return Text(
                "make room, then ask again: {what} could not be kept elsewhere either ({why})",
                what=what,
                why=why,
            )
        return Text("take {what} from {path}", what=what, path=path)

    def after(self, stop: Interrupted) -> Iterator[bytes]:
        """Yield what has come already, telling its source that a signal stops the run.

        A renderer that holds text back hands it out then; what has not been received yet is
        not waited for.
        """
        throw = getattr(self._items, "throw", None)
        try:
            if throw is not None:
                yield throw(stop)
            if throw is not None or self._has_come:
                yield from self._items
        except (Interrupted, StopIteration):
            return

    def keep_after(self, stop: Interrupted, rescue: Rescue) -> Path | None:
        """Keep what has come when a signal stops the run; return where, None if nowhere."""
        came = [*self._came, *self.after(stop)]
        try:
            return rescue.keep(came) if any(came) else None
        except OSError:
            return None


def write_all(
    lines: Iterable[bytes], write: Callable[[bytes], object], rescue: Rescue | None
) -> None:
    """Write each item as it comes; when that fails, receive the rest and rescue it all.

    Raises the OutputError of `write`, its hint naming the file that holds the answer. A
    reader that went away (`Interrupted` by SIGPIPE) is no failure, and nothing is rescued.
    When another signal arrives while an item is written, what `lines` hold back is written
    before the signal goes on; one that arrives while they wait is theirs to handle.
    """
    kept = Kept(lines)
    for item in kept:
        try:
            write(item)
        except OutputError as error:
            if rescue is not None:
                error.hint = kept.rescued(rescue) or error.hint
            raise
        except Interrupted as stop:
            if stop.signum != SIGPIPE:
                for rest in kept.after(stop):
                    write(rest)
            raise


def _until_failure(data: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from data
    except ApiyiError:
        return
