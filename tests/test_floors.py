"""The floors of the house: the source says who imports whom, whatever runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.source import PACKAGE, SOURCES, dotted, imported_modules, imports, relative

FLOORS = {
    "text": -1,
    "deferred": -1,
    "plain_value": -1,
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
    "agents": 5,
    "export": 5,
    "sandbox": 5,
    "manual": 5,
    "playground": 5,
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
    "mcp": {"agents", "tools"},
    "anyio": {"agents", "tools"},
    "httpx2": {"tools"},
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
    "mcp",
    "anyio",
    "httpx2",
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def word(module: str) -> str:
    """Return the command that a module of `cli/commands` belongs to, else an empty text."""
    parts = module.split(".")
    return parts[3] if parts[1:3] == ["cli", "commands"] and len(parts) > 3 else ""


def imported() -> Iterator[tuple[Path, str, bool]]:
    """Yield each import of the program: file, module, and whether it is at the file's top."""
    for path in SOURCES:
        for name, top in imports(path):
            yield path, name, top


def test_a_module_imports_only_from_lower_floors() -> None:
    for path, name, _ in imported():
        if not name.startswith("apiyi_cli."):
            continue
        here, there = room(path), name.split(".")[1]
        if there == here:
            continue
        lower = FLOORS[there] < FLOORS[here]
        same_top = FLOORS[here] == FLOORS[there] == 6
        assert lower or same_top, f"{relative(path)} (floor {FLOORS[here]}) imports {name}"


def test_a_library_is_imported_by_its_owner_alone() -> None:
    for path, name, top in imported():
        library = name.split(".")[0]
        assert library != "click", "typer brings its own click"
        if library in OWNERS:
            assert room(path) in OWNERS[library], f"{relative(path)} imports {library}"
        if library in LAZY:
            assert not top, f"{relative(path)} imports {library} when it is imported"


def test_one_module_alone_reads_and_writes_json() -> None:
    users = {
        relative(path) for path, name, _ in imported() if name.split(".")[0] in ("json", "orjson")
    }
    # `jsontext` loads the other for what is nested too deeply.
    assert users == {"core/jsontext.py", "core/deep_json.py"}, "core/jsontext.py is the way to JSON"


def test_every_room_stands_on_a_floor() -> None:
    assert {room(path) for path in SOURCES} == set(FLOORS)


CONTEXT = "apiyi_cli.cli.context"
USERS_OF_CONTEXT = ("apiyi_cli.cli.commands", "apiyi_cli.cli.conversation")
KNOWN_COMMANDS_OF_COMMANDS: set[str] = set()
"""Modules that still import another command: this list may only shrink."""


def test_only_commands_and_the_conversation_use_the_context() -> None:
    users = {dotted(path) for path in SOURCES if CONTEXT in imported_modules(path)}
    others = {name for name in users if not name.startswith(USERS_OF_CONTEXT)}
    assert others == {"apiyi_cli.cli.typer_options"}


def test_a_command_imports_no_other_command() -> None:
    importing = {
        dotted(path)
        for path in SOURCES
        for name in imported_modules(path)
        if word(dotted(path)) and word(name) not in ("", word(dotted(path)))
    }
    assert importing == KNOWN_COMMANDS_OF_COMMANDS
