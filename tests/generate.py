"""`make manual`: man pages, completion scripts and compiled messages, written into the tree.

The recipes are written into the READMEs as well, between two marks.
"""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from apiyi_cli import __version__
from apiyi_cli.cli.app import describe_all
from apiyi_cli.core import families
from apiyi_cli.core.jsontext import write as write_json
from apiyi_cli.core.language import CHINESE, DOMAIN, LOCALE, translate_by
from apiyi_cli.manual.completion import SCRIPTS, script
from apiyi_cli.manual.handwritten import SECTIONS
from apiyi_cli.manual.man import pages

READMES = {"README.md": "recipes.md", "README.zh-CN.md": "recipes.zh_CN.md"}
RECIPES_BEGIN = "<!-- recipes: make manual -->"
RECIPES_END = "<!-- end of the recipes -->"

CORE = Path(families.__file__).parent
FOLDER = LOCALE / CHINESE / "LC_MESSAGES"


def generate_texts() -> dict[str, str]:
    """Return every generated text by its path below the top of the source tree."""
    program = describe_all()
    messages = {
        str(message.id): str(message.string)
        for message in catalogue()
        if message.id and message.string
    }
    say = translate_by(lambda template: messages.get(template, template))
    chinese = pages(program, __version__, say)
    return {
        **{f"man/{name}": text for name, text in pages(program, __version__).items()},
        **{f"man/zh_CN/{name}": text for name, text in chinese.items()},
        **{f"completions/{name}": script(program, shell) for shell, name in SCRIPTS.items()},
    }


def insert_recipes(readme: str, recipes: str) -> str:
    """Return a README with the recipes between its marks, their headings one level lower."""
    _, _, body = recipes.partition("\n")
    body = re.sub(r"^## ", "### ", body, flags=re.MULTILINE)
    before, _, rest = readme.partition(RECIPES_BEGIN)
    _, _, after = rest.partition(RECIPES_END)
    return f"{before}{RECIPES_BEGIN}\n{body.strip()}\n\n{RECIPES_END}{after}"


def write(top: Path) -> None:
    """Write the files below `top`, and remove the man pages of commands that are gone."""
    files = generate_texts()
    for name, recipes in READMES.items():
        if (readme := top / name).exists():
            source = (SECTIONS / "topics" / recipes).read_text("utf-8")
            files[name] = insert_recipes(readme.read_text("utf-8"), source)
    for folder in ("man/zh_CN", "completions"):
        (top / folder).mkdir(parents=True, exist_ok=True)
    for old in (top / "man").rglob("*.1"):
        if old.relative_to(top).as_posix() not in files:
            old.unlink()
    for name, text in files.items():
        (top / name).write_text(text, "utf-8", newline="\n")


@cache
def catalogue() -> Catalog:
    """Return the catalogue of Chinese messages."""
    with (FOLDER / f"{DOMAIN}.po").open("rb") as file:
        messages = read_po(file)
    # The source has no date; Babel would write the time of this run instead.
    messages.creation_date = datetime(2000, 1, 1, tzinfo=UTC)
    return messages


def compile_messages() -> bytes:
    """Return the Chinese messages compiled."""
    file = BytesIO()
    write_mo(file, catalogue())
    return file.getvalue()


def convert_families() -> bytes:
    """Return the table of model families as JSON, which the program reads."""
    table = tomllib.loads((CORE / "families.toml").read_text("utf-8"))["family"]
    return b"".join((b"[", b",\n ".join(map(write_json, table)), b"]\n"))


if __name__ == "__main__":
    (CORE / "families.json").write_bytes(convert_families())
    (FOLDER / f"{DOMAIN}.mo").write_bytes(compile_messages())
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
