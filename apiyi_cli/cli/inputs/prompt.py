"""Reads the text of a request: words, files, standard input.

Bytes in are bytes sent: nothing is stripped, a leading UTF-8 byte order mark alone is dropped.
Other text than UTF-8 is decoded by its byte order mark or `--encoding`, and refused otherwise,
before anything is sent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Protocol

from apiyi_cli.cli.inputs.stdin import (
    MAX_ENDLESS_BYTES,
    QUIET_S,
    STDIN,
    find_stdin_kind,
    read_arriving,
    read_beginning,
    refuse_endless,
    refuse_unreadable,
    reread,
)
from apiyi_cli.cli.process import Process
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.core.call import Source
from apiyi_cli.core.options.prompt import Prompt, TextInput
from apiyi_cli.core.options.request import Request
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

JUDGED_BYTES = 1 << 17


class InputCheck(Protocol):
    """Checks how an input begins; raises UsageError to refuse it."""

    def check_bytes(self, head: bytes) -> None:
        """Check its first bytes."""

    def check_text(self, head: bytes, whole: bool) -> None:
        """Check its beginning in UTF-8; `whole` means that this is all of it."""


class Inputs:
    """The inputs of one run. Reading standard input twice is an error.

    `encoding` is what `--encoding` says of all texts without a byte order mark. `for_program`
    says that the request is written as a program, not sent.
    """

    def __init__(self, process: Process, settings: CommandSettings) -> None:
        self.on_exit = process.on_exit
        self.for_program = bool(settings.request.code)
        self._no_stdin = bool(settings.fill(Prompt()).no_stdin)
        self._notice = process.messages.note
        self.encoding = settings.fill(TextInput()).encoding
        if self.encoding is not None:
            from apiyi_cli.core.encodings import find_encoding

            self.encoding = find_encoding(self.encoding)
        self.dash_is_stdin = True
        """False if the words were typed at our own prompt."""
        self._claimed: str | None = None
        self.files: list[tuple[str, str]] = []
        self.at_files: dict[str, str] = {}

    def prompt(
        self,
        words: Sequence[str],
        files: Sequence[str],
        *,
        joins_stdin: bool = True,
        needed: bool = True,
    ) -> str | None:
        """Return the prompt: files, then stdin, then the words, one blank line between them.

        `joins_stdin` says that a pipe or file on stdin is read although words were given;
        `needed` that there is nothing else to send, so that an empty stdin is a mistake.
        Returns None without any source: no words, no files, and a terminal (or nothing) on
        stdin. Raises UsageError for what is empty or not text.
        """
        asks_stdin = self.dash_is_stdin and "-" in words
        typed = [word for word in words if word != "-" or not asks_stdin]
        pieces = [self.nonempty_file(path) for path in files]
        self.files = list(zip(files, pieces, strict=True))
        is_alone = not (typed or pieces)
        if asks_stdin or self._has_stdin(is_alone=is_alone, joins=joins_stdin):
            piece = self.stdin(Text("the prompt"))
            if piece or needed or asks_stdin:
                pieces.append(piece)
        if typed:
            pieces.append(require_utf8(" ".join(typed), Text("the prompt")))
        if not pieces:
            return None
        text = join_pieces(pieces)
        if not text.strip():
            name = Text("the prompt") if typed else "stdin"
            raise UsageError(Text("nothing to send"), Text("{name} is empty", name=name))
        return text

    def _has_stdin(self, *, is_alone: bool, joins: bool) -> bool:
        """Return True if stdin belongs to the prompt; `is_alone` if there is nothing else."""
        if self._no_stdin or self._claimed is not None:
            return False
        kind = find_stdin_kind()
        # A `while read` loop's list, of which this would swallow the rest.
        if kind == "part-read" and joins and not is_alone:
            raise UsageError(
                Text("cannot tell whether stdin belongs to the prompt"),
                Text("it is a file that something else is part-way through reading"),
                hint=Text("-n to leave stdin alone, - to read the rest of it"),
            )
        # With words, /dev/null and the like are what cron gives, not a prompt.
        if kind == "device":
            return is_alone
        return kind in ("pipe", "file", "part-read") and (joins or is_alone)

    def find_sources(self, text: str, place: str) -> tuple[Source, ...]:
        """Return the files that the prompt `text` is made of, for programs that read them."""
        sources = []
        end = 0
        for path, piece in self.files:
            at = text.find(piece, end)
            if at >= 0 and _is_sent_as_is(self, path, piece):
                sources.append(Source(place, path, text[end:at], text=True, length=len(piece)))
                end = at + len(piece)
        return tuple(sources)

    def file(self, path: str) -> str:
        """Return a text file's content; `-` is standard input."""
        if path == "-":
            return self.stdin("-f -")
        return _decode(self.content(path), path, self.encoding)

    def nonempty_file(self, path: str) -> str:
        """Return a text file's content. Raises UsageError if it is empty.

        A question about a document that is not there would be paid for.
        """
        text = self.file(path)
        if not text.strip():
            raise _empty(path)
        return text

    def content(self, path: str) -> bytes:
        """Return a file's bytes; `-` is standard input. Raises UsageError naming the file."""
        if path == "-":
            return self._stdin("-")
        try:
            with open(path, "rb") as file:
                if not stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
                    return file.read()
                data = file.read(MAX_ENDLESS_BYTES + 1)
        except OSError as failure:
            raise refuse_unreadable(path, failure) from None
        if len(data) > MAX_ENDLESS_BYTES:
            raise refuse_endless(path)
        return data

    def stdin(self, reader: str) -> str:
        """Return all of standard input as text; `reader` is named in errors."""
        return _decode(self._stdin(reader), "stdin", self.encoding)

    def pieces(self, reader: str) -> Iterator[bytes]:
        """Yield standard input in pieces of bytes, without keeping it in memory."""
        self._claim(reader)
        yield from self._read_bounded()

    def text_pieces(
        self, reader: str, path: str = "-", *, linger: bool = False, judge: InputCheck | None = None
    ) -> Iterator[bytes]:
        """Yield the text of standard input, or of a pipe, in UTF-8 as it arrives.

        Before the first piece all of a file that stdin is, or what has come of a pipe in its
        first 64 kB, is judged: by its encoding, and by `judge`.
        With `linger` an empty piece is yielded where nothing has come for a moment.
        """
        from apiyi_cli.core.encodings import convert_to_utf8

        name = "stdin" if path == "-" else path
        if path == "-":
            self._claim(reader)
        fd = STDIN if path == "-" else _open(path)
        try:
            arriving = read_arriving(self._notice, QUIET_S, fd, name)
            begun, ended = read_beginning(arriving)
            head = b"".join(begun)[:JUDGED_BYTES]
            if judge is not None:
                judge.check_bytes(head)
            _refuse_undecodable(fd, begun, ended, name, self.encoding)
            if judge is not None:
                text = b"".join(convert_to_utf8([head], self.encoding))
                judge.check_text(text, ended)
            reading = convert_to_utf8(chain(begun, arriving), self.encoding)
            yield from reading if linger else filter(None, reading)
        finally:
            if fd != STDIN:
                os.close(fd)

    def expand_file(self, value: str) -> str:
        """Return the value, or for `@FILE` the file's content; `\\@` is a literal @."""
        if value.startswith("@"):
            text = self.file(value[1:])
            self.at_files[text] = value[1:]
            return text
        return require_utf8(value[1:] if value.startswith("\\@") else value, Text("an argument"))

    def read_options(self, options: Request) -> list[str]:
        """Return the `-O` values with `@FILE` read."""
        parts = (option.partition("=") for option in options.option or ())
        return [name + equals + self.expand_file(value) for name, equals, value in parts]

    def text_or_file(self, value: str, option: str) -> str:
        """Return the content of `@FILE`, or of an existing file, else the value."""
        if value.startswith(("@", "\\@")):
            return self.expand_file(value)
        if not value.lstrip().startswith(("{", "[")) and "\n" not in value:
            if value and os.path.exists(value):
                return self.file(value)
            if value.endswith(".json"):
                raise UsageError(
                    Text("cannot use {option} {value}", option=option, value=value),
                    Text("there is no such file"),
                )
        return value

    def _stdin(self, reader: str) -> bytes:
        self._claim(reader)
        return b"".join(self._read_bounded())

    def _read_bounded(self) -> Iterator[bytes]:
        """Yield standard input. Raises UsageError for a device without an end."""
        size = 0
        for piece in read_arriving(self._notice):
            size += len(piece)
            if size > MAX_ENDLESS_BYTES and stat.S_ISCHR(os.fstat(STDIN).st_mode):
                raise refuse_endless("stdin")
            yield piece

    def _claim(self, reader: str) -> None:
        if self._no_stdin:
            raise UsageError(
                Text("cannot read stdin for {reader}", reader=reader),
                Text("-n/--no-stdin forbids it"),
            )
        if self._claimed is not None:
            raise UsageError(
                Text("cannot read stdin for {reader}", reader=reader),
                Text("{claimed} has read it already", claimed=self._claimed),
            )
        self._claimed = reader


