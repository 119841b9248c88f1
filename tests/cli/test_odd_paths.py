"""Odd names, paths and URLs wherever one can be given: one clear line, never a defect."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SOUND = os.fsdecode(b"a\xff\xe9.wav")
PICTURE = os.fsdecode(b"p\xff.png")
LONG = "x" * 300 + ".png"


@pytest.fixture
def files(apiyi: Program) -> Program:
    (apiyi.work / SOUND).write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(32))
    (apiyi.work / PICTURE).write_bytes(PNG)
    return apiyi


@pytest.mark.parametrize(
    "words",
    [
        ["transcribe", "-m", "whisper-1", SOUND],
        ["transcribe", "-m", "whisper-1", SOUND, "--ndjson"],
        ["transcribe", "-m", "whisper-1", SOUND, "-o", "{stem}.txt"],
        ["image", "-m", "gpt-image-1", "x", "-i", PICTURE],
        ["image", "-m", "gpt-image-1", "x", "-i", PICTURE, "--mask", PICTURE],
        ["image", "-m", "dall-e-2", "-i", PICTURE, "--vary"],
        ["image", "-m", "gpt-image-1", "x", "-o", os.fsdecode(b"n\xff.png"), "--ndjson"],
        ["speak", "hi", "-m", "tts-1", "-o", os.fsdecode(b"s\xff.mp3")],
    ],
)
def test_a_file_name_that_is_not_utf_8_works(files: Program, words: list[str]) -> None:
    ran = files(words)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("path", [LONG, "d/" * 2500 + "x.png"])
@pytest.mark.parametrize(
    "words",
    [
        ["chat", "hi"],
        ["image", "x", "-m", "gpt-image-1"],
        ["speak", "hi", "-m", "tts-1", "--format", "mp3"],
        ["embed", "hi", "-m", "text-embedding-3-small"],
        ["transcribe", SOUND, "-m", "whisper-1"],
        ["models"],
        ["api", "models"],
    ],
)
def test_an_output_that_no_file_can_be_is_said_before_anything_is_sent(
    files: Program, gateway: Gateway, words: list[str], path: str
) -> None:
    ran = files([*words, "-o", path])
    assert ran.code == 11 and "File name too long" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize("words", [["batch", "rows.jsonl"], ["embed", "hi", "-m", "bge-m3"]])
def test_a_name_without_room_for_its_journal_is_said_before_anything_is_sent(
    files: Program, gateway: Gateway, words: list[str]
) -> None:
    (files.work / "rows.jsonl").write_text('{"prompt": "hi"}\n')
    ran = files([*words, "-o", "x" * 250])
    assert ran.code == 11 and "a shorter name for -o" in ran.err
    assert gateway.ledger == []


@pytest.mark.parametrize("path", [LONG, "d/" * 2500])
def test_a_name_too_long_to_be_verified_is_refused(files: Program, path: str) -> None:
    assert files(["batch", "verify", path]).code == 2


@pytest.mark.parametrize(
    "path",
    ["a b", "ü", "a?b=c d", "../x", "a//b", "//x", "?x", "%zz", "a\nb", os.fsdecode(b"a\xff")],
)
@pytest.mark.parametrize("more", [[], ["-f", "a=ü"]])
def test_an_odd_path_of_api_is_sent_escaped(
    files: Program, gateway: Gateway, path: str, more: list[str]
) -> None:
    ran = files(["api", path, *more])
    assert ran.code in (0, 6), ran.err  # the web site answers what is beside the API
    assert len(gateway.ledger) == 1


@pytest.mark.parametrize("url", ["https://[/", "https://[::1", "https://h:x/"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["chat", "hi", "--base-url"], 2),
        (["chat", "hi", "--proxy"], 10),
    ],
)
def test_what_is_not_a_url_is_one_line(
    files: Program, gateway: Gateway, words: list[str], code: int, url: str
) -> None:
    ran = files([*words, url])
    assert ran.code == code and len(ran.err.splitlines()) == 2
    assert gateway.ledger == []


@pytest.mark.parametrize(
    "words",
    [
        ["chat", "hi", "-f", "/dev/zero"],
        ["chat", "hi", "-a", "/dev/zero"],
        ["chat", "--messages", "/dev/full"],
        ["transcribe", "/dev/full", "-m", "whisper-1"],
        ["image", "x", "-m", "gpt-image-1", "-i", "/dev/zero"],
        ["api", "POST", "x", "--input", "/dev/zero"],
    ],
)
def test_a_device_without_an_end_is_refused(
    files: Program, gateway: Gateway, words: list[str]
) -> None:
    ran = files(words)
    assert ran.code == 2 and "it is a device" in ran.err
    assert gateway.ledger == []


def test_stdin_without_an_end_is_refused(files: Program, gateway: Gateway) -> None:
    with open("/dev/zero", "rb") as zeros:
        assert files("chat -", stdin=zeros).code == 2
    assert gateway.ledger == []
