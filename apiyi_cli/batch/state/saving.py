"""Pictures and speech of rows, saved as files: whole or not at all, and never over anything.

A picture that was paid for and cannot be saved is not asked for again: its row fails with the
code `not_saved` and keeps the server's answer, so that a later run only has to save it.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

from apiyi_cli.batch.rows.row import Row
from apiyi_cli.batch.state.resume import NOT_SAVED
from apiyi_cli.core.call import Reply
from apiyi_cli.core.encodings import show_name
from apiyi_cli.core.filetypes import detect_picture, detect_type
from apiyi_cli.core.jsontext import read_first, write
from apiyi_cli.decode.image import Picture, is_whole, join_reasons, pictures
from apiyi_cli.errors import ApiyiError, Facts, IncompleteError, LimitError, OutputError
from apiyi_cli.output.files import WholeFile
from apiyi_cli.output.names import Template, slug
from apiyi_cli.text import Text, system_reason
from apiyi_cli.wire.send import Plan

DEFAULT: Final = "{id}.{ext}"
FIELDS: Final = ("id", "index", "slug", "model", "n", "ext")
_MOST_NUMBERS = 1000


class MediaSaver:
    """Saves the pictures of rows at the places that a template names.

    Without one they lie in `folder`, called after the row. `private` lifts what keeps
    downloads from private addresses.
    """

    def __init__(
        self, template: str | None, folder: Path, plan: Plan, *, private: bool = False
    ) -> None:
        self._template = Template(template or DEFAULT, known=FIELDS)
        self._folder = Path() if template else folder
        self._plan = plan
        self._private = private

    def saved(self, row: Row, body: bytes) -> bytes:
        """Save the pictures in a server's answer; return the answer with paths in their place.

        Raises the error of the first one that is not whole or cannot be had, with the code
        `not_saved`; the others are saved all the same.
        """
        if row.endpoint is not None and row.endpoint.name == "speak":
            return self._saved_speech(row, body)
        found = pictures(Reply(200, {}, (body,)), row.call.model if row.call else None)
        failure: ApiyiError | None = None
        data: list[dict[str, Any]] = []
        for number, picture in enumerate(found.items, 1):
            try:
                data.append(self._one(row, number, picture, len(found.items)))
            except LimitError:
                raise
            except ApiyiError as error:
                failure = failure or error
        if failure is None and found.lost:
            failure = IncompleteError(Text("a picture is missing"), join_reasons(found.lost))
        if failure is not None:
            failure.facts = Facts(status=200, code=NOT_SAVED, phase="content")
            raise failure
        told = read_first(body, exact=True)
        rest = {name: value for name, value in told.items() if name not in ("data", "images")}
        return write({**rest, "data": data})

    def _saved_speech(self, row: Row, body: bytes) -> bytes:
        """Save the speech that an answer holds as base64; return where it is instead."""
        content = base64.b64decode(read_first(body, exact=True)["b64_json"])
        kind = detect_type(content)
        asked = row.call.json if row.call is not None and isinstance(row.call.json, dict) else {}
        # Raw samples have no mark.
        extension = kind.extension if kind else str(asked.get("response_format") or "mp3")
        path = self._written(self._path(row, 1, extension, 1), content)
        said = {
            "path": show_name(str(path)),
            "bytes": len(content),
            "type": kind.mime if kind else None,
        }
        return write({name: value for name, value in said.items() if value is not None})

    def _one(self, row: Row, number: int, picture: Picture, count: int) -> dict[str, Any]:
        content = picture.content
        if not picture.whole:
            raise IncompleteError(
                Text("a picture was cut"), Text("{count} bytes of it came", count=len(content))
            )
        if picture.url is not None:
            from apiyi_cli.wire.download import download

            content = download(picture.url, self._plan, accepted=_unfit, private=self._private)
        kind = detect_picture(content)
        assert kind is not None, "checked by the decoder and by the download"
        path = self._written(self._path(row, number, kind.extension, count), content)
        told = {
            "path": show_name(str(path)),
            "bytes": len(content),
            "type": kind.mime,
            "url": picture.url,
            "revised_prompt": picture.revised_prompt,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _path(self, row: Row, number: int, extension: str, count: int) -> Path:
        call = row.call
        asked = call.json if call is not None and isinstance(call.json, dict) else {}
        prompt = asked.get("prompt") or asked.get("input")
        path = self._folder / self._template.path(
            {
                "id": row.id,
                "index": row.index,
                "slug": slug(prompt if isinstance(prompt, str) else "", default="image"),
                "model": call.model if call is not None else None,
                "n": number,
                "ext": extension,
            }
        )
        if count > 1 and "n" not in self._template.fields:
            path = path.with_name(f"{path.stem}-{number}{path.suffix}")
        return path

    def _written(self, wanted: Path, content: bytes) -> Path:
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            why = system_reason(failure)
            raise OutputError(Text("cannot write {wanted}", wanted=wanted), why) from failure
        path = wanted
        for number in range(2, _MOST_NUMBERS):
            if not path.exists():
                with WholeFile(path) as file:
                    file.write(content)
                return path
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        raise OutputError(
            Text("cannot write {wanted}", wanted=wanted),
            Text("it exists, and so do its numbered names"),
        )


def _unfit(content: bytes, kind: str) -> str | None:
    if detect_picture(content) is None:
        return Text("what is there is no picture ({kind})", kind=kind or "of no type")
    return None if is_whole(content) else Text("the picture was cut")
