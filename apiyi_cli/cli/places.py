"""Where the files of a run go: names from a template, known and checked before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from apiyi_cli.core.encodings import quote_path
from apiyi_cli.errors import UsageError
from apiyi_cli.sinks.files import clear_stale_parts, is_device, refuse_existing, write_file
from apiyi_cli.sinks.names import Numbered, Template
from apiyi_cli.sinks.rescue import Rescue
from apiyi_cli.text import Text

Values = Mapping[str, object]


class Places:
    """The files that a run makes, by the values of a template's fields.

    `output` is what `-o` says: a path with or without fields, or a directory, which gets
    `default`; `apart` is a template in which no two names are the same. `known` are the
    fields; where `ext` is one of them, a file may turn out to have any of `extensions`, the
    first being likely. Raises UsageError for an unknown field.
    """

    def __init__(
        self,
        output: str | None,
        default: str,
        *,
        apart: str,
        known: Sequence[str],
        extensions: Sequence[str],
        force: bool = False,
    ) -> None:
        self._extensions = tuple(extensions)
        self._force = force
        self._apart = apart
        text = output if output is not None else default
        if output is not None and (output.endswith("/") or os.path.isdir(output)):
            folder = output.replace("{", "{{").replace("}", "}}")
            text = f"{folder.rstrip('/') or '/'}/{default}"
        self._template = Template(text, known=known)

    @property
    def has_fields(self) -> bool:
        """Tell whether the names differ by their fields; else all files are one."""
        return bool(self._template.fields)

    def likely(self, values: Values) -> Path:
        """Return the path of a file whose extension is not known yet."""
        return self._template.path({**values, "ext": self._extensions[0]})

    def standing(self, values: Values) -> Path | None:
        """Return the file that exists already, with whichever extension, None if there is none."""
        extensions = self._extensions if "ext" in self._template.fields else self._extensions[:1]
        for extension in extensions:
            path = self._template.path({**values, "ext": extension})
            if os.path.lexists(path) and not is_device(path):
                return path
        return None

    def check(self, wanted: Iterable[tuple[str, Values]]) -> None:
        """Raise an error unless every file can be made, each one a file of its own.

        `wanted` has for each file what it is made of, for the message. Two that would be one
        file are a UsageError; a file that exists is an OutputError without `force`. Unfinished
        files that a killed run left in the same folders are removed.
        """
        numbered = Numbered()
        makers: dict[Path, str] = {}
        for maker, values in wanted:
            path = self.likely(values)
            if not is_device(path) and numbered.distinct(path) != path:
                first = makers.get(path, Text("another one"))
                raise UsageError(
                    Text(
                        "{first} and {maker} would both be written to {path}",
                        first=first,
                        maker=maker,
                        path=path,
                    ),
                    hint=Text("name them apart: -o {apart}", apart=quote_path(self._apart)),
                )
            makers[path] = maker
            refuse_existing(path, force=self._force)
            if not self._force and (found := self.standing(values)) is not None:
                refuse_existing(found)
        for folder in {path.parent for path in makers}:
            clear_stale_parts(folder)

    def write(self, values: Values, extension: str, content: bytes, rescue: Rescue | None) -> Path:
        """Write one file whole, and return its path.

        Raises OutputError; what could not be written is rescued, and the hint says where.
        """
        path = self._template.path({**values, "ext": extension})
        write_file([content], path, force=self._force, rescue=rescue)
        return path

    def extra(self, values: Values, extension: str) -> Path | None:
        """Return the path of picture `n` of an answer that has more than was asked for.

        A template that has no field for the number gets it at the end: `cat-2.png`. None
        where the files go to a device, beside which nothing can be made.
        """
        path = self._template.path({**values, "ext": extension})
        if is_device(path):
            return None
        if "n" in self._template.fields:
            return path
        stem = path.stem if path.suffix else path.name
        return path.with_name(f"{stem}-{values['n']}.{extension}")

    def write_extra(
        self, values: Values, extension: str, content: bytes, rescue: Rescue | None
    ) -> Path | None:
        """Write such a picture under a name that is free; return it, None beside a device."""
        path = self.extra(values, extension)
        if path is None:
            return None
        count = 2
        wanted = path
        while not self._force and os.path.lexists(path):
            path = wanted.with_name(f"{wanted.stem}-{count}{wanted.suffix}")
            count += 1
        write_file([content], path, force=self._force, rescue=rescue)
        return path
