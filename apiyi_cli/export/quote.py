"""String literals of each language, and bodies written as nested literals.

Every literal is one line, pure text without control characters, and free of characters that
show nothing or turn the reading order: those are written as escapes, so that what a reader
sees is what the program sends.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from apiyi_cli.core.jsontext import write_text
from apiyi_cli.export.pieces import FilePiece, SplitString
from apiyi_cli.export.plan import Field, ProgramPlan, blob_text

# Controls, soft hyphen, bidirectional and other invisible format characters, line separators,
# the byte order mark, lone surrogates, tags. The joiners of emoji and Indic scripts stay.
_UNSEEN = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_WIDTH = 84


def _escape(text: str, plain: Mapping[str, str], code: Callable[[int], str]) -> str:
    def escape(match: re.Match[str]) -> str:
        char = match[0]
        return plain[char] if char in plain else code(ord(char))

    return re.sub(f"[{_UNSEEN}{re.escape(''.join(plain))}]", escape, text)


def _units(code: int) -> str:
    """Return the `\\uXXXX` escapes of the UTF-16 units of a character."""
    units = chr(code).encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _long(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _real(code: int) -> int:
    """Return the replacement character for a lone surrogate, which UTF-8 cannot carry."""
    return 0xFFFD if 0xD800 <= code < 0xE000 else code


def _escape_braced(code: int) -> str:
    return f"\\u{{{_real(code):x}}}"


_COMMON = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def json_string(text: str, also: str = "") -> str:
    """Return a JSON string; the characters in `also` are escaped as well."""
    return f'"{_escape(text, {**_COMMON, **{char: _units(ord(char)) for char in also}}, _units)}"'


def _make_quote(
    code: Callable[[int], str], plain: Mapping[str, str] = _COMMON
) -> Callable[[str], str]:
    """Return a language's function for strings; `code` writes a character that shows nothing."""
    return lambda text: f'"{_escape(text, plain, code)}"'


def _java_code(code: int) -> str:
    # javac resolves \u escapes before it reads the literal: one of a line end would break it.
    return f"\\{code:03o}" if code < 0x100 else _units(code)


python = csharp = _make_quote(_long)
javascript = _make_quote(_units)
java = _make_quote(_java_code)
go = _make_quote(lambda code: _long(_real(code)))
php = _make_quote(_escape_braced, {**_COMMON, "$": "\\$"})


def ruby(text: str) -> str:
    """Return a Ruby string."""
    written = _escape(text, _COMMON, _escape_braced)
    return '"' + re.sub(r"#(?=[{$@])", r"\\#", written) + '"'


def shell(text: str) -> str:
    """Return a word of bash: `'…'`, or `$'…'` if it has invisible characters."""
    if not re.search(f"[{_UNSEEN}]", text):
        return "'" + text.replace("'", "'\\''") + "'"

    def code(char: int) -> str:
        return "".join(f"\\x{byte:02x}" for byte in chr(_real(char)).encode())

    plain = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return f"$'{_escape(text, plain, code)}'"


def form_name(text: str) -> str:
    """Return a name as browsers write it into the head of a multipart field."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class Notation(NamedTuple):
    """The notation of a language for nested values.

    `key` returns a key with its colon or arrow; `braces` the brackets of a mapping with these
    keys; `format_pieces` the expression for a string that is partly read from files.
    """

    string: Callable[[str], str]
    key: Callable[[str], str]
    format_pieces: Callable[[tuple[str | FilePiece, ...]], str]
    braces: Callable[[Iterable[str]], tuple[str, str]] = lambda keys: ("{", "}")
    null: str = "null"
    true: str = "true"
    false: str = "false"
    indent: str = "  "
    last_comma: bool = True
    padding: str = ""


def join_pieces(
    string: Callable[[str], str], read: Callable[[FilePiece], str], joint: str = " + "
) -> Callable[[tuple[str | FilePiece, ...]], str]:
    """Return the `format_pieces` of a language that concatenates strings."""
    return lambda pieces: joint.join(
        string(piece) if isinstance(piece, str) else read(piece) for piece in pieces
    )


class Expressions(NamedTuple):
    """A language's expressions for bytes: `{}` is a literal's place, in `decode` base64 text.

    `file` reads a file, `text` turns a string into the body.
    """

    string: Callable[[str], str]
    file: str
    decode: str
    text: str = "{}"

    def format_bytes(self, content: bytes) -> str:
        """Return the expression for bytes inside the program."""
        return self.decode.format(b64encode(content).decode())

    def content(self, field: Field) -> str:
        """Return the expression for the content of a file field."""
        if field.path is None:
            return self.format_bytes(field.content)
        return self.file.format(self.string(field.path))

    def raw(self, plan: ProgramPlan) -> str:
        """Return the expression for a body that is neither JSON nor multipart."""
        if plan.raw_path is not None:
            return self.file.format(self.string(plan.raw_path))
        text = blob_text(plan.raw)
        if text is None:
            return self.format_bytes(plan.raw or b"")
        return self.text.format(self.string(text))


def layout(value: Any, notation: Notation, depth: int = 0, *, top: bool = True) -> str:
    """Write a JSON value in a notation, short lists and mappings on one line.

    The first line starts at the caller's column; the others are indented from `depth`.
    `top` is always broken over lines.
    """
    if isinstance(value, dict):
        opening, closing = notation.braces(value.keys())
        items = [(notation.key(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        opening, closing = "[", "]"
        items = [("", item) for item in value]
    else:
        return _scalar(value, notation)
    if not items:
        return opening + closing
    inner = [key + layout(item, notation, depth + 1, top=False) for key, item in items]
    padding = notation.padding if isinstance(value, dict) else ""
    flat = f"{opening}{padding}{', '.join(inner)}{padding}{closing}"
    if not top and "\n" not in flat and len(flat) + len(notation.indent) * depth <= _WIDTH:
        return flat
    pad = notation.indent * (depth + 1)
    comma = "," if notation.last_comma else ""
    lines = ",\n".join(pad + item for item in inner)
    return f"{opening}\n{lines}{comma}\n{notation.indent * depth}{closing}"


def _scalar(value: Any, notation: Notation) -> str:
    if isinstance(value, SplitString):
        return notation.format_pieces(value.pieces)
    if isinstance(value, str):
        return notation.string(value)
    if isinstance(value, bool):
        return notation.true if value else notation.false
    written = write_text(value)
    return notation.null if written == "null" else written


def json_text(value: Any, splice: Callable[[FilePiece], str], also: str = "") -> str:
    """Return `value` as JSON text for a raw literal. `splice` returns the place of a file."""

    def format_pieces(pieces: tuple[str | FilePiece, ...]) -> str:
        inside = (
            splice(piece) if isinstance(piece, FilePiece) else json_string(piece, also)[1:-1]
            for piece in pieces
        )
        return f'"{"".join(inside)}"'

    notation = Notation(
        string=lambda text: json_string(text, also),
        key=lambda key: f"{json_string(key, also)}: ",
        format_pieces=format_pieces,
        last_comma=False,
    )
    return layout(value, notation)
