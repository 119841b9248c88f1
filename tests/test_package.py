"""What is installed: the wheel's and the sdist's contents, and that they can be made again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EPOCH = "1767225600"
TEMPLATES = [
    path.relative_to(ROOT / "apiyi_cli/export/templates")
    for path in (ROOT / "apiyi_cli/export/templates").glob("*/*.*")
]
PAGE = ROOT / "apiyi_cli/playground/page"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    copy = tmp_path_factory.mktemp("source")
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    return copy


def built(source: Path, folder: Path, *kinds: str) -> list[Path]:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder), *kinds],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        check=True,
    )
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def distributions(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = built(source, tmp_path_factory.mktemp("dist"), "-t", "sdist", "-t", "wheel")
    sdist, wheel = sorted(made, key=lambda path: path.suffix != ".gz")
    return sdist, wheel


def test_the_wheel_has_the_program_and_its_data_and_nothing_else(
    distributions: tuple[Path, Path],
) -> None:
    names = zipfile.ZipFile(distributions[1]).namelist()
    shared = [name.partition(".data/data/")[2] for name in names if ".data/data/" in name]
    assert "share/man/man1/apiyi.1" in shared
    assert "share/man/man1/apiyi-chat.1" in shared
    assert "share/bash-completion/completions/apiyi" in shared
    assert "share/zsh/site-functions/_apiyi" in shared
    assert "share/fish/vendor_completions.d/apiyi.fish" in shared
    assert all(name.startswith("share/") for name in shared)
    assert "share/man/zh_CN/man1/apiyi-chat.1" in shared
    for data in ("py.typed", "wire/limits/limits.lua", "locale/zh_CN/LC_MESSAGES/apiyi.mo"):
        assert f"apiyi_cli/{data}" in names
    templates = (Path("apiyi_cli/export/templates") / name for name in TEMPLATES)
    assert {path.as_posix() for path in templates} <= set(names)
    page = (path.relative_to(ROOT).as_posix() for path in PAGE.rglob("*") if path.is_file())
    assert set(page) <= set(names)
    roots = {name.split("/")[0].partition("-")[0] for name in names}
    assert roots == {"apiyi_cli"}
    assert not [name for name in names if name.endswith((".pth", ".pyc")) or "/tests/" in name]


def test_the_sdist_has_what_the_tests_need(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for wanted in ("pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/conftest.py"):
        assert wanted in names


def test_the_wheel_is_the_same_when_it_is_built_again(
    source: Path, distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    (again,) = built(source, tmp_path, "-t", "wheel")
    first = hashlib.sha256(distributions[1].read_bytes()).hexdigest()
    assert hashlib.sha256(again.read_bytes()).hexdigest() == first


def test_there_are_at_most_seven_direct_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert len(project["dependencies"]) <= 7


def test_the_installed_packages_fit_together() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
