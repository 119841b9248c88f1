"""The completion script of each shell.

Pressing TAB starts no program. Profiles are read from `config.toml` and model names from
the plain file that `apiyi models` leaves, by the shell itself. Neither file is trusted:
what is not a plain word is left out, for bash would expand a `$(...)` in a model's name.
"""

from __future__ import annotations

from pathlib import Path

from apiyi_cli.manual.describe import Command

SCRIPTS = {"bash": "apiyi.bash", "zsh": "_apiyi", "fish": "apiyi.fish", "powershell": "apiyi.ps1"}
"""The name of each shell's script in `completions/`."""

_NOTICE = "Made from the option table by `make manual`: changes to this file will be lost."

MENTION = "apiyi completion"
"""The part of a start file's line that shows that it loads the completion."""


def script(program: Command, shell: str) -> str:
    """Return the completion script for one of the shells of `SCRIPTS`.

    A shell's template has the functions, which never change; its line `# TABLES` is replaced
    by what they look up: the commands, their options and the values that options take.
    """
    from apiyi_cli.manual.shells import bash, fish, powershell, zsh

    shells = {"bash": bash, "zsh": zsh, "fish": fish, "powershell": powershell}
    text = (Path(__file__).parent / "shells" / SCRIPTS[shell]).read_text("utf-8")
    text = text.replace("# NOTICE\n", f"# {_NOTICE}\n", 1)
    return text.replace("# TABLES\n", shells[shell].tables(program), 1)
