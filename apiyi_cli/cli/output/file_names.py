"""Names of the files that a run creates, checked before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from apiyi_cli.cli.messages import Messages
from apiyi_cli.core.encodings import quote_path
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.core.options.output import Output
from apiyi_cli.errors import OutputError, UsageError
from apiyi_cli.output.files import (
    ExistingFileError,
    clear_stale_parts,
    is_device,
    refuse_existing,
    write_file,
)
from apiyi_cli.output.names import DistinctNames, PathTemplate
from apiyi_cli.output.rescue import Rescue
from apiyi_cli.text import Text, system_reason

Values = Mapping[str, object]


class FileKind(NamedTuple):
    """The check by which an existing file is skipped, and its name in messages."""

    name: Text
    accepts: Callable[[bytes], bool]


class OutputFiles:
    """The files that a run creates, named by a template and its fields.

    `-o` of the `options` is a path with or without fields, or a directory, which gets
    `default`; `apart` is a template in which no two names are the same. `known` are the
    fields; where `ext` is one of them, a file may turn out to have any of `extensions`, the
    first being likely. Raises UsageError for an unknown field.
    """

    def __init__(
        self,
        options: Output,
        default: str,
        *,
        apart: str,
        known: Sequence[str],
        extensions: Sequence[str],
        skip_existing: bool | None = None,
    ) -> None:
        self._extensions = tuple(extensions)
        self._force = bool(options.force)
        self._skip_existing = bool(skip_existing)
        self._apart = apart
        output = options.output
        text = output if output is not None else default
        if output is not None and (output.endswith("/") or os.path.isdir(output)):
            folder = output.replace("{", "{{").replace("}", "}}")
            text = f"{folder.rstrip('/') or '/'}/{default}"
        self._template = PathTemplate(text, known=known)

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of the template's fields."""
        return self._template.fields

    def likely_path(self, values: Values) -> Path:
        """Return the path of a file before its extension is known."""
        return self._template.path({**values, "ext": self._extensions[0]})

    def find_existing(self, values: Values) -> Path | None:
        """Return the existing file, with any extension, None if there is none."""
        extensions = self._extensions if "ext" in self._template.fields else self._extensions[:1]
        for extension in extensions:
            path = self._template.path({**values, "ext": extension})
            if os.path.lexists(path) and not is_device(path):
                return path
        return None

    def require_creatable(self, wanted: Iterable[tuple[str, Values]]) -> None:
        """Raise an error unless every file can be created, each under its own name.

        `wanted` has for each file what it is made of, for the message. Two that would be one
        file are a UsageError; a file that exists is an OutputError without `force`. Unfinished
        files that a killed run left in the same folders are removed.
        """
        wanted = list(wanted)
        self.refuse_clashes(wanted)
        paths = [self.likely_path(values) for _, values in wanted]
        for path, (_, values) in zip(paths, wanted, strict=True):
            existing = None if self._force else self.find_existing(values)
            for item in (path, *filter(None, (existing,))):
                try:
                    refuse_existing(item, force=self._force)
                except ExistingFileError as failure:
                    hint = Text(
                        "leave out what is there with --skip-existing, or overwrite with --force"
                    )
                    raise failure.with_hint(hint) from failure.__cause__
        for folder in {path.parent for path in paths}:
            clear_stale_parts(folder)

    def refuse_clashes(self, wanted: Iterable[tuple[str, Values]]) -> None:
        """Raise UsageError if two files would have the same name."""
        numbered = DistinctNames()
        makers: dict[Path, str] = {}
        for maker, values in wanted:
            path = self.likely_path(values)
            if not is_device(path) and numbered.make_distinct(path) != path:
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

    def should_skip(self, values: Values, kind: FileKind | None = None) -> bool:
        """Return True if a file exists and --skip-existing is given.

        Raises OutputError where what is there is not a file of that `kind`.
        """
        path = self.find_existing(values) if self._skip_existing else None
        if path is None:
            return False
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError as failure:
            raise OutputError(
                Text("cannot read {path}", path=path), system_reason(failure)
            ) from None
        if kind is None or kind.accepts(head):
            return True
        raise OutputError(
            Text("cannot skip {path}", path=path),
            Text("it exists and is no {kind}", kind=kind.name),
            hint=Text("move it out of the way"),
        )

    def write(self, values: Values, extension: str, content: bytes, rescue: Rescue | None) -> Path:
        """Write one file whole, and return its path.

        Raises OutputError; what could not be written is rescued, and the hint says where.
        """
        path = self._template.path({**values, "ext": extension})
        write_file([content], path, force=self._force, rescue=rescue)
        return path

    def extra_path(self, values: Values, extension: str) -> Path | None:
        """Return the path of picture `n` of an answer with more than requested.

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
        """Write such a picture under a free name; return it, None beside a device."""
        path = self.extra_path(values, extension)
        if path is None:
            return None
        count = 2
        wanted = path
        while not self._force and os.path.lexists(path):
            path = wanted.with_name(f"{wanted.stem}-{count}{wanted.suffix}")
            count += 1
        write_file([content], path, force=self._force, rescue=rescue)
        return path


def check_skipping(output: Output, skip_existing: bool | None, *, needs_output: bool) -> None:
    """Raise UsageError if `--skip-existing` has no file name to look for."""
    if not skip_existing:
        return
    why = None
    if output.force or output.output == "-":
        other = "--force" if output.force else "-o -"
        why = Text("--skip-existing does not go with {other}", other=other)
    elif needs_output and output.output is None:
        why = Text("--skip-existing needs the name of the file: -o PATH")
    if why is not None:
        raise UsageError(Text("cannot do that"), why)


def print_skipped(messages: Messages, count: int) -> None:
    """Print on stderr how many files existed already."""
    if count:
        messages.note(
            Text("skipped {found} that exists", found=count)
            if count == 1
            else Text("skipped {found} that exist", found=count)
        )
