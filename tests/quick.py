"""The near end of `warm.py`: runs of the program without another start of the interpreter.

Each is a process with its own number, descriptors and wait status all the same. Where it
matters how it starts (signals, limits of the shell, a given stdin, Python's own variables) it
is a process like any other; on a terminal it leads a session as that would.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Program, Ran, Screen

STANDARD = {"fds": [0, 1, 2], "umask": 0o022, "leads": False}
LAUNCHER = """
import _signal, _socket, posix, sys

connection = _socket.socket(_socket.AF_UNIX)
connection.connect(PATH)
fds = []
for name in posix.listdir("/proc/self/fd"):
    try:
        posix.stat(f"/proc/self/fd/{name}")
    except OSError:
        continue
    if int(name) != connection.fileno():
        fds.append(int(name))
umask = posix.umask(0)
posix.umask(umask)
request = {
    "words": sys.argv[1:], "cwd": posix.getcwd(), "env": posix.environ, "fds": fds, "umask": umask,
    "leads": LEADS,
}
data = ascii(request).encode() + b"\\n"
packed = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
sent = connection.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
while sent < len(data):
    sent += connection.send(data[sent:])
for fd in fds:
    if fd != 2:
        posix.close(fd)
answer = b""
while not answer.endswith(b"\\n") and (more := connection.recv(100)):
    answer += more
code = posix.waitstatus_to_exitcode(int(answer.split()[0]))
if code < 0:
    _signal.signal(-code, _signal.SIG_DFL)
    posix.kill(posix.getpid(), -code)
posix._exit(code)
"""
"""What stands for the program in a shell: no module but those that every interpreter holds."""
SERVER = Path(__file__).with_name("warm.py")
LIMIT_S = 30.0


class Warm:
    """The near end of the warm process, which starts when the first run is asked for.

    It imports the modules as well. What few tests need would make every fork dearer.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self.memory_kb = 0
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> Path:
        """The socket that runs are asked for at."""
        path = Path(self._folder.name, "socket")
        if self._process is None:
            words = [sys.executable, str(SERVER), str(path), *self._modules]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe)
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == b"ready\n"
        return path

    def run(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes | None
    ) -> tuple[int, bytes, bytes]:
        """Return the wait status, stdout and stderr of one run; stdin None is no input."""
        request = {"words": list(words), "cwd": str(cwd), "env": dict(env), **STANDARD}
        data = ascii(request).encode() + b"\n"
        (near_out, far_out), (near_err, far_err) = os.pipe(), os.pipe()
        far = [os.open(os.devnull, os.O_RDONLY), far_out, far_err]
        if stdin is not None:
            os.close(far[0])
            far[0], near_in = os.pipe()
            Thread(target=_feed, args=(near_in, stdin), daemon=True).start()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(str(self.path))
            # To send nothing is an error, too, once the run has ended and the socket is closed.
            if rest := data[socket.send_fds(connection, [data], far) :]:
                connection.sendall(rest)
            for descriptor in far:
                os.close(descriptor)
            out, err = Drain(near_out), Drain(near_err)
            with connection.makefile("rb") as answer:
                status, self.memory_kb = map(int, answer.readline().split())
        return status, out.result(), err.result()

    def text(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Return what `subprocess.run` would, with stdout and stderr as text."""
        given = None if stdin is None else stdin.encode()
        status, out, err = self.run(words, cwd, env, given)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(list(words), code, out.decode(), err.decode())

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()
        self._folder.cleanup()

    def launcher(self, folder: Path, *, leads: bool = False) -> Path:
        """Return a folder for PATH in which `apiyi` is a run of this process.

        A run that leads has a session of its own, whose terminal is the one that it is on.
        """
        folder.mkdir(exist_ok=True)
        script = folder / "apiyi"
        settings = f"PATH, LEADS = {str(self.path)!r}, {leads}"
        script.write_text(f"#!{sys.executable} -IS\n{settings}\n{LAUNCHER}")
        script.chmod(0o755)
        return folder


def _feed(descriptor: int, data: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as pipe:
            pipe.write(data)
    except BrokenPipeError:
        return


def _input(stdin: object) -> bytes | None:
    return stdin if isinstance(stdin, bytes) else None


class Drain:
    """What comes out of a pipe, read by a thread that nobody waits for longer than a run."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""
        self._thread = Thread(target=self._drain, daemon=True)
        self._thread.start()

    def result(self) -> bytes:
        """Return all of it; raise TimeoutError if something keeps the other end open."""
        self._thread.join(LIMIT_S)
        if self._thread.is_alive():
            raise TimeoutError("a process that the run started keeps its output open")
        return self._read

    def _drain(self) -> None:
        with os.fdopen(self._descriptor, "rb") as pipe:
            self._read = pipe.read()


class Quick:
    """The test's program, run in the warm process; all else is as it is there."""

    def __init__(self, program: Program, warm: Warm) -> None:
        self._program = program
        self._warm = warm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def __call__(
        self,
        line: str | Sequence[str],
        *,
        stdin: bytes | IO[bytes] | int = subprocess.DEVNULL,
        env: Mapping[str, str | None] | None = None,
    ) -> Ran:
        if _starts(env) or not (isinstance(stdin, bytes) or stdin == subprocess.DEVNULL):
            return self._program(line, stdin=stdin, env=env)
        words = shlex.split(line) if isinstance(line, str) else line
        given = self._program.environment(env)
        status, out, err = self._warm.run(words, self._program.work, given, _input(stdin))
        return self._program.seen(os.waitstatus_to_exitcode(status), out, err)

    def shell(
        self, script: str, *, stdin: bytes = b"", env: Mapping[str, str | None] | None = None
    ) -> Ran:
        """Run a bash script; limits that it sets need a process that starts under them."""
        if _starts(env) or "ulimit" in script:
            return self._program.shell(script, stdin=stdin, env=env)
        quick = self._launcher("quick", leads=False)
        path = f"{quick}:{self._program.environ['PATH']}"
        return self._program.shell(script, stdin=stdin, env={"PATH": path, **(env or {})})

    def terminal(
        self,
        line: str,
        *,
        columns: int = 80,
        redirect: str = "",
        keys: bytes = b"",
        env: Mapping[str, str | None] | None = None,
    ) -> Screen:
        """Run a line on a terminal of its own."""
        words, leads = self.terminal_words(line)
        given = self._program.environment(env)
        return self._program.shown(words, columns, redirect, keys, given, leads=leads)

    def command(self) -> str:
        """Return a program file which is a run of the warm process."""
        return str(self._launcher("quick", leads=False) / "apiyi")

    def terminal_words(self, line: str) -> tuple[list[str], bool]:
        """Return the words of a line on a terminal; the run itself makes a session."""
        program = str(self._launcher("quick-terminal", leads=True) / "apiyi")
        return [program, *shlex.split(line)], False

    def _launcher(self, name: str, *, leads: bool) -> Path:
        folder = self._program.path.parent.with_name(name)
        return self._warm.launcher(folder, leads=leads)


def _starts(env: Mapping[str, str | None] | None) -> bool:
    """Return True if these variables decide how an interpreter starts."""
    return any(
        name.startswith("PYTHON") and not name.startswith("PYTHON_KEYRING_") for name in env or ()
    )
