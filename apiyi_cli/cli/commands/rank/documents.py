"""The documents of `apiyi rank`: lines of stdin, a field of each, or files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from apiyi_cli.build.embed import read_text_field
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.lines import read_lines
from apiyi_cli.cli.inputs.stdin import find_stdin_kind
from apiyi_cli.core.encodings import decode_text, show_name
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.rank import RankOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

EXAMPLE = 'apiyi rank "how to reset a password" --lines < docs.txt'


class Document(NamedTuple):
    """One document: its number from 0, its origin, its text, and its printed form.

    A document with an `error` has no text to be ranked by.
    """

    number: int
    place: str
    text: str = ""
    printed: bytes = b""
    error: UsageError | None = None


def read_documents(
    ctx: Context, files: Sequence[str], options: RankOptions, *, as_json: bool
) -> Iterator[Document]:
    """Yield the documents in order; `as_json` prepares them as members of an object.

    Raises UsageError for options that exclude each other and files that cannot be used, before
    anything is yielded, and without any document.
    """
    if files:
        if options.lines or options.jsonl is not None:
            option = "--lines" if options.lines else "--jsonl"
            raise UsageError(
                Text("cannot use {option} with -f", option=option),
                Text("the documents are the files or the lines of stdin"),
            )
        return _read_files(ctx, files, as_json)
    if options.lines and options.jsonl is not None:
        raise UsageError(
            Text("cannot use --lines with --jsonl"), Text("a line is a text or an object")
        )
    is_named = options.lines or options.jsonl is not None
    if not is_named and find_stdin_kind() in ("terminal", "nothing"):
        raise UsageError(Text("nothing to rank"), Text("no documents were given"), hint=EXAMPLE)
    return _read_lines(ctx, options, as_json)


def _read_files(ctx: Context, files: Sequence[str], as_json: bool) -> Iterator[Document]:
    # All of them are looked at first: nothing is paid for where one cannot be used.
    from_stdin = ""
    for path in files:
        text = ctx.inputs.nonempty_file(path)
        from_stdin = text if path == "-" else from_stdin

    def documents() -> Iterator[Document]:
        for number, path in enumerate(files):
            text = from_stdin if path == "-" else ctx.inputs.nonempty_file(path)
            name = show_name(path)
            printed = b'"file":' + write(name) if as_json else path.encode(errors="surrogateescape")
            yield Document(number, name, text, printed)

    return documents()


def _read_lines(ctx: Context, options: RankOptions, as_json: bool) -> Iterator[Document]:
    count = 0
    number = -1
    field = options.jsonl
    for line in read_lines(ctx.inputs, "--lines" if field is None else "--jsonl"):
        if line is None:
            continue
        number += 1
        if not line.strip():
            continue
        count += 1
        place = f"stdin:{number + 1}"
        try:
            text = (
                decode_text(line, place) if field is None else read_text_field(line, place, field)
            )
        except UsageError as error:
            yield Document(number, place, error=error)
            continue
        yield Document(number, place, text, b'"text":' + write(text) if as_json else line)
    if not count:
        raise UsageError(Text("nothing to rank"), Text("stdin has no lines"), hint=EXAMPLE)
