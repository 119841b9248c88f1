"""One request for pictures made and its pictures saved: all that happens in a worker's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.cli.output.file_names import Places
from apiyi_cli.cli.records import describe_error
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.filetypes import FileType, detect_picture
from apiyi_cli.decode.image import Lost, Picture, Pictures, is_whole, join_reasons, pictures
from apiyi_cli.errors import ApiyiError, IncompleteError, Interrupted, OutputError
from apiyi_cli.text import Text, join_texts, system_reason

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.wire.send import Sender

_NAMED = {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp", "gif": "gif", "avif": "avif"}


class Task(NamedTuple):
    """One request: its place in the input, its prompt, and the pictures wanted, from 1.

    `source` are the template fields of the picture that is edited.
    """

    place: int
    prompt: str | None
    slug: str
    numbers: tuple[int, ...]
    source: dict[str, str] = {}  # noqa: RUF012 - never written to

    @property
    def maker(self) -> str:
        """Return what messages call it."""
        return Text("input {place}", place=self.place)

    def values(self, model: str, n: int) -> dict[str, object]:
        """Return what the fields of a template stand for."""
        return {**self.source, "index": self.place, "slug": self.slug, "model": model, "n": n}


class Outcome(NamedTuple):
    """What became of a task: a record for each picture, and the first thing that failed.

    `content` is the first picture, for stdout.
    """

    task: Task
    records: list[dict[str, Any]]
    reply: Pictures | None = None
    failure: ApiyiError | None = None
    content: bytes = b""


class _Saving:
    """The pictures of one reply on their way into files, and what became of them."""

    def __init__(self, reply: Pictures, numbers: list[int]) -> None:
        self.reply = reply
        self.numbers = numbers
        self.records: list[dict[str, Any]] = []
        self.extras: list[str] = []
        self.failure: ApiyiError | None = None
        self.content = b""
        self.done = 0

    def pairs(self) -> Iterator[tuple[int, Picture | Lost | None]]:
        """Yield each number with its picture, with what cannot be read, or with None.

        Every picture of the answer has a number, also beyond those asked for. What was lost
        without leaving a byte counts only where a picture is missing.
        """
        items: list[Picture | Lost | None] = [*self.reply.items]
        items += (one for one in self.reply.lost if one.content)
        items += [None] * (len(self.numbers) - len(items))
        last = max(self.numbers)
        more = range(last + 1, last + 1 + len(items) - len(self.numbers))
        yield from zip((*self.numbers, *more), items, strict=True)


class Maker:
    """Makes the pictures of tasks. `places` None keeps them in memory, for stdout."""

    def __init__(
        self,
        ctx: Context,
        model: str,
        call: Callable[[Task], Call],
        places: Places | None,
        *,
        private: bool,
    ) -> None:
        self._ctx = ctx
        self._model = model
        self._call = call
        self._places = places
        self._private = private

    def make(self, sender: Sender, task: Task) -> Outcome:
        """Send one request and save its pictures; errors become part of the outcome."""

        def decode(reply: Reply) -> Iterator[Pictures]:
            yield pictures(reply, self._model)

        try:
            (reply,) = self._ctx.gateway.stream(self._call(task), decode, sender=sender)
        except ApiyiError as error:
            records = [self._record(task, n, error=error) for n in task.numbers]
            return Outcome(task, records, failure=error)
        saving = _Saving(reply, list(task.numbers))
        try:
            for n, picture in saving.pairs():
                self._save(sender, task, saving, n, picture)
        except Interrupted as stop:
            stop.note = self._keep_rest(saving) or stop.note
            raise
        if saving.extras:
            self._ctx.messages.note(
                Text(
                    "more pictures came than were asked for; they are in {paths}",
                    paths=join_texts(saving.extras),
                )
            )
        return Outcome(task, saving.records, reply, saving.failure, saving.content)

    def _save(
        self, sender: Sender, task: Task, saving: _Saving, n: int, picture: Picture | Lost | None
    ) -> None:
        """Save one picture of an answer, and note what became of it."""
        told = saving.reply.usage.raw if saving.reply.usage is not None else None
        usage = told if not saving.records else None
        found = picture if isinstance(picture, Picture) else None
        try:
            if not isinstance(picture, Picture):
                raise self._missing(saving, picture)
            content, kind = self._fetched(sender, picture)
            if n in task.numbers:
                saving.content = saving.content or content
                saved = self._saved(task, n, content, kind)
            else:
                saved = self._saved_extra(task, n, content, kind)
                saving.extras.append(saved["path"])
            saving.records.append(self._record(task, n, found, usage=usage, **saved))
        except ApiyiError as error:
            saving.failure = saving.failure or error
            saving.records.append(self._record(task, n, found, usage=usage, error=error))
        saving.done += 1

    def _keep_rest(self, saving: _Saving) -> str:
        """Keep the pictures that a signal leaves unsaved; return where they are."""
        rest = [item for _, item in list(saving.pairs())[saving.done :]]
        places = []
        for item in rest:
            if isinstance(item, Picture) and item.url is not None:
                places.append(item.url)
            elif item is not None and item.content:
                with suppress(OSError):
                    places.append(str(self._ctx.process.rescue.keep([item.content])))
        if not places:
            return ""
        return Text("pictures that are paid for: {places}", places=join_texts(places))

    def _fetched(self, sender: Sender, picture: Picture) -> tuple[bytes, FileType]:
        """Return a picture's bytes, downloaded where they are not here, and their kind."""
        content = picture.content
        if not picture.whole:
            raise IncompleteError(
                Text("the picture was cut"),
                Text("{count} bytes of it came", count=len(content)),
                hint=self._rescued(content),
            )
        if picture.url is not None:
            from apiyi_cli.wire.download import download

            try:
                content = download(picture.url, sender.plan, accepted=_unfit, private=self._private)
            except IncompleteError as failure:
                if failure.received and (kept := self._rescued(failure.received)):
                    failure.hint = join_texts((failure.hint or "", kept), "; ")
                raise
        kind = detect_picture(content)
        assert kind is not None, "checked by the decoder and by the download"
        return content, kind

    def _rescued(self, content: bytes) -> str | None:
        try:
            return Text("take what came from {keep}", keep=self._ctx.process.rescue.keep([content]))
        except OSError:
            return None

    def _missing(self, saving: _Saving, lost: Lost | None) -> IncompleteError:
        """Return the error for a picture that is not there, or whose bytes cannot be read."""
        if lost is None:
            return _missing(saving.reply, len(saving.numbers))
        error = IncompleteError(Text("a picture of the answer cannot be read"), lost.why)
        error.hint = self._rescued(lost.content)
        return error

    def _saved_extra(self, task: Task, n: int, content: bytes, kind: FileType) -> dict[str, Any]:
        """Save a picture beyond those asked for: beside the others, else in the rescue folder."""
        rescue = self._ctx.process.rescue
        path: Path | None = None
        if self._places is not None:
            values = task.values(self._model, n)
            path = self._places.write_extra(values, kind.extension, content, rescue)
        try:
            path = path or rescue.keep([content])
        except OSError as failure:
            raise OutputError(
                Text("cannot keep a picture beyond those asked for"), system_reason(failure)
            ) from failure
        return {"path": str(path), "bytes": len(content), "type": kind.mime}

    def _saved(self, task: Task, n: int, content: bytes, kind: FileType) -> dict[str, Any]:
        if self._places is None:
            return {}
        values = task.values(self._model, n)
        path = self._places.write(values, kind.extension, content, self._ctx.process.rescue)
        suffix = path.suffix.lower().removeprefix(".")
        if suffix in _NAMED and _NAMED[suffix] != kind.extension:
            self._ctx.messages.note(
                Text(
                    "{path} holds {extension}, whatever its name says",
                    path=path,
                    extension=kind.extension,
                )
            )
        return {"path": str(path), "bytes": len(content), "type": kind.mime}

    def _record(
        self,
        task: Task,
        n: int,
        picture: Picture | None = None,
        *,
        error: ApiyiError | None = None,
        **saved: Any,
    ) -> dict[str, Any]:
        record = {
            "path": saved.get("path"),
            "index": task.place,
            "n": n,
            "model": self._model,
            "revised_prompt": picture.revised_prompt if picture else None,
            "bytes": saved.get("bytes"),
            "type": saved.get("type"),
            "usage": saved.get("usage"),
        }
        if error is not None:
            if picture is not None and picture.url:
                record["url"] = picture.url
            record["error"] = describe_error(error, self._ctx.messages.redact)
        return record


def _unfit(content: bytes, declared: str) -> str | None:
    """Say why a download is no picture, None when it is one."""
    if not content:
        return Text("the file is empty")
    if detect_picture(content) is None:
        return Text(
            "the file is no picture ({partition})",
            partition=declared.partition(";")[0] or "of unknown type",
        )
    return (
        None
        if is_whole(content)
        else Text("the file is cut after {count} bytes", count=len(content))
    )


def _missing(reply: Pictures, wanted: int) -> IncompleteError:
    why = Text(
        "{count} of {wanted} pictures are in the answer", count=len(reply.items), wanted=wanted
    )
    if reply.lost:
        why += Text("; {lost}", lost=join_reasons(reply.lost))
    return IncompleteError(Text("the answer is not what was asked for"), why)
