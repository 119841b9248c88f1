"""Recordings joined to one that plays."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import pytest

from apiyi_cli.decode.speech_join import join_audio, state_length
from apiyi_cli.errors import IncompleteError
from apiyi_cli.sandbox.audio_files import aac, mp3, wav

XING = b"\xff\xfb\x90\xc4" + bytes(17) + b"Info" + bytes(392)


def joined(*parts: bytes, size: int = 7) -> bytes:
    pieces = ([part[at : at + size] for at in range(0, len(part), size)] for part in parts)
    return b"".join(join_audio(pieces))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_tags_and_frames_of_a_length_are_left_out_of_mp3(size: int) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130)
    assert joined(tag + XING + mp3(0.1), tag + mp3(0.2), XING, size=size) == mp3(0.1) + mp3(0.2)
    assert joined(tag[:40], mp3(0.1), size=size) == mp3(0.1)


@pytest.mark.parametrize("unknown", [False, True])
def test_wav_has_one_header_and_all_samples(tmp_path: Path, unknown: bool) -> None:
    part = wav(b"\x01\x02" * 50)
    if unknown:
        part = part.replace(struct.pack("<I", 100), b"\xff" * 4)
    else:
        part += b"LIST\x04\x00\x00\x00abcd"
    path = tmp_path / "a.wav"
    path.write_bytes(joined(part, part))
    state_length(path)
    with wave.open(io.BytesIO(path.read_bytes())) as sound:
        assert sound.readframes(1000) == b"\x01\x02" * 100
        assert sound.getnframes() == 100


def test_other_files_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3(0.1))
    state_length(path)
    assert path.read_bytes() == mp3(0.1)


def test_aac_and_samples_are_as_they_came() -> None:
    assert joined(aac(0.1), aac(0.2)) == aac(0.1) + aac(0.2)
    assert joined(b"\x00\x01", b"", b"\xff") == b"\x00\x01\xff"


@pytest.mark.parametrize(
    "second",
    [b"RIFF\x00\x00\x00\x00WAVE", wav(b"ab").replace(b"\x01\x00\x01\x00", b"\x01\x00\x02\x00")],
)
def test_wav_parts_that_do_not_fit_are_not_joined(second: bytes) -> None:
    with pytest.raises(IncompleteError):
        joined(wav(b"ab"), second)
