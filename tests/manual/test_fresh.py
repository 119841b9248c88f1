"""The generated files that are committed: fresh, and what the tools that read them accept."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from apiyi_cli import __version__
from apiyi_cli.manual.man import RELEASED
from tests.generate import generate_texts, write

TOP = Path(__file__).parents[2]
PAGES = sorted(str(path.relative_to(TOP)) for path in (TOP / "man").rglob("*.1"))
SCRIPTS = sorted(str(path.relative_to(TOP)) for path in (TOP / "completions").iterdir())
ENGLISH = [name for name in PAGES if "/zh_CN/" not in name]


@cache
def made() -> dict[str, str]:
    return generate_texts()


@pytest.mark.parametrize("name", [*PAGES, *SCRIPTS])
def test_a_committed_file_is_what_make_manual_makes(name: str) -> None:
    assert (TOP / name).read_text("utf-8") == made()[name], f"{name}: run make manual"


def test_there_is_a_file_of_each_command_and_none_of_one_that_is_gone() -> None:
    assert set(made()) == {*PAGES, *SCRIPTS}


def test_the_package_installs_every_page_and_script_and_nothing_else() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {
        **{name: f"share/man/man1/{Path(name).name}" for name in ENGLISH},
        "man/zh_CN": "share/man/zh_CN/man1",
        "completions/apiyi.bash": "share/bash-completion/completions/apiyi",
        "completions/_apiyi": "share/zsh/site-functions/_apiyi",
        "completions/apiyi.fish": "share/fish/vendor_completions.d/apiyi.fish",
    }


def test_writing_removes_the_page_of_a_command_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "apiyi-gone.1").touch()
    (tmp_path / "man" / "notes.txt").touch()
    write(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {*made(), "man/notes.txt"}


def test_this_version_has_a_date_for_its_pages() -> None:
    assert __version__ in RELEASED


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say_about_a_page(name: str) -> None:
    lint = ["mandoc", "-T", "lint", "-W", "warning"]
    ran = subprocess.run(lint, input=made()[name], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_the_source_of_a_page_is_ascii_without_bare_requests(name: str) -> None:
    assert made()[name].isascii()
    request = re.compile(r"\.(TH|SH|SS|PP|TP|IP|RS|RE|EX|EE|BR|TS|TE|nh|ad|br)( .*)?")
    for line in made()[name].split("\n"):
        assert not line.startswith(".") or request.fullmatch(line)
        assert not line.startswith("'") or line == "'\\\" t"


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_a_rendered_page_reads_as_it_was_meant() -> None:
    ran = subprocess.run(
        ["mandoc", "-T", "ascii", "-O", "width=80"],
        input=made()["man/apiyi-chat.1"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = re.sub(".\b", "", ran.stdout)
    for wanted in (
        "apiyi-chat - Send a chat completion",
        "apiyi chat [OPTIONS] [PROMPT]...",
        "-m, --model NAME",
        "--stream, --no-stream",
        'apiyi chat -a photo.jpg "What is this?"',
        "apiyi chat --schema 'city, country, population int'",
    ):
        assert wanted in text
