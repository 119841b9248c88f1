"""What `apiyi embed` embeds: arguments, files, or the lines of stdin, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from apiyi_cli.build.embed import read_text_field
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.request import missing_prompt_error
from apiyi_cli.core.options.embed import Embedding
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class Item(NamedTuple):
    """One input: the number of its line (from 0), where it stands, and its text.

    `line` is the object of `--jsonl` as it came, b"" where it is no object. An input with an
    `error` has no text to embed.
    """

    number: int
    place: str
    text: str = ""
    line: bytes = b""
    error: UsageError | None = None


def read_items(
    ctx: Context, words: list[str], files: list[str], embedding: Embedding
) -> Iterator[Item | None]:
    """Yield the inputs in their order; None where stdin has been silent for a moment.

    Raises UsageError where there is nothing to embed, and for arguments and files that cannot
    be used, before anything is yielded.
    """
    if embedding.lines or embedding.jsonl is not None:
        option = "--lines" if embedding.lines else "--jsonl"
        if embedding.lines and embedding.jsonl is not None:
            raise UsageError(
                Text("cannot use --lines with --jsonl"), Text("a line is a text or an object")
            )
        if words or files:
            raise UsageError(
                Text("cannot use {option}", option=option),
                Text("the inputs are the lines of stdin alone"),
            )
        if embedding.jsonl == "embedding":
            raise UsageError(Text("cannot use --jsonl embedding"), Text("the vector is put there"))
        return _of_lines(ctx, option, embedding.jsonl)
    return _of_arguments(ctx, words, files)


def _of_arguments(ctx: Context, words: list[str], files: list[str]) -> Iterator[Item]:
    texts = [ctx.inputs.filled_file(path) for path in files]
    texts += [ctx.inputs.stdin("-") if word == "-" else word for word in words]
    if not texts:
        whole = ctx.inputs.prompt((), ())
        if whole is None:
            raise missing_prompt_error(ctx.settings.command)
        texts = [whole]
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise UsageError(
                Text("nothing to embed"), Text("input {number} is empty", number=number)
            )
    names = [*files, *words] or ["stdin"]
    return (
        Item(index, Text("input {number}", number=index + 1) if len(texts) > 1 else names[0], text)
        for index, text in enumerate(texts)
    )


def _of_lines(ctx: Context, option: str, field: str | None) -> Iterator[Item | None]:
    """Yield the lines of stdin; blank ones at its end, and between objects, are no inputs."""
    blank: list[Item] = []
    number = 0
    seen = False
    for line in ctx.inputs.raw_lines(option):
        if line is None:
            yield None
            continue
        number += 1
        place = f"stdin:{number}"
        if not line.strip():
            if field is None:
                why = Text("the line is blank")
                error = UsageError(Text("cannot embed {place}", place=place), why)
                blank.append(Item(number - 1, place, error=error))
            continue
        yield from blank
        blank.clear()
        yield _item(number - 1, place, line, field, is_first=not seen)
        seen = True
    if not seen:
        raise UsageError(Text("nothing to send"), Text("stdin has no lines"))


def _item(index: int, place: str, line: bytes, field: str | None, *, is_first: bool) -> Item:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as failure:
        error = UsageError(
            Text("cannot read {place}", place=place),
            Text("not UTF-8 at byte {start}", start=failure.start),
        )
        if is_first:
            raise error from None
        return Item(index, place, error=error)
    if field is None:
        return Item(index, place, text)
    try:
        return Item(index, place, read_text_field(line, place, field), line)
    except UsageError as error:
        is_object = error.what.startswith("cannot embed")
        return Item(index, place, line=line if is_object else b"", error=error)
