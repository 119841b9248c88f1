"""Values of a request as Python source, for both Python programs."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from apiyi_cli.export.outline import Field, FilePiece, Outline, blob_text
from apiyi_cli.export.quote import Notation, layout, python

BASE64 = """\


def base64_of(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()
"""

TEXT = """\


def text_of(path: str) -> str:
    return Path(path).read_bytes().decode()
"""


def imports(code: str) -> str:
    """Return the import lines of the standard library that `code` needs, besides os and sys."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', "", code)
    names = [name for name in ("base64", "json") if re.search(rf"\b{name}\.", bare)]
    lines = [f"import {name}" for name in (*names, "os", "sys")]
    if "Path(" in bare:
        lines.append("from pathlib import Path")
    return "\n".join(lines)


def value_of(value: Any, depth: int = 0, *, top: bool = False) -> str:
    """Write a JSON value as `layout` does; files come from `base64_of` and `text_of`."""

    def piece(one: str | FilePiece) -> str:
        if isinstance(one, str):
            return python(one)
        return f"{'text_of' if one.text else 'base64_of'}({python(one.path)})"

    notation = Notation(
        string=python,
        key=lambda key: f"{python(key)}: ",
        pieced=lambda pieces: " + ".join(map(piece, pieces)),
        null="None",
        true="True",
        false="False",
        indent="    ",
    )
    return layout(value, notation, depth, top=top)


def readers(plan: Outline) -> str:
    """Return the functions that `value_of` counts on for this body."""
    text = any(piece.text for piece in plan.reads)
    coded = any(not piece.text for piece in plan.reads)
    return (BASE64 if coded else "") + (TEXT if text else "")


def bytes_of(field: Field) -> str:
    """Return the expression for the content of a file field."""
    if field.path is None:
        return f'base64.b64decode("{b64encode(field.content).decode()}")'
    return f"Path({python(field.path)}).read_bytes()"


def raw_bytes(plan: Outline) -> str:
    """Return the expression for a body that is neither JSON nor multipart."""
    if plan.raw_path is not None:
        return f"Path({python(plan.raw_path)}).read_bytes()"
    text = blob_text(plan.raw or b"")
    if text is None:
        return f'base64.b64decode("{b64encode(plan.raw or b"").decode()}")'
    return f"{python(text)}.encode()"
