"""Reads answers about video tasks: the id of a new task, and its state.

Every family has its own names for the same few states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from apiyi_cli.core.call import Reply
from apiyi_cli.core.jsontext import whole_characters
from apiyi_cli.decode.frames.fields import (
    BELIEVED_TOKENS,
    read_amount,
    read_count,
    read_moment,
    read_object,
    read_objects,
    read_string,
)
from apiyi_cli.decode.frames.reply_body import find_refusal, make_misfit, parse_body, read_whole
from apiyi_cli.errors import IncompleteError
from apiyi_cli.text import Text

T = TypeVar("T")
State = Literal["queued", "running", "done", "failed", "expired", "unknown"]

_WORDS_FOR: dict[State, str] = {
    "queued": "submitted not_start queued pending created",
    "running": "running processing in_progress",
    "done": "succeeded success completed done",
    "failed": "failed failure cancelled canceled error",
    "unknown": "unknown",
    "expired": "expired",
}
_STATES = {word: state for state, words in _WORDS_FOR.items() for word in words.split()}
_LINK_NAMES = ("video_url", "result_url", "url", "video_urls", "result_urls", "urls")
_FILE_NAMES = ("content", "video", "result", "videos", "results", "files")
_STATE_NAMES = ("status", "task_status", "state")
_MESSAGE_NAMES = ("message", "fail_reason", "reason", "error", "code")
_END_NAMES = ("completed_at", "finished_at", "finish_time", "updated_at")
_OLDEST_S = 1_600_000_000
"""Smaller numbers are not times."""


class VideoTask(NamedTuple):
    """A task's state. `percent` is 0 to 100; `url` is the file's if the family has links.

    `message` is the gateway's own words about a failure, `tokens` what was used, `finished` the
    time of the end in seconds since 1970, where the gateway says it.
    """

    state: State
    percent: int | None = None
    url: str | None = None
    message: str | None = None
    tokens: int | None = None
    finished: float | None = None

    @property
    def is_over(self) -> bool:
        """Return True if the task's state is final."""
        return self.state in ("done", "failed", "expired")


def task_id(value: Any) -> str:
    """Return the id in the answer to a submission. Raises IncompleteError if there is none."""
    holders = [_inner(value, "output"), _inner(value, "data")]
    if isinstance(value, dict):
        holders.append(value)
    for names in (("task_id", "id"), ("request_id",)):
        if id := _find_first(holders, names, _read_id):
            return id
    raise IncompleteError(
        Text("the task has no id"),
        Text("the gateway took the request and did not say which task it is"),
        hint="apiyi usage --remote",
    )


def read_task(reply: Reply) -> tuple[VideoTask, bytes]:
    """Return a task's state and the bytes that say so.

    The error of a failed task is a part of its state. Raises the classified error of a refusal,
    and IncompleteError for an object without a state.
    """
    kind, raw = read_whole(reply, "free", None)
    value = parse_body(reply, kind, raw)
    if _find_first(_levels(value), _STATE_NAMES, _read_text) is None:
        why = Text("it does not tell the state of a task")
        raise find_refusal(reply, value, "text") or make_misfit(reply, why)
    return video_task(value), raw


def video_task(value: Any) -> VideoTask:
    """Return a task's state, of any family; unknown states count as running."""
    holders = _levels(value)
    state = _find_first(holders, _STATE_NAMES, _read_text) or ""
    known = _STATES.get(state.lower(), "running")
    errors = [_inner(holder, "error") for holder in holders]
    usages = [_inner(holder, "usage") for holder in holders]
    inner = [holder.get(name) for holder in holders for name in _FILE_NAMES]
    files = [item for value in inner for item in read_objects(value) or [read_object(value)]]
    has_failed = known in ("failed", "expired")
    ends = (_find_first(holders, (name,), _read_end) for name in _END_NAMES)
    return VideoTask(
        known,
        _find_first(holders, ("progress",), _read_percent),
        _find_first([*holders, *files], _LINK_NAMES, _read_link),
        _find_first([*errors, *holders], _MESSAGE_NAMES, _read_text) if has_failed else None,
        _find_first(usages, ("completion_tokens",), _read_tokens),
        next(filter(None, ends), None) if known == "done" else None,
    )


def _levels(value: Any) -> list[dict[str, Any]]:
    """Return the objects that may have a task's fields, the outermost first."""
    levels = (value, _inner(value, "output"), _inner(value, "data"))
    return [level for level in levels if isinstance(level, dict) and level]


def _inner(value: Any, name: str) -> dict[str, Any]:
    return read_object(read_object(value).get(name))


def _find_first(
    holders: Sequence[dict[str, Any]], names: Sequence[str], read: Callable[[Any], T | None]
) -> T | None:
    """Return the first field that can be read, of the first object that has one."""
    values = (read(holder.get(name)) for holder in holders for name in names)
    return next((value for value in values if value is not None), None)


def _read_text(value: Any) -> str | None:
    return whole_characters(read_string(value)) or None


def _read_id(value: Any) -> str | None:
    """Return an id, which some gateways send as a number."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return str(value) if is_number else _read_text(value)


def _read_link(value: Any) -> str | None:
    """Return a link, or the first of a list."""
    text = _read_text(next(iter(value), None) if isinstance(value, list) else value) or ""
    return text if text.startswith(("http://", "https://")) else None


def _read_percent(value: Any) -> int | None:
    number = read_amount(value.strip().removesuffix("%") if isinstance(value, str) else value)
    return int(number) if number is not None and 0 <= number <= 100 else None


def _read_tokens(value: Any) -> int | None:
    return read_count(value, BELIEVED_TOKENS)


def _read_end(value: Any) -> float | None:
    moment = read_moment(value)
    return moment if moment is not None and moment >= _OLDEST_S else None


class BoxReader:
    """Reads the box lengths of an MP4 or QuickTime file, piece by piece.

    Source: ISO/IEC 14496-12, 4.2. A file that ends inside a box was cut.
    """

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._has_end = True

    def add(self, piece: bytes) -> None:
        """Read the next bytes of the file."""
        view = memoryview(piece)
        while view and self._has_end:
            if self._left:
                taken = min(self._left, len(view))
                self._left -= taken
            else:
                taken = min(self._missing, len(view))
                self._head += view[:taken]
                self._begin_box()
            view = view[taken:]

    @property
    def is_whole(self) -> bool:
        """Return True if the file may end here."""
        return not self._has_end or not (self._left or self._head)

    @property
    def _missing(self) -> int:
        return (16 if self._head[:4] == b"\0\0\0\1" else 8) - len(self._head)

    def _begin_box(self) -> None:
        if self._missing:
            return
        long = len(self._head) > 8
        size = int.from_bytes(self._head[8:] if long else self._head[:4], "big")
        # The last box may go to the end of the file.
        self._has_end = size >= len(self._head)
        self._left = max(0, size - len(self._head))
        self._head = b""
