"""Multipart bodies: files sent from disk, and JSON values as form fields."""

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
    """A file to send: the user's name for it, path, size and first 4 kB.

    `content` is the whole file if it goes into a JSON body.
    """

    name: str
    path: str
    size: int
    head: bytes
    content: bytes = b""

    @property
    def filename(self) -> str:
        """Return the name without folders; bytes that are not UTF-8 become _.

        A form is UTF-8, and servers look at the extension only.
        """
        return send_name(self.name.replace("\\", "/").rsplit("/", 1)[-1])

    def error(self, why: str, hint: str | None = None) -> UsageError:
        """Return the error for a file that cannot be sent."""
        return UsageError(Text("cannot send {name}", name=self.name), why, hint=hint)

    def check_size(self, most_bytes: int, hint: str | None = None) -> None:
        """Raise UsageError if the file is empty or larger than the endpoint takes."""
        if not self.size:
            raise self.error(Text("it is empty"))
        if self.size > most_bytes:
            size, most = self.size / MB, most_bytes // MB
            raise self.error(
                Text("it has {size} MB, the API takes {most} MB", size=f"{size:.1f}", most=most),
                hint,
            )


def form_fields(body: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts for the fields of a body, in order.

    A form has texts only: numbers, booleans and objects become their JSON text, a list one
    part `name[]` for each item, and null is left out.
    """
    for name, value in body.items():
        if isinstance(value, list):
            yield from (Part(f"{name}[]", value=_format_value(item)) for item in value)
        elif value is not None:
            yield Part(name, value=_format_value(value))


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else write_text(value)
