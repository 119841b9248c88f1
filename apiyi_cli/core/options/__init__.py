"""Options as a table: `flag` declares one, a `Group` is a typed set of them.

One field of a group is one flag, one help line, one completion rule, one entry in the
manual, one configuration key and, with `wire`, one place in the request body. Every default
is None, "not given"; the effective default is decided in `settings`. Which groups a command takes
is its signature. Nothing here knows of Typer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from apiyi_cli.text import Text

if TYPE_CHECKING:
    from typing import Literal, TypedDict, Unpack

    Complete = Literal["file", "dir", "model", "profile", "template"]

    class FlagFacts(TypedDict, total=False):
        """The keyword arguments of `flag` besides kind, names and help."""

        panel: str
        metavar: str
        envvar: str
        low: float
        high: float
        choices: tuple[str, ...]
        suggestions: tuple[str, ...]
        complete: Complete
        wire: str | Literal[True]
        config: bool
        negatable: bool


T = TypeVar("T")

_METAVARS: dict[Any, str] = {
    int: "N",
    float: "X",
    "file": "FILE",
    "dir": "DIR",
    "model": "NAME",
    "profile": "NAME",
    "template": "NAME",
}


class Flag:
    """One option: its spellings, the values it accepts, its place in the body.

    `name` is its field's. `kind` is str, int, float or bool; `many` says that it may be given
    several times. `names` are the spellings, `--on/--off` for a switch with two. `low` and
    `high` are inclusive. `choices` are the only values, `suggestions` some of what the gateway
    implements: they complete, and others are sent, too. `wire` is a dotted place in the JSON
    body (or a multipart field).
    `config` says whether a profile may set it; an environment variable in `envvar` may, too.
    """

    # A NamedTuple of these fields would take 0.2 ms of each start, this class 0.02 ms.
    name = ""
    panel: str
    config: bool
    negatable = False
    metavar: str | None
    envvar: str | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    complete: Complete | None = None
    wire: str | None = None

    def __init__(self, kind: Any, help: str, names: tuple[str, ...], facts: FlagFacts) -> None:
        self.many = kind not in (str, int, float, bool)
        self.kind: type = kind.__args__[0] if self.many else kind
        self.help = help
        self.names = names
        self.metavar = _METAVARS.get(facts.get("complete") or self.kind)
        self.__dict__.update(facts)

    def bind(self, name: str, panel: str, config: bool) -> None:
        """Set what follows from the field's name, and from its group, unless it was declared."""
        self.name = name
        self.__dict__.setdefault("panel", panel)
        self.__dict__.setdefault("config", config)
        if self.__dict__.get("wire") is True:
            self.wire = name
        if not any(spelling.startswith("--") for spelling in self.names):
            word = name.rstrip("_").replace("_", "-")
            self.names += (f"--{word}/--no-{word}" if self.negatable else f"--{word}",)

    @property
    def long(self) -> str:
        """Return the spelling that messages and the manual use."""
        return max((name.split("/")[0] for name in self.names), key=len)


def flag(kind: type[T], help: str, *names: str, **facts: Unpack[FlagFacts]) -> T | None:
    """Declare a field of a group, a `kind` or None where it was not given.

    `list[str]` is an option that may be given several times. Without a long spelling in `names`
    it has that of the field's name, a `negatable` switch the one with `no-` as well. `wire` may
    be True for a place of the field's name. A number, and what completes,
    needs no `metavar`.
    """
    declared: Any = Flag(kind, help, names, facts)
    return declared  # type: ignore[no-any-return]


def place(option: T | None, wire: str) -> T | None:
    """Declare the same field for another place in the body."""
    from copy import copy

    declared: Any = copy(option)
    declared.wire = wire
    return declared  # type: ignore[no-any-return]


class Group:
    """Base of the option groups: immutable values by name, None where not given.

    `flags` are its options by name, in the order of their declaration. `panel` in the class
    line is the heading in `--help` of those without a heading, `config` says whether a profile
    may set those that do not say so themselves.
    """

    # The class body is looked through here, by hand: a dataclass would compile source text
    # for every group, which takes ten times as long.
    flags: ClassVar[dict[str, Flag]] = {}

    def __init_subclass__(cls, panel: str = "Options", config: bool = True) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Flag)}
        for name, option in own.items():
            option.bind(name, panel, config)
        cls.flags = {**cls.flags, **own}

    def __init__(self, **values: Any) -> None:
        for name in self.flags:
            object.__setattr__(self, name, values.pop(name, None))
        if values:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(values)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __repr__(self) -> str:
        values = (f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({', '.join(values)})"

    def replace(self, **values: Any) -> Self:
        """Return the same group with other values for some of its options."""
        return type(self)(**{**vars(self), **values})


def list_given(*groups: Group) -> Iterator[tuple[Flag, Any]]:
    """Yield each option of the filled groups that has a value, in declaration order."""
    for group in groups:
        for option in group.flags.values():
            value = getattr(group, option.name)
            if value is not None:
                yield option, value


def refusal(option: Flag, value: Any) -> str | None:
    """Return why the option does not accept a single value, or None."""
    if option.choices and value not in option.choices:
        return Text(
            "{value} is none of {choices}", value=repr(value), choices=", ".join(option.choices)
        )
    if option.kind is float and value - value != 0:
        return Text("{value} is not a finite number", value=value)
    low, high = option.low, option.high
    if (low is not None and value < low) or (high is not None and value > high):
        if high is None:
            return Text("{value} is less than {low}", value=value, low=f"{low:g}")
        return Text(
            "{value} is not between {low} and {high}", value=value, low=f"{low:g}", high=f"{high:g}"
        )
    return None
