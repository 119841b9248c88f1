"""The skill file: instructions for coding agents that use the program, as Markdown.

The text is data beside this module, one file a language; the list of commands and the exit
codes are filled in from their tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from apiyi_cli.core.exit_codes import EXIT_CODES
from apiyi_cli.core.language import Translate
from apiyi_cli.text import Text

_FOLDER = Path(__file__).parent


def format_skill(
    commands: Iterable[tuple[str, str]], version: str, say: Translate, language: str
) -> str:
    """Return the skill file; `commands` are the names and help lines of all commands.

    `language` is en or zh_CN, that into which `say` translates.
    """
    listed = "\n".join(f"- `apiyi {name}`: {say(Text(help))}" for name, help in commands)
    text = (_FOLDER / f"{language}.md").read_text("utf-8")
    for place, value in (
        ("{version}", version),
        ("{commands}", listed),
        ("{exit-codes}", _format_exit_codes(say)),
    ):
        text = text.replace(place, value)
    return text


def _format_exit_codes(say: Translate) -> str:
    head = (Text("code"), Text("name"), Text("when"), Text("run again?"))
    rows = [
        tuple(map(say, head)),
        ("---",) * len(head),
        *(
            (str(row.code), row.name, say(Text(row.when)), say(Text(row.again)))
            for row in EXIT_CODES
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
