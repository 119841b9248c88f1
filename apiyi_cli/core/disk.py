"""Writing files safely: whole writes, atomic replacement, fsync of folders, private folders.

All functions raise OSError and have no messages: their callers word the failure.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from apiyi_cli.text import Text

NAME_MAX_BYTES = 255
NOT_REGULAR = Text("it is not a regular file")
RESERVED_SUFFIXES = (".apiyi-journal", ".apiyi-lock")
"""Endings of files that belong to a batch output; no other file may have them."""
BINARY: int = getattr(os, "O_BINARY", 0)
"""For every os.open: Windows would change line ends and stop at Ctrl-Z otherwise."""
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data` in as many calls as needed; see `count_written`."""
    left = memoryview(data)
    size = len(left)
    try:
        while left:
            left = left[os.write(fd, left) :]
    except OSError as failure:
        failure.written = size - len(left)  # type: ignore[attr-defined]
        raise


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Return at most `size` bytes from an offset, without moving the file's own offset."""
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    before = os.lseek(fd, 0, os.SEEK_CUR)
    try:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)
    finally:
        os.lseek(fd, before, os.SEEK_SET)


def count_written(failure: OSError) -> int:
    """Return the bytes that `write_all` had written when it failed."""
    return int(getattr(failure, "written", 0))


def open_regular(path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a regular file, or /dev/null, and return its descriptor; never blocks.

    For files that this program keeps: a pipe in the place of one would wait for a writer, and
    a device has no end. `flags` and `mode` are those of os.open. Raises OSError.
    """
    more = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | BINARY
    try:
        fd = os.open(path, flags | more, mode)
    except OSError as failure:
        # The error for a socket, and for a pipe without a reader.
        if failure.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, NOT_REGULAR) from None
        raise
    try:
        about = os.fstat(fd)
        if not _is_null_device(about):
            refuse_irregular(about)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_regular(path: str | Path, size: int = -1) -> bytes:
    """Return the content of a regular file, its first `size` bytes; see `open_regular`."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(size)


def read_sample(
    path: str | Path, head_bytes: int, *, whole: bool = False
) -> tuple[int, bytes, bytes]:
    """Return the size of a regular file, its first bytes and, if `whole`, its content.

    See `open_regular`.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        head = file.read(head_bytes)
        return os.fstat(file.fileno()).st_size, head, head + file.read() if whole else b""


def refuse_irregular(about: os.stat_result) -> None:
    """Raise OSError unless the status is that of a regular file."""
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR)


def _is_null_device(about: os.stat_result) -> bool:
    """Return True for /dev/null, which users name for an empty file."""
    if not stat.S_ISCHR(about.st_mode):
        return False
    with suppress(OSError):
        return about.st_rdev == os.stat(os.devnull).st_rdev
    return False


def sync_folder(path: Path) -> None:
    """Sync a folder's entries to disk, if the system supports that."""
    # Windows cannot open one, some file systems refuse to sync one; the rename has happened.
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_private_folder(path: Path) -> None:
    """Create a private folder and its missing parents, mode 0700."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            # The umask may have taken the owner's own bits.
            folder.chmod(0o700)


def part_path(path: Path) -> Path:
    """Return a new name for the unfinished file of `path`, in the same folder."""
    tail = f".{os.getpid()}-{os.urandom(4).hex()}.part"
    room = NAME_MAX_BYTES - len(tail) - 1
    name = os.fsencode(path.name)[:room].decode("utf-8", "ignore")
    return path.with_name(f".{name}{tail}")


def write_new(path: Path, pieces: Iterable[bytes], mode: int = 0o600) -> None:
    """Write a file that must not exist yet, and sync it. Remove it again on failure."""
    fd = os.open(path, EXCLUSIVE, mode)
    try:
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(fd, mode)
            for piece in pieces:
                write_all(fd, piece)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def replace_private(path: Path, data: bytes) -> None:
    """Replace a file by `data` atomically and durably, mode 0600; missing folders get 0700.

    A reader sees the old file or the new one, never half of it. A symbolic link is kept and its
    target replaced. Raises OSError for a path that is not a file: root could replace a device,
    also one that a link leads to.
    """
    target = Path(os.path.realpath(path))
    require_file(target)
    make_private_folder(target.parent)
    part = part_path(target)
    write_new(part, (data,))
    try:
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(target.parent)


def require_file(path: Path) -> None:
    """Raise OSError if `path` exists and is not a regular file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        refuse_irregular(path.lstat())


def is_same_file(item: Path, other: Path) -> bool:
    """Return True if two paths are one file: by name or any link."""
    try:
        return item.samefile(other)
    except (OSError, ValueError):
        return Path(os.path.realpath(item)) == Path(os.path.realpath(other))


def first_clash(named: Iterable[tuple[str, Path]]) -> tuple[str, str] | None:
    """Return the first two names of one file, the later one first.

    Devices and pipes may be named twice.
    """
    before: list[tuple[str, Path]] = []
    for name, path in named:
        if path.exists() and not path.is_file():
            continue
        for other, other_path in before:
            if is_same_file(path, other_path):
                return name, other
        before.append((name, path))
    return None


def is_reserved(path: Path) -> bool:
    """Return True if a name is reserved for the state of a batch."""
    return path.name.endswith(RESERVED_SUFFIXES)
