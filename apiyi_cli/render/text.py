"""Renders the answer as plain text: event batches in, bytes out.

Leaves to others: the events that are not the answer (`on_event`), making text safe for a terminal
(`verbatim`, `json_text`), Markdown and the extraction of code (`through`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from apiyi_cli.core.events import Chunk, Delta, Event, EventBatch, Refusal, Restart, ToolCall

EventHandler = Callable[[Event], None]
"""Handles every event that is not the answer itself, in order of arrival."""


class TextFilter(Protocol):
    """Transforms a choice's text before it is printed."""

    def feed(self, text: str) -> str:
        """Return the text that can be printed now."""

    def close(self) -> str:
        """Return the held text."""


def text(
    batches: Iterable[EventBatch],
    *,
    on_event: EventHandler,
    newline: bool = True,
    through: Callable[[], TextFilter] | None = None,
    verbatim: Callable[[str], str] = str,
    json_text: Callable[[str], str] = str,
) -> Iterator[bytes]:
    """Yield the answer as it arrives, at most one item for each batch.

    The first choice (index 0) streams; the others follow it in the order of their index,
    one blank line between them. A choice's function calls come after its text, one JSON
    object `{"id","name","arguments"}` a line. A choice that has neither is what it said in
    refusal. A final newline is added if missing, unless `newline` is False.

    Each choice's text is sent through a fresh `through`. `verbatim` is applied to what is printed
    as it came, refusals; `json_text` to function calls.

    When `batches` raises (a cut stream, a signal), all that was received is yielded first.
    `on_event` gets a `Refusal` even when it also became the answer.
    """
    page = _Page(on_event, through, verbatim, json_text)
    is_writing = False
    try:
        for batch in batches:
            if out := page.take(batch):
                is_writing = True
                yield encode(out)
                is_writing = False
    except GeneratorExit:
        raise
    except BaseException:
        # A cut, a signal, a defect: what came was paid for, and is shown.
        if out := (page.lose() if is_writing else "") + page.rest(newline):
            yield encode(out)
        raise
    if out := page.rest(newline):
        yield encode(out)


def encode(text: str) -> bytes:
    """Return the text as UTF-8: surrogate pairs are joined, lone ones become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


class _Page:
    """The state of printing: what was printed, and what is held until the end."""

    def __init__(
        self,
        on_event: EventHandler,
        through: Callable[[], TextFilter] | None,
        verbatim: Callable[[str], str],
        json_text: Callable[[str], str],
    ) -> None:
        self._on_event = on_event
        self._verbatim = verbatim
        self._json_text = json_text
        self._through = through
        self._first = through() if through else None
        self._tail = ""
        self._waiting: dict[int, list[str]] = {}
        self._calls: dict[int, list[ToolCall]] = {}
        self._refusals: dict[int, list[str]] = {}

    def take(self, batch: EventBatch) -> str:
        """Return the first choice's text of a batch; hold or pass on the other events."""
        pieces: list[str] = []
        for event in batch:
            kind = type(event)
            if kind is Delta:
                if event.index == 0:  # type: ignore[union-attr]
                    pieces.append(event.text)  # type: ignore[union-attr]
                else:
                    self._keep(event)
            elif kind is Restart:
                pieces.append(self._begin_anew(pieces))
            elif kind is not Chunk:
                self._keep(event)
        if not pieces:
            return ""
        out = "".join(pieces)
        return self._remember(self._first.feed(out) if self._first else out)

    def _begin_anew(self, pieces: list[str]) -> str:
        """Drop the unprinted text; return the line end between two attempts."""
        for waiting in (self._waiting, self._calls, self._refusals):
            waiting.clear()
        tail = (self._tail + "".join(pieces))[-1:]
        return "\n" if tail not in ("", "\n") else ""

    def _keep(self, event: Event) -> None:
        if isinstance(event, Delta):
            self._waiting.setdefault(event.index, []).append(event.text)
        elif isinstance(event, ToolCall):
            self._calls.setdefault(event.index, []).append(event)
        else:
            if isinstance(event, Refusal):
                self._refusals.setdefault(event.index, []).append(event.text)
            self._on_event(event)

    def _remember(self, out: str) -> str:
        """Return the text; remember its end, which decides about a final line end."""
        # Two characters are enough to know how many line ends stand at the end.
        if out:
            self._tail = (self._tail + out[-2:])[-2:]
        return out

    def lose(self) -> str:
        """Return what is needed after a piece that may be only partly written."""
        lose = getattr(self._first, "lose", None)
        return lose() if lose else ""

    def rest(self, newline: bool) -> str:
        """Return all held text, and the final newline if the answer lacks it."""
        pieces = [self._remember(self._first.close())] if self._first else []
        for index in sorted({0, *self._waiting, *self._calls, *self._refusals}):
            if index:
                pieces.append(self._choice(index))
            pieces.append(self._calls_of(index))
            if not self._tail or (index and index not in {*self._waiting, *self._calls}):
                pieces.append(self._refusal(index))
        if newline and self._tail and not self._tail.endswith("\n"):
            pieces.append(self._remember("\n"))
        return "".join(pieces)

    def _choice(self, index: int) -> str:
        out = "".join(self._waiting.get(index, ()))
        if self._through:
            through = self._through()
            out = through.feed(out) + through.close()
        return self._separate(out) if out or index in self._calls else ""

    def _separate(self, out: str) -> str:
        """Add the blank line between two choices, if there is text to separate."""
        ends = len(self._tail) - len(self._tail.rstrip("\n"))
        return self._remember("\n" * (2 - ends) + out) if self._tail else self._remember(out)

    def _calls_of(self, index: int) -> str:
        calls = self._calls.get(index)
        if not calls:
            return ""
        line_end = "\n" if self._tail and not self._tail.endswith("\n") else ""
        return self._remember(line_end + self._json_text("".join(map(call_line, calls))))

    def _refusal(self, index: int) -> str:
        words = self._verbatim("".join(self._refusals.get(index, ())))
        return self._separate(words) if words else ""


def call_line(call: ToolCall) -> str:
    """Return a function call as one line of JSON; invalid arguments stay a string."""
    from apiyi_cli.core.jsontext import InvalidJSON, Verbatim, as_line, read_strict, write_text

    arguments: str | Verbatim = call.arguments
    try:
        read_strict(call.arguments)
    except InvalidJSON:
        pass
    else:
        # Spliced in as it was written, so that no number is rounded.
        arguments = Verbatim(as_line(call.arguments.encode("utf-8", "surrogatepass")))
    fields = {"id": call.id, "name": call.name, "arguments": arguments}
    return write_text(fields) + "\n"
