"""Reads speech: yields audio as it arrives; raises for anything else."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from apiyi_cli.core.call import Reply
from apiyi_cli.core.filetypes import detect_type, is_binary
from apiyi_cli.core.jsontext import read_event, trim
from apiyi_cli.decode.frames.reply_body import (
    classify_refusal,
    facts_of,
    find_refusal,
    find_refusal_in_words,
    make_cut,
    make_incomplete,
    make_misfit,
    parse_body,
    read_body,
    read_events,
)
from apiyi_cli.decode.frames.sse import looks_torn
from apiyi_cli.errors import ApiyiError, IncompleteError, LimitError, Phase
from apiyi_cli.text import Text

_HEAD_BYTES = 64
_WAV_HEADER_BYTES = 44
_EVENTS = re.compile(rb"\s*(?:data:|event:|:)")
_PAGE = re.compile(rb"\s*<(?:!doctype|html|head|\?xml)", re.IGNORECASE)


def audio(reply: Reply, model: str | None = None) -> Iterator[bytes]:
    """Yield the audio of a reply as it arrives.

    Speech that comes as events is joined to the same bytes. Before the first piece it raises
    the classified error of a refusal, also of one with status 200, and RejectedError for a page;
    IncompleteError for an answer without audio, and where it is cut.
    """
    try:
        if reply.status >= 300:
            raise classify_refusal(reply, cost="heavy", model=model)
        size = 0
        head = b""
        try:
            head, chunks = _read_head(reply.chunks)
            pieces = _find_audio(reply, head, chunks, model)
            for piece in pieces:
                size += len(piece)
                yield piece
        except LimitError:
            raise
        except ApiyiError as error:
            if error.facts.phase == "content" or not (size or error.facts.kind):
                raise
            phase: Phase = "content" if size else "opened"
            raise make_incomplete(
                error, reply, phase, Text("{came} bytes of audio had come", came=size)
            ) from error
        if size <= (_WAV_HEADER_BYTES if head.startswith(b"RIFF") else 0):
            raise IncompleteError(
                Text("the audio is empty"),
                Text("{came} bytes came, and no sound", came=size),
                hint=Text("look at the log in the console before repeating it"),
                facts=facts_of(reply, "opened"),
            )
    finally:
        reply.close()


def _read_head(arriving: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, enough to detect the kind, and the whole body."""
    chunks = iter(arriving)
    read: list[bytes] = []
    head = b""
    for chunk in chunks:
        read.append(chunk)
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head, chain(read, chunks)


def _find_audio(
    reply: Reply, head: bytes, chunks: Iterator[bytes], model: str | None
) -> Iterator[bytes]:
    kind = detect_type(head)
    if kind is not None and kind.family == "audio":
        return chunks
    declared = reply.headers.get("content-type", "").lower()
    if "event-stream" in declared or ("audio" not in declared and _EVENTS.match(head)):
        return _decode_events(reply, chunks)
    # Raw samples may begin with any byte; nothing else that is audio begins like these.
    if _PAGE.match(head) or trim(head)[:1] in (b"{", b"[") or "json" in declared:
        raw = read_body(reply, chunks)
        _refuse(reply, raw, model, declared)
        return iter([raw])
    if head and kind is None and (declared.startswith("text/") or not is_binary(head)):
        raw = read_body(reply, chunks)
        _refuse_words(reply, raw)
        return iter([raw])
    return chunks


def _refuse_words(reply: Reply, raw: bytes) -> None:
    """Raise the error of a body of words: an upstream's, whatever it is labelled."""
    if not raw.strip() or is_binary(raw):
        return
    from apiyi_cli.decode.errors.error_body import quote_text

    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        if not reply.headers.get("content-type", "").startswith("text/"):
            return
    words = quote_text(trim(raw), reply.headers)
    why = Text("words came in place of audio: {said}", said=words)
    raise find_refusal_in_words(reply, words, "heavy") or make_misfit(reply, why, "opened")


def _refuse(reply: Reply, raw: bytes, model: str | None, declared: str) -> None:
    if _PAGE.match(raw):
        parse_body(reply, "html", raw)
    try:
        value = read_event(trim(raw))
    except ValueError:
        if "audio" in declared or "octet-stream" in declared:
            return
        value = parse_body(reply, "json", raw)
    why = Text("JSON came in place of audio")
    raise find_refusal(reply, value, "heavy", model) or make_misfit(reply, why, "opened")


def _decode_events(reply: Reply, chunks: Iterable[bytes]) -> Iterator[bytes]:
    done = False
    lost: list[bytes] = []
    for event in read_events(reply, chunks, on_damage=lost.append):
        kind = event.get("type")
        if kind == "speech.audio.delta" and isinstance(event.get("audio"), str):
            try:
                yield binascii.a2b_base64(event["audio"])
            except ValueError:
                why = Text("a piece of the audio is not base64")
                raise make_cut(reply, why) from None
        done = done or kind == "speech.audio.done"
    if not done:
        raise make_cut(reply, Text("it ended without a sign that it is complete"))
    if any(map(looks_torn, lost)):
        raise IncompleteError(
            Text("a part of the answer is missing"),
            Text("an event of its stream is not JSON"),
            facts=facts_of(reply, "content"),
        )
