"""Makes one video: submits its task and waits for it. Each step is on disk before the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import NamedTuple

from apiyi_cli.build.video import BILLED_FAILURE, TASK_POLL_S, task_call
from apiyi_cli.cli.commands.video.messages import (
    describe_unfinished,
    explain_expiry,
    explain_failure,
    resume_hint,
)
from apiyi_cli.cli.commands.video.saver import VideoSaver, note_task
from apiyi_cli.cli.context import Context
from apiyi_cli.core.call import Call
from apiyi_cli.decode.frames.reply_body import read_json
from apiyi_cli.decode.video import VideoTask, read_task, task_id
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    Interrupted,
    LimitError,
    OutputError,
    RejectedError,
    TemporaryError,
)
from apiyi_cli.store.video_tasks import VideoRecord, VideoTasks
from apiyi_cli.text import Text, join_texts, system_reason
from apiyi_cli.wire.send import Sender

MOST_FAILED_LOOKS = 5
"""After so many failed state requests in a row a task is given up; each is retried itself."""


class TaskStatus(NamedTuple):
    """The state of a task at one request: our record, its state, the gateway's bytes.

    `failure` is why the video is missing, of a task that ended without one.
    """

    record: VideoRecord
    task: VideoTask
    raw: bytes
    failure: ApiyiError | None = None


class VideoWorker:
    """Submits tasks and waits for them; thread-safe. `saver` saves their videos.

    `poll_s` None takes the family's interval. `show` is called with each look at a task. Once
    `stop` is set, waiting ends with CancelledError.
    """

    def __init__(
        self,
        ctx: Context,
        tasks: VideoTasks,
        *,
        poll_s: float | None,
        private: bool,
        show: Callable[[VideoRecord, VideoTask], None],
    ) -> None:
        self.stop = threading.Event()
        self._ctx = ctx
        self._tasks = tasks
        self._poll_s = poll_s
        self.saver = VideoSaver(ctx, tasks, self._pause, private=private)
        self._show = show
        self._submitting = 0
        self._changed = threading.Condition()

    def submit(self, sender: Sender, call: Call, record: VideoRecord) -> VideoRecord:
        """Submit a task and return its record, with the id on disk.

        A claim is on disk before anything is sent. It is removed only if the failure is free;
        else it stays, and nothing submits it again.
        """
        try:
            self._tasks.write(record)
        except OSError as failure:
            raise OutputError(Text("cannot note the task"), system_reason(failure)) from failure
        # An identical request from the cache would be the task of an earlier video.
        sender.plan = sender.plan._replace(cache=None)
        try:
            with self._count_submission():
                task = self._ctx.gateway.ask(
                    call, lambda reply: task_id(read_json(reply, cost="heavy")[0]), sender=sender
                )
                record = record._replace(stage="submitted", task=task)
                note_task(self._ctx, self._tasks, record)
        except ApiyiError as failure:
            if _is_free(failure):
                self._tasks.remove(record)
                raise
            ways = (failure.hint, f"apiyi video list; apiyi video forget {record.name}")
            raise failure.with_hint(join_texts(filter(None, ways), "; ")) from failure.__cause__
        except Interrupted as stop:
            stop.note = stop.note or Text("it is not known whether a task began: apiyi video list")
            raise
        return record

    def wait(self, sender: Sender, record: VideoRecord, *, at_once: bool = False) -> TaskStatus:
        """Request a task's state until it is final; the first time after one interval.

        Raises IncompleteError for one that `--max-time` leaves running or that cannot be asked for.
        """
        failed_looks = 0
        while True:
            if not at_once:
                self._pause(record)
            at_once = False
            try:
                look = self._look(sender, record)
            except LimitError as failure:
                raise describe_unfinished(record) from failure
            except (TemporaryError, IncompleteError) as failure:
                failed_looks += 1
                if failed_looks < MOST_FAILED_LOOKS:
                    continue
                raise _make_unreadable(record, failure) from failure
            except ApiyiError as failure:
                if isinstance(failure, RejectedError) and not record.url:
                    # The task was accepted: that its state is refused does not make it free.
                    raise _make_unreadable(record, failure) from failure
                raise failure.with_hint(resume_hint(record)) from failure.__cause__
            failed_looks = 0
            self._show(record, look.task)
            if look.task.is_over:
                return self._end(look)

    def wait_for_submissions(self) -> None:
        """Wait until no request is in flight whose answer is the id of a task."""
        with self._changed:
            while self._submitting:
                # Without a limit the wait could not be interrupted by a signal.
                self._changed.wait(0.1)

    @contextmanager
    def _count_submission(self) -> Iterator[None]:
        with self._changed:
            if self.stop.is_set():
                raise CancelledError
            self._submitting += 1
        try:
            yield
        finally:
            with self._changed:
                self._submitting -= 1
                self._changed.notify_all()

    def _pause(self, record: VideoRecord) -> None:
        left_s = self._ctx.gateway.left_s
        poll_s = self._poll_s or TASK_POLL_S[record.form]  # type: ignore[index]
        if self.stop.wait(min(poll_s, left_s)):
            raise CancelledError
        if poll_s >= left_s:
            raise describe_unfinished(record)

    def _look(self, sender: Sender, record: VideoRecord) -> TaskStatus:
        assert record.task is not None, "the id is known"
        call = task_call(record.form, record.task)  # type: ignore[arg-type]
        task, raw = self._ctx.gateway.ask(call, read_task, sender=sender)
        return TaskStatus(record, task, raw)

    def _end(self, look: TaskStatus) -> TaskStatus:
        """Record how a task ended, and return that."""
        record, task = look.record, look.task
        now = self._ctx.process.clock.wall()
        if task.state == "done":
            finished = min(task.finished or now, now)
            record = record._replace(stage="done", finished=finished, url=task.url)
            note_task(self._ctx, self._tasks, record)
            return look._replace(record=record)
        if task.state == "failed":
            note_task(self._ctx, self._tasks, record._replace(stage="failed", message=task.message))
            failure = explain_failure(task, BILLED_FAILURE[record.form])  # type: ignore[index]
            return look._replace(failure=failure)
        note_task(self._ctx, self._tasks, record._replace(stage="expired", message=task.message))
        return look._replace(failure=explain_expiry(record))


def _make_unreadable(record: VideoRecord, failure: ApiyiError) -> IncompleteError:
    return IncompleteError(
        Text("cannot ask for the task {name}", name=record.name),
        failure.summary(),
        hint=resume_hint(record),
        facts=failure.facts._replace(billed="maybe"),
    )


def _is_free(failure: ApiyiError) -> bool:
    """Return True if a submission with this failure began no task."""
    if failure.facts.phase == "connect":
        return True
    if isinstance(failure, LimitError) and failure.facts.phase is None:
        # --max-cost, or a wait for the rate limits: nothing was sent.
        return True
    return not isinstance(failure, IncompleteError | LimitError)
