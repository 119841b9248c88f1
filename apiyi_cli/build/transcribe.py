"""Requests to transcribe a recording, or to translate it into English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiyi_cli.build.body import apply_options, describe_unknown_value, option_fields
from apiyi_cli.build.upload import MB, Upload, form_fields
from apiyi_cli.core.call import Call, Part
from apiyi_cli.core.endpoints import TRANSCRIBE, TRANSLATE
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.options.transcribe import TranscribeOptions
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text

RECORDING_BYTES = 25 * MB

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

# Other extensions for the same content.
_SAME = {"oga": "ogg", "opus": "ogg", "wave": "wav", "m4b": "m4a", "mkv": "webm", "mov": "mp4"}
# The extensions that are right for each content.
_FITTING = {"mp3": ("mp3", "mpga", "mpeg"), "mp4": ("mp4", "m4a"), "m4a": ("m4a", "mp4")}

PLAIN_FORMATS = ("text", "srt", "vtt")
FORMATS_KNOWN = (*PLAIN_FORMATS, "json", "verbose_json", "diarized_json")


def transcribe_call(
    upload: Upload,
    *,
    model: str,
    transcribe_options: TranscribeOptions,
    options: Sequence[str] | None = None,
) -> Call:
    """Return the request for one recording, which is sent from disk.

    Without `--format` the answer is JSON with the text. Raises UsageError for options that
    exclude each other, and for a file that is not a recording.
    """
    _check_options(transcribe_options)
    filename, mime = upload_name(upload)
    body: dict[str, Any] = {"model": model, **option_fields(transcribe_options)}
    if asked := response_format(transcribe_options):
        body["response_format"] = asked
    if transcribe_options.timestamps:
        body["timestamp_granularities"] = transcribe_options.timestamps.split(",")
    if transcribe_options.diarize:
        # Required for more than 30 s.
        body["chunking_strategy"] = "auto"
    if transcribe_options.stream:
        body["stream"] = True
    apply_options(body, options)
    file = Part("file", path=upload.path, filename=filename, type=mime)
    endpoint = TRANSLATE if transcribe_options.translate else TRANSCRIBE
    return endpoint.call(
        parts=(*form_fields(body), file),
        stream=body.get("stream") is True,
        model=body["model"],
        notes=_describe_limits(model, asked, transcribe_options),
    )


def response_format(transcribe_options: TranscribeOptions) -> str | None:
    """Return the response format to request, None for the API's default (json)."""
    if transcribe_options.diarize:
        return "diarized_json"
    return "verbose_json" if transcribe_options.timestamps else transcribe_options.format


def asks_json(call: Call) -> bool:
    """Return True if the answer must be JSON, which is also the API's default."""
    asked = next((part.value for part in call.parts if part.name == "response_format"), None)
    return asked is None or "json" in asked


def upload_name(upload: Upload) -> tuple[str, str]:
    """Return the file name and MIME type to send for a recording.

    The API trusts the extension, so a wrong or missing one is corrected by the first bytes; if
    they are unknown, the name counts. Raises UsageError for other files.
    """
    stem, _, suffix = upload.filename.rpartition(".")
    suffix = suffix.lower() if stem else ""
    suffix = _SAME.get(suffix, suffix)
    kind = detect_type(upload.head)
    if kind is not None and kind.family not in ("audio", "video"):
        raise upload.error(Text("it is {mime}, no recording", mime=kind.mime))
    # Content that the API does not list may be accepted under a listed name.
    extension = _SAME.get(kind.extension, kind.extension) if kind is not None else ""
    if extension not in TYPES:
        if suffix not in TYPES or (kind is None and _is_text(upload.head)):
            raise upload.error(
                Text("it is none of {types}", types=", ".join(TYPES)),
                hint=Text("ffmpeg -i {upload} recording.mp3", upload=quote_word(upload.name)),
            )
    elif suffix not in _FITTING.get(extension, (extension,)):
        suffix = extension
    return f"{stem or upload.filename}.{suffix}", TYPES[suffix]


def _is_text(head: bytes) -> bool:
    try:
        head[: len(head) - 3].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _check_options(options: TranscribeOptions) -> None:
    refused = ""
    if options.timestamps and (options.format not in (None, "verbose_json") or options.diarize):
        refused = Text("--timestamps come with --format verbose_json, without --diarize")
    elif options.diarize and options.format == "verbose_json":
        refused = Text("--diarize has a format of its own: --format text, json, srt or vtt")
    elif options.stream and (options.format not in (None, "text", "json") or options.timestamps):
        refused = Text("--stream gives text alone")
    elif options.translate:
        taken = {
            "--language": options.language,
            "--timestamps": options.timestamps,
            "--diarize": options.diarize,
            "--stream": options.stream,
        }
        names = [name for name, value in taken.items() if value]
        if names:
            refused = Text("translations do not know {names}", names=names[0])
    if refused:
        raise UsageError(Text("these options do not go together"), refused)


def _describe_limits(
    model: str, asked: str | None, transcribe_options: TranscribeOptions
) -> tuple[str, ...]:
    name = model.rsplit("/", 1)[-1]
    notes: list[Text] = []
    if asked is not None and asked not in FORMATS_KNOWN:
        notes.append(describe_unknown_value("--format", asked, FORMATS_KNOWN))
    if unknown := {*(transcribe_options.timestamps or "").split(",")} - {"", "word", "segment"}:
        notes.append(describe_unknown_value("--timestamps", min(unknown), ("word", "segment")))
    diarizes = name.endswith("-diarize")
    if transcribe_options.diarize and not diarizes:
        notes.append(
            Text("{model} may not tell speakers apart: gpt-4o-transcribe-diarize does", model=model)
        )
    elif "-transcribe" in name and asked in ("srt", "vtt", "verbose_json"):
        notes.append(
            Text("{model} is known to refuse {asked}; whisper-1 has it", model=model, asked=asked)
        )
    if transcribe_options.stream and name.startswith("whisper"):
        notes.append(Text("{model} does not stream: the text comes in one piece", model=model))
    return tuple(notes)
