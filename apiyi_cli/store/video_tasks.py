"""The video tasks of this machine, a file for each.

A claim is written before a task is submitted, the task's id before it is first asked for, each as
a whole file that replaces the last: whatever ends the process, the newest state is on disk, and
nothing is submitted a second time.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from apiyi_cli.core.disk import make_private_folder, read_regular, replace_private
from apiyi_cli.core.jsontext import InvalidJSON, read_strict, write
from apiyi_cli.decode.frames.fields import read_object

RETENTION_S = 24 * 3600.0
"""How long the gateway keeps a finished video."""
HISTORY_S = 30 * 24 * 3600.0
"""How long records of tasks without further work are kept."""
Stage = Literal["claimed", "submitted", "done", "saved", "failed", "expired"]
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


class VideoRecord(NamedTuple):
    """The record of one task; times are seconds since 1970, paths are absolute.

    `claim` is our own id, of the file; `task` the gateway's, None for a submission that was
    killed before its answer: it may be billed, and nothing submits it again. `output` is where
    the video goes, with another extension if it turns out to have one, unless `is_named`.
    `saving` is the file that is about to get its name, with its `size`.
    """

    claim: str
    stage: Stage
    model: str
    form: str
    host: str
    profile: str
    began: float
    prompt: str = ""
    output: str = ""
    is_named: bool = False
    force: bool = False
    task: str | None = None
    finished: float | None = None
    url: str | None = None
    saving: str | None = None
    size: int | None = None
    saved: str | None = None
    message: str | None = None

    @property
    def name(self) -> str:
        """Return the id for users: the gateway's, or ours if that is unknown."""
        return self.task or self.claim

    @property
    def dies(self) -> float | None:
        """Return when the gateway deletes the finished video, None before it is finished."""
        return None if self.finished is None else self.finished + RETENTION_S

    @property
    def is_open(self) -> bool:
        """Return True if there is, or will be, a video to save."""
        return self.stage in ("submitted", "done")

    def path(self, extension: str) -> Path:
        """Return the path of a video with this extension."""
        path = Path(self.output)
        return path if self.is_named else path.with_suffix(f".{extension}")


class VideoTasks:
    """The records below a folder, which is created with the first one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: VideoRecord) -> None:
        """Write a task's record to disk, synced, replacing the last one."""
        make_private_folder(self._folder)
        content = write({name: value for name, value in record._asdict().items() if value != ""})
        replace_private(self._folder / f"{record.claim}.json", content + b"\n")

    def kept_path(self, claim: str) -> Path:
        """Return the path of a claim's video until it is written to a pipe."""
        return (self._folder / f"{claim}.mp4").absolute()

    def remove(self, record: VideoRecord) -> None:
        """Remove a record."""
        (self._folder / f"{record.claim}.json").unlink(missing_ok=True)

    def remove_old(self, now: float) -> None:
        """Remove tasks without further work that are older than a month."""
        for record in self.read():
            is_over = record.stage in ("saved", "failed", "expired")
            if is_over and record.began < now - HISTORY_S:
                self.remove(record)

    def read(self) -> list[VideoRecord]:
        """Return all records, the oldest first; other files are skipped."""
        records = filter(None, map(_record, self._folder.glob("*.json")))
        return sorted(records, key=lambda record: (record.began, record.claim))

    def find(self, name: str) -> VideoRecord | None:
        """Return the record of a task by the gateway's id or by ours."""
        return next((record for record in self.read() if name in (record.task, record.claim)), None)

    def newest(self, record: VideoRecord) -> VideoRecord:
        """Return the record on disk, which another process may have changed."""
        return _record(self._folder / f"{record.claim}.json") or record


def make_claim_id() -> str:
    """Return an id for a new claim."""
    return f"claim-{os.urandom(6).hex()}"


def _record(path: Path) -> VideoRecord | None:
    try:
        value = read_object(read_strict(read_regular(path)))
        known = {name: value[name] for name in VideoRecord._fields if name in value}
        record = VideoRecord(**known)
    except (OSError, InvalidJSON, TypeError):
        return None
    texts = (record.claim, record.stage, record.model, record.form, record.host)
    fine = all(isinstance(text, str) for text in texts) and isinstance(record.began, int | float)
    return record if fine and _NAME.fullmatch(record.claim) else None
