"""`make manual`: the man pages and completion scripts, written into the source tree."""

from __future__ import annotations

import sys
from pathlib import Path

from apiyi_cli import __version__
from apiyi_cli.cli.described import program
from apiyi_cli.manual.completion import FILES, script
from apiyi_cli.manual.man import pages


def generated() -> dict[str, str]:
    """Return every generated file by its path below the top of the source tree."""
    described = program()
    return {
        **{f"man/{name}": text for name, text in pages(described, __version__).items()},
        **{f"completions/{name}": script(described, shell) for shell, name in FILES.items()},
    }


def write(top: Path) -> None:
    """Write the files below `top`, and remove the man pages of commands that are gone."""
    files = generated()
    for folder in ("man", "completions"):
        (top / folder).mkdir(exist_ok=True)
    for old in (top / "man").glob("*.1"):
        if f"man/{old.name}" not in files:
            old.unlink()
    for name, text in files.items():
        (top / name).write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
