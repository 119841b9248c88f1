"""POST /v1/audio/transcriptions and /translations: the file's name, with its duration."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from apiyi_cli.core.endpoints import TRANSLATE
from apiyi_cli.core.filetypes import WAV, detect_type
from apiyi_cli.sandbox import checks
from apiyi_cli.sandbox.endpoints.catalogue import model_of
from apiyi_cli.sandbox.received_request import FormPart, ReceivedRequest
from apiyi_cli.sandbox.request_summary import MARK, deltas, tokens
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, invalid

UPLOAD_MAX_BYTES = 25 << 20
SEGMENT_S = 5.0
SPEAKERS = ("A", "B")
# The duration of compressed audio is unknown without decoding: 128 kbit/s are assumed.
_COMPRESSED_BYTES_PER_S = 16000
_FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
_FORMATS_OF = {"-transcribe": ("json", "text"), "-diarize": ("json", "text", "diarized_json")}
"""The formats of models with such an end of their name; the others have all."""
_SUFFIXES = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm", "opus", "aac")


class Segment(NamedTuple):
    """A part of the recording, in seconds from its start."""

    start_s: float
    end_s: float
    text: str


def transcripts(request: ReceivedRequest, finish: str) -> ScriptedReply:
    """Answer POST /v1/audio/transcriptions and /translations, which is never streamed."""
    task = "translate" if request.endpoint is TRANSLATE else "transcribe"
    if not request.is_form:
        raise invalid("The body must be multipart/form-data", "", "invalid_request")
    fields = request.fields
    model = model_of(fields, "transcribe")
    recording = next((p for p in request.parts if p.name == "file" and p.filename), None)
    if recording is None:
        raise checks.missing("file")
    form = _check_format(request, model)
    length_s = duration_s(recording.content)
    segments = _segments(recording, fields, length_s, task)
    if fields.get("stream") == "true" and task == "transcribe" and not model.startswith("whisper"):
        return _stream_text(_join(segments))
    if form in ("text", "srt", "vtt"):
        return ScriptedReply.text(_plain(form, segments))
    return ScriptedReply.json(_structure(form, request, segments, length_s, task))


def duration_s(audio: bytes) -> float:
    """Return the seconds of a recording: exact for WAV, from its size for anything else."""
    if detect_type(audio) is not WAV:
        return round(len(audio) / _COMPRESSED_BYTES_PER_S, 3)
    kind: bytes
    size: int
    at, bytes_per_s = 12, 0
    while at + 8 <= len(audio):
        kind, size = struct.unpack_from("<4sI", audio, at)
        if kind == b"fmt ":
            (bytes_per_s,) = struct.unpack_from("<I", audio, at + 16)
        if kind == b"data" and bytes_per_s:
            # A WAV that was written to a pipe does not know its size.
            return round(min(size, len(audio) - at - 8) / bytes_per_s, 3)
        at += 8 + size + size % 2
    return 0.0


def _segments(
    recording: FormPart, fields: dict[str, Any], length_s: float, task: str
) -> list[Segment]:
    verb = "translated into English" if task == "translate" else "transcribed"
    sentences = [f"{MARK} {recording.filename}, {length_s:g} seconds of audio, {verb}."]
    if language := fields.get("language"):
        sentences.append(f"Language: {language}.")
    if prompt := fields.get("prompt"):
        sentences.append(f"Prompt: {prompt}.")
    count = max(len(sentences), 1 + int(length_s // SEGMENT_S))
    sentences += [f"Part {k + 1}." for k in range(len(sentences), count)]
    step = length_s / count
    return [
        Segment(round(k * step, 3), round((k + 1) * step, 3), text)
        for k, text in enumerate(sentences)
    ]


def _join(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


def _plain(form: str, segments: list[Segment]) -> str:
    if form == "text":
        return _join(segments) + "\n"
    point = "," if form == "srt" else "."
    blocks = ["WEBVTT\n"] if form == "vtt" else []
    for k, segment in enumerate(segments, 1):
        number = f"{k}\n" if form == "srt" else ""
        times = f"{_stamp(segment.start_s, point)} --> {_stamp(segment.end_s, point)}"
        blocks.append(f"{number}{times}\n{segment.text}\n")
    return "\n".join(blocks) + "\n"


def _stamp(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def _structure(
    form: str, request: ReceivedRequest, segments: list[Segment], length_s: float, task: str
) -> dict[str, Any]:
    text = _join(segments)
    seconds = {"type": "duration", "seconds": max(1, round(length_s))}
    if form == "json":
        return {"text": text, "usage": seconds}
    common = {"task": task, "duration": length_s, "text": text, "usage": seconds}
    if form == "diarized_json":
        return common | {"segments": [_speaker_row(k, item) for k, item in enumerate(segments)]}
    wanted = {p.text for p in request.parts if p.name.startswith("timestamp_granularities")}
    whole: dict[str, Any] = common | {"language": request.fields.get("language") or "english"}
    if "word" in wanted:
        whole["words"] = [word for segment in segments for word in _words(segment)]
    if "word" not in wanted or "segment" in wanted:
        whole["segments"] = [_row(k, segment) for k, segment in enumerate(segments)]
    return whole


def _speaker_row(k: int, segment: Segment) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{k:03}",
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        "speaker": SPEAKERS[k % len(SPEAKERS)],
    }


def _row(k: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": k,
        "seek": 0,
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.125,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.01,
    }


def _words(segment: Segment) -> list[dict[str, Any]]:
    words = segment.text.split()
    step = (segment.end_s - segment.start_s) / len(words)
    return [
        {
            "word": word,
            "start": round(segment.start_s + k * step, 3),
            "end": round(segment.start_s + (k + 1) * step, 3),
        }
        for k, word in enumerate(words)
    ]


def _stream_text(text: str) -> ScriptedReply:
    events: list[dict[str, Any]] = [
        {"type": "transcript.text.delta", "delta": piece} for piece in deltas(text)
    ]
    output_tokens = tokens(text)
    usage = {
        "type": "tokens",
        "input_tokens": 50,
        "output_tokens": output_tokens,
        "total_tokens": 50 + output_tokens,
    }
    events.append({"type": "transcript.text.done", "text": text, "usage": usage})
    return ScriptedReply.sse(*events, named=True, tokens=50 + output_tokens)


def _check_format(request: ReceivedRequest, model: str) -> str:
    recording = next(p for p in request.parts if p.name == "file")
    if len(recording.content) > UPLOAD_MAX_BYTES:
        message = f"Maximum content size limit ({UPLOAD_MAX_BYTES}) exceeded"
        raise invalid(message, "file", "content_too_large")
    if not recording.content:
        raise invalid("Audio file is empty", "file")
    if (recording.filename or "").rpartition(".")[2].lower() not in _SUFFIXES:
        raise invalid(f"Invalid file format. Supported formats: {_SUFFIXES}", "file")
    fields = request.fields
    form = checks.check_choice(fields, "response_format", *_FORMATS) or "json"
    fitting = next((_FORMATS_OF[end] for end in _FORMATS_OF if model.endswith(end)), _FORMATS)
    if form not in fitting:
        message = f"response_format '{form}' is not compatible with model '{model}'"
        raise invalid(message, "response_format")
    granular = [p.text for p in request.parts if p.name.startswith("timestamp_granularities")]
    if not {"word", "segment"}.issuperset(granular):
        raise invalid(
            "Invalid value for 'timestamp_granularities': must be word or segment",
            "timestamp_granularities",
        )
    if granular and form != "verbose_json":
        raise invalid("'timestamp_granularities' needs verbose_json", "timestamp_granularities")
    try:
        warm = float(fields.get("temperature") or 0)
    except ValueError:
        warm = -1
    if not 0 <= warm <= 1:
        raise invalid("Invalid 'temperature': must be from 0 to 1", "temperature")
    return form
