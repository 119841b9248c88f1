"""Reads lines of outputs and journals, and checks each before it is used.

A line that came from elsewhere, or through a disk that lost power, is named by its place and
can be moved out of the way (`--repair`); a whole line behind a torn one is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.batch.state.files import blank_lines, read_raw_lines
from apiyi_cli.core.encodings import quote_path
from apiyi_cli.core.jsontext import InvalidJSON, read, read_plain, whole_characters
from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

JOURNAL_VERSION: Final = 2
"""The version of the journal's format; 1 was that of version 0.1 of the program."""
TARGETS: Final = ("out", "errors")

_SHA = re.compile(r"[0-9a-f]{1,16}")
_MAX_NUMBER = 1 << 62
# A file system that lost power may fill a hole in a file with these.
_BLANK = b"\0 \t\r\n"

Check = Callable[[Any], bool]


class StoredLine(NamedTuple):
    """One line that was read: its offset, its bytes, and its value."""

    offset: int
    data: bytes
    value: dict[str, Any]


class LineFormat(NamedTuple):
    """The format of a file's lines: parser, first bytes, and name in messages."""

    parse: Callable[[bytes], dict[str, Any] | None]
    start: bytes
    name: str


def _has_type(*kinds: type) -> Check:
    return lambda value: isinstance(value, kinds)


