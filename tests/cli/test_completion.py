"""`completion SHELL --install`: the shell completes in its next session, and it says so."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Program

FILES = {
    "bash": "data/bash-completion/completions/apiyi",
    "zsh": ".zfunc/_apiyi",
    "fish": "config/fish/completions/apiyi.fish",
    "powershell": "config/powershell/apiyi.ps1",
}


@pytest.mark.parametrize("shell", FILES)
def test_the_script_is_put_where_the_shell_looks(apiyi: Program, shell: str) -> None:
    printed = apiyi(f"completion {shell}").out
    for _ in range(2):
        ran = apiyi(f"completion {shell} --install")
        assert (ran.code, ran.out) == (0, b"")
        path = apiyi.home / FILES[shell]
        assert path.read_bytes() == printed and str(path) in ran.err
    if shell in ("zsh", "powershell"):
        start = {
            "zsh": ".zshrc",
            "powershell": "config/powershell/Microsoft.PowerShell_profile.ps1",
        }
        assert (apiyi.home / start[shell]).read_text().count("# apiyi completion") == 1


def test_a_start_file_keeps_what_it_had(apiyi: Program) -> None:
    (apiyi.home / ".zshrc").write_text("alias a=b")
    assert apiyi("completion zsh --install").code == 0
    assert (apiyi.home / ".zshrc").read_text().startswith("alias a=b\nfpath=(")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_knows_the_command_after_installing(apiyi: Program) -> None:
    assert apiyi("completion zsh --install").code == 0
    script = "source ~/.zshrc; print -r -- $_comps[apiyi]"
    environ = apiyi.environment({"ZDOTDIR": str(apiyi.home)})
    done = subprocess.run(
        ["zsh", "-fc", script], env=environ, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "_apiyi", done.stderr
    doctor = apiyi("doctor", env={"SHELL": "/bin/zsh"})
    assert "completion   installed for zsh" in doctor.text


def test_a_folder_that_cannot_be_written_is_told(apiyi: Program) -> None:
    (apiyi.home / ".zfunc").write_text("a file")
    ran = apiyi("completion zsh --install")
    assert ran.code == 10 and "cannot install" in ran.err
