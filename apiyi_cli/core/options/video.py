"""Options: videos."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag

TASK_WORDS = ("list", "resume", "cancel", "forget")
"""First words that name a task command, not a prompt."""


class VideoOptions(Group):
    """The videos to make, their inputs, their files and tasks."""

    input = flag(
        list[str],
        "-i",
        "--input",
        help="Begin from this picture, clip or sound (repeatable).",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
        config=False,
    )
    first = flag(
        str,
        "--first",
        help="Picture that the video begins with.",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
        config=False,
    )
    last = flag(
        str,
        "--last",
        help="Picture that the video ends with.",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
        config=False,
    )
    reference = flag(
        list[str],
        "--reference",
        help="Picture, clip or sound to be guided by (repeatable).",
        panel="Prompt",
        metavar="FILE|URL",
        complete="file",
        config=False,
    )
    lines = flag(
        bool, "--lines", help="Each line of stdin is a prompt.", panel="Prompt", config=False
    )
    duration = flag(
        int,
        "--duration",
        help="Length in seconds; Seedance: -1 lets the model choose.",
        panel="Video",
        metavar="S",
        low=-1,
        high=600,
    )
    resolution = flag(
        str,
        "--resolution",
        help="480p, 720p, 1080p, as the model offers.",
        panel="Video",
        metavar="LINES",
    )
    ratio = flag(
        str,
        "--ratio",
        help="WIDTH:HEIGHT such as 16:9, or adaptive.",
        panel="Video",
        metavar="W:H",
    )
    seed = flag(int, "--seed", help="Try for the same video each time.", panel="Video", metavar="N")
    audio = flag(
        bool, "--audio/--no-audio", help="With or without sound (else the model's).", panel="Video"
    )
    poll = flag(
        float,
        "--poll",
        help="Seconds between two looks at a task.",
        panel="Video",
        metavar="S",
        low=0.1,
        high=3600,
    )
    skip_existing = flag(
        bool,
        "--skip-existing",
        help="Make only the videos whose files are not there yet.",
        panel="Output",
        config=False,
    )
    allow_private = flag(
        bool,
        "--allow-private",
        help="Fetch videos from private addresses and over http, too.",
        panel="Connection",
        config=False,
    )
