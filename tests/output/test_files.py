from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiyi_cli.core.disk import part_path
from apiyi_cli.errors import IncompleteError, Interrupted, OutputError
from apiyi_cli.output.files import (
    AtomicFile,
    clear_stale_parts,
    is_device,
    refuse_existing,
    write_file,
)
from apiyi_cli.output.rescue import Rescue


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    with AtomicFile(path) as file:
        file.write(b"a" * 100_000)
        assert not path.exists()
        (part,) = names(tmp_path)
        assert part.startswith(f".out.png.{os.getpid()}-") and part.endswith(".part")
        file.write(b"b")
    assert names(tmp_path) == ["out.png"]
    assert path.read_bytes() == b"a" * 100_000 + b"b"


@pytest.mark.parametrize("stop", [ValueError("x"), Interrupted(signal.SIGINT)])
def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, stop: BaseException) -> None:
    with pytest.raises(type(stop)), AtomicFile(tmp_path / "out") as file:
        file.write(b"half")
        raise stop
    assert names(tmp_path) == []


def test_what_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(OutputError, match="it exists"), AtomicFile(path) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out"]


def test_force_replaces_a_file_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with AtomicFile(path, force=True) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_force_makes_a_file_that_was_not_there(tmp_path: Path) -> None:
    with AtomicFile(tmp_path / "out", force=True, mode=0o600) as file:
        file.write(b"new")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("target", ["secret", "nowhere"])
def test_a_link_in_the_way_is_never_followed(tmp_path: Path, force: bool, target: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    path = inside / "out"
    path.symlink_to(outside / target)
    if force:
        with AtomicFile(path, force=True) as file:
            file.write(b"x")
        assert path.read_bytes() == b"x" and not path.is_symlink()
    else:
        with pytest.raises(OutputError), AtomicFile(path) as file:
            file.write(b"x")
        assert path.is_symlink()
    assert names(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_directory_that_is_missing_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"), AtomicFile(tmp_path / "no" / "out"):
        pass


def test_a_directory_in_the_way_of_force_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError), AtomicFile(tmp_path / "out", force=True) as file:
        file.write(b"x")
    assert names(tmp_path) == ["out"]


def test_a_full_device_is_an_output_error_that_says_so() -> None:
    with (
        pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)),
        AtomicFile(Path("/dev/full")) as file,
    ):
        file.write(b"x")


