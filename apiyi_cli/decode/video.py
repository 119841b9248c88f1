"""Answers about video tasks: the id of a new task, and its state.

Every family has its own names for the same few states.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from apiyi_cli.decode.fields import read_count, read_number, read_object
from apiyi_cli.decode.usage import BELIEVED_TOKENS
from apiyi_cli.errors import IncompleteError
from apiyi_cli.text import Text

State = Literal["queued", "running", "done", "failed", "expired", "unknown"]

_STATES: dict[str, State] = {
    "submitted": "queued",
    "not_start": "queued",
    "queued": "queued",
    "pending": "queued",
    "created": "queued",
    "running": "running",
    "processing": "running",
    "in_progress": "running",
    "succeeded": "done",
    "success": "done",
    "completed": "done",
    "done": "done",
    "failed": "failed",
    "failure": "failed",
    "cancelled": "failed",
    "canceled": "failed",
    "error": "failed",
    "unknown": "unknown",
    "expired": "expired",
}


class VideoTask(NamedTuple):
    """How far a task is. `percent` is 0 to 100; `url` is the file's where the family gives one.

    `message` is the gateway's own words about a failure; `tokens` what was used.
    """

    state: State
    percent: int | None = None
    url: str | None = None
    message: str | None = None
    tokens: int | None = None

    @property
    def is_over(self) -> bool:
        """Return True if the task will not change any more."""
        return self.state in ("done", "failed", "expired")


def task_id(value: Any) -> str:
    """Return the id in the answer to a submission. Raises IncompleteError where there is none."""
    holders = [_inner(value, "output"), _inner(value, "data")]
    if isinstance(value, dict):
        holders.append(value)
    if found := _first_text(holders, "task_id", "id") or _first_text(holders, "request_id"):
        return found
    raise IncompleteError(
        Text("the task has no id"),
        Text("the gateway took the request and did not say which task it is"),
        hint="apiyi usage --remote",
    )


def video_task(value: Any) -> VideoTask:
    """Return the state of a task; unknown states count as running."""
    holders = [item for item in (value, _inner(value, "output"), _inner(value, "data")) if item]
    state = _first_text(holders, "status", "task_status", "state")
    known = _STATES.get((state or "").lower(), "running")
    return VideoTask(
        known,
        _percent(holders),
        _url(holders),
        _message(holders) if known in ("failed", "expired") else None,
        _tokens(holders),
    )


def _inner(value: Any, name: str) -> dict[str, Any]:
    return read_object(read_object(value).get(name))


def _first_text(holders: list[dict[str, Any]], *names: str) -> str | None:
    for holder in holders:
        for name in names:
            if isinstance(found := holder.get(name), str) and found:
                return found
    return None


def _percent(holders: list[dict[str, Any]]) -> int | None:
    for holder in holders:
        percent = holder.get("progress")
        if isinstance(percent, str):
            text = percent.strip().removesuffix("%")
            percent = float(text) if text.replace(".", "", 1).isdigit() and len(text) < 8 else None
        number = read_number(percent)
        if number is not None and 0 <= number <= 100:
            return int(number)
    return None


def _url(holders: list[dict[str, Any]]) -> str | None:
    inner = [_inner(holder, name) for holder in holders for name in ("content", "video", "result")]
    names = ("video_url", "result_url", "url")
    found = _first_text([*holders, *inner], *names)
    return found if found and found.startswith(("http://", "https://")) else None


def _message(holders: list[dict[str, Any]]) -> str | None:
    errors = [_inner(holder, "error") for holder in holders]
    return _first_text([*errors, *holders], "message", "fail_reason", "reason", "error", "code")


def _tokens(holders: list[dict[str, Any]]) -> int | None:
    for holder in holders:
        tokens = _inner(holder, "usage").get("completion_tokens")
        if (count := read_count(tokens, BELIEVED_TOKENS)) is not None:
            return count
    return None
