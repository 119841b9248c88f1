"""`PlainValue`: value classes that cost no start-up time.

A NamedTuple or a dataclass is made by running generated code, 0.1 to 0.5 ms for each class of
each start. On the path of `apiyi chat` values have this base instead; to a type checker it is a
frozen dataclass.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class PlainValue:
    """Base of values: fields are the annotations in their order, defaults the class attributes.

    Equal when of one class with equal fields; not a tuple, so it cannot be unpacked.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the fields and defaults of a subclass, after inherited ones."""
        own = cls.__annotations__
        cls._fields = (*cls._fields, *own)
        type.__setattr__(cls, "__match_args__", cls._fields)
        cls._defaults = {
            **cls._defaults,
            **{name: vars(cls)[name] for name in own if name in vars(cls)},
        }

    def __init__(self, *values: Any, **named: Any) -> None:
        """Set the fields by position or name; raises TypeError as a function would."""
        fields = self._fields
        given = {**dict(zip(fields, values, strict=False)), **named}
        state = {**self._defaults, **given}
        if len(given) != len(values) + len(named) or len(state) != len(fields):
            wrong = ", ".join(sorted(set(fields) ^ set(state))) or "a value twice"
            raise TypeError(f"{type(self).__name__} lacks, does not have or got twice: {wrong}")
        self.__dict__.update(state)

    def _replace(self, **changes: Any) -> Self:
        """Return the value with other fields."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self._fields))

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({', '.join(shown)})"
