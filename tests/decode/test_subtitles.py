"""Subtitles are read and written without losing a cue or a millisecond."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiyi_cli.decode.subtitles import Cue, cues, cues_of, srt, vtt

TWO = [Cue(0.0, 1.5, "Hallo,\nWelt."), Cue(3661.001, 3662.25, "12")]
SRT = "1\n00:00:00,000 --> 00:00:01,500\nHallo,\nWelt.\n\n2\n01:01:01,001 --> 01:01:02,250\n12\n"


def test_cues_are_written_as_both_forms() -> None:
    assert srt(TWO) == SRT
    assert vtt(TWO) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHallo,\nWelt.\n"
        "\n01:01:01.001 --> 01:01:02.250\n12\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        SRT,
        SRT.replace("\n", "\r\n"),
        vtt(TWO),
        vtt(TWO).replace("00:00:00.000", "00:00.000").replace("00:00:01.500", "00:01.5"),
        vtt(TWO).replace("WEBVTT", "WEBVTT - title\nKind: captions\n\nNOTE remark"),
        vtt(TWO).replace("01.500\n", "01.500 align:start position:0%\n"),
    ],
)
def test_either_form_is_read(text: str) -> None:
    assert cues(text) == TWO


@pytest.mark.parametrize("text", ["", "Hallo", "1\n2\n3\n", "a --> b", "12:30 --> later"])
def test_any_other_text_has_no_cues(text: str) -> None:
    assert cues(text) == []


WORDS = st.lists(st.text("abc é中", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=3)
TIMES = st.integers(0, 10**7)


@settings(max_examples=50)
@given(st.lists(st.tuples(TIMES, TIMES, WORDS), max_size=6))
def test_what_is_written_is_read_again(rows: list[tuple[int, int, list[str]]]) -> None:
    made = [Cue(start / 1000, end / 1000, "\n".join(words)) for start, end, words in rows]
    assert cues(srt(made)) == made
    assert cues(vtt(made)) == made


def test_segments_become_cues_with_their_speaker() -> None:
    rows = [{"start": 0, "end": 1.5, "text": " Hi "}, {"start": 2, "end": 3, "speaker": "B"}]
    assert cues_of(rows) == [Cue(0.0, 1.5, "Hi"), Cue(2.0, 3.0, "B: ")]


@pytest.mark.parametrize("rows", [None, [], {}, [1], [{"text": "x"}], [{"start": 0, "end": None}]])
def test_segments_without_times_make_no_cues(rows: object) -> None:
    assert cues_of(rows) is None
