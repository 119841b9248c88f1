"""`Opt`: the declaration of one option, and `Group`: a typed set of them.

One field of a group is one flag, one help line, one completion rule, one entry in the
manual, one configuration key and, with `wire`, one place in the request body. Typer is told
about them in `cli.spread`; nothing here knows of Typer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple, Self

from apiyi_cli.text import Text

Complete = Literal["file", "dir", "model", "profile"]


class Opt(NamedTuple):
    """What the command line calls a field, what it accepts, and where it goes in the body.

    `names` are the spellings, `--on/--off` for a switch with two. `wire` is a dotted place
    in the JSON body (or a multipart field). `low` and `high` are inclusive. `config` tells
    whether a profile may set it; an environment variable in `envvar` may, too.
    """

    names: tuple[str, ...]
    help: str
    panel: str = "Options"
    metavar: str | None = None
    envvar: str | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    complete: Complete | None = None
    wire: str | None = None
    config: bool = True


class Declared(NamedTuple):
    """One option of a group: its field's name, its `Opt` and the kind of its value.

    `kind` is str, int, float or bool; `many` tells that it may be given several times.
    """

    name: str
    opt: Opt
    kind: type
    many: bool

    @property
    def long(self) -> str:
        """Return the spelling that messages and the manual use."""
        return max((name.split("/")[0] for name in self.opt.names), key=len)


def flag(*names: str, help: str, **rest: Any) -> Any:
    """Declare a field of a group; its default is always None, "not given"."""
    return Opt(names, help, **rest)


class Group:
    """Base of the option groups: immutable values by name, None where not given.

    A dataclass would do the same and cost ten times as much at start-up: it compiles
    source text for every class.
    """

    _table: ClassVar[dict[str, Opt]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Opt)}
        cls._table = {**cls._table, **own}

    def __init__(self, **values: Any) -> None:
        for name in self._table:
            object.__setattr__(self, name, values.pop(name, None))
        if values:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(values)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __repr__(self) -> str:
        told = (f"{name}={value!r}" for name, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({', '.join(told)})"

    def replace(self, **values: Any) -> Self:
        """Return the same group with other values for some of its options."""
        return type(self)(**{**vars(self), **values})


_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


_DECLARED: dict[type[Group], tuple[Declared, ...]] = {}


def declared(group: type[Group]) -> tuple[Declared, ...]:
    """Return the options of a group in the order of their declaration.

    Raises KeyError for a field whose annotation is not `K | None` or `list[K] | None`.
    Annotations are read as text: evaluating them would be most of this function's time.
    """
    known = _DECLARED.get(group)
    if known is not None:
        return known
    texts: dict[str, str] = {}
    for base in reversed(group.__mro__):
        texts.update(vars(base).get("__annotations__", {}))
    found = []
    for name, opt in group._table.items():
        text = texts[name].removesuffix(" | None")
        many = text.startswith("list[")
        found.append(Declared(name, opt, _KINDS[text[5:-1] if many else text], many))
    table = _DECLARED[group] = tuple(found)
    return table


def given(*groups: Group) -> Iterator[tuple[Declared, Any]]:
    """Yield each option of the filled groups that has a value, in declaration order."""
    for group in groups:
        for one in declared(type(group)):
            value = getattr(group, one.name)
            if value is not None:
                yield one, value


def refusal(one: Declared, value: Any) -> str | None:
    """Say why a single value is outside what the option accepts, None when it is not."""
    opt = one.opt
    if opt.choices and value not in opt.choices:
        return Text(
            "{value} is none of {choices}", value=repr(value), choices=", ".join(opt.choices)
        )
    if one.kind is float and value - value != 0:
        return Text("{value} is not a finite number", value=value)
    if (opt.low is not None and value < opt.low) or (opt.high is not None and value > opt.high):
        if opt.high is None:
            return Text("{value} is less than {low}", value=value, low=f"{opt.low:g}")
        return Text(
            "{value} is not between {low} and {high}",
            value=value,
            low=f"{opt.low:g}",
            high=f"{opt.high:g}",
        )
    return None
