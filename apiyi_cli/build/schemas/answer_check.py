"""Checks an answer against a JSON Schema, exactly and in bounded time.

The library judges, with the keywords replaced that it judges slowly, inexactly or in
Python's own dialect of patterns. Between keywords the clock is looked at; a search that
may take long runs in a separate process.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

from apiyi_cli.build.schemas.json_schema import (
    LATEST,
    SHOWN_CHARS,
    Survey,
    find_dialect,
    survey,
)
from apiyi_cli.build.schemas.patterns import read_pattern
from apiyi_cli.core.jsontext import InvalidJSON, read_strict
from apiyi_cli.errors import Facts, IncompleteError, UsageError
from apiyi_cli.text import Text

CHECK_S: Final = 5.0
"""Seconds for one check if nothing else bounds it."""

# Beyond this the library's own list of names that were judged grows too slow.
_MOST_UNEVALUATED: Final = 2000
_KEPT: Final = 64
# Python makes no integer of them.
_ENDLESS_NUMBER: Final = re.compile(r"\d{4001}")

Errors = Iterable[Any] | None
Keyword = Callable[[Any, Any, Any, Any], Errors]


class AnswerCheck(NamedTuple):
    """The result of a check: at most one of the two is a message.

    `misfit` says in one line where the answer does not fit; `unfinished` why the check could
    not be brought to its end, so that nothing is known. Both None: the answer fits.
    """

    misfit: str | None = None
    unfinished: str | None = None

    def error(self) -> IncompleteError | None:
        """Return the error (exit 8) for a user of `--schema`, None if the answer fits."""
        what = Text("the answer does not fit --schema")
        if self.misfit is None:
            what = Text("the answer could not be checked against --schema")
        why = self.misfit if self.misfit is not None else self.unfinished
        return None if why is None else IncompleteError(what, why, facts=Facts(phase="content"))


class CheckStop(Exception):
    """The check cannot continue; `why` is a message."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def check_answer(schema: Any, text: str, *, limit_s: float = CHECK_S) -> AnswerCheck:
    """Check that a text is JSON and fits a JSON Schema.

    `schema` is the bare schema (not what a request puts around it), as `read_schema`
    accepted it; `text` what the user gets to see. Takes at most about `limit_s` seconds, in
    any thread, and never raises for what the text or the schema holds.
    """
    try:
        value = read_strict(text)
    except InvalidJSON as failure:
        return AnswerCheck(Text("it is not JSON ({reason})", reason=failure))
    if _ENDLESS_NUMBER.search(text):
        return AnswerCheck(unfinished=Text("it holds a number of more than 4000 digits"))
    _state.start(limit_s)
    try:
        checker = _checker(schema)
        _state.patterns = checker.patterns
        error = next(iter(checker.validator.iter_errors(value)), None)
    except CheckStop as stop:
        return AnswerCheck(unfinished=stop.why)
    except RecursionError:
        return AnswerCheck(unfinished=Text("it is nested too deeply"))
    except Exception as failure:
        # A library that trips over an answer must not take it away.
        return AnswerCheck(
            unfinished=Text("the check failed ({kind})", kind=type(failure).__name__)
        )
    if error is None:
        return AnswerCheck()
    return AnswerCheck(
        Text("at {where}: {message}", where=_place(error), message=_first_line(error))
    )


def refuse_malformed(schema: dict[str, Any], what: str) -> None:
    """Raise UsageError if a value is not a JSON Schema of its dialect, saying where."""
    from referencing import Registry

    made_for = validator_class(find_dialect(schema) or LATEST)
    _state.start(CHECK_S)
    try:
        validator = made_for(_without_dialect(made_for.META_SCHEMA), registry=Registry())
        error = next(iter(validator.iter_errors(schema)), None)
    except CheckStop:
        return
    if error is not None:
        raise UsageError(
            Text("cannot use {what}", what=what),
            Text(
                "not a JSON Schema, at {where}: {message}",
                where=_place(error),
                message=_first_line(error),
            ),
        )


@cache
def validator_class(dialect: str) -> Any:
    """Return the validator class of a dialect, bounded in time and with our own keywords."""
    import jsonschema

    base = getattr(jsonschema, f"{dialect}Validator")
    keywords = {**base.VALIDATORS, **_own_keywords(base.VALIDATORS)}
    bounded = {name: _bound_keyword(keyword) for name, keyword in keywords.items()}
    extended: Any = jsonschema.validators.extend(base, bounded)  # type: ignore[no-untyped-call]
    evolve = extended.evolve

    def stay(self: Any, **changes: Any) -> Any:
        # The library takes its own class for a subschema that names a dialect.
        schema = changes.get("schema", self.schema)
        if isinstance(schema, dict) and "$schema" in schema:
            changes["schema"] = _without_dialect(schema)
        return evolve(self, **changes)

    extended.evolve = stay
    return extended


