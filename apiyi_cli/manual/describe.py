"""The description of the whole program: source of manual, help and completions.

Floor 6 reads these values off the commands as they were really built (`cli.described`);
everything here and beside it only formats them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from apiyi_cli.core.language import Translate
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

Kind = Literal["text", "at", "choice", "name", "file", "dir", "model", "profile", "template"]


HELP_ALL = "--help-all"
"""The option that also shows the options of all request commands."""


class ValueRule(PlainValue):
    """The kind of a value, as far as TAB completion can know.

    `text` is anything, `at` text or @FILE, `choice` one of the few `choices` and nothing
    else, `name` one of many names, too many to list in a help. With a `model`, `choices` are
    words that are valid as well.
    """

    kind: Kind = "text"
    choices: tuple[str, ...] = ()


class Option(PlainValue):
    """One option: spellings (`off` are the negative ones), value, help.

    `metavar` is None for a switch. `config` is the key that sets it in a profile, `envvar`
    the environment variable that does, `default` the value otherwise, `default_value` the same
    as it is counted with, `wire` its place in the request body; each None without such a thing.
    `kind` is the type of one value. `shared` options are those that all request commands take.
    """

    names: tuple[str, ...]
    help: str
    off: tuple[str, ...] = ()
    panel: str = "Options"
    metavar: str | None = None
    many: bool = False
    rule: ValueRule = ValueRule()
    low: float | None = None
    high: float | None = None
    envvar: str | None = None
    config: str | None = None
    default: str | None = None
    shared: bool = False
    default_value: Any = None
    wire: str | None = None
    kind: type = str

    @property
    def long(self) -> str:
        """Return the longest positive spelling."""
        return max(self.names, key=len)

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return all spellings, positive ones first."""
        return (*self.names, *self.off)


class Argument(PlainValue):
    """One positional argument; `name` is in capitals, as the synopsis shows it.

    A name of several words is a synopsis itself: `[METHOD] PATH`.
    """

    name: str
    help: str = ""
    required: bool = False
    many: bool = False
    rule: ValueRule = ValueRule()

    @property
    def synopsis(self) -> str:
        """Return its form in the usage line: `FILE`, `[PROMPT]...`."""
        if " " in self.name:
            return self.name
        return (self.name if self.required else f"[{self.name}]") + ("..." if self.many else "")


class Command(PlainValue):
    """One command, or a group with its own `commands`.

    `path` is what is typed for it, `("apiyi", "auth", "login")`; `line` describes it in
    lists, `help` and the paragraphs of `more` explain it.
    """

    path: tuple[str, ...]
    line: str
    help: str = ""
    more: str = ""
    panel: str = "Commands"
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """Return the last word of its path."""
        return self.path[-1]

    @property
    def title(self) -> str:
        """Return its path as it is typed."""
        return " ".join(self.path)

    @property
    def usage(self) -> str:
        """Return what follows the path in the usage line."""
        options = ["[OPTIONS]"] if self.options else []
        rest = (
            ["COMMAND ..."] if self.commands else [argument.synopsis for argument in self.arguments]
        )
        return " ".join([*options, *rest])

    def without_shared_options(self) -> Command:
        """Return the command with only its own options."""
        return self._replace(options=tuple(item for item in self.options if not item.shared))

    def panels(self) -> dict[str, list[Option]]:
        """Return the options by panel, both in the order of the table.

        The command's own options are first; if that is only the help, last.
        """
        panels: dict[str, list[Option]] = {}
        for option in self.options:
            panels.setdefault(option.panel, []).append(option)
        own = panels.pop("Options", [])
        common = {"-h", "--version", HELP_ALL}
        if all(common & set(option.names) for option in own):
            return {**panels, "Options": own}
        return {"Options": own, **panels}

    def translate(self, say: Translate) -> Command:
        """Return the command translated into another language.

        Panels keep their names, by which options are sorted; they are translated when shown.
        """
        paragraphs = (" ".join(paragraph.split()) for paragraph in self.more.split("\n\n"))
        return self._replace(
            line=say(Text(self.line)),
            help=say(Text(self.help)),
            more="\n\n".join(say(Text(paragraph)) for paragraph in paragraphs),
            arguments=tuple(item._replace(help=say(Text(item.help))) for item in self.arguments),
            options=tuple(item._replace(help=say(Text(item.help))) for item in self.options),
            commands=tuple(command.translate(say) for command in self.commands),
        )

    def walk(self) -> Iterator[Command]:
        """Yield this command and all below it, parents first."""
        yield self
        for command in self.commands:
            yield from command.walk()
