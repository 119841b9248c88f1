"""Reads text answers to their end and checks whether they are complete.

The rules of all endpoints that answer with text are here: streams and whole bodies give
the same event batches, errors may come at any place, and success must be proved. An `Answer`, of
which each endpoint has a subclass, gives the objects their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.events import Chunk, EventBatch, Notice
from apiyi_cli.core.jsontext import (
    InvalidJSON,
    as_line,
    is_strict,
    one_line,
    read,
    read_first,
    read_plain,
    trim,
    write,
)
from apiyi_cli.decode.answers.answer import Answer
from apiyi_cli.decode.frames.fields import read_objects
from apiyi_cli.decode.frames.reply_body import (
    classify_refusal,
    detect_kind,
    find_refusal,
    make_foreign,
    make_incomplete,
    parse_body,
    read_body,
)
from apiyi_cli.decode.frames.sse import Frame, frames, looks_torn
from apiyi_cli.decode.frames.utf8 import as_utf8, is_utf8
from apiyi_cli.errors import ApiyiError
from apiyi_cli.text import Text

_BRACKET, _BRACE, _END_BRACE = b"[{}"
_EVENT_LINE = re.compile(rb"^data:", re.MULTILINE)
_MAX_STRAY = 1 << 20
_REPLACED = Text("bytes that are not UTF-8 were replaced by U+FFFD")


def read_answer(
    reply: Reply, answer: Answer, *, verbatim: bool = False, cost: Cost = "text"
) -> Iterator[EventBatch]:
    """Yield the events of a reply, one non-empty list for each read that has some.

    With `verbatim` each object of the server comes before its meaning, as a `Chunk` on one line.
    Reading stops at `[DONE]`, at an error, or where the answer is over; the reply is closed then,
    and whenever the iterator is. Everything that came is yielded before anything is raised:
    IncompleteError unless the answer was proved complete, the classified error for one that the
    gateway reports before any of the answer, RejectedError for what is not the API's answer. A
    transport that breaks after a proved answer is not an error.
    """
    try:
        if reply.status >= 300:
            raise classify_refusal(reply, cost=cost)
        kind, chunks = detect_kind(reply)
        if kind == "sse":
            yield from _Stream(reply, answer, verbatim, cost).batches(chunks)
            return
        raw = read_body(reply, chunks)
        if kind in ("text", "html") and _EVENT_LINE.search(raw):
            # Events after a line of other text, a proxy's perhaps: they are paid for.
            yield from _Stream(reply, answer, verbatim, cost).batches([raw])
            return
        value = parse_body(reply, kind, raw)
        if pieces := _find_pieces(raw, value, answer):
            events = [b"data: %b\n\n" % piece for piece in pieces]
            yield from _Stream(reply, answer, verbatim, cost).batches(events)
            return
        yield from _read_whole(reply, answer, raw, value, verbatim, cost)
    finally:
        reply.close()


def _find_pieces(raw: bytes, value: Any, answer: Answer) -> list[bytes]:
    """Return the pieces of an answer that came as JSON lines or array.

    Google's own stream is such an array; a relay that drops the frames leaves lines.
    """
    if isinstance(value, list):
        if not (value and all(isinstance(item, dict) and answer.key in item for item in value)):
            return []
        return [write(item) for item in read_first(raw, exact=True)]
    is_piece = any(
        isinstance(choice, dict) and "delta" in choice
        for choice in read_objects(value.get(answer.key))
    ) or (answer.key in ("type", "candidates") and answer.key in value)
    lines = [line for line in trim(raw).splitlines() if line.strip()] if is_piece else []
    return lines if len(lines) > 1 and all(map(is_strict, lines)) else []


def _one_line(data: bytes, *, torn: bool = False) -> bytes:
    """Return an event's JSON on one line; it nearly always is already."""
    if torn:
        return as_line(data)
    if data[:1] == b"{" and data[-1:] == b"}" and b"\n" not in data:
        return data
    return one_line(data)


