"""What the tests of the package's structure read: its modules, their imports and definitions.

All of it is read from the source with `ast`; nothing of the program runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "apiyi_cli"
# Not the texts of exported programs, which are data.
SOURCES = sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("export/templates/**/*.py")))


def relative(path: Path) -> str:
    """Return the path of a source file in the package, such as `core/call.py`."""
    return path.relative_to(PACKAGE).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a source file; to walk them takes longer than to parse it."""
    return tuple(ast.walk(parsed(path)))


@cache
def is_module(name: str) -> bool:
    """Return True if a dotted name is a module or a package of the program."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def dotted(path: Path) -> str:
    """Return the name under which a source file is imported."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Return each module that a file imports, and whether importing the file imports it.

    Imports inside functions and below TYPE_CHECKING are among them, with False.
    """
    top = {id(node) for node in parsed(path).body}
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            base = node.module or ""
            for alias in node.names:
                name = f"{base}.{alias.name}"
                found.append((name if is_module(name) else base, id(node) in top))
    return found


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Return the modules of the program that a file imports, however it does."""
    return frozenset(name for name, _ in imports(path) if name.split(".")[0] == PACKAGE.name)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the qualified name and the lines of each function, from `def` to its last line."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, length(node)
            yield from functions(node, f"{name}.")
        else:
            yield from functions(node, prefix)


def classes(path: Path) -> Iterator[ast.ClassDef]:
    for node in nodes(path):
        if isinstance(node, ast.ClassDef):
            yield node


def length(node: ast.stmt) -> int:
    """Return how many lines a definition takes, without its decorators."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
