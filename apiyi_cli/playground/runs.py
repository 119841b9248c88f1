"""One request of the page, from its child's start to the entry in the history."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.errors import describe_billing
from apiyi_cli.playground.argv import CommandLine, PageRequest
from apiyi_cli.playground.child_reader import ChildReader, PageEvent, save_inline_file
from apiyi_cli.playground.facts import PageFacts, translator_of
from apiyi_cli.playground.history import MOST_TEXT_CHARS
from apiyi_cli.playground.policy import PAGE_COMMANDS
from apiyi_cli.playground.shell_words import format_executed, format_line, format_lines
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.playground.child_processes import ChildProcess

LEAVING_S: Final = 0.2
"""The longest time until a child ends after the page went away."""
DRAIN_S: Final = 2.0
"""The longest wait for the rest of an ended child's output."""
MOST_LOG_LINES: Final = 400
_TASK: Final = re.compile(r"apiyi video resume '?([\w.:-]+)")
"""What the child says about a video that is made without it."""


class PageRun:
    """The state of one run while it goes on; `summarize` describes its end.

    `folder` is the child's working folder, with the uploads; what is new in it at the end is
    what was made.
    """

    def __init__(
        self,
        request: PageRequest,
        line: CommandLine,
        folder: Path,
        *,
        mode: str,
        language: str,
        facts: PageFacts,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.request = request
        self.line = line
        self.folder = folder
        self.mode = mode
        self._say = translator_of(language)
        self._facts = facts
        self._usual_model = facts.find_usual_model(request.command, request.profile)
        self._given = {path.name for path in folder.iterdir()}
        self._started_s = time.monotonic()
        self._at = time.time()
        self._texts: dict[int, str] = {}
        self._usage: dict[str, Any] = {}
        self._log: list[str] = []
        self._lines: list[str] = []
        self._line_chars = 0
        self._error: dict[str, Any] = {}
        self._status: int | None = None
        self._was_sent = False
        self._task = ""
        # A video can be resumed after the child's end; the sandbox's tasks end with the child.
        is_sandbox = facts.settings(request.profile).sandbox
        self._keeps_tasks = request.command == "video" and not is_sandbox
        self._first_ms: int | None = None
        self.is_kept = False
        self._reader: ChildReader | None = None

    def now_ms(self) -> int:
        """Return the milliseconds since the start."""
        return round((time.monotonic() - self._started_s) * 1000)

    def events(self, child: ChildProcess, is_gone: Callable[[], bool]) -> Iterator[PageEvent]:
        """Yield the events for the page, until the child ends or the page `is_gone`."""
        shape = PAGE_COMMANDS[self.request.command].shape
        reader = self._reader = ChildReader(
            child,
            self.now_ms,
            decodes=shape == "stream" and self.mode == "run",
            choices=self._choices(),
            save=partial(save_inline_file, self.folder),
        )
        executed = format_executed(self.line.executed)
        yield "begin", {"id": self.id, "line": format_lines(self.line), "executed": executed}
        while not reader.is_over:
            event = reader.next(LEAVING_S)
            if event is not None:
                self._note(*event)
                yield event
            if is_gone():
                return

    def drain(self) -> None:
        """Note the events that are left after the child's end."""
        end_s = time.monotonic() + DRAIN_S
        reader = self._reader
        while reader is not None and not reader.is_over and time.monotonic() < end_s:
            if (event := reader.next(LEAVING_S)) is not None:
                self._note(*event)

    def summarize(self, code: int | None, *, was_stopped: bool) -> dict[str, Any]:
        """Return how the run ended, for the page and the history."""
        ms = self.now_ms()
        if code is not None and code < 0:
            # Ended by a signal: what a shell says then.
            code = 128 - code
        row = next((row for row in EXIT_CODES if row.code == code), None)
        completion = self._usage.get("completion")
        writing_ms = ms - (ms if self._first_ms is None else self._first_ms)
        files = [path.name for path in self.list_files()]
        # The gateway may charge for an answer that was not received.
        is_uncertain = code == 8 or (was_stopped and self._was_sent)
        billed = "maybe" if is_uncertain and self.mode == "run" else ""
        if code:
            # The lines for people come last: they are in the language of the page.
            self._error = {**self._error, **self._read_complaint()}
        return {
            "exit": code,
            "name": row.name if row else "",
            "when": self._say(Text(row.when)) if row else "",
            "again": self._say(Text(row.again)) if row else "",
            "stopped": was_stopped,
            "billed": billed,
            "billing": self._say(describe_billing("maybe")) if billed == "maybe" else "",
            "error": self._error,
            "status": self._status,
            "ms": ms,
            "first_ms": self._first_ms,
            "rate": round(completion * 1000 / writing_ms, 1) if completion and writing_ms else None,
            "usage": self._usage,
            "cost": None if code else self._estimate_cost(len(files)),
            "files": files,
            "task": self._task,
        }

    def entry(self, end: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry for the history."""
        request = self.request
        text = "\n\n".join(self._texts[index] for index in sorted(self._texts))
        return {
            "id": self.id,
            "at": self._at,
            "command": request.command,
            "model": self.model,
            "prompt": self._title(),
            "request": {**request._asdict(), "files": {}},
            "had_files": any(request.files.values()),
            "line": format_line(self.line),
            "text": (text or "\n".join(self._lines))[:MOST_TEXT_CHARS],
            "log": self._log,
            **end,
        }

    def list_files(self) -> list[Path]:
        """Return the files of the run, by name."""
        with suppress(OSError):
            return sorted(
                path
                for path in self.folder.iterdir()
                if path.name not in self._given and path.is_file() and not path.is_symlink()
            )
        return []

    def close(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def model(self) -> str:
        """Return the model, chosen by the page or the profile."""
        model = self.request.options.get("model")
        if isinstance(model, list):
            model = model[0] if model else ""
        return model if isinstance(model, str) and model else self._usual_model

    def _estimate_cost(self, files: int) -> float | None:
        return self._facts.estimate(self.model, self.request.profile, self._usage, files)

    def _title(self) -> str:
        request, named = self.request, ", ".join(sorted(self._given))
        if PAGE_COMMANDS[request.command].subject == "recordings":
            return named
        return request.task or request.prompt or request.stdin[:200] or named

    def _choices(self) -> int:
        number = str(self.request.options.get("n") or 1)
        return int(number) if number.isdecimal() and 0 < int(number) <= 128 else 1

    def _note(self, name: str, data: dict[str, Any]) -> None:
        """Keep the parts of an event for the summary and the history."""
        match name:
            case "piece":
                self._first_ms = data["ms"] if self._first_ms is None else self._first_ms
                if data["kind"] != "reasoning":
                    index = data["index"]
                    before = self._texts.get(index, "")
                    if len(before) < MOST_TEXT_CHARS:
                        self._texts[index] = before + data["text"]
            case "restart":
                self._texts.clear()
            case "usage":
                self._usage = {key: value for key, value in data.items() if key != "ms"}
            case "error":
                self._error = {key: value for key, value in data.items() if key != "ms"}
            case "status":
                self._status = data["status"]
            case "sent":
                self._was_sent = True
            case "log":
                self._note_log(data["text"])
            case "line" if self._line_chars < MOST_TEXT_CHARS:
                if PAGE_COMMANDS[self.request.command].shape != "stream":
                    self._line_chars += len(data["text"])
                    self._lines.append(data["text"][:MOST_TEXT_CHARS])

    def _note_log(self, text: str) -> None:
        """Keep a line of stderr; of many, the first and the last."""
        if len(self._log) >= MOST_LOG_LINES:
            del self._log[MOST_LOG_LINES // 2]
        self._log.append(text)
        if self._keeps_tasks and (match := _TASK.search(text)):
            self._task = match[1]

    def _read_complaint(self) -> dict[str, Any]:
        """Return the error in the lines that the child wrote."""
        start = "apiyi: "
        at = max((i for i, text in enumerate(self._log) if text.startswith(start)), default=None)
        if at is None:
            return {}
        error: dict[str, Any] = {"message": self._log[at].removeprefix(start)}
        try_ = self._say(Text("try: "))
        for text in self._log[at + 1 :]:
            if text.strip().startswith(try_.strip()):
                error["hint"] = text.strip().removeprefix(try_.strip()).strip()
        return error
