from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiyi_cli.errors import SetupError
from apiyi_cli.settings import paths


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("place", "variable", "below_home"),
    [
        (paths.config_dir, "XDG_CONFIG_HOME", ".config/apiyi"),
        (paths.state_dir, "XDG_STATE_HOME", ".local/state/apiyi"),
        (paths.cache_dir, "XDG_CACHE_HOME", ".cache/apiyi"),
        (paths.runtime_dir, "XDG_RUNTIME_DIR", ".local/state/apiyi/run"),
    ],
)
def test_folders_follow_xdg_and_ignore_relative_values(
    place: object, variable: str, below_home: str
) -> None:
    assert callable(place)
    assert place({"HOME": "/h", variable: "/x"}) == Path("/x/apiyi")
    for useless in ("", "relative/folder"):
        assert place({"HOME": "/h", variable: useless}) == Path("/h") / below_home


def test_without_home_the_password_database_is_asked() -> None:
    import pwd

    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for environ in ({}, {"HOME": ""}, {"HOME": "relative"}):
        assert paths.config_dir(environ) == home / ".config" / "apiyi"


def test_apiyi_config_names_another_file() -> None:
    assert paths.config_file({"HOME": "/h"}) == Path("/h/.config/apiyi/config.toml")
    assert paths.config_file({"HOME": "/h", "APIYI_CONFIG": "/x/y.toml"}) == Path("/x/y.toml")
    assert paths.config_file({"HOME": "/h", "APIYI_CONFIG": ""}).name == "config.toml"


@pytest.mark.usefixtures("open_umask")
def test_private_files_and_folders_are_private_under_an_open_umask(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "secret"
    paths.private_write(file, b"one")
    assert file.read_bytes() == b"one"
    assert (mode(file), mode(file.parent), mode(file.parent.parent)) == (0o600, 0o700, 0o700)
    assert mode(paths.private_dir(tmp_path / "c" / "d")) == 0o700
    assert mode(tmp_path / "c") == 0o700


def test_an_open_file_becomes_private_when_it_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    file.chmod(0o644)
    paths.private_write(file, b"new")
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["f"]


def test_an_open_folder_of_ours_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    paths.private_dir(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_symbolic_link_stays_and_its_target_changes(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    paths.private_write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_cannot_be_written_is_a_setup_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot write"):
        paths.private_write(tmp_path / "file" / "below", b"")
    with pytest.raises(SetupError, match="cannot write"):
        paths.private_write(tmp_path, b"")
    with pytest.raises(SetupError, match="cannot use the folder"):
        paths.private_dir(tmp_path / "file" / "below")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_file_in_the_way_of_a_private_folder_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "apiyi"
    path.write_bytes(b"")
    path.chmod(0o644)
    with pytest.raises(SetupError, match="Not a directory"):
        paths.private_dir(path)
    assert path.stat().st_mode & 0o777 == 0o644
