"""Saves finished videos: streamed into their files, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from apiyi_cli.build.video import content_call
from apiyi_cli.cli.commands.video.messages import describe_unfinished, explain_expiry, resume_hint
from apiyi_cli.cli.context import Context
from apiyi_cli.core.call import Reply
from apiyi_cli.core.filetypes import HEAD_BYTES, detect_type
from apiyi_cli.core.shells import quote_word
from apiyi_cli.decode.frames.reply_body import classify_refusal
from apiyi_cli.decode.video import BoxReader
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    LimitError,
    OutputError,
    RejectedError,
    TemporaryError,
)
from apiyi_cli.output.files import AtomicFile, clear_stale_parts, refuse_existing
from apiyi_cli.store.video_tasks import VideoRecord, VideoTasks
from apiyi_cli.text import Text, system_reason
from apiyi_cli.wire.download import VIDEO_DOWNLOAD, fetch
from apiyi_cli.wire.send import Sender

MOST_EARLY_READS = 3
"""Some files are refused for some seconds after their task has finished."""
_EARLY = (400, 404, 409, 425)
_REDIRECTS = (301, 302, 303, 307, 308)


class VideoSaver:
    """Downloads the videos of finished tasks; thread-safe.

    `pause` waits before a file that is not there yet is asked for again.
    """

    def __init__(
        self,
        ctx: Context,
        tasks: VideoTasks,
        pause: Callable[[VideoRecord], None],
        *,
        private: bool,
    ) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._pause = pause
        self._private = private

    def save(self, sender: Sender, record: VideoRecord, path: Path | None = None) -> VideoRecord:
        """Download a finished video to its file, whole or not at all; return its record.

        Nothing is downloaded if another process, or this one before it was killed, has saved it.
        """
        record = self._tasks.newest(record)
        if record.stage == "saved":
            return record
        if record.saving and record.size is not None and _has_size(record.saving, record.size):
            return self._note_saved(record, record.saving)
        write = partial(self._write, record, path)
        try:
            if record.url is None:
                return self._save_content(sender, record, write)
            return fetch(record.url, sender.plan, write, VIDEO_DOWNLOAD, private=self._private)
        except LimitError as failure:
            raise describe_unfinished(record) from failure
        except OutputError as failure:
            raise failure.with_hint(
                f"apiyi video resume {quote_word(record.name)} -o OTHER"
            ) from failure
        except ApiyiError as failure:
            if record.dies is not None and self._ctx.process.clock.wall() > record.dies:
                note_task(self._ctx, self._tasks, record._replace(stage="expired"))
                raise explain_expiry(record) from failure
            why = failure.why or failure.what
            raise IncompleteError(
                VIDEO_DOWNLOAD.failure, why, hint=resume_hint(record)
            ) from failure

    def _save_content(
        self,
        sender: Sender,
        record: VideoRecord,
        write: Callable[[Reply, Iterator[bytes]], VideoRecord],
    ) -> VideoRecord:
        """Save the file of a family without links: the gateway serves it with the key."""
        assert record.task is not None, "the id is known"
        early = 0

        def read(reply: Reply) -> VideoRecord | str:
            if reply.status in _REDIRECTS and (link := reply.headers.get("location")):
                return link
            if reply.status >= 300:
                raise classify_refusal(reply, cost="free", model=record.model)
            return write(reply, iter(reply.chunks))

        while True:
            try:
                saved = self._ctx.gateway.ask(content_call(record.task), read, sender=sender)
            except RejectedError as failure:
                early += 1
                if failure.facts.status not in _EARLY or early == MOST_EARLY_READS:
                    raise
                self._pause(record)
                continue
            if not isinstance(saved, str):
                return saved
            return fetch(saved, sender.plan, write, VIDEO_DOWNLOAD, private=self._private)

    def _write(
        self, record: VideoRecord, path: Path | None, reply: Reply, pieces: Iterator[bytes]
    ) -> VideoRecord:
        """Write the pieces of a video to its file and note that. `path` overrules the record's."""
        head = b""
        for piece in pieces:
            head += piece
            if len(head) >= HEAD_BYTES:
                break
        kind = detect_type(head)
        if kind is None or kind.family != "video":
            declared = reply.headers.get("content-type", "").partition(";")[0] or "of unknown type"
            raise TemporaryError(Text("the file is no video ({declared})", declared=declared))
        target = path or record.path(kind.extension)
        refuse_existing(target, force=record.force)
        clear_stale_parts(target.parent)
        boxes = BoxReader()
        boxes.add(head)
        with AtomicFile(target, force=record.force) as file:
            file.write(head)
            size = len(head)
            for piece in pieces:
                file.write(piece)
                boxes.add(piece)
                size += len(piece)
            if kind.extension in ("mp4", "mov") and not boxes.is_whole:
                raise TemporaryError(Text("the file is cut after {count} bytes", count=size))
            # If the process is killed after the file has its name, the size proves it.
            record = record._replace(saving=str(target.absolute()), size=size)
            note_task(self._ctx, self._tasks, record)
        return self._note_saved(record, str(target.absolute()))

    def _note_saved(self, record: VideoRecord, path: str) -> VideoRecord:
        record = record._replace(stage="saved", saving=None, saved=path)
        note_task(self._ctx, self._tasks, record)
        return record


def note_task(ctx: Context, tasks: VideoTasks, record: VideoRecord) -> None:
    """Write a record to disk; if that fails, report its content and continue."""
    try:
        tasks.write(record)
    except OSError as failure:
        ctx.messages.note(
            Text("cannot note the task {name}: {why}", name=record.name, why=system_reason(failure))
        )


def _has_size(path: str, size: int) -> bool:
    try:
        return Path(path).stat().st_size == size
    except OSError:
        return False
