"""The floors of the house: who imports whom is read off the source, not off what runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

# It runs nothing of the program.
pytestmark = pytest.mark.no_cover

PACKAGE = Path(__file__).parent.parent / "apiyi_cli"
FLOORS = {
    "text": -1,
    "errors": 0,
    "core": 1,
    "build": 2,
    "decode": 2,
    "settings": 3,
    "wire": 4,
    "render": 4,
    "output": 4,
    "store": 4,
    "batch": 5,
    "tools": 5,
    "export": 5,
    "sandbox": 5,
    "manual": 5,
    "cli": 6,
    "main": 6,
    "__main__": 6,
    "__init__": 0,
}
OWNERS = {
    "typer": {"cli", "main"},
    "httpx": {"wire"},
    "httpcore": {"wire"},
    "h11": {"wire"},
    "certifi": {"wire"},
    "redis": {"wire"},
    "rich": {"render"},
    "jq": {"render"},
    "orjson": {"core"},
    "json": {"core"},
    "jsonschema": {"build"},
    "keyring": {"settings"},
    "tomlkit": {"settings"},
    "sqlite3": {"store", "wire"},
}
LAZY = {
    "keyring",
    "tomlkit",
    "jsonschema",
    "sqlite3",
    "jq",
    "redis",
    "httpx",
    "certifi",
    "asyncio",
}
# Not the texts of exported programs, which are data.
SOURCES = sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("export/templates/**/*.py")))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield each imported module and whether importing the file imports it."""
    for node in ast.walk(tree):
        top = getattr(node, "at_top", False)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or "", top


@cache
def parsed(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body:
        node.at_top = True  # type: ignore[attr-defined]
    return tree


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_floors(path: Path) -> None:
    here = room(path)
    for name, _ in imports(parsed(path)):
        if not name.startswith("apiyi_cli."):
            continue
        there = name.split(".")[1]
        if there == here:
            continue
        lower = FLOORS[there] < FLOORS[here]
        same_top = FLOORS[here] == FLOORS[there] == 6
        assert lower or same_top, f"{here} (floor {FLOORS[here]}) imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_library_is_imported_by_its_owner_alone(path: Path) -> None:
    for name, top in imports(parsed(path)):
        library = name.split(".")[0]
        assert library != "click", "typer brings its own click"
        if library in OWNERS:
            assert room(path) in OWNERS[library], f"{path.name} imports {library}"
        if library in LAZY:
            assert not top, f"{path.name} imports {library} when it is imported"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_one_module_alone_reads_and_writes_json(path: Path) -> None:
    libraries = {name.split(".")[0] for name, _ in imports(parsed(path))}
    if path != PACKAGE / "core" / "jsontext.py":
        assert not libraries & {"json", "orjson"}, "core/jsontext.py is the way to JSON"


def test_every_room_stands_on_a_floor() -> None:
    assert {room(path) for path in SOURCES} == set(FLOORS)
