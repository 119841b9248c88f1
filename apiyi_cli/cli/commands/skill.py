"""`apiyi skill`: a skill file for coding agents."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.command_table import COMMANDS
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread


def skill(ctx: Context) -> None:
    """Print a skill file for coding agents: commands, outputs, exit codes, cost rules.

    Keep it where the agent looks for skills: `apiyi skill > skills/apiyi/SKILL.md`.
    """
    from apiyi_cli import __version__
    from apiyi_cli.agents.skill import format_skill
    from apiyi_cli.core.language import CHINESE, to_chinese

    say = ctx.messages.translate
    language = CHINESE if say is to_chinese() else "en"
    commands = [(name, entry.help) for name, entry in COMMANDS.items()]
    ctx.process.console.write(format_skill(commands, __version__, say, language).encode())


app = single(spread(skill))
