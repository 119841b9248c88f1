"""One request for pictures made and its pictures saved: all that happens in a worker's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.cli.places import Places
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.filetypes import FileType, detect_picture
from apiyi_cli.decode.image import Picture, Pictures, is_whole, pictures
from apiyi_cli.errors import ApiyiError, IncompleteError
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.wire.send import Sender

_NAMED = {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp", "gif": "gif", "avif": "avif"}


class Task(NamedTuple):
    """One request: its place in the input, its prompt, and the pictures wanted, from 1."""

    place: int
    prompt: str | None
    slug: str
    numbers: tuple[int, ...]

    @property
    def maker(self) -> str:
        """Return what messages call it."""
        return Text("input {place}", place=self.place)

    def values(self, model: str, n: int) -> dict[str, object]:
        """Return what the fields of a template stand for."""
        return {"index": self.place, "slug": self.slug, "model": model, "n": n}


class Outcome(NamedTuple):
    """What became of a task: a record for each picture, and the first thing that failed.

    `content` is the last picture, for stdout.
    """

    task: Task
    records: list[dict[str, Any]]
    reply: Pictures | None = None
    failure: ApiyiError | None = None
    content: bytes = b""


class Maker:
    """Makes the pictures of tasks. `places` None keeps them in memory, for stdout."""

    def __init__(
        self,
        session: Session,
        model: str,
        call: Callable[[Task], Call],
        places: Places | None,
        *,
        private: bool,
    ) -> None:
        self._session = session
        self._model = model
        self._call = call
        self._places = places
        self._private = private

    def make(self, sender: Sender, task: Task) -> Outcome:
        """Send one request and save its pictures; errors become part of the outcome."""

        def decode(reply: Reply) -> Iterator[Pictures]:
            yield pictures(reply, self._model)

        try:
            (reply,) = self._session.answers(self._call(task), decode, sender=sender)
        except ApiyiError as error:
            records = [self._record(task, n, error=error) for n in task.numbers]
            return Outcome(task, records, failure=error)
        records = []
        failure: ApiyiError | None = None
        content = b""
        for place, n in enumerate(task.numbers):
            picture = reply.items[place] if place < len(reply.items) else None
            told = reply.usage.raw if reply.usage is not None and place == 0 else None
            try:
                if picture is None:
                    raise _missing(reply, len(task.numbers))
                content, kind = self._fetched(sender, picture)
                saved = self._saved(task, n, content, kind)
                records.append(self._record(task, n, picture, usage=told, **saved))
            except ApiyiError as error:
                failure = failure or error
                records.append(self._record(task, n, picture, usage=told, error=error))
        return Outcome(task, records, reply, failure, content)

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

            content = download(picture.url, sender.plan, accepted=_unfit, private=self._private)
        kind = detect_picture(content)
        assert kind is not None, "checked by the decoder and by the download"
        return content, kind

    def _rescued(self, content: bytes) -> str | None:
        try:
            return Text("take what came from {keep}", keep=self._session.rescue.keep([content]))
        except OSError:
            return None

    def _saved(self, task: Task, n: int, content: bytes, kind: FileType) -> dict[str, Any]:
        if self._places is None:
            return {}
        values = task.values(self._model, n)
        path = self._places.write(values, kind.extension, content, self._session.rescue)
        suffix = path.suffix.lower().removeprefix(".")
        if suffix in _NAMED and _NAMED[suffix] != kind.extension:
            self._session.note(
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
            record["error"] = error.as_json()["error"]
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
        why += Text("; {lost}", lost=join_texts(dict.fromkeys(reply.lost), "; "))
    return IncompleteError(Text("the answer is not what was asked for"), why)
