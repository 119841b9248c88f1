"""Refuses inputs that hold no rows, each with the command line that converts it."""

from __future__ import annotations

from typing import Final

from apiyi_cli.core.encodings import UNPACKERS, explain_binary, is_stdin, quote_path, show_name
from apiyi_cli.core.filetypes import FileType, detect_type
from apiyi_cli.core.jsontext import InvalidJSON, read_strict, value_end, write
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

_TABLES: Final = ("csv", "tsv")
_SPREADSHEETS: Final = ("xlsx", "xls", "ods", "doc")
_FRAMES: Final = {"parquet": "read_parquet", "arrow": "read_feather"}
_LINE: Final = "apiyi batch"
_BROKEN: Final = object()
_FIRST_LINES: Final = 20
"""Of so many first lines one must be a row; a bad line among them is only a bad row."""


def refuse_container(head: bytes, path: str) -> None:
    """Raise UsageError for the beginning of a file that is compressed or not text."""
    kind = detect_type(head)
    if kind is None or kind.family == "text":
        return
    extension = _own_extension(path, kind)
    if kind.family == "image" and kind.extension == "svg":
        return
    if kind.family in ("image", "audio", "video", "document"):
        raise explain_binary(path, kind)
    raise UsageError(_cannot_read(path), _reason(extension), hint=_converter(path, extension))


def refuse_json_form(head: bytes, path: str, *, whole: bool) -> None:
    """Raise UsageError for JSON that is not lines, such as one array.

    `head` is its beginning, or all of it if `whole`.
    """
    text = head.lstrip()
    if not text:
        return
    first, _, rest = text.partition(b"\n")
    what = _cannot_read(path)
    if text[:1] == b"[" and not (_is_json(first) and rest.strip()):
        raise UsageError(what, Text("it is one JSON array"), hint=_through("jq -c '.[]'", path))
    if first.rstrip().endswith(b"},") and _is_json(first.rstrip()[:-1]):
        why = Text("its lines end in commas")
        raise UsageError(what, why, hint=_through("sed 's/,[[:space:]]*$//'", path))
    if text[:1] == b"{":
        is_cut = not whole and b"\n" not in text
        if not is_cut and not _is_json(first) and (filter := _spread_out(text, whole=whole)):
            why = Text("its JSON objects are spread over several lines")
            raise UsageError(what, why, hint=_through(f"jq -c {quote_word(filter)}", path))
    if not _holds_rows(text, whole=whole):
        why = Text("its first line is no JSON: {first}", first=_excerpt(first))
        if _is_json(first):
            why = Text("its first lines are no JSON objects: {first}", first=_excerpt(first))
        raise UsageError(what, why, hint=_other_form(text, path))


def refuse_old_line_ends(head: bytes, path: str) -> None:
    """Raise UsageError for lines that end in CR alone, as old Macs wrote them."""
    text = head.strip()
    if b"\r" not in text or b"\n" in text:
        return
    program = "tr '\\r' '\\n'" + ("" if is_stdin(path) else " <")
    form = path.lower().rpartition(".")[2]
    why = Text("its lines end in CR alone")
    raise UsageError(_cannot_read(path), why, hint=_through(program, path, form))


def _cannot_read(path: str) -> Text:
    name = show_name("stdin" if is_stdin(path) else path)
    return Text("cannot read rows from {name}", name=name)


def _holds_rows(text: bytes, *, whole: bool) -> bool:
    """Return True if one of the first lines is meant as a JSON object."""
    lines = text.split(b"\n")
    if not whole:
        lines.pop()
    first = [line.strip() for line in lines if line.strip()][:_FIRST_LINES]
    objects = [line for line in first if line.startswith(b"{")]
    # An object with a mistake in it is a bad row, which is named by its line.
    return not first or any(line.startswith(b'{"') or _is_json(line) for line in objects)


