"""Reads and writes subtitles: SubRip and WebVTT texts, as cues."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from apiyi_cli.decode.frames.fields import read_number, read_string

_TIMES = re.compile(
    r"^[ \t]*(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})[ \t]*-->"
    r"[ \t]*(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3}).*$",
    re.ASCII | re.MULTILINE,
)
MOST_S = 1_000_000
"""The largest valid time, eleven days: no recording is longer."""
_NUMBER = re.compile(r"\n[ \t]*\d+[ \t]*\Z", re.ASCII)


class Cue(NamedTuple):
    """A text and the span in which it is shown, in seconds from the start."""

    start_s: float
    end_s: float
    text: str

    def after(self, seconds: float) -> Cue:
        """Return the same cue later by so many seconds."""
        return Cue(self.start_s + seconds, self.end_s + seconds, self.text)


def cues(text: str) -> list[Cue]:
    """Return the cues of a SubRip or WebVTT text, [] for other text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    times = list(_TIMES.finditer(text))
    ends = [*(match.start() for match in times[1:]), len(text)][: len(times)]
    result = []
    for match, end in zip(times, ends, strict=True):
        words = text[match.end() : end].rstrip()
        if end != len(text):
            # The number (or name) of the next cue is before its times.
            words = _NUMBER.sub("", words)
        parts = match.groups()
        result.append(Cue(_seconds(parts[:4]), _seconds(parts[4:]), words.strip()))
    return result


def cues_of(segments: object) -> list[Cue] | None:
    """Return the cues of a transcript's segments, None if those have no times.

    A speaker's label goes before the text.
    """
    if not isinstance(segments, list) or not segments:
        return None
    if not all(isinstance(segment, dict) for segment in segments):
        return None
    times = [
        (seconds_of(segment.get("start")), seconds_of(segment.get("end"))) for segment in segments
    ]
    if not any(None not in pair for pair in times):
        return None
    result: list[Cue] = []
    for segment, (start_s, end_s) in zip(segments, times, strict=True):
        # A missing time becomes that of the neighbour: the words are worth more.
        if start_s is None:
            start_s = result[-1].end_s if result else 0.0
        words = format_segment(segment)
        result.append(Cue(start_s, start_s if end_s is None else end_s, words))
    return result


def seconds_of(value: object) -> float | None:
    """Return a time in seconds, at most `MOST_S`; None for anything else."""
    time_s = read_number(value)
    return None if time_s is None else min(max(time_s, 0.0), float(MOST_S))


def format_segment(segment: dict[str, Any]) -> str:
    """Return the text of a segment, after its speaker's label if it has one."""
    text = read_string(segment.get("text")).strip()
    speaker = read_string(segment.get("speaker"))
    return f"{speaker}: {text}" if speaker else text


def srt(cues: Sequence[Cue]) -> str:
    """Return the cues as SubRip, numbered from 1."""
    blocks = (
        f"{number}\n{_stamp(cue.start_s, ',')} --> {_stamp(cue.end_s, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """Return the cues as WebVTT."""
    blocks = (
        f"\n{_stamp(cue.start_s, '.')} --> {_stamp(cue.end_s, '.')}\n{cue.text}\n" for cue in cues
    )
    return "WEBVTT\n" + "".join(blocks)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    thousandths = int((fraction or "0").ljust(3, "0"))
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    # Divided once: a sum of floats would not be the nearest one.
    return (whole * 1000 + thousandths) / 1000


def _stamp(seconds: float, point: str) -> str:
    whole, thousandths = divmod(max(0, round(seconds * 1000)), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"
