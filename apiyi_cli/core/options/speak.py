"""Options: text to speech."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag


class SpeakOptions(Group, panel="Speech"):
    """The voice, and how it reads the text."""

    voice = flag(
        str,
        "--voice",
        help="Who reads: alloy (the default), ash, ballad, coral, echo, sage, shimmer, verse...",
        metavar="NAME",
        wire="voice",
    )
    format = flag(
        str,
        "--format",
        help="mp3, opus, aac, flac, wav, pcm... Else by the extension of -o, else mp3.",
        metavar="FORMAT",
        suggestions=("mp3", "opus", "aac", "flac", "wav", "pcm"),
        config=False,
        wire="response_format",
    )
    speed = flag(
        float,
        "--speed",
        help="How fast, 1 being usual.",
        metavar="X",
        low=0.25,
        high=4,
        wire="speed",
    )
    instructions = flag(
        str,
        "--instructions",
        help="How to read it: tone, accent, pace (@FILE reads a file; not tts-1).",
        metavar="TEXT",
        config=False,
        wire="instructions",
    )
    split = flag(
        bool,
        "--split",
        help="Read a text over 4,096 characters in parts, and join the sound.",
        panel="Request",
    )
    skip_existing = flag(
        bool,
        "--skip-existing",
        help="Send nothing if the -o file is there already.",
        panel="Output",
        config=False,
    )
