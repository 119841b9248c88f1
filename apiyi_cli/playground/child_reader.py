"""Turns a child's output into the page's events, each with its milliseconds.

The meaning of the server's objects comes from the same decoders that the command line uses.
"""

from __future__ import annotations

import queue
import re
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

from apiyi_cli.core import events
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.jsontext import InvalidJSON, read, read_event
from apiyi_cli.errors import ApiyiError
from apiyi_cli.playground.child_processes import ChildProcess

PageEvent = tuple[str, dict[str, Any]]
"""The name of an event and its data, as the page gets them."""
_ENDED: Final = object()
_STATUS: Final = re.compile(r"< (\d{3}) ?(.*?) \(([\d.]+) s, ")
_REQUEST: Final = re.compile(r"> ([A-Z]+) (https?://\S+)$")
_KINDS: Final = {events.Delta: "text", events.Reasoning: "reasoning", events.Refusal: "refusal"}


class ChildReader:
    """Reads one child: a thread for its answer, another for its messages.

    `decodes` says that the answer is the objects of a text endpoint, of `choices` answers.
    `now_ms` gives the milliseconds since the start.
    """

    def __init__(
        self,
        child: ChildProcess,
        now_ms: Callable[[], int],
        *,
        decodes: bool,
        choices: int = 1,
        save: Callable[[str, str], str | None],
    ) -> None:
        self._child = child
        self._now_ms = now_ms
        self._decodes = decodes
        self._choices = choices
        self._save = save
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._open = 2
        for work in (self._read_answer, self._read_messages):
            threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def next(self, timeout_s: float) -> PageEvent | None:
        """Return the next event; None after `timeout_s` or after the last: see `is_over`."""
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if event is _ENDED:
            self._open -= 1
            return None
        return event  # type: ignore[no-any-return]

    @property
    def is_over(self) -> bool:
        """Return True after both pipes have ended and all events were read."""
        return self._open == 0

    def _run(self, work: Callable[[], None]) -> None:
        # The pipe is closed when the child is ended.
        with suppress(OSError, ValueError):
            work()
        self._events.put(_ENDED)

    def _tell(self, event: str, /, **data: Any) -> None:
        self._events.put((event, {**data, "ms": self._now_ms()}))

    def _read_answer(self) -> None:
        lines = self._lines()
        if self._decodes and (first := next(lines, None)) is not None:
            chunks = (b"data: " + line + b"\n\n" for line in chain([first], lines))
            reply = Reply(200, {"content-type": "text/event-stream"}, chunks)
            # The child reports a wrong answer by its exit code.
            with suppress(ApiyiError):
                for batch in _find_decoder(first)(reply, choices=self._choices):
                    self._put_meaning(batch)
        for _ in lines:
            pass

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines of the answer; each becomes an event first."""
        for raw in self._child.stdout:
            line = raw.removesuffix(b"\n")
            self._tell("line", text=line.decode("utf-8", "replace"))
            yield line

    def _put_meaning(self, batch: events.EventBatch) -> None:
        for event in batch:
            match event:
                case events.Delta() | events.Reasoning() | events.Refusal():
                    kind = _KINDS[type(event)]
                    self._tell("piece", kind=kind, text=event.text, index=event.index)
                case events.Restart():
                    self._tell("restart")
                case events.ToolCall():
                    self._tell("call", id=event.id, name=event.name, arguments=event.arguments)
                case events.Finish():
                    self._tell("finish", reason=event.reason, index=event.index)
                case events.Usage():
                    self._tell(
                        "usage",
                        prompt=event.prompt_tokens,
                        completion=event.completion_tokens,
                        total=event.total_tokens,
                        reasoning=event.reasoning_tokens,
                        cached=event.cached_tokens,
                    )
                case events.InlineFile():
                    if name := self._save(event.type, event.base64):
                        self._tell("file", name=name)

    def _read_messages(self) -> None:
        for raw in self._child.stderr:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            if match := _STATUS.match(text):
                status, reason, after_s = match.groups()
                self._tell("status", status=int(status), reason=reason, after_s=float(after_s))
            elif match := _REQUEST.match(text):
                self._tell("sent", method=match[1], url=match[2])
            elif (error := _read_error(text)) is not None:
                self._tell("error", **error)
                continue
            self._tell("log", text=text)


def _read_error(text: str) -> dict[str, Any] | None:
    """Return the error in a JSON line, None in any other."""
    if not text.startswith('{"error":'):
        return None
    try:
        error = read(text)["error"]
    except (InvalidJSON, LookupError, TypeError):
        return None
    if not isinstance(error, dict):
        return None
    named = ("message", "hint", "code", "status", "request_id", "type")
    return {name: error[name] for name in named if isinstance(error.get(name), str | int)}


def _find_decoder(first: bytes) -> Callable[..., Iterator[events.EventBatch]]:
    try:
        value = read_event(first)
    except InvalidJSON:
        value = None
    fields = value if isinstance(value, dict) else {}
    kind = str(fields.get("type"))
    if kind.startswith("response.") or fields.get("object") == "response":
        from apiyi_cli.decode.respond import events as respond_events

        return respond_events
    from apiyi_cli.decode.chat import find_events

    protocol = "openai"
    if kind in ("message_start", "message"):
        protocol = "anthropic"
    elif "candidates" in fields:
        protocol = "google"
    return find_events(Call("POST", "", protocol=protocol))


def save_inline_file(folder: Path, type: str, base64: str) -> str | None:
    """Write an answer's file into the folder; return its name, None on failure."""
    try:
        content = b64decode(base64)
    except ValueError:
        return None
    kind = detect_type(content)
    if not content or kind is None or kind.family not in ("image", "audio", "video", "document"):
        return None
    number = sum(1 for path in folder.glob("answer-*")) + 1
    name = f"answer-{number}.{kind.extension}"
    (folder / name).write_bytes(content)
    return name