def _spread_out(text: bytes, *, whole: bool) -> str | None:
    """Return the jq filter that makes rows of pretty-printed JSON, None for broken JSON.

    An object that holds one list of objects is a document with the rows in that list.
    """
    decoded = text.decode("utf-8", "replace")
    try:
        end = value_end(decoded, 0)
    except InvalidJSON:
        # The beginning alone may be too short for one object.
        return None if whole or text.partition(b"\n")[0].strip() != b"{" else "."
    if "\n" not in decoded[:end]:
        return None
    value = read_strict(decoded[:end])
    lists = [name for name, inner in value.items() if _is_rows(inner)]
    if len(lists) == 1 and whole and not decoded[end:].strip():
        (name,) = lists
        plain = name.isascii() and name.isidentifier()
        return f".{name}[]" if plain else f".[{write(name).decode()}][]"
    return "."


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _value_of(line: bytes) -> object:
    try:
        return read_strict(line)
    except InvalidJSON:
        return _BROKEN


def _is_json(line: bytes) -> bool:
    return _value_of(line) is not _BROKEN


def _other_form(text: bytes, path: str) -> str:
    """Return how to read a text that is not JSON, for instance as a table."""
    from apiyi_cli.batch.rows.tables import find_delimiter

    if text[:1] == b"[" and _is_rows(_value_of(text.partition(b"\n")[0])):
        return _through("jq -c '.[]'", path)
    lines = [line.decode("utf-8", "replace") for line in text.split(b"\n")[:5] if line.strip()]
    delimiter = find_delimiter(lines[0], "")
    is_table = delimiter and len({line.count(delimiter) for line in lines}) == 1 and lines[1:]
    if is_table:
        column = lines[0].split(delimiter)[-1].strip().strip('"')
        template = quote_word("{" + column + "}")
        return f"{_LINE} --format csv --template {template} {_word(path)}"
    return f"{_LINE} --lines {_word(path)}"


def _converter(path: str, extension: str) -> str | None:
    """Return a short command line that makes rows of this type of file, else None."""
    if extension in UNPACKERS:
        inner = path.lower().removesuffix(f".{extension}").rpartition(".")[2]
        return _through(UNPACKERS[extension], path, inner)
    if extension == "zip":
        return _through("unzip -p", path)
    if is_stdin(path):
        return None
    if extension in _SPREADSHEETS:
        target = f"{path}.csv"
        return _pandas(f"read_excel({path!r}).to_csv({target!r}, index=False)", target)
    if extension in _FRAMES:
        target = f"{path}.jsonl"
        written = f"to_json({target!r}, orient='records', lines=True, force_ascii=False)"
        return _pandas(f"{_FRAMES[extension]}({path!r}).{written}", target)
    return None


def _pandas(expression: str, target: str) -> str:
    program = quote_word(f"import pandas; pandas.{expression}")
    return f"python3 -c {program} && {_LINE} {quote_path(target)}"


def _through(program: str, path: str, inner: str = "") -> str:
    """Return the command line that pipes the input through a converting program."""
    form = f" --format {inner}" if inner in _TABLES else ""
    if is_stdin(path):
        # `unzip` cannot read a pipe; its sister can.
        return f"… | {'funzip' if program == 'unzip -p' else program} | {_LINE} -{form}"
    return f"{program} {quote_path(path)} | {_LINE} -{form}"


def _own_extension(path: str, kind: FileType) -> str:
    """Return the extension of a type; if one container has several, the file's own."""
    ending = path.lower().rpartition(".")[2]
    is_sheet = kind.extension in ("zip", "doc") and ending in _SPREADSHEETS
    return ending if is_sheet else kind.extension


def _reason(extension: str) -> str:
    if extension in UNPACKERS or extension == "zip":
        return Text("it is compressed ({mime})", mime=extension)
    if extension in _SPREADSHEETS:
        return Text("it is a spreadsheet ({extension})", extension=extension)
    return Text("it is binary data ({extension})", extension=extension)


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return text if len(text) <= 40 else text[:39] + "…"


def _word(path: str) -> str:
    return "-" if is_stdin(path) else quote_path(path)
