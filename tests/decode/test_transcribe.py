"""Transcripts of parts joined into that of the whole recording."""

from __future__ import annotations

import json

from apiyi_cli.decode.subtitles import Cue
from apiyi_cli.decode.transcribe import Transcript, format_transcript, join_transcripts


def verbose(text: str, start: float, end: float, seconds: int) -> Transcript:
    value = {
        "task": "transcribe",
        "language": "german",
        "duration": end,
        "text": text,
        "segments": [{"id": 0, "start": start, "end": end, "text": text}],
        "words": [{"word": text, "start": start, "end": end}],
        "usage": {"type": "duration", "seconds": seconds},
    }
    return Transcript(text, json.dumps(value).encode(), value, [Cue(start, end, text)])


def test_parts_are_shifted_numbered_and_summed() -> None:
    whole = join_transcripts(
        [(verbose("eins", 0, 9.5, 10), 0.0), (verbose("zwei", 0.25, 5, 5), 700.125)]
    )
    assert whole.value == {
        "task": "transcribe",
        "language": "german",
        "duration": 705.125,
        "text": "eins\nzwei",
        "segments": [
            {"id": 0, "start": 0, "end": 9.5, "text": "eins"},
            {"id": 1, "start": 700.375, "end": 705.125, "text": "zwei"},
        ],
        "words": [
            {"word": "eins", "start": 0, "end": 9.5},
            {"word": "zwei", "start": 700.375, "end": 705.125},
        ],
        "usage": {"type": "duration", "seconds": 15},
    }
    assert json.loads(format_transcript(whole, "verbose_json")) == whole.value
    assert b"00:11:40,375 --> 00:11:45,125\nzwei\n" in format_transcript(whole, "srt")


def test_plain_parts_are_joined_as_text() -> None:
    parts = [(Transcript("eins", b"eins\n"), 0.0), (Transcript("", b"\n"), 5.0)]
    assert format_transcript(
        join_transcripts([*parts, (Transcript("zwei", b"zwei\n"), 9.0)]), "text"
    ) == (b"eins\nzwei\n")


def test_a_silent_part_does_not_take_the_times_away() -> None:
    silent = Transcript("", b'{"text":""}', {"text": "", "segments": []})
    whole = join_transcripts([(silent, 0.0), (verbose("zwei", 1, 2, 5), 100.0)])
    assert whole.cues == [Cue(101.0, 102.0, "zwei")]
    assert format_transcript(whole, "vtt") == b"WEBVTT\n\n00:01:41.000 --> 00:01:42.000\nzwei\n"


def test_one_part_is_left_as_it_came() -> None:
    alone = verbose("eins", 0, 1, 1)
    assert join_transcripts([(alone, 0.0)]) is alone
