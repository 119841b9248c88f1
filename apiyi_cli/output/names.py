"""File names made from users' and servers' words, and templates of paths.

A field's value can never leave the directory that the template names, hide the file, pass
for an option, or be a name that some system reserves.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

NAME_BYTES = 200
VALUE_MAX_BYTES = 100
SLUG_MAX_BYTES = 60
NAME_FIELDS = ("index", "slug", "model", "n", "ext", "stem", "dir", "id")

_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE
)
_FORBIDDEN = frozenset('/\\:*?"<>|')
# Control, format, surrogate, private; line and paragraph separators.
_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_STOPS = ". "


def safe_name(text: str, *, max_bytes: int = NAME_BYTES, default: str = "untitled") -> str:
    """Return a name that is valid in any folder, on any common system.

    Unicode NFC; separators, Windows' special characters and what cannot be printed become
    `_`; no `.`, `-` or space at the start, no `.` or space at the end; a device name
    (`NUL`, `com1.txt`) gets a `_` before it. At most `max_bytes` of UTF-8, cut between
    characters, a short extension kept. `default` where nothing is left.
    """
    name = unicodedata.normalize("NFC", text)
    name = "".join(_replace_character(character) for character in name)
    name = name.lstrip("-" + _STOPS).rstrip(_STOPS)
    if _RESERVED.fullmatch(name.partition(".")[0].rstrip(_STOPS)):
        name = f"_{name}"
    return _cut(name, max_bytes) or default


def slug(text: str, *, default: str = "untitled") -> str:
    """Return a short name for a text: its words in lower case, joined by `-`.

    Letters and digits of all scripts stay.
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    joined = unicodedata.normalize("NFC", "-".join(words).replace("_", "-"))
    return safe_name(_cut_bytes(joined, SLUG_MAX_BYTES).strip("-"), default=default)


def source_fields(name: str) -> dict[str, str]:
    """Return the template fields `dir` and `stem` of an input file's name.

    `dir` is its folder as it was written, `.` where there is none; `-` is standard input.
    """
    path = PurePath("stdin" if name == "-" else name)
    return {"dir": str(path.parent), "stem": path.stem}


def input_fields(name: str, *, default: str) -> dict[str, str]:
    """Return the fields for a file or link, which is named by its path."""
    if name.startswith("data:"):
        return {"dir": ".", "stem": default}
    if name.startswith(("https://", "http://")):
        return {**source_fields(unquote(urlsplit(name).path).rpartition("/")[2]), "dir": "."}
    return source_fields(name)


def _replace_character(character: str) -> str:
    if character in _FORBIDDEN or unicodedata.category(character) in _UNPRINTABLE:
        return "_"
    return " " if character.isspace() else character


def _cut(name: str, max_bytes: int) -> str:
    if len(name.encode()) <= max_bytes:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 10:
        stem, dot, extension = name, "", ""
    room = max_bytes - len(f"{dot}{extension}".encode())
    return _cut_bytes(stem, room).rstrip(_STOPS) + dot + extension


def _cut_bytes(text: str, room: int) -> str:
    """Cut to `room` bytes of UTF-8, never within a character or before its accents."""
    cut = text.encode()[:room].decode("utf-8", "ignore")
    while len(cut) < len(text) and cut and unicodedata.combining(text[len(cut)]):
        cut = cut[:-1]
    return cut


class DistinctNames:
    """Keeps names distinct that a file system may treat as one.

    Upper and lower case, and composed and decomposed letters, are one name on macOS and
    Windows: the second `Cat.png` of a run becomes `cat-2.png`.
    """

    def __init__(self, taken: Iterable[Path] = ()) -> None:
        self._taken = {_fold(path) for path in taken}

    def make_distinct(self, path: Path) -> Path:
        """Return the path, or the next numbered one unused in this run."""
        candidate, count = path, 1
        while _fold(candidate) in self._taken:
            count += 1
            candidate = path.with_name(f"{path.stem}-{count}{path.suffix}")
        self._taken.add(_fold(candidate))
        return candidate


def _fold(path: Path) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", str(path)).casefold())


