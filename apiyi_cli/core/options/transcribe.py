"""Options: transcribing recordings."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class TranscribeOptions(Group, panel="Answer"):
    """The form of a transcript, and hints for the model."""

    format = flag(
        str,
        "--format",
        help="text, json, srt, vtt, verbose_json...",
        metavar="FORMAT",
        suggestions=("text", "json", "srt", "vtt", "verbose_json"),
        config=False,
    )
    language = flag(
        str,
        "--language",
        help="Language of the recording (ISO 639-1: en, zh).",
        panel="Request",
        metavar="CODE",
        wire="language",
    )
    prompt = flag(
        str,
        "--prompt",
        help="Names and terms to expect, or the text before (@FILE reads a file).",
        panel="Request",
        metavar="TEXT",
        config=False,
        wire="prompt",
    )
    temperature = flag(
        float,
        "--temperature",
        help="Sampling temperature.",
        panel="Request",
        metavar="X",
        low=0,
        high=1,
        config=False,
        wire="temperature",
    )
    timestamps = flag(
        str,
        "--timestamps",
        help="Times of each word, segment or both (word,segment), as verbose_json.",
        metavar="LIST",
        suggestions=("word", "segment", "word,segment"),
        config=False,
    )
    diarize = flag(
        bool, "--diarize", help="Tell the speakers apart (gpt-4o-transcribe-diarize).", config=False
    )
    translate = flag(bool, "--translate", help="Translate into English (whisper-1).", config=False)
    stream = flag(
        bool,
        "--stream/--no-stream",
        help="Print the text as it is heard (not whisper-1).",
        config=False,
    )
    split = flag(
        bool,
        "--split",
        help="Cut files over 25 MB at silences (needs ffmpeg) and join the texts.",
        panel="Request",
    )
    skip_existing = flag(
        bool,
        "--skip-existing",
        help="Send only the recordings whose -o files are not there yet.",
        panel="Output",
        config=False,
    )