def _read_whole(
    reply: Reply, answer: Answer, raw: bytes, value: Any, verbatim: bool, cost: Cost
) -> Iterator[EventBatch]:
    if error := find_refusal(reply, value, cost):
        raise error
    notice: EventBatch = [] if raw.isascii() or is_utf8(raw) else [Notice(_REPLACED)]
    if isinstance(value, dict) and not answer.is_whole(value):
        answer = _read_as_other(value, answer, notice)
    if not isinstance(value, dict) or not answer.is_whole(value):
        why = Text("its JSON has no “{whole_key}”", whole_key=answer.whole_key)
        hint = Text("check the base URL and the model: they may belong to another endpoint")
        raise make_foreign(reply, why, hint)
    out: EventBatch = [Chunk(as_line(raw), whole=True), *notice] if verbatim else notice
    answer.torn = True
    trouble = answer.take_whole(value, out)
    answer.close(out)
    if out:
        yield out
    if trouble is None and answer.proved:
        return
    from apiyi_cli.decode.answers.problems import make_reported, make_unproved

    if trouble is not None:
        raise make_reported(trouble, reply, answer, cost)
    raise make_unproved(reply, answer, whole=True)


def _read_as_other(value: dict[str, Any], answer: Answer, out: EventBatch) -> Answer:
    """Return the reader for another API's answer, with one notice; else `answer`."""
    from apiyi_cli.decode.answers.dialects import find_dialect

    dialect = find_dialect(value, answer)
    if dialect is None:
        return answer
    path, other = dialect
    other.torn, other.damaged = answer.torn, answer.damaged
    out.append(Notice(Text("the gateway answered in the form of {path}", path=path)))
    return other


