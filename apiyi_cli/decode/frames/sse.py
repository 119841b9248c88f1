"""Cuts a server-sent event stream into frames (WHATWG HTML, section 9.2.6).

Lines end at LF, CR or CRLF and nowhere else: text-mode line splitting would also split at
U+2028, which JSON may contain. The meaning of the data and the end of the stream are left to the
consumer: a frame `[DONE]` is handed on like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import read_event
from apiyi_cli.decode.frames.filler import drop_endless_filler
from apiyi_cli.errors import ApiyiError, RejectedError
from apiyi_cli.text import Text

_MAX_EVENT = 128 * 2**20
_BOM = b"\xef\xbb\xbf"
_DONE = (b"data: [DONE]\n", b"data:[DONE]\n")
_FIELD = re.compile(rb"(?:id|retry)?:|(?:data|event|id|retry)\Z")

_OBJECT = re.compile(rb'\s*\{\s*"')


class Frame(NamedTuple):
    """An event: its data lines joined by LF, and its name or ""."""

    data: bytes
    event: str = ""


_frame: Callable[[type[Frame], tuple[bytes, str]], Frame] = tuple.__new__


def frames(
    chunks: Iterable[bytes], on_stray: Callable[[bytes], object] = lambda line: None
) -> Iterator[list[Frame]]:
    """Yield the frames that each read completed, as one non-empty list per read.

    More is accepted than the standard allows, because it is seen: a last event without its blank
    line; one-line objects without a blank line between them; `[DONE]` or an object on a line
    without `data:`. Events without data, comments, `id` and `retry` are dropped; `on_stray` gets
    any other line, such as a proxy's words. When the transport raises, the frames that had come
    are yielded first. Raises RejectedError for an event of more than 128 MB.
    """
    held: list[bytes] = []
    size = 0
    try:
        for chunk in _with_lf_only(_without_mark(drop_endless_filler(chunks))):
            if not (cut := _end(chunk, bool(held) and held[-1].endswith(b"\n"))):
                held.append(chunk)
                size += len(chunk)
                if size > _MAX_EVENT:
                    held.clear()
                    raise RejectedError(
                        Text("the answer cannot be read"),
                        Text(
                            "one event of the stream is larger than {max_event} MB",
                            max_event=_MAX_EVENT // 2**20,
                        ),
                    )
                continue
            done = _events(b"".join((*held, chunk[:cut])), on_stray)
            held = [chunk[cut:]] if cut < len(chunk) else []
            size = len(chunk) - cut
            if done:
                yield done
    except ApiyiError:
        if last := _events(b"".join(held), on_stray):
            yield last
        raise
    if last := _events(b"".join(held), on_stray):
        yield last


def looks_torn(data: bytes) -> bool:
    """Return True if data that is not JSON begins as an object does."""
    return _OBJECT.match(data) is not None


def json_events(
    chunks: Iterable[bytes], on_damage: Callable[[bytes], object] = lambda data: None
) -> Iterator[Any]:
    """Yield the JSON value of each event; those that are not JSON go to `on_damage`."""
    for events in frames(chunks):
        for frame in events:
            try:
                value = read_event(frame.data)
            except ValueError:
                on_damage(frame.data)
                continue
            yield value


def _end(chunk: bytes, after_lf: bool) -> int:
    """Return where the last complete event of the chunk ends, 0 if none does."""
    if chunk.endswith(_DONE):
        # Some servers end with a single LF and keep the connection open.
        return len(chunk)
    if end := chunk.rfind(b"\n\n") + 1:
        return end + 1
    return 1 if after_lf and chunk.startswith(b"\n") else 0


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Drop a byte order mark at the start, which may come in pieces."""
    chunks = iter(chunks)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_BOM) or not _BOM.startswith(head):
            break
    if head := head.removeprefix(_BOM):
        yield head
    yield from chunks


def _with_lf_only(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Turn every CRLF and CR into LF, also a CRLF split between two reads."""
    after_cr = False
    for chunk in chunks:
        if after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            after_cr = False
        if b"\r" in chunk:
            after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if chunk:
            yield chunk


def _events(text: bytes, on_stray: Callable[[bytes], object]) -> list[Frame]:
    """Return the frames of a text that ends where an event ends."""
    if (
        text.startswith(b"data: ")
        and text.endswith(b"\n\n")
        and b"" not in (data := text[6:-2].split(b"\n\ndata: "))
        and text.count(b"\n") == 2 * len(data)
    ):
        # Every event is one line of data, as nearly always: no loop in Python is needed.
        return list(map(_frame, repeat(Frame), zip(data, repeat(""))))
    events: list[Frame] = []
    for block in text.split(b"\n\n"):
        events += _block(block, on_stray)
    return events


def _block(block: bytes, on_stray: Callable[[bytes], object]) -> list[Frame]:
    """Return the frames of the lines between two blank lines: none, one, rarely several."""
    data: list[bytes] = []
    event = ""
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            event = line[6:].removeprefix(b" ").decode("utf-8", "replace")
        elif line == b"[DONE]" or (line.startswith(b'{"') and line.endswith(b"}")):
            data.append(line)
        elif not _FIELD.match(line) and not line.isspace() and line:
            on_stray(line)
    whole = b"\n".join(data)
    if len(data) > 1 and not _is_json(whole):
        return [Frame(line, event) for line in data if line]
    return [Frame(whole, event)] if whole else []


def _is_json(text: bytes) -> bool:
    try:
        read_event(text)
    except ValueError:
        return False
    return True
