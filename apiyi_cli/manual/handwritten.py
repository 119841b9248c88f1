"""The hand-written sections: where they are, and the lists inserted into them.

`sections/COMMAND.md` belongs to a command's page, `sections/topics/TOPIC.md` to `apiyi help`
and to the page of the command of that name, or else to apiyi(1). A paragraph `{exit-codes}`
or `{config-keys}` is replaced by a list that the code knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from apiyi_cli.core.exit_codes import EXIT_CODES, ExitCode
from apiyi_cli.core.language import Translate, as_is
from apiyi_cli.manual.markdown import (
    Block,
    Code,
    Definitions,
    Heading,
    Paragraph,
    Span,
    blocks,
    plain,
    text,
)
from apiyi_cli.text import Text

SECTIONS = Path(__file__).parent / "sections"
TOPICS = (
    *("exit-codes", "environment", "config", "formatting", "retries"),
    *("batch", "proxy", "moving", "recipes"),
)
"""The topics of `apiyi help`, in the order in which apiyi(1) has them."""

RECIPES = Text("recipes.md")
"""The cookbook has a file for each language: its prompts and names differ."""


def command_sections(name: str, say: Translate = as_is) -> list[Block]:
    """Return the hand-written section of a command, "" if there is none."""
    path = SECTIONS / f"{name}.md"
    return list(_read(path, say)) if path.exists() else []


def sections_of(name: str, say: Translate = as_is) -> list[Block]:
    """Return all hand-written text of a command: its sections, then its topic."""
    return [*command_sections(name, say), *(topic(name, say) if name in TOPICS else [])]


def divide(written: list[Block], say: Translate = as_is) -> tuple[list[Block], list[Block]]:
    """Return the DESCRIPTION section, which goes before the options, and the rest."""
    at = [i for i, block in enumerate(written) if isinstance(block, Heading) and block.level == 1]
    if not at or written[at[0]] != Heading(1, say(Text("DESCRIPTION"))):
        return [], written
    end = at[1] if len(at) > 1 else len(written)
    return written[:end], written[end:]


def list_examples(path: tuple[str, ...], say: Translate = as_is) -> list[Block]:
    """Return two examples of a command: lines of code with their explanation.

    `path` is what is typed, `("apiyi", "chat")`; a subcommand has the lines that name it.
    """
    named = re.compile(rf"{' '.join(path)}(?![\w-])")
    heading = say(Text("EXAMPLES"))
    examples: list[Block] = []
    said: list[Block] = []
    inside, wanted = False, 2
    for block in command_sections(path[-1] if len(path) < 3 else path[1], say):
        match block:
            case Heading(1, title):
                inside, said = title == heading, []
            case Paragraph() if len(path) < 3:
                said = [block]
            case Code(lines) if inside:
                chosen = tuple(filter(named.search, lines))[:wanted]
                examples += [*said, Code(chosen)] if chosen else []
                said, wanted = [], wanted - len(chosen)
    return examples


def topic(name: str, say: Translate = as_is) -> list[Block]:
    """Return a topic; it begins with its heading. Raises FileNotFoundError for another name."""
    if name == "recipes":
        return list(_read(SECTIONS / "topics" / say(RECIPES), as_is))
    return list(_read(SECTIONS / "topics" / f"{name}.md", say))


def _read(path: Path, say: Translate) -> Iterator[Block]:
    for block in blocks(path.read_text("utf-8"), say):
        match plain(block.text) if isinstance(block, Paragraph) else "":
            case "{exit-codes}":
                yield exit_codes(say)
            case "{config-keys}":
                yield config_keys()
            case _:
                yield block


def exit_codes(say: Translate = as_is) -> Definitions:
    """Return the table of exit codes as a list: number and name, meaning, retry."""
    return Definitions(
        tuple(
            (
                (Span(str(row.code), "bold"), Span(f"  {row.name}")),
                text(" ".join(map(say, _sentences(row)))),
            )
            for row in EXIT_CODES
        )
    )


def config_keys() -> Paragraph:
    """Return the names of all options that a profile may set."""
    from apiyi_cli.settings.values import configurable_names

    names = ", ".join(f"`{name}`" for name in sorted(configurable_names()))
    return Paragraph(text(f"{names}."))


def _sentences(row: ExitCode) -> list[str]:
    when = f"{row.when[0].upper()}{row.when[1:]}."
    if row.again == "-":
        return [Text(when)]
    return [Text(when), Text("Again: {again}.", again=Text(row.again))]
