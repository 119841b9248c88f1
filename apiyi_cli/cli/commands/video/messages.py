"""Messages about video tasks: still running, failed, or expired."""

from __future__ import annotations

import time

from apiyi_cli.core.shells import quote_word
from apiyi_cli.decode.video import VideoTask
from apiyi_cli.errors import Billed, IncompleteError, RejectedError, describe_billing
from apiyi_cli.store.video_tasks import VideoRecord
from apiyi_cli.text import Text, join_texts


def resume_command(record: VideoRecord) -> str:
    """Return the command that resumes a task."""
    return f"apiyi video resume {quote_word(record.name)}"


def resume_hint(record: VideoRecord) -> str:
    """Return how to resume a task, with its video's link if any."""
    if record.url is None:
        return resume_command(record)
    return join_texts((resume_command(record), Text("the video is at {url}", url=record.url)), "; ")


def describe_going_on(record: VideoRecord) -> Text:
    """Return the message about a task that is left running."""
    return Text(
        "the task goes on without us, and is billed: {command}", command=resume_command(record)
    )


def describe_unfinished(record: VideoRecord) -> IncompleteError:
    """Return the error for a video that was not ready within `--max-time`."""
    return IncompleteError(
        Text("the video is not saved"),
        Text("--max-time has passed; {goes_on}", goes_on=describe_going_on(record)),
        hint=resume_hint(record),
    )


def explain_failure(task: VideoTask, billed: Billed) -> RejectedError:
    """Return the error for a task that failed, with the gateway's message."""
    why = task.message or Text("the gateway does not say why")
    return RejectedError(
        Text("the video was not made"),
        Text("{why}; {billing}", why=why, billing=describe_billing(billed)),
    )


def explain_expiry(record: VideoRecord) -> IncompleteError:
    """Return the error for a video that the gateway has deleted or never made."""
    if record.dies is None:
        why = Text("the gateway says that it has expired")
    else:
        why = Text("it was deleted on {time}", time=format_time(record.dies))
    return IncompleteError(
        Text("the video {name} is gone", name=record.name),
        Text("{why}; {billing}", why=why, billing=describe_billing("maybe")),
        hint=Text(
            "the console's log says what it cost; apiyi video forget {name}",
            name=quote_word(record.name),
        ),
    )


def format_time(moment: float) -> str:
    """Return a moment as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
