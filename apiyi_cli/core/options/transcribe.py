"""Options: transcribing recordings."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class TranscribeOptions(Group, panel="Answer", config=False):
    """The form of a transcript, and hints for the model."""

    format = flag(
        str,
        "text, json, srt, vtt, verbose_json...",
        metavar="FORMAT",
        suggestions=("text", "json", "srt", "vtt", "verbose_json"),
    )
    language = flag(
        str,
        "Language of the recording (ISO 639-1: en, zh).",
        panel="Request",
        metavar="CODE",
        wire=True,
        config=True,
    )
    prompt = flag(
        str,
        "Names and terms to expect, or the text before (@FILE reads a file).",
        panel="Request",
        metavar="TEXT",
        wire=True,
    )
    temperature = flag(float, "Sampling temperature.", panel="Request", low=0, high=1, wire=True)
    timestamps = flag(
        str,
        "Times of each word, segment or both (word,segment), as verbose_json.",
        metavar="LIST",
        suggestions=("word", "segment", "word,segment"),
    )
    diarize = flag(bool, "Tell the speakers apart (gpt-4o-transcribe-diarize).")
    translate = flag(bool, "Translate into English (whisper-1).")
    stream = flag(bool, "Print the text as it is heard (not whisper-1).", negatable=True)
    split = flag(
        bool,
        "Cut files over 25 MB at silences (needs ffmpeg) and join the texts.",
        panel="Request",
        config=True,
    )
    skip_existing = flag(
        bool, "Send only the recordings whose -o files are not there yet.", panel="Output"
    )
