"""Start-up is a feature: what a command does not need is not loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

NEVER = {"pygments", "click", "pydantic", "asyncio", "h2", "importlib.metadata"}
UNNEEDED = NEVER | {
    "rich",
    "keyring",
    "tomlkit",
    "sqlite3",
    "jsonschema",
    "httpx",
    "jq",
    "apiyi_cli.sandbox",
    "apiyi_cli.export",
    "apiyi_cli.batch",
    "apiyi_cli.tools",
    "logging",
    "ssl",
    "hashlib",
    "platform",
    "selectors",
    "shutil",
    "difflib",
    "gettext",
    "traceback",
    "shlex",
    "apiyi_cli.core.filetypes",
}
DRIVER = """
import sys
before = set(sys.modules)
from apiyi_cli.deferred import DeferredModule
from apiyi_cli.main import main
code = main(sys.argv[1:])
loaded = {name for name, module in sys.modules.items() if type(module) is not DeferredModule}
sys.stderr.write(" ".join(loaded - before))
sys.exit(code)
"""


def loaded(apiyi: Program, *words: str) -> set[str]:
    """Return the modules that a run has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *words],
        cwd=apiyi.work,
        env=apiyi.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    return set(done.stderr.decode().splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [("chat", "hi"), ("chat", "hi", "--json"), ("chat", "hi", "--ndjson", "-u"), ("models",)],
    ids=" ".join,
)
def test_a_run_loads_nothing_that_it_does_not_need(
    apiyi: Program, gateway: Gateway, words: tuple[str, ...]
) -> None:
    modules = loaded(apiyi, *words)
    assert "httpcore._sync.connection_pool" in modules
    assert modules & UNNEEDED == set()


def test_embed_loads_nothing_of_the_batch(apiyi: Program, gateway: Gateway) -> None:
    modules = loaded(apiyi, "embed", "a")
    assert "httpcore._sync.connection_pool" in modules
    assert modules & {"apiyi_cli.batch", "csv", "decimal", "hashlib"} == set()


def test_the_version_loads_next_to_nothing(apiyi: Program) -> None:
    modules = loaded(apiyi, "--version")
    assert "apiyi_cli.main" in modules
    assert not {"typer", "httpcore", "orjson", "apiyi_cli.cli.context"} & modules


@pytest.mark.parametrize("words", [("--help",), ("chat", "--help")], ids=" ".join)
def test_help_loads_no_network(apiyi: Program, words: tuple[str, ...]) -> None:
    assert not (NEVER | {"httpcore", "ssl"}) & loaded(apiyi, *words)


def test_the_help_of_the_program_loads_no_typer(apiyi: Program) -> None:
    modules = loaded(apiyi, "--help")
    assert "apiyi_cli.cli.help.print_help" in modules
    assert not {"typer", "inspect", "orjson", "apiyi_cli.manual.plain"} & modules


def test_another_commands_module_is_not_loaded(apiyi: Program, gateway: Gateway) -> None:
    prefix = "apiyi_cli.cli.commands."
    commands = {name for name in loaded(apiyi, "models") if name.startswith(prefix)}
    assert commands == {f"{prefix}models"}
