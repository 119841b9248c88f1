"""Whole writes, atomic replacement, private folders, and which names stand for one file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from apiyi_cli.core.disk import (
    count_written,
    first_clash,
    is_same_file,
    make_private_folder,
    part_path,
    replace_private,
    write_all,
    write_new,
)


def test_all_is_written_however_little_a_pipe_takes_at_a_time() -> None:
    reading, writing = os.pipe()
    data = os.urandom(200_000)
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        write_all(writing, data)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        assert file.read() == data
    assert os.waitpid(pid, 0)[1] == 0


def test_a_failed_write_says_how_far_it_came() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        with pytest.raises(BlockingIOError) as failure:
            write_all(writing, bytes(10_000_000))
        assert count_written(failure.value) == len(os.read(reading, 10_000_000))
    finally:
        os.close(reading)
        os.close(writing)


def test_a_private_file_replaces_what_its_link_names_and_is_closed_to_others(
    tmp_path: Path,
) -> None:
    old = os.umask(0o777)
    try:
        make_private_folder(tmp_path / "a" / "b")
        replace_private(tmp_path / "a" / "b" / "real", b"one")
    finally:
        os.umask(old)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b" / "real")
    replace_private(tmp_path / "link", b"two")
    real = tmp_path / "a" / "b" / "real"
    assert (tmp_path / "link").is_symlink() and real.read_bytes() == b"two"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert sorted(path.name for path in real.parent.iterdir()) == ["real"]


def test_a_new_file_whose_content_breaks_off_is_removed(tmp_path: Path) -> None:
    def pieces() -> object:
        yield b"half"
        raise ValueError

    with pytest.raises(ValueError):
        write_new(tmp_path / "x", pieces())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    write_new(tmp_path / "x", [b"a", b"b"])
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "x", [b"c"])
    assert (tmp_path / "x").read_bytes() == b"ab"


def test_part_names_are_short_enough_for_any_file_system(tmp_path: Path) -> None:
    assert len(os.fsencode(part_path(tmp_path / ("ä" * 127)).name)) <= 255


def test_one_file_under_two_names_is_found(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.write_text("x")
    (tmp_path / "hard").hardlink_to(here)
    (tmp_path / "soft").symlink_to("here")
    (tmp_path / "dangling").symlink_to("absent")
    for name in ("hard", "soft", "../" + tmp_path.name + "/here"):
        assert is_same_file(here, tmp_path / name)
    assert is_same_file(tmp_path / "dangling", tmp_path / "absent")
    assert not is_same_file(here, tmp_path / "absent")
    named = [("FILE", here), ("-o", tmp_path / "absent"), ("--errors", tmp_path / "hard")]
    assert first_clash(named) == ("--errors", "FILE")
    assert first_clash(named[:2]) is None
    assert first_clash([("-o", Path("/dev/null")), ("--errors", Path("/dev/null"))]) is None


@pytest.mark.parametrize("link", [False, True])
def test_nothing_but_a_file_is_replaced(tmp_path: Path, link: bool) -> None:
    """Root may replace a device: a state file that leads to one must not."""
    place = tmp_path / "pipe"
    os.mkfifo(place)
    named = place
    if link:
        named = tmp_path / "link"
        named.symlink_to(place)
    with pytest.raises(OSError, match="not a regular file"):
        replace_private(named, b"state")
    assert stat.S_ISFIFO(place.stat().st_mode)
