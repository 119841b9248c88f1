"""`apiyi config` as a process."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.quick import Warm


class Machine:
    """A user's machine with nothing on it."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        self.folder = folder
        self.warm = warm
        self.config = folder / "config" / "apiyi" / "config.toml"

    def run(self, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **environ,
        }
        return self.warm.text(argv, self.folder, given)

    def editor(self, body: str) -> str:
        """Return the name of an editor that does this to the text of the file."""
        path = self.folder / "editor.py"
        path.write_text(
            "import os, pathlib, sys\n"
            "path = pathlib.Path(sys.argv[1])\n"
            "text = path.read_text()\n"
            f"{body}\n"
            "path.write_text(text)\n"
        )
        return f"'{sys.executable}' '{path}'"


@pytest.fixture
def machine(tmp_path: Path, warm: Warm) -> Machine:
    return Machine(tmp_path, warm)


def test_set_get_and_unset_go_to_the_profile_in_use(machine: Machine) -> None:
    assert machine.run("config", "set", "model", "gpt-4o").returncode == 0
    machine.run("--profile", "work", "config", "set", "model", "o3")
    machine.run("config", "set", "profile.other.limits.rpm", "7")
    assert stat.S_IMODE(machine.config.stat().st_mode) == 0o600
    assert machine.run("config", "get", "model").stdout == "gpt-4o\n"
    assert machine.run("config", "get", "model", APIYI_MODEL="x").stdout == "x\n"
    assert machine.run("config", "get", "model", APIYI_PROFILE="work").stdout == "o3\n"
    assert machine.run("config", "get", "profile.work.model").stdout == "o3\n"
    assert machine.run("config", "get", "profile.other.limits.rpm").stdout == "7\n"
    assert machine.run("config", "unset", "model").returncode == 0
    assert machine.run("config", "get", "model").returncode == 2


def test_get_prints_defaults_and_lists_line_by_line(machine: Machine) -> None:
    hosts = "https://api.apiyi.com/v1\nhttps://vip.apiyi.com/v1\n"
    assert machine.run("config", "get", "base_urls").stdout == hosts
    assert machine.run("config", "get", "limits.rpm").stdout == "3000\n"
    assert machine.run("config", "get", "failover").stdout == "true\n"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("get", "modle"), "did you mean model?"),
        (("set", "modle", "x"), "did you mean model?"),
        (("set", "retries", "x"), "expected a whole number from 0 to 100"),
        (("get", "top_p"), "top_p is not set"),
    ],
)
def test_a_wrong_key_or_value_is_a_usage_error(
    machine: Machine, argv: tuple[str, ...], told: str
) -> None:
    done = machine.run("config", *argv)
    assert (done.returncode, told in done.stderr) == (2, True)
    assert not machine.config.exists()


def test_unsetting_what_is_not_there_is_told_and_no_failure(machine: Machine) -> None:
    done = machine.run("config", "unset", "model")
    assert (done.returncode, "was not in" in done.stderr) == (0, True)


def test_the_list_tells_origins_and_hides_passwords(machine: Machine) -> None:
    machine.run("config", "set", "proxy", "http://me:hush@proxy:1")
    machine.run("config", "set", "header", "X-Api-Key: hush", "X-Team: blue")
    done = machine.run("config", "list", "--origin", "--retries", "5", APIYI_MODEL="gpt-4o")
    rows = dict(line.split("  # ") for line in done.stdout.splitlines())
    rows = {name.strip(): origin for name, origin in rows.items()}
    assert rows['model = "gpt-4o"'] == "environment APIYI_MODEL"
    assert rows["retries = 5"] == "flag --retries"
    assert rows["limits.rpm = 3000"] == "default"
    assert rows['proxy = "http://***@proxy:1"'] == f"profile default in {machine.config}"
    assert 'header = ["X-Api-Key: ***", "X-Team: blue"]' in rows
    assert "hush" not in done.stdout


def test_the_list_is_json_on_request(machine: Machine) -> None:
    whole = json.loads(machine.run("config", "list", "--json").stdout)
    assert (whole["profile"], whole["limits.tpm"]) == ("default", 1_000_000)
    assert "json" not in whole
    lines = machine.run("config", "list", "--ndjson", "--origin").stdout.splitlines()
    assert json.loads(lines[0]) == {"name": "profile", "value": "default", "origin": "default"}


def test_path_names_the_file_whether_or_not_it_exists(machine: Machine) -> None:
    assert machine.run("config", "path").stdout == f"{machine.config}\n"
    assert machine.run("config", "path", APIYI_CONFIG="/x/y").stdout == "/x/y\n"


def test_edit_takes_over_what_is_right_and_hides_the_key_from_the_editor(machine: Machine) -> None:
    editor = machine.editor(
        "assert 'APIYI_API_KEY' not in os.environ\ntext = text.replace('# model', 'model')"
    )
    done = machine.run("config", "edit", EDITOR=editor, APIYI_API_KEY="sk-CANARY0123456789abcdef")
    assert done.returncode == 0, done.stderr
    assert machine.run("config", "get", "model").stdout == "gpt-4o\n"
    assert stat.S_IMODE(machine.config.stat().st_mode) == 0o600
    assert [one.name for one in machine.config.parent.iterdir()] == ["config.toml"]


def test_edit_keeps_a_mistake_apart_until_it_is_mended(machine: Machine) -> None:
    machine.run("config", "set", "model", "old")
    before = machine.config.read_text()
    wrong = machine.run(
        "config", "edit", EDITOR=machine.editor("text = text.replace('model', 'modle')")
    )
    copy = machine.config.with_name("config.edited.toml")
    assert wrong.returncode == 10
    assert f"{copy}:2" in wrong.stderr
    assert machine.config.read_text() == before
    mended = machine.run("config", "edit", EDITOR=machine.editor("text = '[profile.a]'"))
    assert (mended.returncode, machine.config.read_text()) == (0, "[profile.a]")
    assert not copy.exists()


@pytest.mark.parametrize("editor", ["false", "no-such-editor", "'"])
def test_an_editor_that_fails_changes_nothing(machine: Machine, editor: str) -> None:
    done = machine.run("config", "edit", VISUAL=editor)
    assert done.returncode == 10
    assert list(machine.config.parent.iterdir()) == []


def test_a_broken_file_exits_10_with_its_place(machine: Machine) -> None:
    machine.config.parent.mkdir(parents=True, exist_ok=True)
    machine.config.write_text("[profile.default]\nmodel = x\n")
    for argv in (("config", "list"), ("config", "get", "model"), ("config", "set", "model", "y")):
        done = machine.run(*argv)
        assert done.returncode == 10
        assert f"{machine.config}:2:9: not valid TOML" in done.stderr
