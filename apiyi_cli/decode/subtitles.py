"""Subtitles: SubRip and WebVTT texts → cues → either of the two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from apiyi_cli.decode.fields import read_number, read_string

_TIMES = re.compile(
    r"^[ \t]*(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})[ \t]*-->"
    r"[ \t]*(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3}).*$",
    re.ASCII | re.MULTILINE,
)
MOST_S = 1_000_000
"""No recording is longer, and no subtitle later: eleven days."""
_NUMBER = re.compile(r"\n[ \t]*\d+[ \t]*\Z", re.ASCII)


class Cue(NamedTuple):
    """A text and when it is shown, in seconds from the start."""

    start_s: float
    end_s: float
    text: str

    def after(self, seconds: float) -> Cue:
        """Return the same cue, that much later."""
        return Cue(self.start_s + seconds, self.end_s + seconds, self.text)


def cues(text: str) -> list[Cue]:
    """Return the cues of a SubRip or WebVTT text, an empty list for any other text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    times = list(_TIMES.finditer(text))
    ends = [*(one.start() for one in times[1:]), len(text)][: len(times)]
    found = []
    for one, end in zip(times, ends, strict=True):
        said = text[one.end() : end].rstrip()
        if end != len(text):
            # The number (or name) of the next cue stands before its times.
            said = _NUMBER.sub("", said)
        found.append(Cue(_seconds(one.groups()[:4]), _seconds(one.groups()[4:]), said.strip()))
    return found


def cues_of(segments: object) -> list[Cue] | None:
    """Return the cues that a transcript's segments make, None where these have no times.

    A speaker's label goes before the text.
    """
    if not isinstance(segments, list) or not segments:
        return None
    if not all(isinstance(one, dict) for one in segments):
        return None
    times = [(seconds_of(one.get("start")), seconds_of(one.get("end"))) for one in segments]
    if not any(None not in pair for pair in times):
        return None
    found: list[Cue] = []
    for one, (start_s, end_s) in zip(segments, times, strict=True):
        # A time that is none becomes that of the neighbour: the words are worth more.
        if start_s is None:
            start_s = found[-1].end_s if found else 0.0
        found.append(Cue(start_s, start_s if end_s is None else end_s, spoken(one)))
    return found


def seconds_of(told: object) -> float | None:
    """Return a time in seconds, at most `MOST_S`; None for what is no time of a recording."""
    time_s = read_number(told)
    return None if time_s is None else min(max(time_s, 0.0), float(MOST_S))


def spoken(segment: dict[str, Any]) -> str:
    """Return what is said in a segment, after the speaker's label where there is one."""
    text = read_string(segment.get("text")).strip()
    speaker = read_string(segment.get("speaker"))
    return f"{speaker}: {text}" if speaker else text


def srt(found: Sequence[Cue]) -> str:
    """Return the cues as SubRip, numbered from 1."""
    blocks = (
        f"{number}\n{_stamp(one.start_s, ',')} --> {_stamp(one.end_s, ',')}\n{one.text}\n"
        for number, one in enumerate(found, 1)
    )
    return "\n".join(blocks)


def vtt(found: Iterable[Cue]) -> str:
    """Return the cues as WebVTT."""
    blocks = (
        f"\n{_stamp(one.start_s, '.')} --> {_stamp(one.end_s, '.')}\n{one.text}\n" for one in found
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
