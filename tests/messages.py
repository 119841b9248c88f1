"""The messages that people read, collected for translation. Run as a program: `make messages`.

Every `Text("…")` of the package counts; `ast` finds them, because Babel's own extractor does not
look into f-strings. So does every `t('…')` and `word('…')` of the playground's scripts. The tables
(commands, options, manual sections, exit codes) become messages where they are shown and are
collected here. Translations stay, new messages come in without one, those that are gone go.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from apiyi_cli.cli.app import describe_all
from apiyi_cli.core.language import CHINESE, DOMAIN, LOCALE
from apiyi_cli.manual.handwritten import SECTIONS, exit_codes
from apiyi_cli.manual.markdown import blocks
from apiyi_cli.playground.texts import find_words
from apiyi_cli.text import Text
from tests.source import nodes

PACKAGE = Path(__file__).parents[1] / "apiyi_cli"
SOURCE = LOCALE / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.po"

CREATED = datetime(2026, 11, 24, tzinfo=UTC)
"""A time for the header that does not change the file at each run."""

SYSTEM = (
    "No such file or directory",
    "Permission denied",
    "Is a directory",
    "Not a directory",
    "File exists",
    "File name too long",
    "Bad file descriptor",
    "Input/output error",
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Too many open files",
    "Address already in use",
    "Connection refused",
    "Connection reset by peer",
    "Network is unreachable",
    "No route to host",
)
"""What the operating system says most; `core.text.system_reason` makes messages of it."""


@cache
def needed() -> dict[str, list[str]]:
    """Return every message's template with the files that it comes from."""
    places: dict[str, list[str]] = {}

    def add(place: str, template: str) -> None:
        if template and re.search("[A-Za-z]{2}|, |: |; ", template):
            known = places.setdefault(template, [])
            if place not in known:
                known.append(place)

    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.glob("playground/page/*.js")]):
        templates = find_words(path.read_text("utf-8")) if path.suffix == ".js" else of_module(path)
        for template in templates:
            add(path.relative_to(PACKAGE).as_posix(), template)
    for template in of_help():
        add("--help", template)
    for path in sorted(SECTIONS.rglob("*.md")):
        if path.name.startswith("recipes."):
            continue  # each language has its own
        for template in of_section(path):
            add(path.relative_to(PACKAGE).as_posix(), template)
    for template in collected(exit_codes):
        add("errors.py", template)
    for template in SYSTEM:
        add("tests/messages.py", template)
    return places


def of_module(path: Path) -> Iterator[str]:
    """Yield the templates of a module, in order."""
    for node in nodes(path):
        match node:
            case ast.Call(func=ast.Name(id="Text"), args=[template, *_]):
                yield from _constants(template)


def _constants(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as template):
            yield template
        case ast.IfExp():
            yield from _constants(node.body)
            yield from _constants(node.orelse)


def collected(show: Callable[[Callable[[str], str]], object]) -> list[str]:
    """Return the templates that `show` has translated, those of values included."""
    found: list[str] = []

    def collect(text: str) -> str:
        if isinstance(text, Text):
            found.append(text.template)
            for value in text.values.values():
                collect(value)
        return text

    show(collect)
    return found


def of_help() -> Iterator[str]:
    """Yield what `--help` says, with its headings."""
    for command in describe_all().walk():
        yield from collected(command.translate)
        yield from (command.panel, *command.panels())


def of_section(path: Path) -> list[str]:
    """Return the running texts of a hand-written section, without those that are code alone."""
    source = path.read_text("utf-8")
    found = collected(lambda say: list(blocks(source, say)))
    return [text for text in found if re.search("[A-Za-z]{2}", re.sub(r"`[^`]*`|^{.*}$", "", text))]


@cache
def translations() -> dict[str, str]:
    """Return the Chinese text of every message that has one."""
    with SOURCE.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file) if one.id and one.string}


def update() -> tuple[list[str], list[str]]:
    """Write the catalogue's source anew; return what lacks a translation and what is gone."""
    known = translations() if SOURCE.exists() else {}
    wanted = needed()
    catalog = Catalog(
        locale=CHINESE,
        domain=DOMAIN,
        project="apiyi",
        fuzzy=False,
        creation_date=CREATED,
        revision_date=CREATED,
    )
    catalog.header_comment = "# Chinese messages of apiyi."
    catalog.mime_headers = [
        ("Project-Id-Version", "apiyi"),
        ("Language", CHINESE),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    for template, places in wanted.items():
        message = catalog.add(template, known.get(template, ""), [(place, 0) for place in places])
        # The check of the flags wants every value used, which Chinese without plurals does not.
        message.flags.clear()
    written = BytesIO()
    write_po(written, catalog, width=0, include_lineno=False)
    SOURCE.write_bytes(written.getvalue())
    gone = [template for template in known if template not in wanted]
    return [template for template in wanted if not known.get(template)], gone


if __name__ == "__main__":
    missing, gone = update()
    for template in missing:
        print(f"new: {template!r}")
    for template in gone:
        print(f"gone: {template!r}")
