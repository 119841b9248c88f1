"""Options: text to speech."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class SpeakOptions(Group, panel="Speech"):
    """The voice, and how it reads the text."""

    voice = flag(
        str,
        "Who reads: alloy (the default), ash, ballad, coral, echo, sage, shimmer, verse...",
        metavar="NAME",
        wire=True,
    )
    format = flag(
        str,
        "mp3, opus, aac, flac, wav, pcm... Else by the extension of -o, else mp3.",
        metavar="FORMAT",
        suggestions=("mp3", "opus", "aac", "flac", "wav", "pcm"),
        wire="response_format",
        config=False,
    )
    speed = flag(float, "How fast, 1 being usual.", low=0.25, high=4, wire=True)
    instructions = flag(
        str,
        "How to read it: tone, accent, pace (@FILE reads a file; not tts-1).",
        metavar="TEXT",
        wire=True,
        config=False,
    )
    split = flag(
        bool, "Read a text over 4,096 characters in parts, and join the sound.", panel="Request"
    )
    skip_existing = flag(
        bool, "Send nothing if the -o file is there already.", panel="Output", config=False
    )