class PathTemplate:
    """A path with fields: `out/{index:04}-{slug}.{ext}`.

    `{index:04}` and `{n:02}` take a width; `{{` and `}}` are braces. `{dir}` is the folder of
    an input file and must be between slashes. Raises UsageError at once for a field that is
    not one of `known` and for anything else in braces. `fields` are the ones that it uses.
    """

    def __init__(self, text: str, *, known: Iterable[str] = NAME_FIELDS) -> None:
        self.text = text
        self._known = tuple(known)
        self._pieces = list(self._parse())
        if "\0" in text or Path(text).name in ("", ".."):
            raise UsageError(Text("{text} is not the name of a file", text=repr(text)))
        self._refuse_misplaced_folder()
        self.fields = frozenset(field for _, field, _ in self._pieces if field)

    def path(self, values: Mapping[str, object]) -> Path:
        """Return the path for these values.

        A part of the path without a field is kept as it was written. For a part with one
        the rules of `safe_name` hold, so that a value cannot add a directory, hide the file
        or end in another place; a value that is empty there is `untitled`. `dir` alone may hold
        folders: as they are at the start of the template, elsewhere never leading upwards.
        """
        parts = [""]
        open_part = [False]
        for literal, field, spec in self._pieces:
            first, *more = literal.split("/")
            parts[-1] += first
            parts += more
            open_part += [False] * len(more)
            if field == "dir":
                folder = str(values.get(field) or ".")
                parts[-1] = folder if len(parts) == 1 else _make_relative(folder)
            elif field:
                parts[-1] += _fill(values.get(field), spec)
                open_part[-1] = True
        named = zip(parts, open_part, strict=True)
        return Path("/".join(_safe_part(part) if is_open else part for part, is_open in named))

    def _refuse_misplaced_folder(self) -> None:
        """Raise UsageError if `{dir}` is not a whole part of the path."""
        before = "/"
        for position, (literal, field, _) in enumerate(self._pieces):
            before = literal or before
            if field == "dir":
                following = self._pieces[position + 1 : position + 2]
                after = following[0][0] if following else ""
                if not before.endswith("/") or not after.startswith("/"):
                    what = Text("{text} is not a template", text=repr(self.text))
                    why = Text("{field} is a folder, and stands between slashes", field="{dir}")
                    hint = Text("write {example}", example="'{dir}/{stem}.{ext}'")
                    raise UsageError(what, why, hint=hint)
            before = "" if field else before

    def _parse(self) -> Iterable[tuple[str, str, str]]:
        shown, known = repr(self.text), ", ".join(f"{{{name}}}" for name in self._known)
        try:
            pieces = list(string.Formatter().parse(self.text))
        except ValueError as error:
            what = Text("{text} is not a template", text=shown)
            raise UsageError(what, str(error), hint=Text("write {{ for a brace")) from None
        for literal, field, spec, conversion in pieces:
            if field is None:
                yield literal, "", ""
                continue
            if field not in self._known or conversion:
                what = Text("{text} has no field {{{field}}} to fill", text=shown, field=field)
                raise UsageError(what, hint=Text("use {known}", known=known))
            if spec and not (field in ("index", "n") and re.fullmatch(r"0?[1-9]\d?", spec)):
                named = {"text": shown, "field": field, "spec": spec}
                what = Text("{text}: {{{field}:{spec}}} is not a width", **named)
                raise UsageError(what, hint=Text("write {index:04} or {n:02}"))
            yield literal, field, spec or ""


def _fill(value: object, spec: str) -> str:
    if spec and isinstance(value, int):
        return f"{value:0{int(spec)}d}"
    # Shorter than a whole name may be, so that a number after it is not cut off.
    return safe_name("" if value is None else str(value), max_bytes=VALUE_MAX_BYTES)


def _make_relative(folder: str) -> str:
    path = PurePath(folder)
    parts = path.parts[1:] if path.anchor else path.parts
    return "/".join("_" if part == ".." else part for part in parts) or "."


def _safe_part(part: str) -> str:
    # No value begins with a dot: this one is the author's own.
    dot = "." if part.startswith(".") and not part.startswith("..") else ""
    return dot + safe_name(part[len(dot) :])
