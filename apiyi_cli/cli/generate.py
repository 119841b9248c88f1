"""`make manual`: man pages, completion scripts and compiled messages, written into the tree."""

from __future__ import annotations

import sys
from pathlib import Path

from apiyi_cli import __version__
from apiyi_cli.cli.described import program
from apiyi_cli.core.catalogue import FOLDER, Catalogue
from apiyi_cli.manual import po
from apiyi_cli.manual.completion import FILES, script
from apiyi_cli.manual.man import pages


def generated() -> dict[str, str]:
    """Return every generated text by its path below the top of the source tree."""
    described = program()
    say = Catalogue(po.read(source())).translate
    chinese = pages(described, __version__, say)
    return {
        **{f"man/{name}": text for name, text in pages(described, __version__).items()},
        **{f"man/zh_CN/{name}": text for name, text in chinese.items()},
        **{f"completions/{name}": script(described, shell) for shell, name in FILES.items()},
    }


def write(top: Path) -> None:
    """Write the files below `top`, and remove the man pages of commands that are gone."""
    files = generated()
    for folder in ("man/zh_CN", "completions"):
        (top / folder).mkdir(parents=True, exist_ok=True)
    for old in (top / "man").rglob("*.1"):
        if old.relative_to(top).as_posix() not in files:
            old.unlink()
    for name, text in files.items():
        (top / name).write_text(text, "utf-8", newline="\n")


def source() -> str:
    """Return the source of the Chinese messages."""
    return (FOLDER / "apiyi.po").read_text("utf-8")


def catalogue() -> bytes:
    """Return the Chinese messages compiled."""
    return po.compiled(po.read(source()))


if __name__ == "__main__":
    (FOLDER / "apiyi.mo").write_bytes(catalogue())
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
