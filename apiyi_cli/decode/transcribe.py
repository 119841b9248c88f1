"""Reads transcripts from replies in any form; writes them in the requested form.

A gateway may wrap plain text in JSON or send text where JSON was asked for: what came is
detected by its bytes. Whether the words came as text, subtitles or segments, a `Transcript` is
all that is known of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from apiyi_cli.core.call import Cost, Reply
from apiyi_cli.core.events import Delta, EventBatch, Finish, Usage
from apiyi_cli.core.jsontext import one_line, read_event, trim, whole_characters, write
from apiyi_cli.decode.answers.answer import Answer
from apiyi_cli.decode.answers.answer_reader import read_answer
from apiyi_cli.decode.frames.fields import read_object, read_objects, read_string, usage
from apiyi_cli.decode.frames.reply_body import (
    Kind,
    detect_kind,
    find_refusal,
    make_cut,
    make_incomplete,
    make_misfit,
    name_binary,
    parse_body,
    read_body,
    read_events,
    read_whole,
)
from apiyi_cli.decode.subtitles import Cue, cues, cues_of, format_segment, seconds_of, srt, vtt
from apiyi_cli.errors import ApiyiError, IncompleteError, describe_billing
from apiyi_cli.text import Text

_PAGE = re.compile(rb"<(?:!doctype|html|head|\?xml)", re.IGNORECASE)
_MAX_DEPTH = 5
_OBJECT = re.compile(rb'\{\s*"')
_WRITERS = {"srt": srt, "vtt": vtt}


class Transcript(NamedTuple):
    """The transcript of a recording.

    `raw` is the body as it came, `value` its JSON object if it is one, `cues` when what is
    said, None if that is not known.
    """

    text: str
    raw: bytes
    value: dict[str, Any] | None = None
    cues: list[Cue] | None = None

    @property
    def usage(self) -> Usage | None:
        """Return the usage, None if there is none."""
        return usage((self.value or {}).get("usage"))

    @property
    def lines(self) -> str:
        """Return the text; with speakers, a line for each turn."""
        segments = (self.value or {}).get("segments")
        turns: list[tuple[object, list[str]]] = []
        for segment in segments if isinstance(segments, list) else ():
            if not isinstance(segment, dict) or not segment.get("speaker"):
                return self.text
            if turns and turns[-1][0] == segment["speaker"]:
                turns[-1][1].append(format_segment({**segment, "speaker": None}))
            else:
                turns.append((segment["speaker"], [format_segment(segment)]))
        return "\n".join(" ".join(words) for _, words in turns) if turns else self.text


def transcript(reply: Reply, model: str | None = None, *, asks_json: bool = False) -> Transcript:
    """Read a whole reply, in any form of transcript.

    Raises the classified error of a refusal, also of one with status 200, and IncompleteError
    for an empty or cut answer. A recording without speech has an empty text in JSON.
    Plain words labelled JSON or events, where the request `asks_json`, come from a proxy and
    are refused.
    """
    kind, raw = read_whole(reply, "heavy", model)
    body = trim(raw)
    if kind == "empty" or _PAGE.match(body):
        parse_body(reply, "html" if body else "empty", raw)
    needs_json = asks_json and _is_labelled_json(reply)
    try:
        value = _find_done(reply, raw, model) if kind == "sse" else read_event(body)
    except ValueError:
        return _read_words(reply, kind, raw, needs_json)
    if error := find_refusal(reply, value, "heavy", model):
        raise error
    if needs_json and not isinstance(value, dict | list):
        _refuse_words(reply, raw)
    if isinstance(value, str):
        return _parse_plain(value.encode("utf-8", "replace"))
    if not isinstance(value, dict) and not needs_json:
        return _parse_plain(raw)
    text = _find_text(read_object(value))
    if text is None:
        why = Text("it is an object without a text")
        raise make_misfit(reply, why, hint=describe_billing("maybe"))
    text = whole_characters(text)
    raw = write(value) if kind == "sse" else raw
    return Transcript(text, raw, value, cues_of(value.get("segments")) or cues(text) or None)


def _find_text(value: dict[str, Any]) -> str | None:
    """Return the text of a transcript, that of its segments if it has none itself."""
    if isinstance(text := value.get("text"), str):
        return text
    texts = [read_string(segment.get("text")) for segment in read_objects(value.get("segments"))]
    return " ".join(filter(None, map(str.strip, texts))) or None


def _read_words(reply: Reply, kind: Kind, raw: bytes, needs_json: bool) -> Transcript:
    """Return the transcript of a body that is not JSON; raise an error in it."""
    if _OBJECT.match(trim(raw)):
        parse_body(reply, "json", raw)
    if needs_json and kind == "sse" and b"{" in raw:
        why = Text("the gateway sent events without the whole transcript")
        raise make_cut(reply, why, hint=describe_billing("maybe"))
    if needs_json:
        _refuse_words(reply, raw)
    return _parse_plain(_read_plain(reply, raw))


def _read_plain(reply: Reply, raw: bytes) -> bytes:
    """Return a body that is a text in UTF-8; raise IncompleteError for any other body."""
    from apiyi_cli.decode.errors.error_body import decode_text

    if kind := name_binary(raw):
        why = Text("{kind} came in place of a transcript", kind=kind)
        raise make_misfit(reply, why, hint=describe_billing("maybe"), kind="misfit")
    return decode_text(raw, reply.headers).encode("utf-8", "replace")


def format_transcript(transcript: Transcript, form: str) -> bytes:
    """Return a transcript in a form; bytes already in it stay unchanged.

    `form` is text, json, srt, vtt or verbose_json; of others what came is the transcript. Raises
    IncompleteError where the answer lacks what the form needs.
    """
    if form == "text":
        return _format_text(transcript)
    if form in _WRITERS:
        if transcript.value is None and transcript.cues and _has_form(form, transcript.raw):
            return _end_line(transcript.raw)
        return _WRITERS[form](_require_cues(transcript, form)).encode("utf-8", "replace")
    if "json" not in form:
        return _end_line(transcript.raw)
    if transcript.value is not None and not _is_cues(transcript):
        return one_line(transcript.raw) + b"\n"
    fields: dict[str, Any] = {"text": transcript.text}
    if form == "verbose_json":
        fields["segments"] = [
            {"id": number, "start": cue.start_s, "end": cue.end_s, "text": cue.text}
            for number, cue in enumerate(_require_cues(transcript, form))
        ]
    return write(fields) + b"\n"


def _format_text(transcript: Transcript) -> bytes:
    if transcript.value is None and transcript.cues is None:
        return _end_line(transcript.raw)
    text = transcript.lines
    if transcript.cues is not None and _is_cues(transcript):
        text = "\n".join(cue.text for cue in transcript.cues)
    return _end_line(text.encode("utf-8", "replace"))


def _require_cues(transcript: Transcript, form: str) -> list[Cue]:
    if transcript.cues is None:
        raise IncompleteError(
            Text("the answer cannot be written as {form}", form=form),
            Text("it says nothing about times"),
            hint=Text("-m whisper-1 tells them"),
        )
    return transcript.cues


def join_transcripts(parts: Sequence[tuple[Transcript, float]]) -> Transcript:
    """Join the transcripts of a recording's parts, each with its start in seconds.

    Times are shifted, segments numbered anew, what was used is summed. The texts are
    joined by line ends.
    """
    if len(parts) == 1:
        return parts[0][0]
    text = "\n".join(words for part, _ in parts if (words := part.text.strip()))
    shifted: list[Cue] = []
    if all(part.cues is not None or not part.text.strip() for part, _ in parts):
        shifted = [cue.after(begin_s) for part, begin_s in parts for cue in part.cues or ()]
    if any(part.value is None for part, _ in parts):
        return Transcript(text, text.encode("utf-8", "replace"), None, shifted or None)
    value = _merge([(part.value or {}, begin_s) for part, begin_s in parts], text)
    return Transcript(text, write(value), value, shifted or None)


def events(
    reply: Reply,
    *,
    choices: int = 1,
    verbatim: bool = False,
    cost: Cost = "heavy",
    speakers: bool = False,
) -> Iterator[EventBatch]:
    """Yield the events of a streamed transcript as `read_answer` does.

    With `speakers` each turn is a line with the speaker's label. Completeness is proved by
    `transcript.text.done`; an answer that came in one piece, even as plain text, is complete.
    """
    if reply.status < 300:
        try:
            kind, chunks = detect_kind(reply)
            reply = reply._replace(chunks=chunks)
            if kind == "text" and not verbatim:
                raw = read_body(reply, reply.chunks)
                if _is_labelled_json(reply):
                    _refuse_words(reply, raw)
                yield [Delta(_read_plain(reply, raw).decode("utf-8", "replace")), Finish("stop")]
                return
        except ApiyiError as error:
            raise make_incomplete(
                error, reply, "opened", Text("nothing of the answer had come")
            ) from error
    yield from read_answer(reply, TranscriptAnswer(speakers=speakers), verbatim=verbatim, cost=cost)


class TranscriptAnswer(Answer):
    """The answer of POST /audio/transcriptions with `stream`."""

    key = "type"
    whole_key = "text"

    def __init__(self, *, speakers: bool = False) -> None:
        super().__init__()
        self._speakers = speakers
        self._said = ""

    def take(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read one event of a stream."""
        kind = value.get("type")
        self.started = True
        if kind == "transcript.text.delta" and not self._speakers:
            self._say(value.get("delta"), out)
        elif kind == "transcript.text.segment" and self._speakers:
            self._say(format_segment(value) + "\n", out)
        elif kind == "transcript.text.done":
            self.ended = True
            return self.take_whole(value, out)
        return None

    def take_whole(self, value: dict[str, Any], out: EventBatch) -> object:
        """Read the whole text: only what the pieces lacked is added."""
        text = value.get("text")
        self.started = True
        if isinstance(text, str) and not (self._speakers and self._said):
            whole = Transcript(text, b"", value).lines
            if whole.startswith(self._said):
                self._say(whole[len(self._said) :], out)
                self.damaged = False
            elif whole.strip() != self._said.strip():
                self.note_correction(out)
        self.usage = usage(value.get("usage")) or self.usage
        self.reasons[0] = "stop"
        return None

    def _say(self, text: object, out: EventBatch) -> None:
        if isinstance(text, str) and text:
            self._said += text
            self.indices.add(0)
            self.say(Delta, text, 0, out)


