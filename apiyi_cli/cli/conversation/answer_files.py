"""Pictures, sound and files of a text answer, saved where `--save` or `-o DIR/` says."""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Iterator

from apiyi_cli.cli.context import Context
from apiyi_cli.cli.output.file_names import OutputFiles
from apiyi_cli.core.events import Delta, EventBatch, InlineFile
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.options.chat import AnswerForm
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import ApiyiError, IncompleteError, OutputError
from apiyi_cli.text import Text, join_texts

_DEFAULT_NAME = "answer-{n}.{ext}"
_COMPARED_NAME = "{model}-{n}.{ext}"
_FIELDS = ("model", "n", "ext")
_FAMILIES = ("image", "audio", "video", "document")
# Shown pictures, data URLs, and links to files that are not web pages.
_ADDRESS = re.compile(
    r"(?<=\]\()(?P<shown>https?://[^\s)]+)|"
    r"(?P<data>data:[\w.+-]+/[\w.+-]+(?:;[\w=.-]+)*;base64,[A-Za-z0-9+/_=-]+)|"
    r"(?P<link>https?://[^\s)>\"'<]+\."
    r"(?:png|jpe?g|webp|gif|svg|avif|mp3|wav|mp4|pdf)(?:\?[^\s)>\"'<]*)?)"
)


def is_folder(output: str | None) -> bool:
    """Return True if `-o` names a folder: an existing one, or with a final slash."""
    return output is not None and (output.endswith("/") or os.path.isdir(output))


def make_answer_files(ctx: Context, answer: AnswerForm, model: str) -> AnswerFiles | None:
    """Return the saver for an answer's files, None if the user named no place."""
    output = ctx.settings.output.output
    place = answer.save or (output if is_folder(output) else None)
    return None if place is None else AnswerFiles(ctx, place, model)


class AnswerFiles:
    """Saves each file of an answer and puts its name into the text.

    `failure` is the first file that could not be saved; its address stays in the text.
    """

    def __init__(self, ctx: Context, place: str, model: str) -> None:
        self._ctx = ctx
        self._model = model
        default = _COMPARED_NAME if len(ctx.settings.models) > 1 else _DEFAULT_NAME
        output = ctx.settings.output.replace(output=place)
        self._files = OutputFiles(
            output, default, apart=default, known=_FIELDS, extensions=("png",)
        )
        self._count = 0
        self.failure: ApiyiError | None = None
        folder = self._files.likely_path({"model": model, "n": 1}).parent
        if not folder.is_dir():
            raise OutputError(
                Text("cannot write to {folder}", folder=folder),
                Text("there is no such folder"),
                hint=f"mkdir -p {quote_word(str(folder))}",
            )

    def replace(self, batches: Iterator[EventBatch]) -> Iterator[EventBatch]:
        """Yield the events with file names in place of addresses, each text as one event.

        Events before an error are yielded too.
        """
        held: list[EventBatch] = []
        try:
            held.extend(batches)
        except GeneratorExit:
            raise
        except BaseException:
            yield from held
            raise
        texts: dict[int, list[str]] = {}
        for event in (event for batch in held for event in batch):
            if isinstance(event, Delta):
                texts.setdefault(event.index, []).append(event.text)
        named = {index: self.name_files("".join(text)) for index, text in texts.items()}
        for batch in held:
            events: EventBatch = []
            for event in batch:
                if not isinstance(event, Delta):
                    events.append(event)
                elif event.index in named:
                    events.append(Delta(named.pop(event.index), event.index))
            yield events

    def name_files(self, text: str) -> str:
        """Save the files at the addresses in a text; return the text with their names."""
        return _ADDRESS.sub(self._name, text)

    def keep(self, attachment: InlineFile) -> str:
        """Save a file that came as base64; return the line with its name."""
        path = self._save_base64(attachment.base64)
        return f"{path}\n" if path else ""

    def _name(self, match: re.Match[str]) -> str:
        address = match[0]
        if match["data"]:
            return self._save_base64(address.partition(",")[2]) or address
        from apiyi_cli.wire.download import download

        try:
            content = download(address, self._ctx.gateway.plan, accepted=_reject)
            return self._save(content)
        except ApiyiError as failure:
            self._note(failure)
            return address

    def _save_base64(self, text: str) -> str:
        try:
            content = binascii.a2b_base64(text.replace("-", "+").replace("_", "/"))
            return self._save(content)
        except ValueError as error:
            self._note(IncompleteError(Text("a file of the answer cannot be read"), str(error)))
        except ApiyiError as failure:
            self._note(failure)
        return ""

    def _save(self, content: bytes) -> str:
        kind = detect_type(content)
        self._count += 1
        values = {"model": self._model, "n": self._count}
        extension = kind.extension if kind else "bin"
        path = self._files.write_extra(values, extension, content, self._ctx.process.rescue)
        return str(path)

    def _note(self, failure: ApiyiError) -> None:
        self.failure = self.failure or failure
        self._ctx.messages.note(join_texts(filter(None, (failure.what, failure.why)), ": "))


def _reject(content: bytes, declared: str) -> str | None:
    kind = detect_type(content)
    if kind is not None and kind.family in _FAMILIES:
        return None
    return Text("it is no picture, sound or document")
