"""Facts about JSON Schemas: dialect, references, patterns.

Nothing is ever fetched: a reference leads to a place in the schema itself, or to one of the
published meta-schemas, which the library brings along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from apiyi_cli.build.schemas.patterns import read_pattern
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

SHOWN_CHARS: Final = 200
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
# Keywords whose subschemas judge the same value: a ring of them never ends.
_SAME_VALUE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "extends")
_SAME_VALUE_MAPS: Final = ("dependentSchemas", "dependencies")


LATEST: Final = "Draft202012"
_DIALECTS: Final = {
    "json-schema.org/draft-03/schema": "Draft3",
    "json-schema.org/draft-04/schema": "Draft4",
    "json-schema.org/draft-06/schema": "Draft6",
    "json-schema.org/draft-07/schema": "Draft7",
    "json-schema.org/draft/2019-09/schema": "Draft201909",
    "json-schema.org/draft/2020-12/schema": LATEST,
    "json-schema.org/schema": LATEST,
}
"""The names of the dialects in the libraries: `Draft7Validator` in one, `DRAFT7` in the other."""


class Survey(NamedTuple):
    """The patterns that a schema uses; `property_patterns` are those that name properties."""

    patterns: tuple[str, ...]
    property_patterns: tuple[str, ...]

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Return the patterns that this Python cannot read."""
        return tuple(text for text in self.patterns if read_pattern(text) is None)

    @property
    def has_plain_names(self) -> bool:
        """Return True if the library itself may match the names of properties."""
        for text in self.property_patterns:
            pattern = read_pattern(text)
            if pattern is None or pattern.source != text or not pattern.is_cheap(1000):
                return False
        return True