def _is_labelled_json(reply: Reply) -> bool:
    declared = reply.headers.get("content-type", "").lower()
    return "json" in declared or "event-stream" in declared


def _refuse_words(reply: Reply, raw: bytes) -> None:
    """Raise the error for plain text instead of JSON; subtitles are accepted."""
    if cues(trim(raw).decode("utf-8", "replace")):
        return
    parse_body(reply, "text", raw)


def _find_done(reply: Reply, raw: bytes, model: str | None) -> Any:
    """Return the last object of an unrequested stream; ValueError if there is none."""
    last = None
    for event in read_events(reply, [raw], model):
        if event.get("type") == "transcript.text.done":
            last = {name: value for name, value in event.items() if name != "type"}
    if last is None:
        raise ValueError("no transcript")
    return last


def _parse_plain(raw: bytes) -> Transcript:
    text = trim(raw).decode("utf-8", "replace")
    subtitles = cues(text) or None
    words = " ".join(cue.text for cue in subtitles) if subtitles else text
    return Transcript(words, raw, None, subtitles)


def _is_cues(transcript: Transcript) -> bool:
    """Return True if the text is subtitles."""
    return transcript.cues is not None and (transcript.value is None or bool(cues(transcript.text)))


def _has_form(form: str, raw: bytes) -> bool:
    """Return True if a body has a form of subtitles already."""
    return b"-->" in raw and trim(raw).startswith(b"WEBVTT") == (form == "vtt")


