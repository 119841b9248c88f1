"""The options of a conversation: those of `chat`; `/set` and `/unset` change them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.core.options import Flag, Group, list_given, refusal
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

ELSEWHERE: Mapping[str, str] = {
    "file": "/file PATH",
    "attach": "/attach PATH",
    "system": "/system TEXT",
    "session": "/session NAME",
    "continue_": "/session NAME",
    "messages": "/session NAME",
    "dry_run": "/show request",
    "code": "/show code LANG",
    "interactive": "/help",
    "no_stdin": "/help",
    "edit": "/edit",
    "template": "/template NAME",
    "param": "/template NAME",
    "last": "/show request",
    "no_keep": "/session new",
}
"""Options that `/set` does not set, and the command to use instead."""
_ON, _OFF = ("on", "true", "yes", "1", ""), ("off", "false", "no", "0")


class ConversationOptions:
    """The current option groups, immutable: `replace` returns changed ones."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = tuple(groups)

    def replace(self, **values: Any) -> ConversationOptions:
        """Return the options with other values, by field name; None unsets one."""
        return ConversationOptions(
            [
                group.replace(**{name: values[name] for name in group.flags.keys() & values.keys()})
                for group in self.groups
            ]
        )

    def value(self, name: str) -> Any:
        """Return the typed value of the option with this field name, None if unset."""
        return next((getattr(group, name) for group in self.groups if name in group.flags), None)

    def flags(self) -> dict[str, Flag]:
        """Return the options that `/set` can set, by their names."""
        return {
            word: option
            for word, option in self._list_spellings()
            if option.name not in ELSEWHERE and not word.startswith("no-")
        }

    def find(self, word: str) -> Flag:
        """Return the option that a word names. Raises UsageError with the nearest one."""
        plain = word.lstrip("-").replace("_", "-")
        flags = self.flags()
        if plain in flags:
            return flags[plain]
        for spelling, option in self._list_spellings():
            if spelling == plain and option.name in ELSEWHERE:
                raise UsageError(
                    Text("cannot set {word} here", word=word),
                    Text("a conversation has its own command for it"),
                    hint=ELSEWHERE[option.name],
                )
        near = find_nearest(plain, flags)
        raise UsageError(
            Text("there is no option {word}", word=word),
            Text("chat has no such option"),
            hint=Text("/set {near}", near=near) if near else "apiyi chat --help-all",
        )

    def _list_spellings(self) -> Iterator[tuple[str, Flag]]:
        """Yield each spelling without its dashes, and its option."""
        for group in self.groups:
            for option in group.flags.values():
                for names in option.names:
                    for name in names.split("/"):
                        yield name.lstrip("-"), option

    def find_any(self, name: str) -> Flag:
        """Return the option with this field name, including those of other commands."""
        return next(group.flags[name] for group in self.groups if name in group.flags)

    def describe_given(self) -> list[str]:
        """Return the options that are set, one line each, as typed."""
        return [
            f"{option.long.lstrip('-')} {_format_values(value)}"
            for option, value in list_given(*self.groups)
            if option.name not in ELSEWHERE
        ]


def read_value(option: Flag, text: str) -> Any:
    """Return the value that a text means for an option. Raises UsageError.

    A list takes several words. A switch takes on or off, and nothing is on.
    """
    if option.many:
        try:
            words = shlex.split(text)
        except ValueError as failure:
            raise UsageError(Text("cannot set {long}", long=option.long), str(failure)) from None
        if not words:
            raise _no_value(option)
        return [_convert(option, word) for word in words]
    if option.kind is not bool and not text:
        raise _no_value(option)
    return _convert(option, text)


def literal(text: str) -> str:
    """Return a value that means this text even if it begins with an @."""
    return f"\\{text}" if text.startswith("@") else text


def _convert(option: Flag, text: str) -> Any:
    value: Any = text
    if option.kind is bool:
        word = text.lower()
        if word not in (*_ON, *_OFF):
            raise UsageError(
                Text("cannot set {long}", long=option.long),
                Text("{value} is none of {choices}", value=repr(text), choices="on, off"),
            )
        return word in _ON
    if option.kind in (int, float):
        try:
            value = option.kind(text)
        except ValueError:
            raise UsageError(
                Text("cannot set {long}", long=option.long),
                Text("{value} is not a number", value=repr(text)),
            ) from None
    if why := refusal(option, value):
        near = find_nearest(text, option.choices)
        hint = f"/set {option.long.lstrip('-')} {near}" if near else None
        raise UsageError(Text("cannot set {long}", long=option.long), why, hint=hint)
    return value


def _no_value(option: Flag) -> UsageError:
    word = option.long.lstrip("-")
    return UsageError(
        Text("cannot set {long}", long=option.long),
        Text("it needs a value"),
        hint=Text("/set {word} {metavar}, or /unset {word}", word=word, metavar=option.metavar),
    )


def _format_values(value: Any) -> str:
    """Return a value as `/set` reads it, with lists quoted as in POSIX shells."""
    if not isinstance(value, list):
        return _format(value)
    return " ".join(quote_word(_format(item), "posix") for item in value)


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