def join_pieces(pieces: Sequence[str]) -> str:
    """Join texts with exactly one blank line between them; one alone is untouched."""
    text = pieces[0]
    for piece in pieces[1:]:
        if text and piece:
            text = text.rstrip("\r\n") + "\n\n" + piece.lstrip("\r\n")
        else:
            text = text or piece
    return text


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as failure:
        raise refuse_unreadable(path, failure) from None


def _decode(content: bytes, name: str, encoding: str | None) -> str:
    # Imported here: most prompts are words, which are text already.
    from apiyi_cli.core.encodings import decode_text

    return decode_text(content, name, encoding)


def _refuse_undecodable(
    fd: int, begun: list[bytes], ended: bool, name: str, encoding: str | None
) -> None:
    """Raise UsageError unless the input can be decoded: a whole file, a pipe's beginning."""
    from apiyi_cli.core.encodings import refuse_undecodable

    if stat.S_ISREG(os.fstat(fd).st_mode):
        refuse_undecodable(reread(fd, begun), name, encoding)
    else:
        refuse_undecodable(filter(None, begun), name, encoding, whole=ended)


def _empty(path: str) -> UsageError:
    from apiyi_cli.core.encodings import show_name

    name = "stdin" if path == "-" else show_name(path)
    return UsageError(Text("nothing to send"), Text("{name} is empty", name=name))


