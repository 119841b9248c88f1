"""`apiyi completion`: the static completion script of a shell."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from apiyi_cli.cli.app import describe_all, single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.text import Text

Shell = Annotated[
    Literal["bash", "zsh", "fish", "powershell"],
    typer.Argument(metavar="SHELL", help=Text("Which shell the script is for.")),
]


def completion(ctx: Context, shell: Shell) -> None:
    """Print the completion script of a shell.

    The script is static: pressing TAB starts no program.
    """
    from apiyi_cli.manual.completion import script

    ctx.process.console.write(script(describe_all(), shell).encode())


app = single(spread(completion))
