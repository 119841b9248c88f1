"""The inputs of `apiyi embed`: arguments, files, or lines of stdin, with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from apiyi_cli.build.embed import RequestSize, measure_text, read_text_field
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.conversation.request import missing_prompt_error
from apiyi_cli.cli.inputs.lines import read_lines
from apiyi_cli.core.call import Call
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.decode.embed import Vectors
from apiyi_cli.errors import ApiyiError, UsageError
from apiyi_cli.text import Text

Build = Callable[[Sequence[str]], Call]
"""Builds the request for some texts."""


class EmbedItem(NamedTuple):
    """One input: the number of its line (from 0), its place, and its text.

    `line` is the object of `--jsonl` as it came, b"" where it is not an object. An input with an
    `error` has no text to embed.
    """

    number: int
    place: str
    text: str = ""
    line: bytes = b""
    error: UsageError | None = None


Vector = bytes | memoryview


class EmbedResult(NamedTuple):
    """The result of an input: its vector, its error, or its finished line.

    `line_class` is the class of the error in a line of an earlier run.
    """

    item: EmbedItem
    vector: Vector | None = None
    error: ApiyiError | None = None
    line: bytes | None = None
    line_class: str | None = None


class EmbedAnswer(NamedTuple):
    """Results of some inputs in order, with the inputs and the reply of each request.

    `turn` counts the lists of inputs from 0.
    """

    turn: int
    results: list[EmbedResult]
    replies: list[tuple[list[int], Vectors, bool]]


def read_items(
    ctx: Context, words: list[str], files: list[str], options: EmbedOptions
) -> Iterator[EmbedItem | None]:
    """Yield the inputs in order; None when stdin has been silent for a moment.

    Raises UsageError where there is nothing to embed, and for arguments and files that cannot
    be used, before anything is yielded.
    """
    if options.lines or options.jsonl is not None:
        option = "--lines" if options.lines else "--jsonl"
        if options.lines and options.jsonl is not None:
            raise UsageError(
                Text("cannot use --lines with --jsonl"), Text("a line is a text or an object")
            )
        if words or files:
            raise UsageError(
                Text("cannot use {option}", option=option),
                Text("the inputs are the lines of stdin alone"),
            )
        if options.jsonl == "embedding":
            raise UsageError(Text("cannot use --jsonl embedding"), Text("the vector is put there"))
        return _of_lines(ctx, option, options.jsonl)
    return _of_arguments(ctx, words, files)


def _of_arguments(ctx: Context, words: list[str], files: list[str]) -> Iterator[EmbedItem]:
    texts = [ctx.inputs.nonempty_file(path) for path in files]
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
        EmbedItem(
            index, Text("input {number}", number=index + 1) if len(texts) > 1 else names[0], text
        )
        for index, text in enumerate(texts)
    )


def _of_lines(ctx: Context, option: str, field: str | None) -> Iterator[EmbedItem | None]:
    """Yield the lines of stdin; blank ones at the end, or between objects, are skipped."""
    blank: list[EmbedItem] = []
    number = 0
    seen = False
    for line in read_lines(ctx.inputs, option):
        if line is None:
            yield None
            continue
        number += 1
        place = f"stdin:{number}"
        if not line.strip():
            if field is None:
                why = Text("the line is blank")
                error = UsageError(Text("cannot use {place}", place=place), why)
                blank.append(EmbedItem(number - 1, place, error=error))
            continue
        yield from blank
        blank.clear()
        yield _item(number - 1, place, line, field, is_first=not seen)
        seen = True
    if not seen:
        raise UsageError(Text("nothing to send"), Text("stdin has no lines"))


def _item(index: int, place: str, line: bytes, field: str | None, *, is_first: bool) -> EmbedItem:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as failure:
        error = UsageError(
            Text("cannot read {place}", place=place),
            Text("not UTF-8 at byte {start}", start=failure.start),
        )
        if is_first:
            raise error from None
        return EmbedItem(index, place, error=error)
    if field is None:
        return EmbedItem(index, place, text)
    try:
        return EmbedItem(index, place, read_text_field(line, place, field), line)
    except UsageError as error:
        is_object = error.what.startswith("cannot use")
        return EmbedItem(index, place, line=line if is_object else b"", error=error)


def _without_result(item: EmbedItem) -> EmbedResult:
    return EmbedResult(item, error=item.error)


def group_items(
    items: Iterator[EmbedItem | None],
    options: EmbedOptions,
    find_result: Callable[[EmbedItem], EmbedResult | None] = _without_result,
) -> Iterator[list[EmbedResult]]:
    """Yield the inputs in lists for one request each, invalid inputs included.

    A list is handed on early when no further line comes for a moment, so that a slow pipe is
    answered as it speaks. `find_result` returns what an input has, None to leave it out.
    """
    size = RequestSize(options.batch_size)
    group: list[EmbedResult] = []
    for item in items:
        result = None if item is None else find_result(item)
        if item is not None and result is None:
            continue
        length = 0 if result is None else measure_text(result.item.text)
        if group and (result is None or not size.takes(1, length)):
            yield group
            group = []
            size.clear()
        if result is not None:
            group.append(result)
            size.add(1, length)
    if group:
        yield group