def require_utf8(text: str, name: str) -> str:
    """Return the text of an argument. Raise UsageError with the offset if it is not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        from apiyi_cli.core.encodings import explain_argument

        raise explain_argument(Text("cannot read {name}", name=name), text) from None
    return text


def find_at_source(inputs: Inputs, text: str | None, place: str) -> tuple[Source, ...]:
    """Return the file behind an option's `@FILE` value; see `Inputs.find_sources`."""
    path = inputs.at_files.get(text or "")
    if path is None or text is None or not _is_sent_as_is(inputs, path, text):
        return ()
    return (Source(place, path, text=True, length=len(text)),)


def _is_sent_as_is(inputs: Inputs, path: str, text: str) -> bool:
    """Return True if a program that reads the file gets the same text."""
    if path == "-" or inputs.encoding is not None or not text:
        return False
    from apiyi_cli.core.filetypes import find_byte_order_mark

    # A file with a mark is sent in another encoding than its own.
    return find_byte_order_mark(inputs.content(path)) is None


def count_file_chars(inputs: Inputs, text: str) -> int:
    """Return how many characters at the start of the prompt `text` come from files."""
    end = 0
    for _, piece in inputs.files:
        # Between two pieces there is one blank line, which may have taken from their ends.
        held = piece if text.find(piece, end) >= 0 else piece.strip("\r\n")
        at = text.find(held, end)
        if at >= 0:
            end = at + len(held)
    return end
