from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import IncompleteError, Interrupted, OutputError
from apiyi_cli.output.files import write_file
from apiyi_cli.output.rescue import KEPT_MAX_BYTES, Rescue, write_or_rescue

CLOCK = Clock(lambda: 0.0, lambda: 1_750_000_000.0, lambda seconds: None)


class Disk:
    """Takes some items and is full then."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.took: list[bytes] = []

    def write(self, data: bytes) -> None:
        if len(self.took) == self.room:
            raise OutputError("cannot write", "No space left on device")
        self.took.append(data)


def read_rescued(directory: Path) -> bytes:
    (path,) = directory.iterdir()
    return path.read_bytes()


def test_every_item_is_written_in_order() -> None:
    disk = Disk(10)
    write_or_rescue([b"a", b"b"], disk.write, None)
    assert disk.took == [b"a", b"b"]


@pytest.mark.parametrize("room", [0, 1, 2])
def test_the_whole_answer_is_kept_when_its_output_is_full(tmp_path: Path, room: int) -> None:
    place = tmp_path / "state" / "rescue"
    with pytest.raises(OutputError) as caught:
        write_or_rescue(iter([b"a\n", b"b\n", b"c\n"]), Disk(room).write, Rescue((place,), CLOCK))
    assert read_rescued(place) == b"a\nb\nc\n"
    (path,) = place.iterdir()
    assert path.name == f"20250615T150640Z-{os.getpid()}"
    assert caught.value.hint == f"take the answer from {path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_stream_cut_while_it_is_rescued_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise IncompleteError("cut")

    with pytest.raises(OutputError):
        write_or_rescue(cut(), Disk(0).write, Rescue((tmp_path,), CLOCK))
    assert read_rescued(tmp_path) == b"ab"


def test_a_cut_stream_whose_text_was_written_is_no_business_of_the_rescue(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"a"
        raise IncompleteError("cut")

    with pytest.raises(IncompleteError):
        write_or_rescue(cut(), Disk(5).write, Rescue((tmp_path,), CLOCK))
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_went_away_is_not_rescued_from(tmp_path: Path) -> None:
    def gone(data: bytes) -> None:
        raise Interrupted(signal.SIGPIPE)

    with pytest.raises(Interrupted):
        write_or_rescue([b"a"], gone, Rescue((tmp_path,), CLOCK))
    assert list(tmp_path.iterdir()) == []


def test_two_rescues_in_one_second_are_two_files(tmp_path: Path) -> None:
    rescue = Rescue((tmp_path,), CLOCK)
    first, second = rescue.keep([b"1"]), rescue.keep([b"2"])
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert second.name == first.name + "-2"


def test_the_next_directory_is_taken_where_the_first_one_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    good = tmp_path / "good"
    path = Rescue((tmp_path / "file" / "sub", good), CLOCK).keep([b"x"])
    assert path.parent == good


def test_an_answer_that_nobody_takes_is_said_to_be_lost(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError) as caught:
        write_or_rescue([b"a"], Disk(0).write, Rescue((tmp_path / "file" / "sub",), CLOCK))
    assert "could not be kept" in (caught.value.hint or "")


def test_without_a_place_the_error_keeps_its_own_hint() -> None:
    with pytest.raises(OutputError) as caught:
        write_or_rescue([b"a"], Disk(0).write, None)
    assert caught.value.hint is None


def test_of_a_very_long_output_only_the_rest_is_kept(tmp_path: Path) -> None:
    long = b"x" * (KEPT_MAX_BYTES // 2 + 1)
    with pytest.raises(OutputError) as caught:
        write_or_rescue([long, long, b"the", b"rest"], Disk(2).write, Rescue((tmp_path,), CLOCK))
    assert read_rescued(tmp_path) == b"therest"
    assert "the rest of the answer" in (caught.value.hint or "")


def test_what_had_come_is_kept_when_its_file_cannot_even_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    rescue = Rescue((tmp_path / "kept",), CLOCK)
    with pytest.raises(OutputError) as caught:
        write_file([b"paid", b" for"], tmp_path / "file" / "out", rescue=rescue)
    assert read_rescued(tmp_path / "kept") == b"paid for"
    assert str(tmp_path / "kept") in (caught.value.hint or "")


def test_what_was_not_asked_for_yet_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    rescue = Rescue((tmp_path / "kept",), CLOCK)
    with pytest.raises(OutputError):
        write_file(iter([b"never sent"]), tmp_path / "file" / "out", rescue=rescue)
    assert not (tmp_path / "kept").exists()