def _end_line(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"


def _merge(parts: Sequence[tuple[dict[str, Any], float]], text: str) -> dict[str, Any]:
    whole: dict[str, Any] = {**parts[0][0], "text": text}
    for name in ("segments", "words"):
        if any(isinstance(value.get(name), list) for value, _ in parts):
            whole[name] = [
                _shift(row, begin_s)
                for value, begin_s in parts
                for row in read_objects(value.get(name))
            ]
    for number, row in enumerate(read_objects(whole.get("segments"))):
        if isinstance(row.get("id"), int):
            row["id"] = number
    last, begin_s = parts[-1]
    if (duration_s := seconds_of(last.get("duration"))) is not None:
        whole["duration"] = round(begin_s + duration_s, 3)
    if counts := read_objects([value.get("usage") for value, _ in parts]):
        whole["usage"] = _sum_counts(counts)
    return whole


def _shift(row: dict[str, Any], begin_s: float) -> dict[str, Any]:
    times = {
        name: round(time_s + begin_s, 3)
        for name in ("start", "end")
        if (time_s := seconds_of(row.get(name))) is not None
    }
    return {**row, **times}


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _sum_counts(objects: Sequence[dict[str, Any]], depth: int = 0) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for counts in objects:
        for name, value in counts.items():
            known = total.get(name)
            if _is_count(value) and (name not in total or _is_count(known)):
                total[name] = (known or 0) + value
            elif isinstance(value, dict) and depth < _MAX_DEPTH:
                total[name] = _sum_counts([read_object(known), value], depth + 1)
            else:
                total.setdefault(name, value)
    return total