def _without_dialect(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {name: value for name, value in schema.items() if name != "$schema"}


class _State(threading.local):
    """The clock of the check that this thread runs."""

    ends_at = float("inf")
    limit_s = 0.0
    patterns = Survey((), ())

    def start(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.ends_at = time.monotonic() + limit_s


_state = _State()


class _Checker(NamedTuple):
    schema: Any
    validator: Any
    patterns: Survey


_checkers: dict[int, _Checker] = {}


def _checker(schema: Any) -> _Checker:
    """Return the checker of a schema, made once for each schema object."""
    known = _checkers.get(id(schema))
    if known is not None and known.schema is schema:
        return known
    from referencing import Registry

    made_for = validator_class(find_dialect(schema) or LATEST)
    validator = made_for(_without_dialect(schema), registry=Registry())
    checker = _Checker(schema, validator, survey(schema, "--schema"))
    if len(_checkers) >= _KEPT:
        _checkers.clear()
    _checkers[id(schema)] = checker
    return checker


def _place(error: Any) -> str:
    path = ".".join(str(step) for step in error.absolute_path)
    return " ".join(path.split("\n")) or Text("top level")


def _first_line(error: Any) -> str:
    return " ".join(str(error.message)[:SHOWN_CHARS].split("\n"))


def _check_clock() -> float:
    """Return the seconds that are left; raise CheckStop if there are none."""
    left_s = _state.ends_at - time.monotonic()
    if left_s <= 0:
        raise _make_timeout()
    return left_s


def _make_timeout() -> CheckStop:
    return CheckStop(Text("the check did not end within {limit} s", limit=f"{_state.limit_s:.3g}"))


def _bound_keyword(keyword: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
        _check_clock()
        return keyword(validator, value, instance, schema)

    return check


def _own_keywords(known: dict[str, Keyword]) -> dict[str, Keyword]:
    """Return our own keywords, as far as the dialect has them."""
    own: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties(known.get("additionalProperties")),
        "uniqueItems": _unique_items,
        "enum": _enum,
        "multipleOf": _multiple_of,
        "divisibleBy": _multiple_of,
    }
    for name in ("unevaluatedProperties", "unevaluatedItems"):
        own[name] = _make_unevaluated_check(known.get(name))
    return {name: keyword for name, keyword in own.items() if name in known}


def _matches(text: str, value: str) -> bool | None:
    """Return True if a pattern matches, None if this Python cannot read it."""
    pattern = read_pattern(text)
    if pattern is None:
        return None
    left_s = _check_clock()
    if pattern.is_cheap(len(value)):
        return pattern.compiled.search(value) is not None
    from apiyi_cli.build.schemas.pattern_process import SearchTimeout, search

    try:
        return search(pattern.source, value, left_s)
    except SearchTimeout:
        raise _make_timeout() from None


def _pattern(validator: Any, text: str, value: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(value, "string") and _matches(text, value) is False:
        yield _error(f"{value!r} does not match {text!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(value, "object"):
        return
    for text, inner in patterns.items():
        for name, item in value.items():
            if _matches(text, name):
                yield from validator.descend(item, inner, path=name, schema_path=text)


def _additional_properties(library: Keyword | None) -> Keyword:
    def check(validator: Any, allowed: Any, value: Any, schema: Any) -> Errors:
        patterns = schema.get("patternProperties")
        if not patterns or not isinstance(value, dict):
            return library(validator, allowed, value, schema) if library else None
        # A pattern that cannot be read may stand for any name.
        extra = [
            name
            for name in value
            if name not in schema.get("properties", ())
            and not any(_matches(text, name) is not False for text in patterns)
        ]
        return _judge_extra(validator, allowed, value, extra)

    return check


def _judge_extra(validator: Any, allowed: Any, value: Any, extra: list[str]) -> Iterator[Any]:
    if isinstance(allowed, dict):
        for name in extra:
            yield from validator.descend(value[name], allowed, path=name)
    elif allowed is False and extra:
        extra_names = ", ".join(map(repr, extra[:5]))
        yield _error(f"Additional properties are not allowed ({extra_names})")


def _make_unevaluated_check(library: Keyword | None) -> Keyword:
    def check(validator: Any, allowed: Any, value: Any, schema: Any) -> Errors:
        if library is None or _state.patterns.unreadable:
            # Which names a pattern matches is not known then, and that was said before.
            return None
        if not _state.patterns.has_plain_names:
            raise CheckStop(
                Text("its unevaluatedProperties stand beside patterns that take too long")
            )
        if isinstance(value, (dict, list)) and len(value) > _MOST_UNEVALUATED:
            raise CheckStop(
                Text("{count} members are too many for unevaluatedProperties", count=len(value))
            )
        return library(validator, allowed, value, schema)

    return check


def _unique_items(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
    if wanted and validator.is_type(value, "array"):
        seen = set()
        for item in value:
            key = _key(item)
            if key in seen:
                yield _error(f"{value!r} has non-unique elements")
                return
            seen.add(key)


def _enum(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[Any]:
    if _key(value) not in _keys(allowed):
        yield _error(f"{value!r} is not one of {allowed!r}")


def _multiple_of(validator: Any, divisor: Any, value: Any, schema: Any) -> Iterator[Any]:
    """Judge numbers by their decimal text: 0.3 is a multiple of 0.1."""
    if not validator.is_type(value, "number"):
        return
    if abs(value) == math.inf:
        raise CheckStop(Text("{number} is too large to be divided", number=repr(value)))
    if divisor and Fraction(str(value)) % Fraction(str(divisor)):
        yield _error(f"{value!r} is not a multiple of {divisor!r}")


_enums: dict[int, tuple[Any, frozenset[Any]]] = {}


def _keys(allowed: Any) -> frozenset[Any]:
    known = _enums.get(id(allowed))
    if known is not None and known[0] is allowed:
        return known[1]
    keys = frozenset(map(_key, allowed))
    if len(_enums) >= _KEPT:
        _enums.clear()
    _enums[id(allowed)] = allowed, keys
    return keys


def _key(value: Any) -> Any:
    """Return a key for equal JSON values: 1 equals 1.0 and differs from true."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list):
        return (list, *map(_key, value))
    if isinstance(value, dict):
        return frozenset((name, _key(item)) for name, item in value.items())
    return value


def _error(message: str) -> Any:
    from jsonschema import ValidationError

    return ValidationError(message)
