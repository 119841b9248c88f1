"""Files on their way into a request, and what several paid requests of one run share."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.gateway.parallel import flow
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.errors import ApiyiError, Interrupted, UsageError
from apiyi_cli.text import Text, system_reason

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.core.events import Usage
    from apiyi_cli.wire.send import Sender

B = TypeVar("B")
R = TypeVar("R")

READ_BYTES = 1 << 18
_SIGPIPE = 13


def upload(session: Session, name: str, *, whole: bool = False) -> Upload:
    """Return a file as something to be sent; `-` is standard input.

    What can be read only once (stdin, a pipe) is kept in a temporary file until the run ends.
    `whole` reads all of it into memory. Raises UsageError naming a file that cannot be read.
    """
    path, shown = name, name
    if name == "-" and session.request.code:
        raise UsageError(
            Text("cannot write a program about stdin"),
            Text("it needs a file to read"),
            hint=Text("name the file"),
        )
    try:
        if name == "-":
            shown = "stdin"
            path = _spooled(session, session.sources.pieces("-"))
        if not stat.S_ISREG(os.stat(path).st_mode):
            if stat.S_ISCHR(os.stat(path).st_mode):
                raise UsageError(
                    Text("cannot read {shown}", shown=shown), Text("it is a device, not a file")
                )
            path = _spooled(session, _pieces(path))
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            content = head + file.read() if whole else b""
    except OSError as failure:
        raise UsageError(Text("cannot read {shown}", shown=shown), system_reason(failure)) from None
    return Upload(shown, path, size, head, content)


def scratch(session: Session) -> Path:
    """Return a new folder that only the user can look into, removed when the run ends."""
    import shutil

    from apiyi_cli.core.scratch import make_scratch_folder

    folder = make_scratch_folder()
    session.run.closing(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def each(
    session: Session,
    items: Iterable[B],
    work: Callable[[Sender, B], R],
    jobs: int,
    take: Callable[[R], None],
) -> None:
    """Hand `work(sender, item)` of each item to `take`, in order, up to `jobs` at once.

    When a signal or an error stops the run, nothing further is begun, but what is under way
    has been paid for: it is waited for and handed to `take` before the stop goes on. A
    second signal does not wait.
    """
    running = _UnderWay(work)
    results = flow(session, iter(items), running.work, jobs, bulk=True)
    try:
        for result in results:
            running.taken(result)
            take(result)
    except BaseException as stop:
        results.close()  # type: ignore[attr-defined]
        if count := running.count:
            what = "request that is" if count == 1 else "requests that are"
            session.note(
                Text(
                    "stopping: waiting for {count} {what} under way (again: stop at once)",
                    count=count,
                    what=what,
                )
            )
        for result in running.rest():
            if not (isinstance(stop, Interrupted) and stop.signum == _SIGPIPE):
                with suppress(ApiyiError):
                    take(result)
        raise


class _UnderWay(Generic[B, R]):
    """Knows which work has begun, and keeps what has ended and was not taken."""

    def __init__(self, work: Callable[[Sender, B], R]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._running = 0
        self._ended: dict[int, R] = {}

    def work(self, sender: Sender, item: B) -> R:
        with self._changed:
            self._running += 1
        try:
            result = self._work(sender, item)
            with self._changed:
                self._ended[id(result)] = result
            return result
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @property
    def count(self) -> int:
        return self._running

    def taken(self, result: R) -> None:
        with self._changed:
            self._ended.pop(id(result), None)

    def rest(self) -> list[R]:
        with self._changed:
            while self._running:
                # Without a limit the wait could not be interrupted by a signal.
                self._changed.wait(0.2)
            return list(self._ended.values())


def tell_usage(session: Session, told: Iterable[Usage | None]) -> None:
    """Print what was used on stderr, if the user wants to know; summed over the requests."""
    if not session.output.usage:
        return
    from apiyi_cli.decode.usage import usage
    from apiyi_cli.render.choose import usage_line

    say = session.run.translate
    known = [one.raw for one in told if one is not None and one.raw]
    seconds = [one["seconds"] for one in known if isinstance(one.get("seconds"), int | float)]
    if seconds:
        session.console.say(say(Text("usage: {seconds} s of audio", seconds=f"{sum(seconds):g}")))
        return
    total: dict[str, Any] = {}
    for one in known:
        for name, count in one.items():
            if isinstance(count, int) and not isinstance(count, bool):
                total[name] = total.get(name, 0) + count
    counts = usage(total)
    if counts is None:
        session.console.say(say(Text("usage: unknown (the gateway did not tell)")))
    else:
        from apiyi_cli.cli.output.ledger import estimate

        session.console.say(say(usage_line(counts)) + estimate(session, session.models[0], counts))


def refuse_terminal(session: Session, what: str, hint: str) -> None:
    """Raise UsageError when bytes that are no text would go to the terminal."""
    session.console.require_stdout()
    if session.console.stdout_is_terminal:
        raise UsageError(
            Text("cannot write {what} to the terminal", what=what), Text("it is no text"), hint=hint
        )


def _spooled(session: Session, pieces: Iterable[bytes]) -> str:
    from apiyi_cli.core.scratch import ScratchFile

    file = ScratchFile(pieces)
    session.run.closing(file.close)
    return file.path


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece
