"""Pipes, folders, devices and damage in the place of the program's own files, and no temp folder.

A note at most: nothing waits, nothing is a defect, and what was paid for is printed.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.core.disk import open_regular, read_regular, replace_private
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

ANSWER = b"[sandbox] You said: hi\n"
SOUND = b"RIFF\x24\0\0\0WAVEfmt " + bytes(32)


def make_device(path: Path, minor: int) -> None:
    """Make a device of the test's own: root could replace the one of the whole machine."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, minor))
    except PermissionError:
        pytest.skip("only root can make a device")


def make_link_to_device(path: Path) -> None:
    make_device(path.with_name("device"), 5)
    path.symlink_to("device")


def make_other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE calls (x)")
        database.execute("CREATE TABLE replies (x)")
        database.commit()


def make_cut_database(path: Path) -> None:
    make_other_database(path)
    path.write_bytes(path.read_bytes()[:3000])


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": lambda path: (path / "x").mkdir(parents=True),
    "full": lambda path: make_device(path, 7),
    "zero": make_link_to_device,
    "ring": lambda path: path.symlink_to(path),
    "junk": lambda path: path.write_bytes(b'\xff\0{[not "anything\n' * 300),
    "json": lambda path: path.write_bytes(b'{"fetched":1,"models":[[1]]}\n[1,2]\n"x"\n'),
    "other": make_other_database,
    "cut": make_cut_database,
}
ODD = ("pipe", "folder", "full", "zero", "ring", "junk", "json")
DATABASE = (*ODD, "other", "cut")
STATE: dict[str, tuple[str, tuple[str, ...]]] = {
    "state/apiyi/usage.spool": ("chat hi", ODD),
    "cache/apiyi/prices.json": ("chat hi -u", ODD),
    "cache/apiyi/models/default": ("chat hi", ("pipe",)),
    "cache/apiyi/replies.sqlite3": ("chat hi --cache", DATABASE),
}


def make_odd_file(home: Path, name: str, kind: str) -> None:
    path = home / name
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    KINDS[kind](path)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, (_, kinds) in STATE.items() for kind in kinds]
)
def test_the_answer_does_not_depend_on_a_state_file(
    apiyi: Program, gateway: Gateway, name: str, kind: str
) -> None:
    make_odd_file(apiyi.home, name, kind)
    ran = apiyi(STATE[name][0])
    assert (ran.code, ran.out) == (0, ANSWER), ran.err
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize("kind", ODD)
def test_the_next_address_is_tried_whatever_stands_for_the_memory_of_those_that_are_down(
    apiyi: Program, gateway: Gateway, kind: str
) -> None:
    make_odd_file(apiyi.home, "state/apiyi/breaker.json", kind)
    config = apiyi.home / "config" / "apiyi" / "config.toml"
    urls = f'["http://127.0.0.1:9/v1", "{gateway.base_url}"]'
    config.write_text(f"[profile.default]\nbase_urls = {urls}\n")
    ran = apiyi("chat hi", env={"APIYI_BASE_URL": None})
    assert (ran.code, ran.out) == (0, ANSWER), ran.err


@pytest.mark.parametrize("kind", ["ring", "junk", "folder"])
def test_a_batch_goes_on_without_its_cache_and_says_so_once(
    apiyi: Program, gateway: Gateway, kind: str
) -> None:
    make_odd_file(apiyi.home, "cache/apiyi/replies.sqlite3", kind)
    ran = apiyi("batch - --lines --text --cache -j 1", stdin=b"hi\nho\nha\n")
    assert ran.code == 0 and ran.text.count("[sandbox]") == 3
    assert ran.err.count("going on without the cache") == (kind != "folder")


@pytest.mark.parametrize("kind", [*DATABASE])
@pytest.mark.parametrize(
    ("name", "line", "codes"),
    [
        ("state/apiyi/usage.spool", "usage", (0,)),
        ("state/apiyi/usage.taken-1-1", "usage", (0,)),
        ("state/apiyi/usage.sqlite3", "usage", (0, 10)),
        ("cache/apiyi/replies.sqlite3", "cache stats", (0, 10)),
        ("cache/apiyi/replies.sqlite3", "cache clear", (0, 10)),
        ("state/apiyi/sessions/s.ndjson", "session list", (0,)),
        ("state/apiyi/sessions/s.ndjson", "session show s", (2, 10)),
        ("state/apiyi/sessions/s.ndjson", "session rm s", (0, 11)),
        ("state/apiyi/sessions/s.ndjson", "chat hi --session s", (10, 11)),
        ("config/apiyi/config.toml", "chat hi", (10,)),
        ("config/apiyi/config.toml", "config set model x", (10,)),
        ("config/apiyi/config.toml", "--help", (0,)),
        ("config/apiyi/keys.json", "auth logout", (10,)),
    ],
)
def test_what_is_about_an_odd_file_says_so(
    apiyi: Program, gateway: Gateway, name: str, line: str, codes: tuple[int, ...], kind: str
) -> None:
    make_odd_file(apiyi.home, name, kind)
    ran = apiyi(line)
    assert ran.code in codes, ran.err
    assert ran.code == 0 or ran.err.startswith("apiyi: ")


