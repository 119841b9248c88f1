"""The lines of standard input, grouped for requests."""

from __future__ import annotations

from collections.abc import Iterator

from apiyi_cli.cli.inputs.prompt import Inputs
from apiyi_cli.core.encodings import decode_text
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def read_line_batches(inputs: Inputs, size: int) -> Iterator[list[str]]:
    """Yield the texts of stdin's lines, for `--lines`, in lists of up to `size`.

    A list is handed on early when no further line comes for a moment, so that a slow pipe
    is answered as it speaks. Blank lines are skipped; lines end at LF or CRLF only.
    Raises UsageError for a line that is not UTF-8, and when there was no line at all.
    """
    batch: list[str] = []
    number = 0
    seen = False
    for line in read_lines(inputs, "--lines"):
        number += line is not None
        if batch and (line is None or (len(batch) == size and line.strip())):
            yield batch
            batch = []
        if line is not None and line.strip():
            seen = True
            batch.append(_decode_line(line, f"stdin:{number}"))
    if batch:
        yield batch
    if not seen:
        raise UsageError(Text("nothing to send"), Text("stdin has no lines"))


def read_prompts(
    inputs: Inputs, words: list[str], files: list[str], *, lines: bool, needed: bool
) -> Iterator[str | None]:
    """Yield the prompts of a command that makes files: with `lines` each line of stdin.

    Without them there is one, None if there is none and it is not `needed`.
    """
    if lines:
        # All lines at once: names that clash are to be known before the first is paid for.
        yield from (text for batch in read_line_batches(inputs, 1) for text in batch)
    else:
        yield inputs.prompt(words, files, joins_stdin=False, needed=needed)


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