def test_a_device_is_written_to_and_stays_a_device() -> None:
    with AtomicFile(Path("/dev/null"), force=True) as file:
        file.write(b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    refuse_existing(Path("/dev/null"))


def test_a_named_pipe_gets_the_bytes(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with AtomicFile(pipe) as file:
        file.write(b"through")
    reader.join()
    assert got == [b"through"]
    assert is_device(pipe)


def test_a_pipe_whose_reader_left_ends_the_run_as_sigpipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(Interrupted) as caught, AtomicFile(pipe) as file:
        os.close(reader)
        file.write(b"x")
    assert caught.value.signum == signal.SIGPIPE


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_names_of_descriptors_are_devices_whatever_is_behind_them(name: str) -> None:
    assert is_device(Path(name))


def test_files_and_directories_are_no_devices(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not is_device(tmp_path)
    assert not is_device(tmp_path / "file")
    assert not is_device(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["x", "x" * 255, "中" * 85])
def test_an_unfinished_name_fits_where_the_name_fits(tmp_path: Path, name: str) -> None:
    part = part_path(tmp_path / name)
    assert part.parent == tmp_path
    assert len(os.fsencode(part.name)) <= 255
    with AtomicFile(tmp_path / name) as file:
        file.write(b"x")
    assert names(tmp_path) == [name]


def test_what_exists_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(OutputError, match="it exists") as caught:
            refuse_existing(tmp_path / name)
        assert "--force" in (caught.value.hint or "")
        refuse_existing(tmp_path / name, force=True)
    refuse_existing(tmp_path / "new")


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_or_a_missing_parent_is_always_refused(tmp_path: Path, force: bool) -> None:
    with pytest.raises(OutputError, match="it is a directory"):
        refuse_existing(tmp_path, force=force)
    with pytest.raises(OutputError, match="there is no directory"):
        refuse_existing(tmp_path / "no" / "file", force=force)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_parent_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        refuse_existing(tmp_path / "file")


def test_only_our_unfinished_files_of_dead_processes_are_cleared(tmp_path: Path) -> None:
    dead = dead_pid()
    stale = tmp_path / f".out.png.{dead}-0123abcd.part"
    stale.write_bytes(b"half")
    kept = [
        f".out.png.{os.getpid()}-0123abcd.part",
        f".out.png.{os.getppid()}-0123abcd.part",
        f".out.png.{dead}-0123abcd",
        f"out.png.{dead}-0123abcd.part",
        f".out.png.{dead}-XYZ.part",
        ".other.part",
    ]
    for name in kept:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / f".link.{dead}-0123abcd.part").symlink_to(tmp_path / ".other.part")
    assert clear_stale_parts(tmp_path) == [stale]
    assert names(tmp_path) == sorted([*kept, f".link.{dead}-0123abcd.part"])


def test_clearing_never_fails(tmp_path: Path) -> None:
    assert clear_stale_parts(tmp_path / "nowhere") == []
    (tmp_path / f".x.{10**30}-0123abcd.part").write_bytes(b"")
    assert clear_stale_parts(tmp_path) == []


def cut() -> Iterator[bytes]:
    yield b"half an "
    yield b"answer"
    raise IncompleteError("the stream was cut", hint="try again")


def test_an_answer_becomes_a_file_when_it_is_complete(tmp_path: Path) -> None:
    write_file(iter([b"a", b"b"]), tmp_path / "out", rescue=Rescue((tmp_path / "rescue",)))
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"ab"


def test_a_cut_answer_is_no_file_but_what_came_is_kept(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError) as caught:
        write_file(cut(), tmp_path / "out", rescue=Rescue((tmp_path / "rescue",)))
    assert names(tmp_path) == ["rescue"]
    (path,) = (tmp_path / "rescue").iterdir()
    assert path.read_bytes() == b"half an answer"
    assert caught.value.hint == f"take the answer from {path}"


def test_an_answer_whose_name_was_taken_meanwhile_is_kept(tmp_path: Path) -> None:
    def answer() -> Iterator[bytes]:
        yield b"paid"
        (tmp_path / "out").write_bytes(b"theirs")
        yield b" for"

    with pytest.raises(OutputError):
        write_file(answer(), tmp_path / "out", rescue=Rescue((tmp_path / "rescue",)))
    (path,) = (tmp_path / "rescue").iterdir()
    assert path.read_bytes() == b"paid for"
    assert (tmp_path / "out").read_bytes() == b"theirs"


def test_an_answer_that_a_full_device_refuses_is_kept_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_file(iter([b"one", b"two"]), Path("/dev/full"), rescue=Rescue((tmp_path,)))
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"onetwo"


def test_a_failure_before_anything_came_keeps_its_own_hint(tmp_path: Path) -> None:
    def nothing() -> Iterator[bytes]:
        raise IncompleteError("no answer", hint="try again")
        yield b""

    for rescue in (None, Rescue((tmp_path / "rescue",))):
        with pytest.raises(IncompleteError) as caught:
            write_file(nothing(), tmp_path / "out", rescue=rescue)
        assert caught.value.hint == "try again"
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from apiyi_cli.output.files import AtomicFile
with AtomicFile(Path(sys.argv[1])) as file:
    for _ in range(int(sys.argv[2])):
        file.write(b"x" * 1000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_no_file_of_that_name_and_the_next_one_clears_up(
    tmp_path: Path,
) -> None:
    root = str(Path(__file__).parents[2])
    for count in ("0", "7"):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "out.png"), count]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, check=False)
        assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    assert "out.png" not in names(tmp_path)
    assert len(clear_stale_parts(tmp_path)) == 2
    assert names(tmp_path) == []
