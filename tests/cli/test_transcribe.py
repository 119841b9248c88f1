"""`apiyi transcribe`: what is sent, in which forms the words come out, and long recordings."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiyi_cli.sandbox.audio_files import wav
from apiyi_cli.sandbox.endpoints.speech import tone
from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program

MODEL = "-m whisper-1"
WAV = wav(tone(1.0))
SRT = "1\n00:00:00,000 --> 00:00:01,500\nHallo, Welt.\n\n2\n00:00:01,500 --> 00:00:02,000\nZwei\n"
VTT = "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHallo, Welt.\n"


@pytest.fixture
def talk(apiyi: Program) -> Path:
    path = apiyi.work / "talk.wav"
    path.write_bytes(WAV)
    return path


def fields(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in gateway.posts[-1].parts:
        if one.filename is None:
            found.setdefault(one.name, []).append(one.text)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ("", {}),
        ("--format text", {"response_format": "text"}),
        ("--format vtt", {"response_format": "vtt"}),
        ("--language de --temperature 0.5", {"language": "de", "temperature": "0.5"}),
        ("--prompt 'API易, Zürich'", {"prompt": "API易, Zürich"}),
        (
            "--timestamps word,segment",
            {
                "response_format": "verbose_json",
                "timestamp_granularities[]": ["word", "segment"],
            },
        ),
        ("-O include='[\"logprobs\"]'", {"include[]": "logprobs"}),
        (
            "-m gpt-4o-transcribe-diarize --diarize",
            {"response_format": "diarized_json", "chunking_strategy": "auto"},
        ),
        ("-m gpt-4o-transcribe --stream", {"stream": "true"}),
    ],
)
def test_only_what_was_set_is_sent(
    apiyi: Program, gateway: Gateway, talk: Path, options: str, sent: dict[str, Any]
) -> None:
    model = "" if "-m" in options else MODEL
    ran = apiyi(f"transcribe talk.wav {model} {options}")
    assert ran.code == 0, ran.err
    got = fields(gateway)
    assert got.pop("model").startswith(("whisper-1", "gpt-4o"))
    assert got == sent
    file = gateway.posts[0].parts[-1]
    assert (file.name, file.filename, file.type) == ("file", "talk.wav", "audio/wav")
    assert file.content == WAV


@pytest.mark.off_schema
def test_a_form_that_is_not_known_is_asked_for_and_written_as_it_came(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    gateway.script(ScriptedReply.text("[00:01.00]Hallo\n"))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format lrc")
    assert (ran.code, ran.out) == (0, b"[00:01.00]Hallo\n"), ran.err
    assert "--format lrc is not among the known values" in ran.err
    gateway.script(ScriptedReply.json({"text": "Hallo", "tempo": 1.50}))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format music_json -o talk.json")
    assert ran.code == 0, ran.err
    assert (apiyi.work / "talk.json").read_bytes() == b'{"text":"Hallo","tempo":1.5}\n'
    assert fields(gateway)["response_format"] == "music_json"


def test_translations_go_to_their_own_path(apiyi: Program, gateway: Gateway, talk: Path) -> None:
    ran = apiyi(f"transcribe --translate talk.wav {MODEL} --prompt x --format srt")
    assert ran.code == 0, ran.err
    assert gateway.posts[0].path == "/v1/audio/translations"
    assert fields(gateway) == {"model": "whisper-1", "prompt": "x", "response_format": "srt"}
    assert "translated into English" in ran.text


MP3 = b"ID3\x04" + bytes(60)
OGG = b"OggS" + bytes(60)
M4A = bytes(4) + b"ftypM4A " + bytes(50)
MP4 = bytes(4) + b"ftypisom" + bytes(50)


@pytest.mark.parametrize(
    ("name", "content", "filename", "kind"),
    [
        ("a b.mp3", MP3, "a b.mp3", "audio/mpeg"),
        ("Aufnahme größer.MP3", MP3, "Aufnahme größer.mp3", "audio/mpeg"),
        ("录音.mp3", MP3, "录音.mp3", "audio/mpeg"),
        ("noext", MP3, "noext.mp3", "audio/mpeg"),
        ("wrong.wav", OGG, "wrong.ogg", "audio/ogg"),
        ("voice.opus", OGG, "voice.ogg", "audio/ogg"),
        ("memo.m4a", MP4, "memo.m4a", "audio/mp4"),
        ("memo.mp4", M4A, "memo.mp4", "video/mp4"),
        ("clip.mov", MP4, "clip.mp4", "video/mp4"),
        ("odd.mpeg", b"\0\0\1\xba" + bytes(60), "odd.mpeg", "audio/mpeg"),
        (".mp3", MP3, ".mp3.mp3", "audio/mpeg"),
    ],
)
def test_the_name_and_type_of_the_file_fit_its_bytes(
    apiyi: Program, gateway: Gateway, name: str, content: bytes, filename: str, kind: str
) -> None:
    (apiyi.work / name).write_bytes(content)
    ran = apiyi(["transcribe", name, "-m", "whisper-1"])
    assert ran.code == 0, ran.err
    file = gateway.posts[0].parts[-1]
    assert (file.filename, file.type) == (filename, kind)


def test_stdin_is_a_recording_and_leaves_no_file_behind(
    apiyi: Program, gateway: Gateway, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    ran = apiyi(f"transcribe - {MODEL}", stdin=WAV, env={"TMPDIR": str(spool)})
    assert ran.code == 0, ran.err
    file = gateway.posts[0].parts[-1]
    assert (file.filename, file.content, list(spool.iterdir())) == ("stdin.wav", WAV, [])


def test_a_named_pipe_is_a_recording(apiyi: Program, gateway: Gateway, talk: Path) -> None:
    ran = apiyi.shell(f"apiyi transcribe <(cat talk.wav) {MODEL}")
    assert ran.code == 0, ran.err
    assert gateway.posts[0].parts[-1].content == WAV


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("text", "  Hallo, Welt.\r\n\n"),
        ("srt", SRT),
        ("vtt", VTT.replace("\n", "\r\n")),
        ("text", "[Music] data: 12\n"),
        ("text", "{inaudible} yes\n"),
        ("text", "12\n"),
    ],
)
def test_a_plain_body_is_written_as_it_came(
    apiyi: Program, gateway: Gateway, talk: Path, form: str, body: str
) -> None:
    gateway.script(ScriptedReply.text(body))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format {form}")
    assert (ran.code, ran.out) == (0, body.encode()), ran.err


@pytest.mark.parametrize("form", ["json", "verbose_json"])
def test_json_is_the_servers_object(
    apiyi: Program, gateway: Gateway, talk: Path, form: str
) -> None:
    body = b'{"text": "Hi",  "segments": [], "x": 12345678901234567890123}'
    gateway.script(ScriptedReply(body=body))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format {form}")
    assert (ran.code, ran.out) == (0, body + b"\n"), ran.err
    assert ("no timestamps" in ran.err) is False


@pytest.mark.parametrize(
    ("form", "reply", "out"),
    [
        ("text", ScriptedReply.json({"text": "Hallo"}), "Hallo\n"),
        ("text", ScriptedReply.text('{"text":"Hallo"}'), "Hallo\n"),
        ("text", ScriptedReply.text('"Hallo"'), "Hallo\n"),
        ("text", ScriptedReply.text(SRT), "Hallo, Welt.\nZwei\n"),
        ("srt", ScriptedReply.json({"text": SRT}), SRT),
        (
            "srt",
            ScriptedReply.json(
                {
                    "text": "Hallo, Welt. Zwei",
                    "segments": [
                        {"start": 0, "end": 1.5, "text": " Hallo, Welt."},
                        {"start": 1.5, "end": 2.0, "text": " Zwei"},
                    ],
                }
            ),
            SRT,
        ),
        ("vtt", ScriptedReply.text(SRT), VTT + "\n00:00:01.500 --> 00:00:02.000\nZwei\n"),
        ("json", ScriptedReply.text("Hallo"), '{"text":"Hallo"}\n'),
        (
            "verbose_json",
            ScriptedReply.text(VTT),
            '{"text":"Hallo, Welt.",'
            '"segments":[{"id":0,"start":0.0,"end":1.5,"text":"Hallo, Welt."}]}\n',
        ),
        ("text", ScriptedReply.json({"text": ""}), "\n"),
        (
            "text",
            ScriptedReply.json({"segments": [{"text": " Hallo,"}, {"text": 5}, {"text": "Welt."}]}),
            "Hallo, Welt.\n",
        ),
    ],
)
def test_another_form_than_asked_for_is_turned_into_it(
    apiyi: Program, gateway: Gateway, talk: Path, form: str, reply: ScriptedReply, out: str
) -> None:
    gateway.script(reply)
    ran = apiyi(f"transcribe talk.wav {MODEL} --format {form}")
    assert (ran.code, ran.text) == (0, out), ran.err


def test_subtitles_without_times_exit_8_and_the_words_are_kept(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    gateway.script(ScriptedReply.json({"text": "Hallo, Welt."}))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format srt -o talk.srt")
    assert (ran.code, ran.out, (apiyi.work / "talk.srt").exists()) == (8, b"", False)
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_text() == "Hallo, Welt.\n"
    assert str(kept) in ran.err


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ScriptedReply.json({"error": {"message": "no", "code": "insufficient_quota"}}), 7),
        (ScriptedReply.text("<!DOCTYPE html><title>x</title>", "text/html"), 6),
        (ScriptedReply.text("", "text/plain"), 8),
        (ScriptedReply(body=b'{"text":"Hal', content_type="application/json"), 8),
        (ScriptedReply.json({"task": "transcribe"}), 8),
        (ScriptedReply.error(408, "late"), 8),
        (ScriptedReply.text("late", status=524), 8),
        (ScriptedReply.error(413, "too large"), 6),
    ],
)
def test_what_is_not_a_transcript_is_an_error_and_paid_for_once(
    apiyi: Program, gateway: Gateway, talk: Path, reply: ScriptedReply, code: int
) -> None:
    gateway.script(reply)
    ran = apiyi(f"transcribe talk.wav {MODEL} --format text")
    assert (ran.code, ran.out, len(gateway.ledger)) == (code, b"", 1), ran.err


WORDS = "upstream request failed"


@pytest.mark.parametrize("options", ["", "--format json", "--format verbose_json", "--json"])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("words", [WORDS, f'"{WORDS}"', f"{WORDS}\n" * 3])
def test_words_labelled_json_are_no_transcript(
    apiyi: Program, gateway: Gateway, talk: Path, options: str, kind: str, words: str
) -> None:
    gateway.script(ScriptedReply.text(words, kind))
    ran = apiyi(f"transcribe talk.wav {MODEL} {options} --retries 0")
    assert (ran.code, ran.out) == (6, b""), ran.err
    assert "text instead of JSON: " in ran.err and WORDS in ran.err


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_words_in_place_of_a_stream_are_no_transcript(
    apiyi: Program, gateway: Gateway, talk: Path, kind: str
) -> None:
    for output in ("", "-o talk.txt"):
        gateway.script(ScriptedReply.text(WORDS, kind))
        ran = apiyi(f"transcribe talk.wav -m gpt-4o-transcribe --stream --retries 0 {output}")
        assert (ran.code, ran.out) == (6, b""), ran.err
        assert f"text instead of JSON: {WORDS}" in ran.err


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream"])
@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_words_are_a_transcript_where_text_was_asked_for(
    apiyi: Program, gateway: Gateway, talk: Path, kind: str, form: str
) -> None:
    body = {"text": f"{WORDS}\n", "srt": SRT, "vtt": VTT}[form]
    gateway.script(ScriptedReply.text(body, kind))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format {form}")
    assert (ran.code, ran.text) == (0, body), ran.err


@pytest.mark.parametrize("form", ["text", "srt", "vtt"])
def test_an_error_object_is_no_transcript_in_any_form(
    apiyi: Program, gateway: Gateway, talk: Path, form: str
) -> None:
    gateway.script(ScriptedReply.text('{"error": {"message": "upstream request failed"}}'))
    ran = apiyi(f"transcribe talk.wav {MODEL} --format {form} --retries 0")
    assert ran.code != 0 and ran.out == b"" and WORDS in ran.err


def test_events_without_the_whole_transcript_are_cut(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    delta = 'data: {"type": "transcript.text.delta", "delta": "Hal"}\n\n'
    gateway.script(ScriptedReply.text(delta, "text/event-stream"))
    ran = apiyi(f"transcribe talk.wav {MODEL} --retries 0")
    assert (ran.code, ran.out, len(gateway.ledger)) == (8, b"", 1), ran.err


def test_a_row_whose_answer_is_words_labelled_json_has_failed(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    gateway.script(ScriptedReply.text(WORDS, "application/json"))
    (apiyi.work / "rows.jsonl").write_text('{"id": "a", "file": "talk.wav"}\n')
    ran = apiyi(f"batch rows.jsonl --endpoint transcribe {MODEL} -o out.jsonl --retries 0")
    assert ran.code == 3, ran.err
    assert WORDS in json.loads((apiyi.work / "out.jsonl").read_text())["error"]["message"]


def test_speakers_are_told_apart_in_text_and_subtitles(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    said = [("A", "Hi."), ("A", "How are you?"), ("B", "Fine.")]
    segments = [
        {"speaker": who, "text": f" {text}", "start": k, "end": k + 1, "id": f"s{k}"}
        for k, (who, text) in enumerate(said)
    ]
    body = {"text": "Hi. How are you? Fine.", "segments": segments}
    gateway.script(*[ScriptedReply.json(body)] * 3)
    line = "transcribe talk.wav -m gpt-4o-transcribe-diarize --diarize"
    assert apiyi(line).text == "A: Hi. How are you?\nB: Fine.\n"
    assert apiyi(f"{line} --format srt").text.startswith(
        "1\n00:00:00,000 --> 00:00:01,000\nA: Hi.\n"
    )
    assert apiyi(f"{line} --format json").json == body


def test_a_stream_is_printed_as_it_comes(apiyi: Program, gateway: Gateway, talk: Path) -> None:
    events = [
        {"type": "transcript.text.delta", "delta": "Hallo"},
        {"type": "transcript.text.delta", "delta": ", Welt"},
        {"type": "transcript.text.done", "text": "Hallo, Welt.", "usage": {"total_tokens": 3}},
    ]
    gateway.script(
        ScriptedReply.sse(*events), ScriptedReply.sse(*events[:2]), ScriptedReply.sse(*events)
    )
    line = "transcribe talk.wav -m gpt-4o-transcribe --stream"
    ran = apiyi(line)
    assert (ran.code, ran.text) == (0, "Hallo, Welt.\n"), ran.err
    ran = apiyi(line)
    assert (ran.code, ran.text) == (8, "Hallo, Welt\n"), ran.err
    ran = apiyi(f"{line} -o talk.txt")
    assert (ran.code, (apiyi.work / "talk.txt").read_text()) == (0, "Hallo, Welt.\n"), ran.err


def test_a_server_that_does_not_stream_is_lived_with(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    gateway.script(ScriptedReply.json({"text": "Hallo"}), ScriptedReply.text("Hallo\n"))
    for _ in range(2):
        ran = apiyi("transcribe talk.wav -m gpt-4o-transcribe --stream")
        assert (ran.code, ran.text) == (0, "Hallo\n"), ran.err


def test_several_recordings_come_out_in_their_order(apiyi: Program, gateway: Gateway) -> None:
    for k in range(6):
        (apiyi.work / f"{k}.wav").write_bytes(wav(tone(0.1 * (k + 1))))
    names = " ".join(f"{k}.wav" for k in range(6))
    ran = apiyi(f"transcribe {names} {MODEL} -j 3")
    assert ran.code == 0, ran.err
    assert re.findall(r"(\d)\.wav", ran.text) == list("012345")
    assert gateway.max_in_flight <= 3
    ran = apiyi(f"transcribe {names} {MODEL} -j 3 --ndjson --format verbose_json")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert [(one["index"], one["file"]) for one in records] == [(k, f"{k}.wav") for k in range(6)]
    assert all(one["segments"] for one in records)


def test_a_template_gives_each_recording_its_file(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "in").mkdir()
    (apiyi.work / "out").mkdir()
    for name in ("a.b.wav", "c.wav"):
        (apiyi.work / "in" / name).write_bytes(WAV)
    line = f"transcribe in/a.b.wav in/c.wav {MODEL} --format srt"
    ran = apiyi(f"{line} -o out/{{stem}}-{{index}}.{{ext}}")
    assert (ran.code, ran.out) == (0, b""), ran.err
    assert sorted(os.listdir(apiyi.work / "out")) == ["a.b-0.srt", "c-1.srt"]
    assert (apiyi.work / "out" / "c-1.srt").read_text().startswith("1\n00:00:00,000 --> ")
    assert apiyi(f"{line} -o out").code == 0
    assert (apiyi.work / "out" / "c.srt").exists()
    assert (apiyi(f"{line} -o out").code, len(gateway.ledger)) == (11, 4)


def test_one_recording_that_fails_does_not_stop_the_others(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    gateway.script(ScriptedReply.error(400, "corrupted", code="invalid_value"))
    ran = apiyi(f"transcribe talk.wav talk.wav {MODEL} -j 1")
    assert (ran.code, ran.text.count("\n")) == (3, 1)
    assert "talk.wav: " in ran.err


@pytest.mark.parametrize(
    "line",
    [
        "transcribe",
        "transcribe missing.wav",
        "transcribe empty.wav",
        "transcribe picture.wav",
        "transcribe notes.txt",
        "transcribe notes.mp3",
        "transcribe sound.aiff",
        "transcribe .",
        "transcribe talk.wav missing.wav",
        "transcribe talk.wav --format srt --timestamps word",
        "transcribe talk.wav --translate --language de",
        "transcribe talk.wav --translate --stream",
        "transcribe talk.wav --stream --format srt",
        "transcribe talk.wav --diarize --format verbose_json",
        "transcribe talk.wav --format srt --json",
        "transcribe talk.wav --temperature 1.5",
        "transcribe talk.wav talk.wav -o out.txt",
        "transcribe talk.wav in/talk.wav -o {stem}.txt",
        "transcribe talk.wav -o {slug}.txt",
        "transcribe big.wav",
        "transcribe - -",
        "transcribe - --code curl",
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    apiyi: Program, gateway: Gateway, talk: Path, line: str
) -> None:
    (apiyi.work / "in").mkdir()
    (apiyi.work / "in" / "talk.wav").write_bytes(WAV)
    (apiyi.work / "empty.wav").write_bytes(b"")
    (apiyi.work / "picture.wav").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (apiyi.work / "notes.txt").write_text("words, more words")
    (apiyi.work / "notes.mp3").write_text("words, more words")
    (apiyi.work / "sound.aiff").write_bytes(b"FORM\0\0\1\0AIFF" + bytes(40))
    with (apiyi.work / "big.wav").open("wb") as file:
        file.write(WAV)
        file.truncate((25 << 20) + 1)
    ran = apiyi(f"{line} {MODEL}", stdin=WAV)
    assert (ran.code, ran.out, gateway.ledger) == (2, b"", []), ran.err


def test_a_recording_that_is_too_large_is_named_with_the_way_out(
    apiyi: Program, gateway: Gateway
) -> None:
    with (apiyi.work / "big.wav").open("wb") as file:
        file.write(WAV)
        file.truncate((25 << 20) + 1)
    ran = apiyi(f"transcribe big.wav {MODEL}")
    assert "big.wav" in ran.err
    assert "--split" in ran.err
    empty = apiyi.path.parent / "empty"
    empty.mkdir()
    ran = apiyi(f"transcribe big.wav {MODEL} --split", env={"PATH": str(empty)})
    assert (ran.code, gateway.ledger) == (2, [])
    assert "install ffmpeg" in ran.err


def test_a_server_that_refuses_before_it_has_read_does_not_hang_it(
    apiyi: Program, gateway: Gateway
) -> None:
    with (apiyi.work / "big.wav").open("wb") as file:
        file.write(WAV)
        file.truncate(24 << 20)
    gateway.script(ScriptedReply.error(413, "too large", early=True))
    ran = apiyi(f"transcribe big.wav {MODEL}")
    assert ran.code in (5, 6), ran.err


def test_one_recording_can_be_given_up_at_once(
    apiyi: Program, gateway: Gateway, talk: Path, stopped: list[subprocess.Popen[bytes]]
) -> None:
    gateway.script(ScriptedReply.text("late").replace(delay_s=25.0))
    process = apiyi.start(f"transcribe talk.wav {MODEL}")
    stopped.append(process)
    assert gateway.wait_for(lambda: gateway.ledger)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (-signal.SIGINT, b"", b"")


# Run by a small process: until it starts the program, a child counts its parent's memory.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("name", ["talk.wav", "-"])
def test_an_upload_is_not_held_in_memory(apiyi: Program, gateway: Gateway, name: str) -> None:
    def peak_kb(size: int) -> int:
        path = apiyi.work / "talk.wav"
        with path.open("wb") as file:
            file.write(WAV)
            file.truncate(size)
        with path.open("rb") as stdin:
            measured = subprocess.run(
                [sys.executable, "-c", PEAK, apiyi.path, "transcribe", name, *MODEL.split()],
                cwd=apiyi.work,
                env=apiyi.environ,
                stdin=stdin,
                capture_output=True,
                check=True,
                timeout=30,
            )
        code, peak = measured.stdout.split()
        assert code == b"0", measured.stderr
        return int(peak)

    small, large = peak_kb(100_000), peak_kb(25 << 20)
    assert large - small < 16 << 10, (small, large)


def recording(seconds: int, silences: list[float]) -> bytes:
    """Return 16 kHz noise-like sound with a second of silence around each of some moments."""
    rate = 16000
    sound = bytearray(tone(1.0)[: 2 * rate] * seconds)
    for moment in silences:
        begin = 2 * int((moment - 0.5) * rate)
        sound[begin : begin + 2 * rate] = bytes(2 * rate)
    size = len(sound)
    head = b"RIFF" + (size + 36).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = (1).to_bytes(2, "little") * 2 + rate.to_bytes(4, "little")
    form += (
        (2 * rate).to_bytes(4, "little") + (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    )
    return head + form + b"data" + size.to_bytes(4, "little") + bytes(sound)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_long_recording_is_cut_at_silences_and_joined(
    apiyi: Program, gateway: Gateway, tmp_path: Path
) -> None:
    (apiyi.work / "long.wav").write_bytes(recording(830, [300, 700, 820]))
    spool = tmp_path / "spool"
    spool.mkdir()
    line = f"transcribe long.wav {MODEL} --split"
    ran = apiyi(f"{line} --format verbose_json", env={"TMPDIR": str(spool)})
    assert ran.code == 0, ran.err
    first, second = sorted(
        (one.parts[-1] for one in gateway.posts), key=lambda part: str(part.filename)
    )
    assert (first.filename, first.type) == ("long.wav.part1.flac", "audio/flac")
    assert first.content.startswith(b"fLaC")
    assert second.content.startswith(b"fLaC")
    whole = ran.json
    starts = [one["start"] for one in whole["segments"]]
    assert starts == sorted(starts)
    assert [one["id"] for one in whole["segments"]] == list(range(len(starts)))
    # The cut is in the middle of the silence at 700 s, the last one within reach.
    assert any(abs(start - 700) < 0.1 for start in starts)
    assert whole["text"].count("[sandbox]") == 2
    assert list(spool.iterdir()) == []
    srt = apiyi(f"{line} --format srt").text
    numbers = [int(one) for one in re.findall(r"^(\d+)$", srt, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    times = re.findall(r"^(\d\d:\d\d:\d\d,\d{3}) -->", srt, re.MULTILINE)
    assert all(one <= other for one, other in itertools.pairwise(times))
    assert any(re.match("00:11:(39,9|40,0)", one) for one in times)
    assert apiyi(line).text.count("[sandbox]") == 2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_part_that_fails_keeps_what_was_heard_before(apiyi: Program, gateway: Gateway) -> None:
    (apiyi.work / "long.wav").write_bytes(recording(830, [700]))
    gateway.script(ScriptedReply.json({"text": "the first part"}), ScriptedReply.error(400, "no"))
    ran = apiyi(f"transcribe long.wav {MODEL} --split -j 1")
    assert (ran.code, ran.out) == (6, b""), ran.err
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_text() == "the first part\n"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_recording_that_lacks_a_part_after_a_signal_is_not_called_whole(
    apiyi: Program, gateway: Gateway, stopped: list[subprocess.Popen[bytes]]
) -> None:
    (apiyi.work / "long.wav").write_bytes(recording(1590, [700, 1400]))
    gateway.script(
        ScriptedReply.json({"text": "one"}),
        # While the second part waits to be sent again, its slot serves the third.
        ScriptedReply.error(503, "later").replace(headers=(("Retry-After", "50"),)),
        ScriptedReply.json({"text": "three"}),
    )
    process = apiyi.start(f"transcribe long.wav {MODEL} --split -j 1")
    stopped.append(process)
    assert gateway.wait_for(lambda: len(gateway.ledger) >= 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (-signal.SIGINT, b""), err
    (kept,) = (apiyi.home / "state" / "apiyi" / "rescue").iterdir()
    assert kept.read_text() in ("one\nthree\n", "one\n")
    assert str(kept) in err.decode()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_what_ffmpeg_cannot_read_is_said_by_name(apiyi: Program, gateway: Gateway) -> None:
    with (apiyi.work / "big.mp3").open("wb") as file:
        file.write(b"ID3" + bytes(100))
        file.truncate(26 << 20)
    ran = apiyi(f"transcribe big.mp3 {MODEL} --split")
    assert (ran.code, gateway.ledger) == (2, [])
    assert "big.mp3" in ran.err


def test_the_usage_is_told_in_seconds_or_tokens(
    apiyi: Program, gateway: Gateway, talk: Path
) -> None:
    ran = apiyi(f"transcribe talk.wav talk.wav {MODEL} -u")
    assert "usage: 2 s of audio" in ran.err


def test_a_dry_run_lists_the_parts(apiyi: Program, gateway: Gateway, talk: Path) -> None:
    ran = apiyi(f"transcribe talk.wav {MODEL} --language de --dry-run")
    assert (ran.code, gateway.ledger) == (0, [])
    assert ran.json["body"] == [
        {"name": "model", "value": "whisper-1"},
        {"name": "language", "value": "de"},
        {"name": "file", "filename": "talk.wav", "type": "audio/wav", "bytes": len(WAV)},
    ]
