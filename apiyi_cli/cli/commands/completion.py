"""`apiyi completion`: the static completion script of a shell, printed or installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated, Final, Literal

import typer

from apiyi_cli.cli.app import describe_all, single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.disk import replace_private
from apiyi_cli.errors import SetupError
from apiyi_cli.manual.completion import MENTION, script
from apiyi_cli.text import Text, system_reason

Shell = Annotated[
    Literal["bash", "zsh", "fish", "powershell"],
    typer.Argument(metavar="SHELL", help=Text("Which shell the script is for.")),
]
Install = Annotated[
    bool, typer.Option("--install", help=Text("Put it where the shell finds it, and say where."))
]
START_LINE_MARK: Final = f"# {MENTION}"
"""Marks our lines in a shell's start file; `apiyi doctor` looks for it, too."""
BASH_COMPLETION: Final = (
    "/usr/share/bash-completion/bash_completion",
    "/usr/local/share/bash-completion/bash_completion",
    "/opt/homebrew/etc/profile.d/bash_completion.sh",
    "/usr/local/etc/profile.d/bash_completion.sh",
    "/etc/bash_completion",
)
"""Files of the package that loads completions from a user's folder."""


def completion(ctx: Context, shell: Shell, install: Install = False) -> None:
    """Print the completion script of a shell, or install it.

    The script is static: pressing TAB starts no program.
    """
    text = script(describe_all(), shell).encode()
    if not install:
        ctx.process.console.write(text)
        return
    target, start_file, line = find_target(shell, ctx.process.environ)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_private(target, text)
        is_added = line is not None and _add_line(start_file, line)
    except OSError as failure:
        raise SetupError(
            Text("cannot install the completion in {target}", target=target),
            system_reason(failure),
            hint=f"apiyi completion {shell}",
        ) from None
    ctx.messages.note(Text("the completion for {shell} is {target}", shell=shell, target=target))
    if is_added:
        ctx.messages.note(Text("a line that loads it was added to {file}", file=start_file))
    ctx.messages.note(Text("it works in new shells"))


def find_target(shell: str, environ: Mapping[str, str]) -> tuple[Path, Path, str | None]:
    """Return the script's path, the start file, and the line that it needs or None."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if shell == "bash":
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        own = environ.get("BASH_COMPLETION_USER_DIR")
        target = Path(own) if own else data / "bash-completion"
        target = target / "completions" / "apiyi"
        is_loaded = any(map(os.path.exists, BASH_COMPLETION))
        line = None if is_loaded else f"source {quote(str(target))} {START_LINE_MARK}"
        return target, home / ".bashrc", line
    if shell == "zsh":
        folder = Path(environ.get("ZDOTDIR") or home)
        target = home / ".zfunc" / "_apiyi"
        line = f"fpath=({quote(str(target.parent))} $fpath); autoload -Uz compinit && compinit"
        return target, folder / ".zshrc", f"{line} {START_LINE_MARK}"
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "fish":
        return config / "fish" / "completions" / "apiyi.fish", config / "fish" / "config.fish", None
    folder = home / "Documents" / "PowerShell" if os.name == "nt" else config / "powershell"
    target = folder / "apiyi.ps1"
    line = ". '" + str(target).replace("'", "''") + f"' {START_LINE_MARK}"
    return target, folder / "Microsoft.PowerShell_profile.ps1", line


def _add_line(path: Path, line: str) -> bool:
    """Add a line to a start file unless it has one of ours. Return True if added."""
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        text = ""
    if START_LINE_MARK in text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")
    return True


app = single(spread(completion))