def _has_values(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _is_sha(value: Any) -> bool:
    return isinstance(value, str) and _SHA.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and -_MAX_NUMBER < value < _MAX_NUMBER


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_target(value: Any) -> bool:
    return value in TARGETS


def _is_input(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    return _is_count(value.get("size")) and _is_name(value.get("sha"))


def _is_announced(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and all(name in item and check(item[name]) for name, check in _ANNOUNCED.items())
        for item in value
    )


def _is_summary(value: Any) -> bool:
    return isinstance(value, dict) and _is_count(value.get("total"))


_is_text, _is_flag, _is_object = _has_type(str), _has_type(bool), _has_type(dict)
_is_name = _has_type(str, type(None))
_ROW: Final[Mapping[str, Check]] = {"id": _is_text, "sha": _is_sha}
_ANNOUNCED: Final = {**_ROW, "size": _is_count, "crc": _is_count, "failed": _is_name}
_RESULT: Final = {**_ROW, "failed": _is_name, "to": _is_target}
_REQUIRED: Final[Mapping[str, Mapping[str, Check]]] = {
    "H": {"version": _is_count},
    "S": _ROW,
    "W": {**_RESULT, "line": _is_text},
    "P": {"offset": _is_count, "to": _is_target, "rows": _is_announced},
    "D": {**_RESULT, "offset": _is_count, "size": _is_count},
    "A": {**_ROW, "billed": _is_flag},
    "R": _ROW,
    "L": _ROW,
    "C": {"parts": _is_object},
    "E": {"complete": _is_flag, "summary": _is_summary},
}
_OPTIONAL: Final[Mapping[str, Mapping[str, Check]]] = {
    "H": {
        "sizes": _has_values(_is_count),
        "old_ends": _has_values(_is_count),
        "old_ids": _has_values(_is_sha),
        "form": _is_name,
        "input": _is_input,
        "options": _is_object,
        "errors": _is_name,
        "carried": _is_number,
        "carried_requests": _is_number,
        "unmatched": _is_number,
        "twice": _is_number,
        "billed": _has_values(_is_sha),
    },
    "S": {"ambiguous": _is_count, "shared": _is_flag},
    "D": {"billed": _is_flag},
}


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the record of an output line, None for anything else."""
    try:
        value = _read(line)
        error = value["error"]
        is_valid = isinstance(value["custom_id"], str) and _is_sha(value["sha"])
        is_valid = is_valid and (error is None or isinstance(error["class"], str))
    except (InvalidJSON, LookupError, TypeError):
        return None
    if not is_valid:
        return None
    if not _is_count(value.get("attempts", 0)):
        value["attempts"] = 0
    return _with_whole_id(value, "custom_id")


def parse_entry(line: bytes) -> dict[str, Any] | None:
    """Return the value of a journal's line, None for anything else."""
    try:
        value = _read(line)
        kind = value["t"]
        for name, check in _REQUIRED[kind].items():
            if not check(value[name]):
                return None
        for name, check in _OPTIONAL.get(kind, {}).items():
            if name in value and not check(value[name]):
                return None
    except (InvalidJSON, LookupError, TypeError):
        return None
    return _with_whole_id(value, "id")


RECORDS: Final = LineFormat(parse_record, b'{"custom_id":', Text("record"))
ENTRIES: Final = LineFormat(parse_entry, b'{"t":"', Text("line of a journal"))


def is_record(line: bytes) -> bool:
    """Return True if a line is a whole output record."""
    return parse_record(line) is not None


def is_entry(line: bytes) -> bool:
    """Return True if a line is a whole line of a journal."""
    return parse_entry(line) is not None


def skip_broken(number: int, data: bytes) -> None:
    """Ignore a broken line; an `on_broken` of `read_lines`."""


def read_lines(
    path: Path,
    form: LineFormat,
    *,
    repair: bool = False,
    on_broken: Callable[[int, bytes], None] | None = None,
) -> Iterator[StoredLine]:
    """Yield the lines of an output or a journal.

    A broken line is moved to `FILE.torn` with `repair`, and given to `on_broken` with its
    number; else it raises SetupError. So does a journal that a newer version has written.
    """
    broken: list[tuple[int, bytes]] = []
    for number, offset, data in read_raw_lines(path):
        if data[:1] == b"\0" and not data.strip(_BLANK):
            continue
        value = form.parse(data)
        if value is None:
            if on_broken is not None:
                on_broken(number, data)
            elif not repair:
                raise _broken_line(path, number, form, data)
            # Two lines may have become one if the first was torn.
            at = data.rfind(form.start)
            tail = form.parse(data[at:]) if at > 0 else None
            broken.append((offset, data[:at] if tail else data))
            if tail is None:
                continue
            offset, data, value = offset + at, data[at:], tail
        if value.get("t") == "H" and value["version"] > JOURNAL_VERSION:
            raise _too_new(path, value["version"])
        yield StoredLine(offset, data, value)
    if broken and repair:
        blank_lines(path, broken)


def _broken_line(path: Path, number: int, form: LineFormat, data: bytes) -> SetupError:
    hint: str = Text("--repair puts such lines into {path}.torn", path=path)
    begin = data.strip()[:2]
    if form is RECORDS and (begin == b"{" or begin[:1] == b"["):
        # Somebody's jq has laid the records out, or made one list of them.
        lines = f"{path}.lines"
        filter = "'.[]'" if begin != b"{" else "."
        hint = f"jq -c {filter} {quote_path(str(path))} > {quote_path(lines)}"
        hint += f" && mv {quote_path(lines)} {quote_path(str(path))}"
    elif form is RECORDS:
        hint = Text(
            "--repair puts such lines into {path}.torn; answers in them are paid for again",
            path=path,
        )
    why = Text("it is no {kind}, and not the last line, which alone may be torn", kind=form.name)
    return SetupError(Text("{path}:{number} is broken", path=path, number=number), why, hint=hint)


def _too_new(path: Path, version: int) -> SetupError:
    versions = {"version": version, "version2": JOURNAL_VERSION}
    what = Text("{path} was written by a newer version", path=path)
    why = Text("its form is {version}, this program knows {version2}", **versions)
    return SetupError(what, why, hint=Text("pip install -U apiyi, or name another -o"))


def _read(line: bytes) -> Any:
    """Return the value of a line, fast if it is as this program writes it."""
    try:
        return read_plain(line)
    except ValueError:
        return read(line.strip(_BLANK))


def _with_whole_id(value: dict[str, Any], name: str) -> dict[str, Any]:
    id = value.get(name)
    if isinstance(id, str) and not id.isascii():
        # Version 0.1 wrote half characters into some ids; later versions do not.
        value[name] = whole_characters(id)
    return value
