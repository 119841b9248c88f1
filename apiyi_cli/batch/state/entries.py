"""What a line of an output or of a journal says, checked before anybody builds on it.

A line that came from elsewhere, or through a disk that lost power, is told by its place and
can be put aside (`--repair`); a whole line behind a torn one is kept then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from apiyi_cli.batch.state.files import blank_lines, read_raw_lines
from apiyi_cli.core.jsontext import InvalidJSON, read, read_plain, whole_characters
from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

VERSION: Final = 2
"""The version of the journal's form; 1 was that of version 0.1 of the program."""
TARGETS: Final = ("out", "errors")

_SHA = re.compile(r"[0-9a-f]{1,16}")
_MOST = 1 << 62
# A file system that lost power may fill a hole in a file with these.
_BLANK = b"\0 \t\r\n"

Check = Callable[[Any], bool]


class StoredLine(NamedTuple):
    """One line that was read: where it begins, its bytes, and what it says."""

    offset: int
    data: bytes
    value: dict[str, Any]


class LineFormat(NamedTuple):
    """What a file is made of: how a line is read, and how each one begins."""

    parse: Callable[[bytes], dict[str, Any] | None]
    start: bytes
    name: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_sha(value: Any) -> bool:
    return isinstance(value, str) and _SHA.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_name(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_target(value: Any) -> bool:
    return value in TARGETS


def _is_sizes(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _is_shas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_sha, value.values()))


def _is_input(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    return _is_count(value.get("size")) and _is_name(value.get("sha"))


def _is_summary(value: Any) -> bool:
    return isinstance(value, dict) and _is_count(value.get("total"))


def _is_placed(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_text(value.get("id"))
        and _is_sha(value.get("sha"))
        and _is_count(value.get("size"))
        and _is_count(value.get("crc"))
        and _is_name(value.get("failed"))
    )


def _are_placed(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_placed, value))


_REQUIRED: Final[Mapping[str, Mapping[str, Check]]] = {
    "H": {"version": _is_count},
    "S": {"id": _is_text, "sha": _is_sha},
    "W": {"id": _is_text, "sha": _is_sha, "failed": _is_name, "to": _is_target, "line": _is_text},
    "P": {"offset": _is_count, "to": _is_target, "rows": _are_placed},
    "D": {
        "id": _is_text,
        "sha": _is_sha,
        "failed": _is_name,
        "offset": _is_count,
        "size": _is_count,
        "to": _is_target,
    },
    "A": {"id": _is_text, "sha": _is_sha, "billed": _is_flag},
    "R": {"id": _is_text, "sha": _is_sha},
    "L": {"id": _is_text, "sha": _is_sha},
    "C": {"parts": _is_object},
    "E": {"complete": _is_flag, "summary": _is_summary},
}
_OPTIONAL: Final[Mapping[str, Mapping[str, Check]]] = {
    "H": {
        "sizes": _is_sizes,
        "old_ends": _is_sizes,
        "form": _is_name,
        "input": _is_input,
        "options": _is_object,
        "errors": _is_name,
        "carried": _is_number,
        "unmatched": _is_number,
        "twice": _is_number,
        "billed": _is_shas,
    },
    "S": {"ambiguous": _is_count},
    "D": {"billed": _is_flag},
}


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return the record of an output line, None for anything else."""
    try:
        value = _read(line)
        error = value["error"]
        fits = isinstance(value["custom_id"], str) and _is_sha(value["sha"])
        fits = fits and (error is None or isinstance(error["class"], str))
    except (InvalidJSON, LookupError, TypeError):
        return None
    if not fits:
        return None
    if not _is_count(value.get("attempts", 0)):
        value["attempts"] = 0
    return _with_whole_id(value, "custom_id")


def parse_entry(line: bytes) -> dict[str, Any] | None:
    """Return what a line of a journal says, None for anything else."""
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


def read_lines(
    path: Path,
    kind: LineFormat,
    *,
    repair: bool = False,
    tell: Callable[[int, bytes], None] | None = None,
) -> Iterator[StoredLine]:
    """Yield the lines of an output or a journal.

    A line that is none goes to `FILE.torn` with `repair`, and to `tell` with its number; else
    it raises SetupError. So does a journal that a newer version has written.
    """
    broken: list[tuple[int, bytes]] = []
    for number, offset, data in read_raw_lines(path):
        if data[:1] == b"\0" and not data.strip(_BLANK):
            continue
        value = kind.parse(data)
        if value is None:
            if tell is not None:
                tell(number, data)
            elif not repair:
                raise SetupError(
                    Text("{path}:{number} is broken", path=path, number=number),
                    Text(
                        "it is no {kind}, and not the last line, which alone may be torn",
                        kind=kind.name,
                    ),
                    hint=Text("--repair puts such lines into {path}.torn", path=path),
                )
            # Two lines may have become one where the first was torn.
            at = data.rfind(kind.start)
            tail = kind.parse(data[at:]) if at > 0 else None
            broken.append((offset, data[:at] if tail else data))
            if tail is None:
                continue
            offset, data, value = offset + at, data[at:], tail
        if value.get("t") == "H" and value["version"] > VERSION:
            raise SetupError(
                Text("{path} was written by a newer version", path=path),
                Text(
                    "its form is {version}, this program knows {version2}",
                    version=value["version"],
                    version2=VERSION,
                ),
                hint=Text("pip install -U apiyi, or name another -o"),
            )
        yield StoredLine(offset, data, value)
    if broken and repair:
        blank_lines(path, broken)


def _read(line: bytes) -> Any:
    """Return the value of a line: fast where it is as this program writes it."""
    try:
        return read_plain(line)
    except ValueError:
        return read(line.strip(_BLANK))


def _with_whole_id(value: dict[str, Any], name: str) -> dict[str, Any]:
    id = value.get(name)
    if isinstance(id, str) and not id.isascii():
        # Half a character stands in no record of ours, but did in some of version 0.1.
        value[name] = whole_characters(id)
    return value
