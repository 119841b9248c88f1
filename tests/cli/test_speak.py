"""`apiyi speak`: what is sent, where the audio goes, and what is no audio."""

from __future__ import annotations

import re
import shutil
import subprocess
import wave
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.audio_files import RATE_HZ, mp3
from apiyi_cli.sandbox.endpoints.speech import seconds_of
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

MODEL = "-m tts-1"
SOUND = b"ID3\x04" + bytes(range(256)) * 40


def spoken(*pieces: bytes, content_type: str = "audio/mpeg") -> ScriptedReply:
    return ScriptedReply(body=pieces or (SOUND,), content_type=content_type)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("", {}),
        ("-o out.mp3", {"response_format": "mp3"}),
        ("-o out.OGG", {"response_format": "opus"}),
        ("-o out.wav", {"response_format": "wav"}),
        ("-o out", {}),
        ("-o out.m4a --format aac", {"response_format": "aac"}),
        ("--voice nova --speed 0.25", {"voice": "nova", "speed": 0.25}),
        ("-m gpt-4o-mini-tts --instructions @how.txt", {"instructions": "Whisper.\n"}),
    ],
)
def test_only_what_was_set_is_sent_and_a_voice(
    apiyi: Program, gateway: Gateway, options: str, fields: dict[str, Any]
) -> None:
    (apiyi.work / "how.txt").write_text("Whisper.\n")
    model = "" if "-m" in options else MODEL
    ran = apiyi(f"speak hello there {model} {options}")
    assert ran.code == 0, ran.err
    (asked,) = gateway.posts
    assert asked.path == "/v1/audio/speech"
    expected = {"input": "hello there", "voice": "alloy", **fields}
    assert {k: v for k, v in asked.json.items() if k != "model"} == expected


