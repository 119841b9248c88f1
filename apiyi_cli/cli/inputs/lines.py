"""The lines of standard input, grouped for requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiyi_cli.cli.inputs.prompt import Inputs
from apiyi_cli.core.encodings import decode_text
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def read_line_batches(
    inputs: Inputs,
    reader: str,
    size: int,
    most_bytes: int = 1 << 62,
    text: Callable[[bytes, str], str] | None = None,
) -> Iterator[list[tuple[bytes, str]]]:
    """Yield stdin's lines as (line, text) in lists of up to `size` and `most_bytes`.

    A list is handed on early when no further line comes for a moment, so that a slow pipe
    is answered as it speaks. Blank lines are skipped; lines end at LF or CRLF only. `text`
    makes the text of a line (by default the line itself) and gets its place, `stdin:7`.
    Raises UsageError for a line that is not UTF-8, and when there was no line at all.
    """
    read = text or _decode_line
    batch: list[tuple[bytes, str]] = []
    weight = number = 0
    seen = False
    for line in read_lines(inputs, reader):
        if line is None:
            if batch:
                yield batch
                batch, weight = [], 0
            continue
        number += 1
        if not line.strip():
            continue
        seen = True
        if batch and (len(batch) == size or weight + len(line) > most_bytes):
            yield batch
            batch, weight = [], 0
        batch.append((line, read(line, f"stdin:{number}")))
        weight += len(line)
    if batch:
        yield batch
    if not seen:
        raise UsageError(Text("nothing to send"), Text("stdin has no lines"))


def read_lines(inputs: Inputs, reader: str) -> Iterator[bytes | None]:
    """Yield stdin's lines in UTF-8 as they arrive, without LF or CRLF.

    None is yielded where stdin has been silent for a moment. A byte order mark is dropped.
    """
    rest: list[bytes] = []
    for piece in inputs.text_pieces(reader, linger=True):
        if not piece:
            yield None
            continue
        first, *others = piece.split(b"\n")
        rest.append(first)
        for following in others:
            yield b"".join(rest).removesuffix(b"\r")
            rest = [following]
    if last := b"".join(rest):
        yield last


def _decode_line(line: bytes, name: str) -> str:
    """Return a line of UTF-8; a byte order mark within a text stays."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return decode_text(line, name)
