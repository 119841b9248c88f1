"""Values of a request as Python source, for both Python programs."""

from __future__ import annotations

from typing import Any

from apiyi_cli.export.frame import Imports
from apiyi_cli.export.pieces import FilePiece
from apiyi_cli.export.quote import Expressions, Notation, join_pieces, layout, python

EXPRESSIONS = Expressions(
    python, file="Path({}).read_bytes()", decode='base64.b64decode("{}")', text="{}.encode()"
)
IMPORTS = Imports(
    line=r"^(?:import|from [\w.]+ import) (?P<names>.+)\n",
    use=r"(?<![.\w])NAME\b(?!=)",
    literals=r'"(?:\\.|[^"\\])*"',
)


def _read(piece: FilePiece) -> str:
    return f"{'text_of' if piece.text else 'base64_of'}({python(piece.path)})"


_NOTATION = Notation(
    string=python,
    key=lambda key: f"{python(key)}: ",
    format_pieces=join_pieces(python, _read),
    null="None",
    true="True",
    false="False",
    indent="    ",
)


def write_value(value: Any, depth: int = 0, *, top: bool = False) -> str:
    """Write a JSON value as `layout` does; files come from `base64_of` and `text_of`."""
    return layout(value, _NOTATION, depth, top=top)
