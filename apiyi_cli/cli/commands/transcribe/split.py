"""Long recordings cut at silences with ffmpeg, each part small enough to be uploaded.

Parts are FLAC of one channel at 16 kHz, which is what speech models hear anyway: nothing is
lost, every ffmpeg can write it, and a part's size is bounded by its length.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.context import Context
from apiyi_cli.core.disk import read_sample
from apiyi_cli.core.filetypes import HEAD_BYTES
from apiyi_cli.text import Text

# 16 kHz, 16 bit: 32 kB a second at most, so 25 MB are never less than 819 s.
LONGEST_PART_S = 780.0
SHORTEST_PART_S = LONGEST_PART_S / 2
SILENCE = "silencedetect=noise=-35dB:duration=0.4"

_CLOCK = re.compile(r"(?:Duration:|time=)\s*(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_SILENCE = re.compile(r"silence_(start|end):\s*(-?\d+(?:\.\d+)?)")


class AudioPart(NamedTuple):
    """A part of a recording: its start in seconds, and its file."""

    begin_s: float
    upload: Upload


def require_ffmpeg(upload: Upload) -> None:
    """Raise UsageError if there is no ffmpeg to cut the file with."""
    if shutil.which("ffmpeg") is None:
        raise upload.error(
            Text("it is too large for one request, and there is no ffmpeg to cut it"),
            hint=Text("install ffmpeg, or cut it yourself"),
        )


def split_recording(ctx: Context, upload: Upload, folder: Path) -> Iterator[AudioPart]:
    """Yield the parts of a recording in order, each made on demand.

    Raises UsageError for a file that ffmpeg cannot read.
    """
    report = _ffmpeg(ctx, upload, "-vn", "-af", SILENCE, "-f", "null", "-")
    length_s = _length_s(report)
    if not length_s:
        raise upload.error(Text("ffmpeg finds no sound in it"))
    points = cut_points(length_s, _silences(report, length_s))
    for number, (begin_s, end_s) in enumerate(pairwise((0.0, *points, length_s))):
        path = folder / f"{number:04}.flac"
        # Before -i: ffmpeg goes there at once, and still cuts at the exact sample.
        window = ("-ss", f"{begin_s:.3f}", "-t", f"{end_s - begin_s:.3f}")
        form = ("-vn", "-map", "0:a:0", "-ac", "1", "-ar", "16000", "-c:a", "flac")
        _ffmpeg(ctx, upload, *form, "-y", f"file:{path}", before=window)
        name = f"{upload.name}.part{number + 1}.flac"
        yield AudioPart(begin_s, Upload(name, str(path), *read_sample(path, HEAD_BYTES)))


def cut_points(length_s: float, silences: Sequence[tuple[float, float]]) -> list[float]:
    """Return the seconds at which to cut so that no part is too long.

    Each cut is in the middle of the last silence that leaves the part at least half as long as
    the longest; without one it is made at the limit.
    """
    points: list[float] = []
    begin_s = 0.0
    while length_s - begin_s > LONGEST_PART_S:
        least_s, most_s = begin_s + SHORTEST_PART_S, begin_s + LONGEST_PART_S
        middles = [(start + end) / 2 for start, end in silences]
        begin_s = max((at_s for at_s in middles if least_s <= at_s <= most_s), default=most_s)
        points.append(begin_s)
    return points


def _length_s(report: str) -> float:
    # The last one is how far decoding really got: a header can be wrong about it.
    times = _CLOCK.findall(report)
    hours, minutes, seconds = times[-1] if times else (0, 0, 0)
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _silences(report: str, length_s: float) -> list[tuple[float, float]]:
    silences: list[tuple[float, float]] = []
    start: float | None = None
    for which, at in _SILENCE.findall(report):
        if which == "start":
            start = float(at)
        elif start is not None:
            silences.append((start, float(at)))
            start = None
    return [*silences, (start, length_s)] if start is not None else silences


def _ffmpeg(ctx: Context, upload: Upload, *args: str, before: Sequence[str] = ()) -> str:
    """Run ffmpeg on the file and return its report; raise UsageError if it fails."""
    # Only local files: a playlist in disguise must not make it fetch anything.
    limits = ("-nostdin", "-hide_banner", "-protocol_whitelist", "file,pipe")
    status, report = ctx.process.run_program(
        ["ffmpeg", *limits, *before, "-i", f"file:{upload.path}", *args]
    )
    if status:
        last = (report.splitlines() or [Text("it does not say why")])[-1]
        raise upload.error(Text("ffmpeg cannot read it: {strip}", strip=last.strip()))
    return report
