"""Changes one line of the program at a time and demands that the tests notice (`make mutants`).

The `*.toml` files beside this one list the changes: `file` in the package, `tests` that must fail,
and for each mutant the `old` text, which is there once, and the `new` one. Every mutant runs in a
temporary copy of the package and the tests. The exit code is 1 if one survives or no longer fits.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LONGEST_S = 600.0


class Mutant(NamedTuple):
    """One change of a file of the package, and the tests that must fail for it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read_mutants(words: Sequence[str] = ()) -> Iterator[Mutant]:
    """Yield all mutants, or those of the tables with these names."""
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        if words and path.stem not in words:
            continue
        table = tomllib.loads(path.read_text("utf-8"))
        for number, row in enumerate(table["mutant"], 1):
            file, tests = row.get("file", table["file"]), row.get("tests", table["tests"])
            yield Mutant(f"{path.stem} {number}", file, row["old"], row["new"], tuple(tests))


def copy_program(folder: Path) -> Path:
    """Copy package and tests; return a Python that imports these copies, as its children do."""
    for name in ("apiyi_cli", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    # An environment of its own, because tests start processes with a clean environment.
    venv.create(folder / "venv", symlinks=True)
    site_packages = Path(sysconfig.get_path("purelib"))
    (own,) = (folder / "venv").glob(f"**/{site_packages.name}")
    (own / "copy.pth").write_text(f"{folder}\n{site_packages}\n")
    return folder / "venv" / "bin" / "python"


def is_killed(mutant: Mutant, copy: Path, python: Path) -> bool:
    """Return True if the tests fail for the mutant; the copy is restored."""
    path = copy / "apiyi_cli" / mutant.file
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    try:
        ended = subprocess.run(
            [python, "-m", "pytest", "-x", "-p", "no:cacheprovider", *mutant.tests],
            cwd=copy,
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(text, "utf-8")
    # Tests that could not be collected prove nothing.
    return ended.returncode == 1


def main(words: Sequence[str]) -> int:
    """Run the mutants; print each that survives."""
    failed = count = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        python = copy_program(copy)
        for mutant in read_mutants(words):
            count += 1
            source = (ROOT / "apiyi_cli" / mutant.file).read_text("utf-8")
            fits = source.count(mutant.old) == 1
            killed = fits and is_killed(mutant, copy, python)
            failed += not killed
            result = "killed" if killed else "SURVIVED" if fits else "DOES NOT FIT"
            print(f"{mutant.name:16} {mutant.file}: {result}", flush=True)
    print(f"{count - failed} of {count} mutants killed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
