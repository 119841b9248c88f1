"""`--template`: fills the columns or fields of a row into a text."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from apiyi_cli.batch.rows.fields import InvalidField
from apiyi_cli.core.jsontext import write_text
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


class RowTemplate:
    """A text with fields, `Translate: {text}`; `{{` and `}}` are braces."""

    def __init__(self, text: str) -> None:
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as failure:
            raise UsageError(
                Text("cannot use --template {text}", text=repr(text)),
                str(failure),
                hint=Text("write {{ for a brace"),
            ) from None
        self._pieces = [(literal, name) for literal, name, _, _ in pieces]
        self.fields = tuple(dict.fromkeys(name for _, name in self._pieces if name is not None))
        if any(spec or conversion for _, _, spec, conversion in pieces) or "" in self.fields:
            raise UsageError(
                Text("cannot use --template {text}", text=repr(text)),
                Text("braces hold the name of a column or field, nothing else"),
                hint=Text("write {{ for a brace"),
            )

    def text(self, fields: Mapping[str, Any]) -> str:
        """Return the text for one row. Raises InvalidField if the row lacks a field."""
        parts = []
        for literal, name in self._pieces:
            parts.append(literal)
            if name is not None:
                if name not in fields:
                    raise InvalidField(
                        "",
                        Text("the template wants {{{name}}}, and the row has no {name}", name=name),
                    )
                value = fields[name]
                parts.append(value if isinstance(value, str) else write_text(value))
        return "".join(parts)
