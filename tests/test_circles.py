"""No circle of imports: lazy imports and those for types alone count as well."""

from __future__ import annotations

from tests.source import SOURCES, dotted, imported_modules


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that reach each other, or themselves."""
    reached = {name: reachable(graph, name) for name in graph}
    found: list[set[str]] = []
    for name in graph:
        if name in reached[name] and not any(name in circle for circle in found):
            found.append({other for other in reached[name] if name in reached[other]})
    return found


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the modules that are imported by `start`, and by those that it imports."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return seen


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": {"e"}}
    assert circles(graph) == [{"b", "c"}, {"e"}]


def test_no_module_imports_itself_through_others() -> None:
    graph = {dotted(path): set(imported_modules(path)) for path in SOURCES}
    found = circles(graph)
    assert not found, "\n".join(" <-> ".join(sorted(circle)) for circle in found)
