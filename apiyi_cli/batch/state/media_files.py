"""Saves the pictures and speech of rows as whole files; never overwrites one.

A picture that was paid for and cannot be saved is not asked for again: its row fails with the
code `not_saved` and keeps the server's answer, so that a later run only has to save it.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.core.call import Reply
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.filetypes import detect_picture, detect_type
from apiyi_cli.core.jsontext import read_first, write
from apiyi_cli.decode.image import Picture, is_whole, join_reasons, pictures
from apiyi_cli.errors import ApiyiError, IncompleteError, LimitError, OutputError
from apiyi_cli.output.files import AtomicFile, cannot_write
from apiyi_cli.output.names import PathTemplate, slug
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Plan

DEFAULT: Final = "{id}.{ext}"
ROW_NAME_FIELDS: Final = ("id", "index", "slug", "model", "n", "ext")
_MAX_NUMBER: Final = 1000


class MediaSaver:
    """Saves the pictures and speech of rows at the paths of a template.

    Without a template they go into `folder`, named after the row. `private` allows downloads
    from private addresses.
    """

    def __init__(
        self, template: str | None, folder: Path, plan: Plan, *, private: bool = False
    ) -> None:
        self._template = PathTemplate(template or DEFAULT, known=ROW_NAME_FIELDS)
        self._folder = Path() if template else folder
        self._plan = plan
        self._private = private

    def save(self, row: Row, body: bytes) -> bytes:
        """Save the files in a server's answer; return the answer with paths in their place.

        Raises the error of the first one that is not whole or cannot be saved; the others are
        saved all the same.
        """
        if row.endpoint is not None and row.endpoint.name == "speak":
            return self._save_speech(row, body)
        answer = pictures(Reply(200, {}, (body,)), row.call.model if row.call else None)
        failure: ApiyiError | None = None
        data: list[dict[str, Any]] = []
        for number, picture in enumerate(answer.items, 1):
            try:
                data.append(self._save_picture(row, number, picture, len(answer.items)))
            except LimitError:
                raise
            except ApiyiError as error:
                failure = failure or error
        if failure is None and answer.lost:
            failure = IncompleteError(Text("a picture is missing"), join_reasons(answer.lost))
        if failure is not None:
            raise failure
        rest = read_first(body, exact=True)
        for name in ("data", "images", "candidates", "choices"):
            rest.pop(name, None)
        return write({**rest, "data": data})

    def _save_speech(self, row: Row, body: bytes) -> bytes:
        """Save the speech that an answer holds as base64; return its path as an object."""
        content = base64.b64decode(read_first(body, exact=True)["b64_json"])
        kind = detect_type(content)
        # Raw samples have no mark.
        extension = kind.extension if kind else str(_body(row).get("response_format") or "mp3")
        path = self._write(self._choose_path(row, 1, extension, 1), content)
        return write(_describe(path, content, type=kind.mime if kind else None))

    def _save_picture(self, row: Row, number: int, picture: Picture, count: int) -> dict[str, Any]:
        content = picture.content
        if not picture.whole:
            raise IncompleteError(
                Text("a picture was cut"), Text("{count} bytes of it came", count=len(content))
            )
        if picture.url is not None:
            from apiyi_cli.wire.download import download

            content = download(picture.url, self._plan, accepted=_reject, private=self._private)
        kind = detect_picture(content)
        assert kind is not None, "checked by the decoder and by the download"
        path = self._write(self._choose_path(row, number, kind.extension, count), content)
        revised = picture.revised_prompt
        return _describe(path, content, type=kind.mime, url=picture.url, revised_prompt=revised)

    def _choose_path(self, row: Row, number: int, extension: str, count: int) -> Path:
        body = _body(row)
        prompt = body.get("prompt") or body.get("input")
        path = self._folder / self._template.path(
            {
                "id": row.id,
                "index": row.index,
                "slug": slug(prompt if isinstance(prompt, str) else "", default="image"),
                "model": row.call.model if row.call is not None else None,
                "n": number,
                "ext": extension,
            }
        )
        if count > 1 and "n" not in self._template.fields:
            path = path.with_name(f"{path.stem}-{number}{path.suffix}")
        return path

    def _write(self, wanted: Path, content: bytes) -> Path:
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise cannot_write(wanted, failure) from failure
        path = wanted
        for number in range(2, _MAX_NUMBER):
            if not path.exists():
                with AtomicFile(path) as file:
                    file.write(content)
                return path
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        why = Text("it exists, and so do its numbered names")
        raise OutputError(Text("cannot write {path}", path=wanted), why)


def _body(row: Row) -> dict[str, Any]:
    return row.call.json if row.call is not None and isinstance(row.call.json, dict) else {}


def _describe(path: Path, content: bytes, **fields: Any) -> dict[str, Any]:
    """Return what the record says of a saved file; unknown fields are left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    return {"path": show_name(str(path)), "bytes": len(content), **known}


def _reject(content: bytes, kind: str) -> str | None:
    if detect_picture(content) is None:
        return Text("what is there is no picture ({kind})", kind=kind or "of no type")
    return None if is_whole(content) else Text("the picture was cut")
