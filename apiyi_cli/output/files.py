"""Files that appear whole or not at all, and are never overwritten unasked.

Which names are safe is in `names`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from apiyi_cli.core.disk import BINARY, EXCLUSIVE, is_reserved, part_path, sync_folder, write_all
from apiyi_cli.core.processes import is_running
from apiyi_cli.errors import ApiyiError, Interrupted, OutputError
from apiyi_cli.output.rescue import SIGPIPE, AnswerBuffer, Rescue
from apiyi_cli.text import Text, system_reason

_PART = re.compile(r"\..+\.(\d+)-[0-9a-f]{8}\.part", re.DOTALL)
# Links to whatever the descriptor is: replacing one would replace the system's own.
_STREAMS = ("/dev/stdout", "/dev/stderr")
_STREAM_DIRECTORIES = ("/dev/fd/", "/proc/")


class AtomicFile:
    """A file under construction: `with AtomicFile(path) as file: file.write(data)`.

    The data goes to `.NAME.PID-RANDOM.part` beside `path`; leaving the block without an
    exception makes it durable and gives it its name, any other way removes it. Without
    `force` nothing that exists is replaced, not even what appeared meanwhile; with `force` a
    link at `path` is replaced, never followed, and the permissions of a file stay.

    A device or pipe (`/dev/null`, `/dev/stdout`) is written to as it is. Every failure is an
    OutputError; a pipe's reader that went away is Interrupted(SIGPIPE).
    """

    def __init__(self, path: Path, *, force: bool = False, mode: int = 0o666) -> None:
        self.path = path
        self._force = force
        self._mode = mode
        self._part = None if is_device(path) else part_path(path)
        self._fd = -1

    def __enter__(self) -> Self:
        try:
            if self._part is None:
                self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | BINARY)
            else:
                self._fd = os.open(self._part, EXCLUSIVE, self._mode)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return self

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        try:
            write_all(self._fd, data)
        except BrokenPipeError:
            raise Interrupted(SIGPIPE) from None
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._finish()
        except FileExistsError:
            raise _make_exists_error(self.path) from None
        except OSError as failure:
            raise cannot_write(self.path, failure) from failure
        finally:
            self._discard()

    def _finish(self) -> None:
        if self._part is not None:
            os.fsync(self._fd)
            if self._force:
                self._keep_permissions()
        fd, self._fd = self._fd, -1
        os.close(fd)
        if self._part is None:
            return
        if self._force:
            self._part.replace(self.path)
        else:
            _rename_new(self._part, self.path)
        sync_folder(self.path.parent)

    def _keep_permissions(self) -> None:
        with suppress(FileNotFoundError):
            before = self.path.lstat()
            if self._part is not None and stat.S_ISREG(before.st_mode):
                self._part.chmod(stat.S_IMODE(before.st_mode))

    def _discard(self) -> None:
        with suppress(OSError):
            if self._fd >= 0:
                os.close(self._fd)
        with suppress(OSError):
            if self._part is not None:
                self._part.unlink(missing_ok=True)


def write_file(
    lines: Iterable[bytes], path: Path, *, force: bool = False, rescue: Rescue | None = None
) -> None:
    """Write an answer to a file that appears when the answer is complete.

    Whatever keeps it from appearing once something came (a cut stream, a full disk, a file
    that somebody made meanwhile), what came and what still comes is rescued, and the error's
    hint names the place. Raises the errors of `lines` and of `AtomicFile`.
    """
    buffer = AnswerBuffer(lines)
    try:
        with AtomicFile(path, force=force) as file:
            for piece in buffer:
                file.write(piece)
    except ApiyiError as error:
        if rescue is not None and (hint := buffer.rescue_rest(rescue)):
            raise error.with_hint(hint) from error.__cause__
        raise
    except Interrupted as stop:
        if rescue is not None and (place := buffer.keep_on_signal(stop, rescue)):
            note = Text("what had come of the answer is in {place}", place=place)
            raise Interrupted(stop.signum, note) from stop
        raise


def _refuse_impossible(path: Path) -> None:
    """Raise OutputError for an impossible name: too long, or a loop of links."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except (OSError, ValueError) as failure:
        why = system_reason(failure) if isinstance(failure, OSError) else str(failure)
        raise _make_error(path, why) from None


def is_device(path: Path) -> bool:
    """Return True for a device or pipe, which is written in place."""
    if str(path) in _STREAMS or str(path).startswith(_STREAM_DIRECTORIES):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def refuse_existing(path: Path, *, force: bool = False) -> None:
    """Raise OutputError, before sending, if `path` cannot become a new file.

    Existing files are refused without `force`, a dangling link included; a directory always,
    and so is a parent that is missing or cannot be written. A device or pipe is fine.
    """
    _refuse_impossible(path)
    if is_device(path):
        return
    if is_reserved(path):
        raise _make_error(path, Text("its name is that of a batch's own journal or lock"))
    if path.is_dir():
        raise _make_error(path, Text("it is a directory"), Text("name a file in it"))
    if not force and (path.exists() or path.is_symlink()):
        raise _make_exists_error(path)
    parent = path.parent
    if not parent.is_dir():
        from apiyi_cli.core.shells import quote_word

        why = Text("there is no directory {parent}", parent=parent)
        raise _make_error(path, why, f"mkdir -p {quote_word(str(parent))}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _make_error(path, Text("no permission to write in {parent}", parent=parent))


def clear_stale_parts(directory: Path) -> list[Path]:
    """Remove unfinished files of runs that were killed, and return their paths.

    Only names that this program makes, only plain files, only where the process that made
    them no longer runs. Never raises: what cannot be removed stays.
    """
    removed = []
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return []
    for entry in entries:
        match = _PART.fullmatch(entry.name)
        try:
            if match and entry.is_file(follow_symlinks=False) and not is_running(int(match[1])):
                Path(entry.path).unlink()
                removed.append(Path(entry.path))
        except OSError:
            continue
    return sorted(removed)


def _rename_new(part: Path, path: Path) -> None:
    """Name a file unless the name is taken, in one step: by a link."""
    if os.link not in os.supports_follow_symlinks:
        # Windows, where a rename never replaces a file.
        part.rename(path)
        return
    try:
        os.link(part, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK):
            raise
        # No hard links here (FAT, some network file systems): take the name first.
        os.close(os.open(path, EXCLUSIVE, 0o666))
        part.replace(path)


class ExistingFileError(OutputError):
    """The file for an answer exists already."""


def _make_exists_error(path: Path) -> ExistingFileError:
    what = Text("cannot write {path}", path=path)
    why = Text("it exists")
    return ExistingFileError(what, why, hint=Text("choose another name, or overwrite with --force"))


def cannot_write(path: object, failure: OSError, hint: str | None = None) -> OutputError:
    """Return the error for a file that the system does not let us write."""
    return _make_error(path, system_reason(failure), hint)


def _make_error(path: object, why: str, hint: str | None = None) -> OutputError:
    return OutputError(Text("cannot write {path}", path=path), why, hint=hint)
