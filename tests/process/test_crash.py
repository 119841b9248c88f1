"""The unexpected: one line, a private file without the key, exit code 1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.cli.crash import crash_file
from apiyi_cli.cli.process import Process
from apiyi_cli.core.clock import Clock
from apiyi_cli.core.secret import Secret
from apiyi_cli.output.console import Console
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def broken(apiyi: Program, module: str, source: str) -> dict[str, str | None]:
    """Return the environment of an installation in which one library is broken."""
    folder = apiyi.home / "broken"
    folder.mkdir()
    (folder / f"{module}.py").write_text(source)
    return {"PYTHONPATH": str(folder)}


def test_a_broken_library_ends_in_one_line_and_a_crash_file(
    apiyi: Program, gateway: Gateway
) -> None:
    env = broken(apiyi, "httpcore", "raise RuntimeError('out of order')\n")
    ran = apiyi("chat hi", env=env)
    assert (ran.code, ran.out) == (1, b"")
    first, second = ran.err.splitlines()
    assert first.startswith("apiyi: internal error: RuntimeError: out of order; details: ")
    assert "report it" in second
    path = Path(first.rsplit(": ", 1)[1])
    assert path.stat().st_mode & 0o777 == 0o600
    told = path.read_text()
    assert "Traceback" in told and "command: apiyi chat\n" in told
    assert "hi" not in told.split("command:")[1].splitlines()[0]


def test_a_key_in_an_unexpected_error_is_seen_nowhere(apiyi: Program, gateway: Gateway) -> None:
    source = "import os\nraise RuntimeError(os.environ['APIYI_API_KEY'])\n"
    ran = apiyi("chat hi", env=broken(apiyi, "httpcore", source))
    assert ran.code == 1
    assert "[key …3c2a]" in ran.err


@pytest.mark.parametrize("module", ["orjson", "typer"])
def test_a_library_that_is_broken_from_the_start_is_no_traceback(
    apiyi: Program, module: str
) -> None:
    ran = apiyi("chat hi", env=broken(apiyi, module, "raise RuntimeError('out of order')\n"))
    assert ran.code == 1
    assert "RuntimeError: out of order" in ran.err


def test_without_a_place_for_it_there_is_no_file_and_no_other_error(apiyi: Program) -> None:
    (apiyi.home / "state").write_text("a file where the folder should be")
    env = broken(apiyi, "httpcore", "raise RuntimeError('out of order')\n")
    ran = apiyi("chat hi", env=env)
    assert ran.code == 1
    assert ran.err.splitlines()[0] == "apiyi: internal error: RuntimeError: out of order"


@pytest.mark.parametrize(
    "name", ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"]
)
@pytest.mark.parametrize("line", ["chat hi", "models"])
def test_a_file_where_a_folder_should_be_is_no_crash(
    apiyi: Program, gateway: Gateway, name: str, line: str
) -> None:
    (apiyi.home / "file").write_text("")
    ran = apiyi(line, env={name: str(apiyi.home / "file")})
    assert ran.code in (0, 10), ran.err


def test_the_file_holds_neither_keys_nor_local_values(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    process = Process(Console(), environ, Clock(wall=lambda: 0.0))
    process.secrets.append(Secret("sk-of-this-test-0123456789"))

    def fails(value: str) -> None:
        raise ValueError("with sk-of-this-test-0123456789 in it")

    try:
        fails("-".join(("a", "local", "value")))
    except ValueError as bug:
        path = crash_file(bug, process)
    assert path is not None
    assert path.name == f"19700101T000000Z-{os.getpid()}.txt"
    told = path.read_text()
    assert "sk-of-this-test" not in told and "a-local-value" not in told
    assert "ValueError: with [key …6789] in it" in told
    assert path.parent.stat().st_mode & 0o777 == 0o700
