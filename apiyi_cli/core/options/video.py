"""Options: videos."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag

TASK_WORDS = ("list", "resume", "cancel", "forget")
"""First words that name a task command, not a prompt."""


class VideoOptions(Group, panel="Video", config=False):
    """The videos to make, their inputs, their files and tasks."""

    input = flag(
        list[str],
        "Begin from this picture, clip or sound (repeatable).",
        "-i",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
    )
    first = flag(
        str,
        "Picture that the video begins with.",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
    )
    last = flag(
        str,
        "Picture that the video ends with.",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
    )
    reference = flag(
        list[str],
        "Picture, clip or sound to be guided by (repeatable).",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
    )
    lines = flag(bool, "Each line of stdin is a prompt.", panel="Prompt")
    duration = flag(
        int,
        "Length in seconds; Seedance: -1 lets the model choose.",
        metavar="S",
        low=-1,
        high=600,
        config=True,
    )
    resolution = flag(str, "480p, 720p, 1080p, as the model offers.", metavar="LINES", config=True)
    ratio = flag(str, "WIDTH:HEIGHT such as 16:9, or adaptive.", metavar="W:H", config=True)
    seed = flag(int, "Try for the same video each time.", config=True)
    audio = flag(bool, "With or without sound (else the model's).", negatable=True, config=True)
    poll = flag(
        float, "Seconds between two looks at a task.", metavar="S", low=0.1, high=3600, config=True
    )
    skip_existing = flag(
        bool, "Make only the videos whose files are not there yet.", panel="Output"
    )
    allow_private = flag(
        bool, "Fetch videos from private addresses and over http, too.", panel="Connection"
    )