class _Stream:
    """Reads one answer from a stream of events."""

    def __init__(self, reply: Reply, answer: Answer, verbatim: bool, cost: Cost) -> None:
        self.reply = reply
        self.answer = answer
        self.verbatim = verbatim
        self.cost = cost
        self._noticed: set[str] = set()
        self._strangers: list[str] = []
        self._stray = bytearray()

    def batches(self, chunks: Iterable[bytes]) -> Iterator[EventBatch]:
        """Yield the event batches of the stream, then raise the error that ended it."""
        tick = self.reply.tick
        out: EventBatch = []
        problem: ApiyiError | None = None
        cause: ApiyiError | None = None
        try:
            for batch in frames(chunks, self._note_stray):
                tick()
                trouble = self._take(batch, out)
                if trouble is not None:
                    problem = self._report(trouble)
                if problem or self.answer.ended:
                    break
                if out:
                    yield out
                    out = []
        except ApiyiError as error:
            cause = error
            problem = make_incomplete(error, self.reply, self.answer.phase, self.answer.progress)
        except GeneratorExit:
            raise
        except BaseException:
            # A signal: what was held back came all the same, and may be paid for.
            self.answer.release(out)
            if out:
                yield out
            raise
        yield from self._end(out, problem, cause)

    def _end(
        self, out: EventBatch, problem: ApiyiError | None, cause: ApiyiError | None
    ) -> Iterator[EventBatch]:
        """Yield the last event batch; raise an error unless the answer is proved whole."""
        self.reply.close()
        answer = self.answer
        if problem and cause is None and answer.proved:
            out.append(
                Notice(Text("after its answer the gateway reported: {why}", why=problem.why))
            )
        answer.close(out)
        if out:
            yield out
        if answer.proved and not answer.damaged:
            return
        # Loaded by runs that fail alone.
        from apiyi_cli.decode.answers.problems import add_words, make_damaged, make_unproved

        if answer.proved:
            problem = make_damaged(self.reply, answer)
        else:
            problem = problem or self._read_stray()
            problem = problem or make_unproved(self.reply, answer, self._strangers)
        raise add_words(problem, bytes(self._stray), self.reply) from cause

    def _take(self, batch: list[Frame], out: EventBatch) -> object:
        """Add the events of one read; return the error that stops the stream, or None."""
        answer = self.answer
        key, take, verbatim = answer.key, answer.take, self.verbatim
        is_opening = answer.phase == "opened"
        for data, event in batch:
            if data[0] == _BRACKET and data.startswith(b"[DONE]"):
                answer.ended = True
                return None
            try:
                value = read_plain(data)
            except InvalidJSON:
                data = as_utf8(self.reply, data)
                value = self._repair(data, event, out)
            if type(value) is dict and key in value and not value.get("error") and event != "error":
                if not answer.started and key == "type":
                    answer = self._follow(value, out)
                    key, take = answer.key, answer.take
                if verbatim:
                    # An event's JSON nearly always is on one line.
                    is_line = data[0] == _BRACE and data[-1] == _END_BRACE and b"\n" not in data
                    if is_line and not answer.torn:
                        chunk = Chunk(data)
                    else:
                        chunk = Chunk(_one_line(data, torn=answer.torn), source=data)
                    out.append(chunk)
                    trouble = take(value, out)
                    if is_opening:
                        chunk.opening = is_opening = answer.phase == "opened"
                else:
                    trouble = take(value, out)
            else:
                trouble = self._take_other(value, data, event, out)
                answer = self.answer
                key, take = answer.key, answer.take
            if trouble is not None:
                return trouble
        return None

    def _repair(self, data: bytes, event: str, out: EventBatch) -> Any:
        """Read an event that is not strict JSON; report that once for the whole stream."""
        self.answer.torn = True
        if not is_utf8(data):
            self._notice(_REPLACED, out)
        try:
            return read(data)
        except ValueError:
            if event == "error":
                return data.decode("utf-8", "replace")
            if data.strip():
                self._note_stray(data)
                if looks_torn(data) and not self.answer.proved:
                    self.answer.damaged = True
                if not self.answer.damaged:
                    self._notice(Text("a part of the stream that is not JSON was passed over"), out)
            return None

    def _note_stray(self, line: bytes) -> None:
        """Keep text that is not an event; it may have been one of the answer's."""
        if len(self._stray) < _MAX_STRAY:
            self._stray += line + b"\n"
        if b'"%b"' % self.answer.key.encode() in line and not self.answer.proved:
            self.answer.damaged = True

    def _take_other(self, value: Any, data: bytes, event: str, out: EventBatch) -> object:
        """Read an object of another kind; return the error that it is, or None."""
        if event == "error" and value:
            is_error = isinstance(value, dict) and (
                value.get("error") or value.get("type") == "error"
            )
            return value if is_error else {"error": value}
        if isinstance(value, dict | list) and value:
            from apiyi_cli.decode.errors.fault import classify_event

            if classify_event(value):
                return value
            if isinstance(value, dict):
                self._follow(value, out)
            if self.verbatim:
                line = _one_line(data, torn=self.answer.torn)
                is_opening = self.answer.phase == "opened"
                out.append(Chunk(line, opening=is_opening, source=data))
            if isinstance(value, dict):
                return self.answer.take(value, out)
        return None

    def _follow(self, value: dict[str, Any], out: EventBatch) -> Answer:
        """Return the reader of an object: another API's if nothing came before."""
        if not self.answer.started:
            self.answer = _read_as_other(value, self.answer, out)
            if self.answer.key not in value or self.answer.key == "type":
                from apiyi_cli.decode.answers.dialects import name_object

                self._strangers.append(name_object(value))
                del self._strangers[8:]
        return self.answer

    def _read_stray(self) -> ApiyiError | None:
        """Return the error that came as JSON of several lines between the events, or None."""
        try:
            value = read(bytes(self._stray))
        except ValueError:
            return None
        if find_refusal(self.reply, value, self.cost) is None:
            return None
        self._stray.clear()
        return self._report(value)

    def _report(self, trouble: object) -> ApiyiError:
        from apiyi_cli.decode.answers.problems import make_reported

        return make_reported(trouble, self.reply, self.answer, self.cost, begun=self.answer.started)

    def _notice(self, text: str, out: EventBatch) -> None:
        if text not in self._noticed:
            self._noticed.add(text)
            out.append(Notice(text))
