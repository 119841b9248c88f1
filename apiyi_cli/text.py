"""Messages for people: a template and its values, kept apart until they are shown.

A `Text` is its English sentence and can be used as a str. `core.language` returns the sentence in
the user's language: it looks the template up and fills in the values. A plain str is opaque: the
words of a server, a row's id or a path are never looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Text(str):
    """A message: the English sentence, its template and its values.

    `Text("cannot read {path}", path=path)` has its values by name; a value may itself be a
    Text. Without values the template is taken unchanged, braces and all. Adding keeps both
    sides translatable; what else is done to it as a str gives a plain str, which is not.
    """

    __slots__ = ("template", "values")
    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Text:
        """Fill the template; raises KeyError for a name without a value."""
        text = super().__new__(cls, template.format_map(values) if values else template)
        text.template = template
        text.values = values
        return text

    def __add__(self, other: str, /) -> Text:
        """Return both, each still translatable."""
        return Text("{first}{rest}", first=self, rest=other)

    def __radd__(self, other: str, /) -> Text:
        """Return both, each still translatable."""
        return Text("{first}{rest}", first=other, rest=self)

    def __reduce__(self) -> tuple[Callable[..., Text], tuple[str, dict[str, Any]]]:
        return restore, (self.template, self.values)


def restore(template: str, values: dict[str, Any]) -> Text:
    """Return a Text that was pickled or copied."""
    return Text(template, **values)


def join_texts(items: Iterable[str], separator: str = ", ") -> str:
    """Return the items joined by ", " or "; ", each still translatable.

    The separators are messages, because Chinese has its own. Nothing gives "".
    """
    joined: str | None = None
    for item in items:
        if joined is None:
            joined = item
        elif separator == "; ":
            joined = Text("{first}; {rest}", first=joined, rest=item)
        else:
            joined = Text("{first}, {rest}", first=joined, rest=item)
    return joined or ""


def system_reason(failure: OSError, otherwise: str = "") -> str:
    """Return the operating system's error message, `otherwise` if it is empty."""
    # `socket.create_server` adds the address, which the messages have anyway.
    reason = (failure.strerror or "").partition(" (while attempting to bind")[0]
    return Text(reason) if reason else otherwise or str(failure)


def map_text(text: str, change: Callable[[str], str]) -> str:
    """Return the text with `change` applied to its values, or to a whole plain str.

    Used to redact keys and to make server words safe: both are in values alone.
    """
    if not isinstance(text, Text):
        return change(text)
    if not text.values:
        return text
    values = {
        name: map_text(value, change) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return Text(text.template, **values)
