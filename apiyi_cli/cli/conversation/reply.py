"""`ReplyCollector`: collects an answer's content on its way to the renderer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from apiyi_cli.core.events import Chunk, Delta, EventBatch, Finish, InlineFile, Restart, ToolCall
from apiyi_cli.errors import IncompleteError, LimitError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.conversation.tools import ToolCommands
    from apiyi_cli.core.call import Call
    from apiyi_cli.core.options.chat import AnswerForm


Decode = Callable[..., Iterator[EventBatch]]
"""Yields the events of a reply, with the options of the decoders' `events`."""


# Pictures in Markdown come whole; ordinary pieces of text are far smaller.
_LARGE_TEXT = 4096
_DATA_URL = r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,([A-Za-z0-9+/=]+)"


class ReplyCollector:
    """Yields the event batches of a reply and collects their content.

    The server's objects are kept if the `call` is given: they are the turn as it came. With
    `commands`, function calls are held back until the answer has ended: those that are
    run are not part of the output. `keep_file` saves a file in the answer and returns the
    text that names it. `observe` gets every batch before it is yielded.
    """

    def __init__(
        self,
        bursts: Iterable[EventBatch],
        commands: ToolCommands | None = None,
        keep_file: Callable[[InlineFile], str] | None = None,
        call: Call | None = None,
        observe: Callable[[EventBatch], None] | None = None,
    ) -> None:
        self.call = call
        self._observe = observe
        self._bursts = bursts
        self._commands = commands
        self._keep_file = keep_file
        self._has_restarted = False
        self._texts: list[str] = []
        self.calls: list[ToolCall] = []
        self.finish_reason = ""
        self.chunks: list[bytes] = []

    def __iter__(self) -> Iterator[EventBatch]:
        if self._commands is None:
            for burst in self._bursts:
                yield self._collect(burst)
        else:
            for burst in self._bursts:
                burst = self._collect(burst)
                yield [event for event in burst if type(event) is not ToolCall]
            if self.calls and not self.runs_commands:
                yield list(self.calls)
        if self._has_restarted:
            # Two attempts were already printed.
            raise IncompleteError(
                Text("the gateway began the answer anew"),
                Text("what was printed first belongs to an attempt that it gave up"),
                hint=Text("with -o FILE or --json only the last attempt is written"),
            )

    @property
    def text(self) -> str:
        """Return the text of the first choice so far."""
        return "".join(self._texts)

    @property
    def runs_commands(self) -> bool:
        """Return True if there are function calls and all of them can be answered here."""
        commands = self._commands
        if commands is None or not self.calls:
            return False
        return all(commands.answers(call.name) for call in self.calls)

    def _collect(self, burst: EventBatch) -> EventBatch:
        """Add a batch and return it, with a path in place of each file."""
        for place, event in enumerate(burst):
            kind = type(event)
            if kind is Delta:
                if len(event.text) > _LARGE_TEXT and self._keep_file:  # type: ignore[union-attr]
                    event = burst[place] = self._name_files(event)  # type: ignore[arg-type]
                if event.index == 0:  # type: ignore[union-attr]
                    self._texts.append(event.text)  # type: ignore[union-attr]
            elif kind is Chunk:
                if self.call is not None:
                    self.chunks.append(event.source)  # type: ignore[union-attr]
            elif kind is ToolCall:
                self.calls.append(event)  # type: ignore[arg-type]
            elif kind is Finish:
                self.finish_reason = event.reason  # type: ignore[union-attr]
            elif kind is InlineFile and self._keep_file is not None:
                burst[place] = Delta(self._keep_file(event))  # type: ignore[arg-type]
            elif kind is Restart:
                self._texts.clear()
                self.calls.clear()
                self.chunks.clear()
                self._has_restarted = True
        if self._observe is not None:
            self._observe(burst)
        return burst

    def _name_files(self, event: Delta) -> Delta:
        """Return a text with a path in place of each data URL."""
        keep_file = self._keep_file
        assert keep_file is not None

        def name(match: re.Match[str]) -> str:
            return keep_file(InlineFile(match[1], match[2])).rstrip("\n") or match[0]

        return Delta(re.sub(_DATA_URL, name, event.text), event.index)


def find_decode(call: Call, openai: Decode) -> Decode:
    """Return the decoder for the protocol of a call; `openai` is the command's own."""
    if call.protocol == "openai":
        return openai
    from apiyi_cli.decode.chat import find_events

    return find_events(call)


def answer_form(form: str, answer: AnswerForm) -> str:
    """Return the form of output, with `extract` for `-x` in text."""
    return "extract" if answer.extract and form == "text" else form


def find_printed_text(text: str, form: str) -> str:
    """Return the part of an answer's text that is printed in a form of output."""
    if form != "extract":
        return text
    from apiyi_cli.render.fence import first_block

    return first_block(text)


def require_fit(schema: dict[str, Any] | None, text: str, left_s: float) -> None:
    """Raise IncompleteError if the printed text does not fit `--schema` or cannot be checked.

    `left_s` is what `--max-time` leaves; LimitError if that ends the check.
    """
    if schema is None:
        return
    from apiyi_cli.build.schemas.answer_check import CHECK_S, check_answer

    check = check_answer(schema["schema"], text, limit_s=min(CHECK_S, left_s))
    if check.unfinished and left_s < CHECK_S:
        raise LimitError(
            Text("stopped by --max-time"),
            Text("the answer is complete, its check against --schema is not"),
            hint=Text("raise --max-time"),
        )
    if failure := check.error():
        raise failure
