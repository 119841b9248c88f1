"""`CompareRow`: the answer of one of several models."""

from __future__ import annotations

from collections.abc import Callable

from apiyi_cli.cli.conversation.answer_files import AnswerFiles
from apiyi_cli.cli.conversation.reply import find_printed_text
from apiyi_cli.cli.output.stderr_events import describe_finish
from apiyi_cli.core.call import Call
from apiyi_cli.core.events import (
    Delta,
    Empty,
    EventBatch,
    Finish,
    InlineFile,
    Restart,
    ToolCall,
    Usage,
)
from apiyi_cli.errors import ApiyiError


class CompareRow:
    """One model's answer so far, its duration, or its failure.

    A worker thread fills it while the main thread may read it. `warning` is what is wrong with
    a complete answer, `defect` an unexpected exception.
    """

    def __init__(self, call: Call, form: str, saved: AnswerFiles | None) -> None:
        self.call = call
        self._saved = saved
        self._form = form
        self.model = call.model or ""
        self.usage: Usage | None = None
        self.from_cache = False
        self.ms = 0
        self.error: ApiyiError | None = None
        self.defect: Exception | None = None
        self.is_done = False
        self.begin()

    def begin(self) -> None:
        """Drop the events of an earlier attempt."""
        self.texts: list[str] = []
        self.calls: list[ToolCall] = []
        self.files: list[InlineFile] = []
        self.usage, self.warning, self.empty_reason = None, "", ""

    @property
    def text(self) -> str:
        """Return the printed part of the text so far."""
        return find_printed_text("".join(self.texts), self._form)

    def save_files(self, keep_file: Callable[[InlineFile], str]) -> None:
        """Save the files of the answer; `keep_file` if the user named no place for them."""
        texts, files = self.texts, self.files
        if self._saved is not None:
            keep_file = self._saved.keep
            texts = [self._saved.name_files("".join(texts))]
        self.texts, self.files = [*texts, *map(keep_file, files)], []
        if self._saved is not None:
            self.error = self.error or self._saved.failure

    def add(self, burst: EventBatch) -> None:
        """Add a batch of events."""
        for event in burst:
            if isinstance(event, Delta):
                self.texts.append(event.text)
            elif isinstance(event, ToolCall):
                self.calls.append(event)
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Finish):
                self.warning = describe_finish(event.reason)
            elif isinstance(event, InlineFile):
                self.files.append(event)
            elif isinstance(event, Empty):
                self.empty_reason = event.why
            elif isinstance(event, Restart):
                self.begin()
