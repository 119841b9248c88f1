"""Requests for what a recording says, in its own language or in English."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import apply_options, option_fields
from apiyi_cli.build.upload import MB, Upload, form_fields
from apiyi_cli.core.call import Call, Part
from apiyi_cli.core.endpoints import TRANSCRIBE, TRANSLATE
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.options.transcribe import Transcribing
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

MOST_BYTES = 25 * MB

TYPES = {
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "mpga": "audio/mpeg",
    "mpeg": "audio/mpeg",
    "mp4": "video/mp4",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "webm": "video/webm",
}
"""The extensions that the API takes, each with its MIME type."""

# Extensions that name the same content as one of those.
_SAME = {"oga": "ogg", "opus": "ogg", "wave": "wav", "m4b": "m4a", "mkv": "webm", "mov": "mp4"}
# What the bytes tell, and the extensions that are right for it.
_FITTING = {
    "mp3": ("mp3", "mpga", "mpeg"),
    "mp4": ("mp4", "m4a"),
    "m4a": ("m4a", "mp4"),
}

PLAIN_FORMATS = ("text", "srt", "vtt")


def transcribe_call(
    upload: Upload,
    *,
    model: str,
    transcribing: Transcribing,
    options: Sequence[str] | None = None,
) -> Call:
    """Return the request for one recording, which is sent from disk.

    Without `--format` none is asked for, and the answer is JSON with the text. Raises
    UsageError for options that do not go together, and for a file that is no recording.
    """
    _check_options(transcribing)
    filename, mime = upload_name(upload)
    body: dict[str, Any] = {"model": model, **option_fields(transcribing)}
    if asked := response_format(transcribing):
        body["response_format"] = asked
    if transcribing.timestamps:
        body["timestamp_granularities"] = transcribing.timestamps.split(",")
    if transcribing.diarize:
        # Required for more than 30 s.
        body["chunking_strategy"] = "auto"
    if transcribing.stream:
        body["stream"] = True
    apply_options(body, options)
    file = Part("file", path=upload.path, filename=filename, type=mime)
    endpoint = TRANSLATE if transcribing.translate else TRANSCRIBE
    return endpoint.call(
        parts=(*form_fields(body), file),
        stream=body.get("stream") is True,
        model=body["model"],
        notes=_describe_limits(model, asked, transcribing),
    )


def response_format(transcribing: Transcribing) -> str | None:
    """Return the format to ask the API for, None for its own default (json)."""
    if transcribing.diarize:
        return "diarized_json"
    if transcribing.timestamps:
        return "verbose_json"
    return transcribing.format


def asks_json(call: Call) -> bool:
    """Return True if the answer to a request has to be JSON; the API's own default is."""
    asked = next((part.value for part in call.parts if part.name == "response_format"), None)
    return asked not in PLAIN_FORMATS


def upload_name(upload: Upload) -> tuple[str, str]:
    """Return the file name and the MIME type under which a recording is sent.

    The API judges by the extension, so a wrong or missing one is put right by what the first
    bytes tell; bytes that tell nothing are believed to be what the name says. Raises
    UsageError for what is no recording.
    """
    stem, _, suffix = upload.filename.rpartition(".")
    suffix = suffix.lower() if stem else ""
    suffix = _SAME.get(suffix, suffix)
    kind = detect_type(upload.head)
    if kind is not None and kind.family not in ("audio", "video"):
        raise upload.refused(Text("it is {mime}, no recording", mime=kind.mime))
    # What the API does not list it may read all the same, under a name that it lists.
    told = _SAME.get(kind.extension, kind.extension) if kind is not None else ""
    if told not in TYPES:
        if suffix not in TYPES or (kind is None and _is_text(upload.head)):
            raise upload.refused(
                Text("it is none of {types}", types=", ".join(TYPES)),
                hint=Text("ffmpeg -i {upload} recording.mp3", upload=shlex.quote(upload.name)),
            )
    elif suffix not in _FITTING.get(told, (told,)):
        suffix = told
    return f"{stem or upload.filename}.{suffix}", TYPES[suffix]


def _is_text(head: bytes) -> bool:
    try:
        head[: len(head) - 3].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _check_options(transcribing: Transcribing) -> None:
    one = transcribing
    refused = ""
    if one.timestamps and (one.format not in (None, "verbose_json") or one.diarize):
        refused = Text("--timestamps come with --format verbose_json, without --diarize")
    elif one.diarize and one.format == "verbose_json":
        refused = Text("--diarize has a format of its own: --format text, json, srt or vtt")
    elif one.stream and (one.format not in (None, "text", "json") or one.timestamps):
        refused = Text("--stream gives text alone")
    elif one.translate:
        taken = {
            "--language": one.language,
            "--timestamps": one.timestamps,
            "--diarize": one.diarize,
            "--stream": one.stream,
        }
        names = [name for name, value in taken.items() if value]
        if names:
            refused = Text("translations do not know {names}", names=names[0])
    if refused:
        raise UsageError(Text("these options do not go together"), refused)


def _describe_limits(model: str, asked: str | None, transcribing: Transcribing) -> tuple[str, ...]:
    name = model.rsplit("/", 1)[-1]
    told = []
    diarizes = name.endswith("-diarize")
    if transcribing.diarize and not diarizes:
        told.append(
            Text("{model} may not tell speakers apart: gpt-4o-transcribe-diarize does", model=model)
        )
    elif "-transcribe" in name and asked in ("srt", "vtt", "verbose_json"):
        told.append(
            Text("{model} is known to refuse {asked}; whisper-1 has it", model=model, asked=asked)
        )
    if transcribing.stream and name.startswith("whisper"):
        told.append(Text("{model} does not stream: the text comes in one piece", model=model))
    return tuple(told)