@pytest.mark.parametrize("kind", ["pipe", "folder", "full", "zero"])
def test_only_a_regular_file_is_replaced(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path / "x")
    (tmp_path / "link").symlink_to("x")
    before = (tmp_path / "x").stat()
    for name in ("x", "link"):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            replace_private(tmp_path / name, b"mine")
    after = (tmp_path / "x").stat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("kind", ["pipe", "folder", "full", "zero"])
def test_only_a_regular_file_or_the_null_device_is_opened(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path / "x")
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDWR):
        with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
            open_regular(tmp_path / "x", flags)
    assert read_regular("/dev/null") == b""


def no_temporary_folder(apiyi: Program) -> dict[str, str | None]:
    """Return the environment of a machine on which no folder takes a temporary file."""
    folder = apiyi.home / "python"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import tempfile\ntempfile.tempdir = '/dev/null/x'\n")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        ("transcribe -", SOUND),
        ("transcribe <(cat a.wav)", b""),
        ("batch - --lines --strict -m gpt-4o", b"hi\nho\n"),
        ("chat -", b"hi"),
        ("embed -", b"hi"),
    ],
)
def test_without_a_temporary_folder_what_is_read_once_is_kept_in_memory(
    started: Program, gateway: Gateway, line: str, stdin: bytes
) -> None:
    (started.work / "a.wav").write_bytes(SOUND)
    ran = started.shell(f"apiyi {line}", stdin=stdin, env=no_temporary_folder(started))
    assert ran.code == 0 and ran.out, ran.err


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
@pytest.mark.parametrize(
    "line",
    [
        "batch {}",
        "batch {} --lines",
        "embed -f {}",
        "embed --lines <{}",
        "transcribe {}",
        "transcribe - <{}",
        "chat hi --schema @{}",
        "chat hi --tool @{}",
        "chat hi -s @{}",
        "speak -f {} -o o.mp3",
        "api POST x --input {}",
    ],
)
def test_an_input_without_an_end_is_refused(
    apiyi: Program, gateway: Gateway, line: str, device: str
) -> None:
    ran = apiyi.shell(f"apiyi {line.format(device)}")
    assert ran.code == 2 and ran.err.startswith("apiyi: "), ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize("odd", ["/dev/zero", "/dev/full", "pipe", "folder"])
@pytest.mark.parametrize(
    ("field", "endpoint"), [("image", "image"), ("file", "transcribe"), ("attach", "chat")]
)
def test_a_row_that_names_no_regular_file_is_a_bad_row(
    apiyi: Program, gateway: Gateway, field: str, endpoint: str, odd: str
) -> None:
    os.mkfifo(apiyi.work / "pipe")
    (apiyi.work / "folder").mkdir()
    row = f'{{"id":"a","prompt":"x","{field}":"{odd}"}}\n'
    ran = apiyi(f"batch - --endpoint {endpoint}", stdin=row.encode())
    assert ran.code == 3 and gateway.ledger == []
    assert "not a regular file" in ran.err or "Is a directory" in ran.err


@pytest.mark.parametrize("output", ["in.txt", "hard.txt", "soft.txt"])
def test_embed_does_not_empty_a_file_that_it_reads(
    apiyi: Program, gateway: Gateway, output: str
) -> None:
    (apiyi.work / "in.txt").write_text("precious")
    (apiyi.work / "hard.txt").hardlink_to(apiyi.work / "in.txt")
    (apiyi.work / "soft.txt").symlink_to("in.txt")
    ran = apiyi(f"embed -f in.txt --force -o {output}")
    assert ran.code == 2 and "it is the file of -f in.txt" in ran.err
    assert (apiyi.work / "in.txt").read_text() == "precious" and gateway.ledger == []
