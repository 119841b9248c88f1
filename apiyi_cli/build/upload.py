"""Multipart bodies: files that are sent from disk, and fields of any JSON value as form texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from apiyi_cli.core.call import Part
from apiyi_cli.core.encodings import send_name
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

MB = 1 << 20


class Upload(NamedTuple):
    """A file to be sent: what the user calls it, where it lies, its size and first 4 kB.

    `content` is all of it, where a JSON body must hold it.
    """

    name: str
    path: str
    size: int
    head: bytes
    content: bytes = b""

    @property
    def filename(self) -> str:
        """Return the last part of the name, without folders; bytes that are no text become _.

        A form is UTF-8, and what servers look at is the extension.
        """
        return send_name(self.name.replace("\\", "/").rsplit("/", 1)[-1])

    def refused(self, why: str, hint: str | None = None) -> UsageError:
        """Return the error for a file that must not be sent."""
        return UsageError(Text("cannot send {name}", name=self.name), why, hint=hint)

    def checked_size(self, most_bytes: int, hint: str | None = None) -> None:
        """Raise UsageError when the file is empty or larger than the endpoint takes."""
        if not self.size:
            raise self.refused(Text("it is empty"))
        if self.size > most_bytes:
            size, most = self.size / MB, most_bytes // MB
            raise self.refused(
                Text("it has {size} MB, the API takes {most} MB", size=f"{size:.1f}", most=most),
                hint,
            )


def form_fields(body: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts for the fields of a body, in order.

    A form knows texts alone: numbers and truth values are written as JSON writes them, a
    list becomes one part `name[]` for each item, an object its JSON text, and null is left
    out.
    """
    for name, value in body.items():
        if isinstance(value, list):
            yield from (Part(f"{name}[]", value=_text(item)) for item in value)
        elif value is not None:
            yield Part(name, value=_text(value))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return write_text(value)
