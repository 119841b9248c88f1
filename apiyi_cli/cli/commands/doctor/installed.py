"""Finds the installed manual and completions by asking `man` and the shells.

A shell is asked without its start files, which are the user's own programs; those are only
read, for a line that loads the completion.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from apiyi_cli.manual.completion import MENTION

ASK_S = 3.0
PACKAGE = b"apiyi_cli"
MOST_START_BYTES = 1 << 20

_START_FILES = {
    "bash": (".bashrc", ".bash_profile", ".bash_completion", ".profile"),
    "zsh": (".zshrc", ".zprofile", ".zshenv"),
    "fish": (".config/fish/config.fish",),
    "powershell": tuple(
        f"Documents/{name}/Microsoft.PowerShell_profile.ps1"
        for name in ("PowerShell", "WindowsPowerShell")
    ),
}
_QUESTIONS = {
    "zsh": ("-fc", "print -rl -- $fpath"),
    "fish": ("--no-config", "-c", "string join \\n $fish_complete_path"),
}
_NAMES = {
    "bash": ("apiyi", "apiyi.bash", "_apiyi"),
    "zsh": ("_apiyi",),
    "fish": ("apiyi.fish",),
    "powershell": ("apiyi.ps1",),
}
SHELLS = tuple(_NAMES)


def find_manual(environ: Mapping[str, str]) -> str | None:
    """Return the page that `man apiyi` shows, None if it shows none."""
    pages = _ask(["man", "-w", "apiyi"], environ)
    return pages[0] if pages else None


def list_programs(environ: Mapping[str, str]) -> list[tuple[Path, bool]]:
    """Return each `apiyi` on PATH in order, and whether it is this one.

    Links to a program that was seen before are left out.
    """
    programs: dict[Path, tuple[Path, bool]] = {}
    names = ("apiyi", "apiyi.exe", "apiyi.cmd") if os.name == "nt" else ("apiyi",)
    for folder in environ.get("PATH", "").split(os.pathsep):
        for name in names if folder else ():
            path = Path(folder, name)
            if path.is_file() and os.access(path, os.X_OK):
                programs.setdefault(path.resolve(), (path, _is_ours(path)))
    return list(programs.values())


def _is_ours(path: Path) -> bool:
    """Return True for a script that starts this package, however it was installed."""
    if path.resolve() == Path(sys.argv[0]).resolve():
        return True
    try:
        with open(path, "rb") as file:
            return PACKAGE in file.read(MOST_START_BYTES)
    except OSError:
        return False


def find_completion(shell: str, program: str, environ: Mapping[str, str]) -> str | None:
    """Return the file from which a shell completes `apiyi`, None if there is none.

    `shell` is its name, `program` what it is started by.
    """
    for folder in _list_folders(shell, program, environ):
        for name in _NAMES[shell]:
            path = Path(folder, name)
            if path.is_file():
                return str(path)
    home = environ.get("USERPROFILE" if shell == "powershell" else "HOME")
    for name in _START_FILES[shell] if home else ():
        path = Path(str(home), name)
        if _mentions(path):
            return str(path)
    return None


def _list_folders(shell: str, program: str, environ: Mapping[str, str]) -> list[str]:
    """Return the folders that the shell tells, else those that its manual names."""
    if (question := _QUESTIONS.get(shell)) and (answer := _ask([program, *question], environ)):
        return answer
    home = environ.get("HOME", "")
    own = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    shared = (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    if shell == "bash":
        user = environ.get("BASH_COMPLETION_USER_DIR")
        first = f"{user}/completions" if user else f"{own}/bash-completion/completions"
        return [first, *(f"{folder}/bash-completion/completions" for folder in shared)]
    if shell == "fish":
        config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
        vendors = (f"{folder}/fish/vendor_completions.d" for folder in (own, *shared))
        return [f"{config}/fish/completions", "/etc/fish/completions", *vendors]
    return [folder for folder in environ.get("FPATH", "").split(":") if folder]


def _ask(words: list[str], environ: Mapping[str, str]) -> list[str]:
    """Return a program's output lines, none if it fails, hangs or is missing."""
    from apiyi_cli.settings.secrets import child_environment

    try:
        process = subprocess.run(
            words,
            env=child_environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = os.fsdecode(process.stdout).splitlines() if process.returncode == 0 else []
    return [line for line in lines if line]


def _mentions(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_START_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    return any(MENTION in line and not line.lstrip().startswith("#") for line in text.splitlines())
