"""Runs one command line again and again, each time with another system call made to fail.

Not a test but the program of `test_torture`: it reads tasks (lines of JSON) from stdin, and for
each operation lets the first call fail, then the second, until a run comes through without
having met the fault; with each error of the operation if that is asked for. Every run is a
fork with folders of its own; one line of JSON tells how it ended and what it left behind, an
empty one that a task is done.
"""

from __future__ import annotations

import base64
import builtins
import errno
import gc
import io
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.warm import import_program, join_pages

ERRORS: dict[str, tuple[int, ...]] = {
    "open": (errno.EACCES, errno.ENOSPC, errno.EMFILE),
    "write": (errno.ENOSPC, errno.EIO, errno.EDQUOT),
    "fsync": (errno.EIO, errno.ENOSPC),
    "rename": (errno.EACCES, errno.ENOSPC),
    "link": (errno.EIO, errno.EPERM),
    "connect": (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ENETUNREACH),
}
LIMIT_S = 30
MOST = 200


class Fault:
    """Lets the `n`-th call of one operation fail, and remembers that it did."""

    def __init__(self, operation: str, error: int, n: int) -> None:
        self.operation = operation
        self.error = error
        self.left = n
        self.met = False

    def step(self, operation: str) -> None:
        """Count one call; raise OSError when it is its turn to fail."""
        if operation != self.operation:
            return
        self.left -= 1
        if self.left == 0:
            self.met = True
            raise OSError(self.error, os.strerror(self.error))


def spoil(fault: Fault) -> None:
    """Put the fault between this process and the system."""

    def failing(operation: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def failing_call(*args: Any, **named: Any) -> Any:
            fault.step(operation)
            return call(*args, **named)

        return failing_call

    class File(io.FileIO):
        """An unbuffered file whose writes may fail."""

        def write(self, data: Any, /) -> int:
            fault.step("write")
            return super().write(data)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
        if not isinstance(file, int):
            fault.step("open")
        if "b" not in mode or not set(mode) & set("wax+"):
            return plain_open(file, mode, buffering, *rest, **named)
        raw = File(file, mode.replace("b", ""))
        if buffering == 0:
            return raw
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    plain_open = builtins.open
    os.open = failing("open", os.open)
    os.write = failing("write", os.write)
    os.fsync = failing("fsync", os.fsync)
    os.rename = failing("rename", os.rename)
    os.replace = failing("rename", os.replace)
    os.link = failing("link", os.link)
    builtins.open = io.open = opened
    socket.socket.connect = failing("connect", socket.socket.connect)  # type: ignore[method-assign]


def run(task: dict[str, Any], folder: Path, argv: Sequence[str], fault: Fault | None) -> int:
    """Run the program in a fork; return its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = child(task, folder, argv, fault)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child(task: dict[str, Any], folder: Path, argv: Sequence[str], fault: Fault | None) -> int:
    """Be the program: in its folders, with its descriptors, under its fault."""
    signal.alarm(LIMIT_S)
    os.environ.clear()
    os.environ.update(task["env"])
    for name, below in task["folders"].items():
        os.environ[name] = str(folder / below)
    os.chdir(folder / "work")
    for fd, name, flags in (
        (0, "stdin", os.O_RDONLY),
        (1, "out", os.O_WRONLY | os.O_APPEND),
        (2, "err", os.O_WRONLY | os.O_APPEND),
    ):
        os.dup2(os.open(folder / name, flags), fd)
    if fault is not None:
        spoil(fault)
    from apiyi_cli.main import main

    code = main(argv)
    if fault is not None and fault.met:
        os.mkdir(folder / "met")
    return code


def prepared(task: dict[str, Any], folder: Path) -> None:
    """Make the folders of a run and the files that it finds in them."""
    for name in ("home", "work", "tmp"):
        (folder / name).mkdir(parents=True)
    for name in ("out", "err"):
        (folder / name).touch()
    (folder / "stdin").write_text(task["stdin"])
    for name, content in task["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("latin-1"))
        path.chmod(0o600)


def left(folder: Path) -> dict[str, str]:
    """Return every file of a run, in base64 by its name."""
    return {
        str(path.relative_to(folder)): base64.b64encode(path.read_bytes()).decode()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def tell(**told: Any) -> None:
    print(json.dumps(told), flush=True)


def tortured(task: dict[str, Any], root: Path) -> None:
    """Make the runs of a task, the undisturbed one first."""
    folder = root / "clean"
    prepared(task, folder)
    code = run(task, folder, task["argv"], None)
    tell(operation="", n=0, code=code, files=left(folder), again=0)
    for operation, errors in ERRORS.items():
        # By day every second call fails, and they take the errors in turn: what one comes to
        # differs little from another.
        for turn in range(len(errors) if task["each"] else 1):
            for n in range(1, MOST, 1 if task["each"] else 2):
                error = errors[turn if task["each"] else n // 2 % len(errors)]
                folder = root / f"{operation}-{errno.errorcode[error]}-{n}"
                prepared(task, folder)
                marked = [*task["argv"], *(["-H", f"X-Run: {folder.name}"] * task["sends"])]
                code = run(task, folder, marked, Fault(operation, error, n))
                met = (folder / "met").is_dir()
                files, again = left(folder), None
                if task["again"]:
                    again = run(task, folder, task["again"], None)
                told = {"files": files, "after": left(folder), "again": again}
                tell(operation=folder.name, n=n, code=code, met=met, **told)
                shutil.rmtree(folder)
                if not met and code >= 0:
                    break


def main() -> None:
    import_program()
    gc.freeze()
    join_pages()
    for line in sys.stdin:
        task = json.loads(line)
        tortured(task, Path(task["root"]))
        print(flush=True)


if __name__ == "__main__":
    main()