def find_dialect(schema: Any) -> str | None:
    """Return the dialect that `$schema` names: 2020-12 without it, None if unknown."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is None:
        return LATEST
    bare = str(named).strip().removeprefix("https://").removeprefix("http://")
    return _DIALECTS.get(bare.rstrip("#/"))


def survey(schema: Any, what: str) -> Survey:
    """Follow every reference of a schema; return the patterns that it uses.

    Raises UsageError naming the `$ref` that leads nowhere, out of the schema, or back to
    itself without any step into the value. `what` is what the user typed: `--schema`.
    """
    walk = _Walk(schema, what)
    walk.follow()
    walk.refuse_rings()
    return Survey(tuple(walk.patterns), tuple(walk.property_patterns))


def describe_unchecked(schema: Any, what: str) -> tuple[str, ...]:
    """Return messages about the parts of a schema that will not be checked."""
    messages = []
    if find_dialect(schema) is None:
        named = quote_briefly(schema["$schema"])
        messages.append(
            Text(
                "the $schema {named} of {option} is not known; read as 2020-12",
                named=named,
                option=what,
            )
        )
    unreadable = (
        Text(
            "the pattern {pattern} of {option} is not checked: Python cannot read this dialect",
            pattern=quote_briefly(text),
            option=what,
        )
        for text in survey(schema, what).unreadable
    )
    return (*messages, *unreadable)


def quote_briefly(value: Any) -> str:
    """Return a value quoted and short enough for a message of one line."""
    return repr(value)[:SHOWN_CHARS]


class _Walk:
    """Visits every subschema that is reached from the root, each once."""

    def __init__(self, schema: Any, what: str) -> None:
        import referencing.jsonschema
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

        self._what = what
        self._dialect = find_dialect(schema) or LATEST
        self._specification: Any = getattr(referencing.jsonschema, self._dialect.upper())
        root = self._specification.create_resource(schema)
        self._left: list[tuple[Any, Any]] = [(schema, REGISTRY.resolver_with_root(root))]
        # By identity: schemas are dicts. The values keep them alive.
        self._seen: dict[int, Any] = {}
        self._edges: dict[int, list[tuple[int, str]]] = {}
        self.patterns: dict[str, None] = {}
        self.property_patterns: dict[str, None] = {}

    def follow(self) -> None:
        """Visit all subschemas, collecting patterns and which ones judge the same value."""
        while self._left:
            schema, resolver = self._left.pop()
            if not isinstance(schema, dict) or id(schema) in self._seen:
                continue
            self._seen[id(schema)] = schema
            self._note_patterns(schema)
            edges = self._edges.setdefault(id(schema), [])
            for name in _REFERENCES:
                if name in schema and self._knows(name):
                    reference = schema[name]
                    resolved = self._resolve(reference, resolver)
                    edges.append((id(resolved.contents), reference))
                    self._left.append((resolved.contents, resolved.resolver))
            # Up to draft-07 keywords beside a `$ref` are ignored.
            if "20" in self._dialect or "$ref" not in schema:
                edges += [(id(inner), "") for inner in _on_same_value(schema)]
            for inner in self._specification.subresources_of(schema):
                resource = self._specification.create_resource(inner)
                self._left.append((inner, resolver.in_subresource(resource)))

    def refuse_rings(self) -> None:
        """Raise UsageError if judging one value would never end."""
        done: set[int] = set()
        for start in self._edges:
            if start in done:
                continue
            path = {start: iter(self._edges[start])}
            while path:
                node = next(reversed(path))
                for target, reference in path[node]:
                    if target in path:
                        quoted = quote_briefly(reference or self._find_reference(path))
                        raise self._refuse(Text("its $ref {ref} leads back to itself", ref=quoted))
                    if target in self._edges and target not in done:
                        path[target] = iter(self._edges[target])
                        break
                else:
                    done.add(node)
                    del path[node]

    def _find_reference(self, ring: dict[int, Any]) -> str:
        edges = (edge for node in ring for edge in self._edges[node])
        return next((name for target, name in edges if name and target in ring), "#")

    def _knows(self, name: str) -> bool:
        if name == "$dynamicRef":
            return self._dialect == LATEST
        return name == "$ref" or self._dialect == "Draft201909"

    def _resolve(self, reference: Any, resolver: Any) -> Any:
        from referencing.exceptions import InvalidAnchor, NoSuchAnchor, PointerToNowhere

        quoted = quote_briefly(reference)
        if not isinstance(reference, str):
            raise self._refuse(Text("its $ref {ref} is not a text", ref=quoted))
        try:
            resolved = resolver.lookup(reference)
        except (PointerToNowhere, NoSuchAnchor, InvalidAnchor):
            raise self._refuse(Text("its $ref {ref} leads nowhere", ref=quoted)) from None
        except Exception:
            # Broad, because the library trips over hostile pointers in many ways.
            why = Text("its $ref {ref} leads out of the schema, and nothing is fetched", ref=quoted)
            if reference.startswith("#"):
                why = Text("its $ref {ref} leads nowhere", ref=quoted)
            raise self._refuse(why) from None
        if not isinstance(resolved.contents, (dict, bool)):
            raise self._refuse(Text("its $ref {ref} leads to what is no schema", ref=quoted))
        return resolved

    def _refuse(self, why: str) -> UsageError:
        return UsageError(
            Text("cannot use {what}", what=self._what),
            why,
            hint=Text('put what it names under "$defs", and refer to it as "#/$defs/NAME"'),
        )

    def _note_patterns(self, schema: dict[str, Any]) -> None:
        if isinstance(schema.get("pattern"), str):
            self.patterns[schema["pattern"]] = None
        named = schema.get("patternProperties")
        if isinstance(named, dict):
            self.patterns.update(dict.fromkeys(named))
            self.property_patterns.update(dict.fromkeys(named))


def _on_same_value(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the subschemas that judge the same value as the schema itself."""
    for name in _SAME_VALUE:
        inner = schema.get(name)
        if isinstance(inner, list):
            yield from inner
        elif isinstance(inner, dict):
            yield inner
    for name in _SAME_VALUE_MAPS:
        inner = schema.get(name)
        if isinstance(inner, dict):
            yield from inner.values()
