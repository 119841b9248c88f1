"""The waiting line on a terminal: what the run waits for, until something comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from apiyi_cli.cli.process import Process
from apiyi_cli.core.call import Call
from apiyi_cli.core.endpoints import find_endpoint
from apiyi_cli.core.options.output import Output
from apiyi_cli.text import Text

T = TypeVar("T")

EVERY_S: Final = 1.0
"""Shorter waits are not shown."""
AWAITED: Final[Mapping[str, Text]] = {
    "image": Text("the picture"),
    "transcribe": Text("the transcript"),
    "speak": Text("the speech"),
    "embed": Text("the vectors"),
    "rank": Text("the ranking"),
    "video": Text("the video"),
}
"""What a command waits for; text commands wait for an answer."""


class WaitingLine:
    """Shows after a second what the run waits for, and how long.

    Several requests may be under way; the oldest one is named. The line is drawn by a timer's
    thread, because the run waits in a read, and it is erased before anything is shown.
    """

    def __init__(self, process: Process) -> None:
        self._console = process.console
        self._messages = process.messages
        self._clock = process.clock
        self._lock = threading.Lock()
        self._calls: dict[object, tuple[Call, float]] = {}
        self._timer: threading.Timer | None = None
        self._is_shown = False

    def follow(self, items: Iterable[T], call: Call, shows: Callable[[T], bool]) -> Iterator[T]:
        """Yield the items of a call; the first that the user sees ends the wait."""
        token: object | None = self._begin(call)
        source = iter(items)
        try:
            for item in source:
                if token is not None and shows(item):
                    self._end(token)
                    token = None
                yield item
        finally:
            if token is not None:
                self._end(token)
            close = getattr(source, "close", None)
            if close is not None:
                close()

    def stop(self) -> None:
        """Erase the line; the wait is over."""
        with self._lock:
            self._calls.clear()
            self._erase()

    def _begin(self, call: Call) -> object:
        token = object()
        with self._lock:
            self._calls[token] = call, self._clock.monotonic()
            if self._timer is None:
                self._plan()
        return token

    def _end(self, token: object) -> None:
        with self._lock:
            self._calls.pop(token, None)
            if not self._calls:
                self._erase()

    def _erase(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_shown:
            self._is_shown = False
            self._console.status("")

    def _plan(self) -> None:
        self._timer = threading.Timer(EVERY_S, self._show)
        self._timer.daemon = True
        self._timer.start()

    def _show(self) -> None:
        with self._lock:
            if not self._calls:
                return
            call, since_s = next(iter(self._calls.values()))
            waited_s = self._clock.monotonic() - since_s
            # A text whose line is open must not be written over.
            if waited_s >= EVERY_S * 0.9 and not self._console.line_is_open:
                self._is_shown = True
                self._console.status(self._describe(call, waited_s))
            self._plan()

    def _describe(self, call: Call, waited_s: float) -> str:
        from apiyi_cli.render.wrap import clip

        endpoint = find_endpoint("POST", call.path)
        what: str = AWAITED.get(
            "" if endpoint is None else endpoint.command,
            Text("the answer of {model}", model=call.model) if call.model else Text("the answer"),
        )
        ending = Text("Ctrl-C gives up (may be billed)")
        if call.cost == "free":
            what, ending = Text("the gateway"), Text("Ctrl-C gives up")
        text = Text(
            "waiting for {what}, {seconds} s; {ending}",
            what=what,
            seconds=f"{waited_s:.0f}",
            ending=ending,
        )
        return clip(self._messages.translate(text), self._console.width - 1)


def open_waiting_line(process: Process, options: Output) -> WaitingLine | None:
    """Return the line of the run; None with `-q` or on a dumb terminal."""
    if options.quiet or process.environ.get("TERM") == "dumb":
        return None
    line = WaitingLine(process)
    process.on_exit(line.stop)
    return line