@pytest.mark.off_schema
def test_a_format_that_is_not_known_is_asked_for_with_a_warning(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(spoken(content_type="audio/basic"))
    ran = apiyi(f"speak hi {MODEL} --format mulaw -o '{{slug}}.{{ext}}'")
    assert ran.code == 0, ran.err
    assert (
        "--format mulaw is not among the known values (mp3, opus, aac, flac, wav, pcm)" in ran.err
    )
    assert gateway.posts[0].json["response_format"] == "mulaw"


def test_the_text_may_come_from_files_and_stdin(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "a.txt").write_text("first\n")
    assert apiyi(f"speak -f a.txt - {MODEL}", stdin=b"second").code == 0
    assert apiyi(f"speak {MODEL}", stdin=b"alone").code == 0
    assert apiyi(f"speak words {MODEL}", stdin=b"not read").code == 0
    assert [one.json["input"] for one in gateway.posts] == ["first\n\nsecond", "alone", "words"]


def test_audio_goes_to_a_pipe_byte_for_byte(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(spoken(SOUND[:1], SOUND[1:700], SOUND[700:]))
    ran = apiyi(f"speak hi {MODEL}")
    assert (ran.code, ran.out, ran.err) == (0, SOUND, "")


def test_a_file_appears_whole(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(spoken())
    ran = apiyi(f"speak hi {MODEL} -o out.mp3")
    assert (ran.code, ran.out, (apiyi.work / "out.mp3").read_bytes()) == (0, b"", SOUND)
    assert (apiyi(f"speak hi {MODEL} -o out.mp3").code, len(gateway.ledger)) == (11, 1)


def test_a_cut_answer_is_no_file_and_what_came_is_kept(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(spoken(SOUND[:1000], SOUND[1000:]).cut(1))
    ran = apiyi(f"speak hi {MODEL} -o out.mp3")
    assert (ran.code, list(apiyi.work.iterdir())) == (8, []), ran.err
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_bytes() == SOUND[:1000]
    gateway.script(spoken(SOUND[:1000], SOUND[1000:]).cut(1))
    ran = apiyi(f"speak hi {MODEL}")
    assert (ran.code, ran.out, len(gateway.ledger)) == (8, SOUND[:1000], 2)


@pytest.mark.parametrize(
    ("reply", "code", "told"),
    [
        (
            ScriptedReply.json({"error": {"message": "no such voice", "code": "invalid_value"}}),
            6,
            "voice",
        ),
        (
            ScriptedReply(
                body=b'{"error":{"message":"quota","code":"insufficient_quota"}}',
                content_type="audio/mpeg",
            ),
            7,
            "quota",
        ),
        (ScriptedReply.text("<!DOCTYPE html><title>Home</title>", "text/html"), 6, "Home"),
        (ScriptedReply.text("", "audio/mpeg"), 8, "empty"),
        (ScriptedReply(body=b"RIFF" + bytes(40), content_type="audio/wav"), 8, "empty"),
        (ScriptedReply.json({"text": "hello"}), 8, "JSON"),
        (ScriptedReply.error(408, "late"), 8, "late"),
    ],
)
def test_what_is_not_audio_is_an_error_and_no_file(
    apiyi: Program, gateway: Gateway, reply: ScriptedReply, code: int, told: str
) -> None:
    gateway.script(reply)
    ran = apiyi(f"speak hi {MODEL} -o out.mp3")
    assert (ran.code, ran.out, len(gateway.ledger)) == (code, b"", 1), ran.err
    assert told in ran.err
    assert not (apiyi.work / "out.mp3").exists()


@pytest.mark.parametrize("label", ["application/json", "text/event-stream", "text/html"])
def test_sound_is_sound_whatever_its_label(apiyi: Program, gateway: Gateway, label: str) -> None:
    gateway.script(spoken(content_type=label))
    ran = apiyi(f"speak hi {MODEL}")
    assert (ran.code, ran.out) == (0, SOUND), ran.err


@pytest.mark.parametrize("start", [b"{", b"[1", b"data: ", b"<", b'{"a'])
def test_samples_may_begin_with_any_byte(apiyi: Program, gateway: Gateway, start: bytes) -> None:
    samples = start + bytes(range(256))
    gateway.script(spoken(samples, content_type="audio/pcm"))
    ran = apiyi(f"speak hi {MODEL} --format pcm")
    assert (ran.code, ran.out) == (0, samples), ran.err


def test_speech_that_comes_as_events_is_the_same_audio(apiyi: Program, gateway: Gateway) -> None:
    plain = apiyi("speak hello -m gpt-4o-mini-tts")
    streamed = apiyi("speak hello -m gpt-4o-mini-tts -O stream_format=sse")
    assert (streamed.code, streamed.out) == (0, plain.out), streamed.err


def test_events_without_an_end_are_a_cut(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(ScriptedReply.sse({"type": "speech.audio.delta", "audio": "SUQz"}))
    ran = apiyi("speak hello -m gpt-4o-mini-tts -O stream_format=sse")
    assert (ran.code, ran.out) == (8, b"ID3")


@pytest.mark.parametrize(
    "line",
    [
        "speak",
        "speak hi --json",
        "speak hi -o out.m4a",
        "speak hi --speed 5",
        "speak -f long.txt",
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, line: str
) -> None:
    (apiyi.work / "long.txt").write_text("x" * 4097)
    ran = apiyi(f"{line} {MODEL}", stdin=b"")
    assert (ran.code, ran.out, gateway.ledger) == (2, b"", []), ran.err


def test_speech_is_not_written_to_a_terminal(apiyi: Program, gateway: Gateway) -> None:
    screen = apiyi.terminal(f"speak hi {MODEL}")
    assert (screen.code, gateway.ledger) == (2, [])
    assert "-o speech.mp3" in "\n".join(screen.lines)


def test_a_player_that_goes_away_ends_it(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(spoken(*[SOUND] * 200))
    ran = apiyi.shell(f"set -o pipefail; apiyi speak hi {MODEL} | head -c 3; echo $?")
    assert ran.out == b"ID3141\n"
    assert ran.err == ""


SENTENCES = "".join(f"This is sentence number {n} of a long story. " for n in range(250))


def long_story(apiyi: Program) -> str:
    (apiyi.work / "story.txt").write_text(SENTENCES)
    return "-f story.txt --split"


def test_a_long_text_is_read_in_parts_that_end_with_sentences(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"speak {long_story(apiyi)} {MODEL} -o out.wav")
    assert (ran.code, ran.out, ran.err) == (0, b"", ""), ran.err
    texts = [one.json["input"] for one in gateway.posts]
    assert len(texts) == 3
    assert all(len(text) <= 4096 and text.endswith(".") for text in texts)
    assert " ".join(texts) == SENTENCES.strip()
    with wave.open(str(apiyi.work / "out.wav")) as sound:
        seconds = sum(seconds_of(text, 1.0) for text in texts)
        assert sound.getnframes() == pytest.approx(seconds * RATE_HZ, abs=3)
    assert list((apiyi.home / "state" / "apiyi" / "rescue").iterdir()) == []


def test_parts_stream_to_a_player_and_are_shown_as_requests(
    apiyi: Program, gateway: Gateway
) -> None:
    gateway.script(spoken(b"ID3\4\0\0\0\0\0\2ab" + mp3(1)), spoken(mp3(2)), spoken(mp3(1)))
    ran = apiyi(f"speak {long_story(apiyi)} {MODEL}")
    assert (ran.code, ran.out) == (0, mp3(1) + mp3(2) + mp3(1)), ran.err
    ran = apiyi(f"speak {long_story(apiyi)} {MODEL} --dry-run")
    assert (ran.code, ran.out.count(b'"input"')) == (0, 3), ran.err
    assert len(gateway.posts) == 3


@pytest.mark.parametrize(
    ("form", "length"), [("opus", b"OggS"), ("flac", b"fLaC"), ("aac", b"\xff\xf1")]
)
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
def test_other_formats_are_joined_to_one_recording(
    apiyi: Program, gateway: Gateway, form: str, length: bytes
) -> None:
    ran = apiyi(f"speak {long_story(apiyi)} {MODEL} -o out.{form}")
    assert ran.code == 0, ran.err
    path = apiyi.work / f"out.{form}"
    assert path.read_bytes().startswith(length)
    probe = ["ffmpeg", "-nostdin", "-hide_banner", "-i", str(path), "-f", "null", "-"]
    report = subprocess.run(probe, capture_output=True, check=True, text=True).stderr
    hours, minutes, seconds = re.findall(r"time=(\d+):(\d+):([\d.]+)", report)[-1]
    told = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    assert told == pytest.approx(len(SENTENCES) * 0.06, rel=0.01)


def test_without_ffmpeg_what_it_would_join_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway
) -> None:
    ran = apiyi(f"speak {long_story(apiyi)} {MODEL} -o out.opus", env={"PATH": "/nowhere"})
    assert (ran.code, gateway.ledger) == (2, [])
    assert "--format mp3" in ran.err


def test_parts_that_are_paid_are_not_bought_twice(apiyi: Program, gateway: Gateway) -> None:
    line = f"speak {long_story(apiyi)} {MODEL} -o out.mp3"
    gateway.script(spoken(mp3(1)), spoken(mp3(2)), ScriptedReply.error(401, "wrong key"))
    ran = apiyi(line)
    assert ran.code == 4, ran.err
    assert "parts 1 to 2 of 3 are in" in ran.err
    gateway.script(spoken(mp3(3)))
    ran = apiyi(line)
    assert ran.code == 0, ran.err
    assert "0001.mp3 was there already" in ran.err
    assert (apiyi.work / "out.mp3").read_bytes() == mp3(1) + mp3(2) + mp3(3)
    assert " ".join(one.json["input"] for one in gateway.posts) == SENTENCES.strip()


def test_a_short_text_with_split_is_one_request(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(spoken())
    ran = apiyi(f"speak hi --split {MODEL}")
    assert (ran.code, ran.out, len(gateway.posts)) == (0, SOUND, 1)
