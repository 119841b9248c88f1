"""`apiyi video list`, `resume`, `cancel` and `forget`: the tasks of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apiyi_cli.cli.commands.video.messages import describe_going_on, format_time
from apiyi_cli.cli.commands.video.output import VideoOutcome, VideoOutput, refuse_stdout, write_out
from apiyi_cli.cli.commands.video.worker import VideoWorker
from apiyi_cli.cli.context import Context
from apiyi_cli.core.hosts import origin
from apiyi_cli.core.options.video import VideoOptions
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import ApiyiError, Interrupted, RejectedError, UsageError, describe_billing
from apiyi_cli.settings.paths import state_dir
from apiyi_cli.store.video_tasks import VideoRecord, VideoTasks
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

LIST_STATES = {
    "claimed": Text("unknown, may be billed"),
    "submitted": Text("running"),
    "done": Text("done, not saved"),
    "saved": Text("saved"),
    "failed": Text("failed"),
    "expired": Text("expired"),
}


def open_tasks(ctx: Context) -> VideoTasks:
    """Return the records of this user; those of the built-in sandbox are temporary."""
    if ctx.settings.sandbox:
        return VideoTasks(ctx.process.make_scratch_folder())
    return VideoTasks(state_dir(ctx.process.environ) / "video")


def run_word(ctx: Context, words: Sequence[str], options: VideoOptions) -> None:
    """Run the command of the first word on the tasks whose ids follow it."""
    word, *names = words
    tasks = open_tasks(ctx)
    if word == "list":
        if names:
            raise _not_a_prompt(word, words)
        list_tasks(ctx, tasks)
    elif word == "resume":
        resume(ctx, tasks, _find(tasks, words), options)
    elif not names:
        raise UsageError(
            Text("name the task"),
            Text("{word} takes the id of one or several", word=word),
            hint="apiyi video list",
        )
    elif word == "cancel":
        raise refuse_cancelling(_find(tasks, words)[0])
    else:
        forget(ctx, tasks, _find(tasks, words))


def list_tasks(ctx: Context, tasks: VideoTasks) -> None:
    """Print the last known state of the tasks: a table on a terminal, else NDJSON."""

    records = tasks.read()
    if ctx.output.form != "text" or not ctx.process.console.stdout_is_terminal:
        ctx.output.write_records(map(_describe, records))
        return
    say = ctx.messages.translate
    rows = [
        [
            record.name,
            say(LIST_STATES[record.stage]),
            record.model,
            format_time(record.began),
            format_time(record.dies) if record.dies and record.stage == "done" else "",
            record.saved or record.message or record.prompt,
        ]
        for record in records
    ]
    headers = [Text("task"), Text("state"), Text("model"), Text("began"), Text("deleted")]
    headers.append(Text("file or prompt"))
    ctx.output.write([ctx.output.format_table(rows, headers)], content="styled")


def resume(
    ctx: Context, tasks: VideoTasks, records: Sequence[VideoRecord], options: VideoOptions
) -> None:
    """Wait for running tasks, save finished ones; without records all that need it."""
    records = records or _find_own(ctx, tasks)
    if not records:
        ctx.messages.note(Text("no task is running, and every video is saved"))
        return
    for record in records:
        _refuse_closed(ctx, record)
    path = _find_target(ctx, tasks, records)
    if ctx.settings.output.force:
        records = [record._replace(force=True) for record in records]
    output = VideoOutput(ctx, alone=len(records) == 1)
    worker = VideoWorker(
        ctx, tasks, poll_s=options.poll, private=bool(options.allow_private), show=output.show
    )
    to_stdout = ctx.settings.output.output == "-"

    def work(sender: Sender, record: VideoRecord) -> VideoOutcome:
        outcome = _resume_one(worker, path, sender, record)
        return outcome._replace(path=None) if to_stdout else outcome

    try:
        output.add_all(records, work, worker.stop)
    except Interrupted as stop:
        going_on = Text("the tasks go on without us, and are billed: apiyi video resume")
        note = describe_going_on(records[0]) if len(records) == 1 else going_on
        stop.note = stop.note or note
        raise
    finally:
        worker.stop.set()
        output.end()
    output.raise_failures(len(records), "apiyi video list")
    if to_stdout:
        write_out(ctx, tasks, tasks.newest(records[0]))


def _find_target(ctx: Context, tasks: VideoTasks, records: Sequence[VideoRecord]) -> Path | None:
    """Return the file of -o for the only task, None without -o."""
    target = ctx.settings.output.output
    if target is not None and len(records) > 1:
        raise UsageError(
            Text("cannot use -o"),
            Text("{count} tasks are resumed", count=len(records)),
            hint=Text("name one task"),
        )
    if target == "-":
        if why := refuse_stdout(ctx, several=False):
            raise UsageError(Text("cannot do that"), why)
        return tasks.kept_path(records[0].claim)
    return None if target is None else Path(target)


def _resume_one(
    worker: VideoWorker, path: Path | None, sender: Sender, record: VideoRecord
) -> VideoOutcome:
    """Wait for one task if it runs, and save its video. Errors become part of the outcome."""
    outcome = VideoOutcome(0, Text("task {name}", name=record.name), record)
    try:
        # A link may be signed for a shorter time than its file lives: a new look renews it.
        try:
            look = worker.wait(sender, record, at_once=True)
        except RejectedError:
            # The gateway may forget a task before it deletes the video.
            if record.stage != "done":
                raise
            look = None
        if look is not None:
            record = look.record
            outcome = outcome._replace(record=record, look=look, failure=look.failure)
        if outcome.failure is None:
            saved = worker.saver.save(sender, record, path)
            outcome = outcome._replace(record=saved, path=saved.saved)
    except ApiyiError as failure:
        return outcome._replace(failure=failure)
    return outcome


def refuse_cancelling(record: VideoRecord) -> RejectedError:
    """Return the error of `cancel`: the gateway's pages document it for no family."""
    billing = describe_billing("pending")
    return RejectedError(
        Text("cannot cancel the task {name}", name=record.name),
        Text("{model} has no cancelling; {billing}", model=record.model, billing=billing),
        hint=f"apiyi video resume {quote_word(record.name)}",
    )


def forget(ctx: Context, tasks: VideoTasks, records: Sequence[VideoRecord]) -> None:
    """Remove records; report it if a task's video is lost with it."""
    for record in records:
        tasks.remove(record)
        if record.is_open:
            ctx.messages.note(
                Text(
                    "{name} is forgotten, not cancelled; {billing}",
                    name=record.name,
                    billing=describe_billing("pending" if record.finished is None else "yes"),
                )
            )


def _find(tasks: VideoTasks, words: Sequence[str]) -> list[VideoRecord]:
    """Return the records with the ids that follow the first word."""
    word, *names = words
    records = []
    for name in names:
        record = tasks.find(name)
        if record is None:
            raise _not_a_prompt(word, words, name)
        records.append(record)
    return records


def _not_a_prompt(word: str, words: Sequence[str], name: str | None = None) -> UsageError:
    """Return the error for words that were probably meant as a prompt."""
    why = Text("apiyi video {word} takes no words", word=word)
    if name is not None:
        why = Text("there is no task {name}", name=name)
    quoted = quote_word(" ".join(words))
    return UsageError(
        Text("cannot {word} tasks", word=word),
        why,
        hint=Text("apiyi video list shows the ids; a prompt: apiyi video {quoted}", quoted=quoted),
    )


def _find_own(ctx: Context, tasks: VideoTasks) -> list[VideoRecord]:
    """Return the open tasks of this profile and its addresses; report how many others exist."""
    records = [record for record in tasks.read() if record.is_open]
    others = [record for record in records if not _is_own(ctx, record)]
    if others:
        ctx.messages.note(
            Text(
                "{count} tasks belong to another profile or address ({profiles}): "
                "apiyi --profile NAME video resume",
                count=len(others),
                profiles=", ".join(sorted({record.profile for record in others})),
            )
        )
    return [record for record in records if record not in others]


def _is_own(ctx: Context, record: VideoRecord) -> bool:
    hosts = {origin(url) for url in ctx.settings.base_urls}
    return record.profile == ctx.settings.profile and record.host in hosts


def _refuse_closed(ctx: Context, record: VideoRecord) -> None:
    """Raise an error for a task without a future video, or another profile's."""
    name = quote_word(record.name)
    if record.is_open and not _is_own(ctx, record):
        raise UsageError(
            Text("cannot resume {name}", name=record.name),
            Text(
                "it belongs to the profile {profile} at {host}",
                profile=record.profile,
                host=record.host,
            ),
            hint=f"apiyi --profile {quote_word(record.profile)} video resume {name}",
        )
    if record.is_open:
        return
    why: str = LIST_STATES[record.stage]
    if record.stage == "saved":
        why = Text("it is saved: {path}", path=record.saved or "")
    raise UsageError(
        Text("cannot resume {name}", name=record.name), why, hint=f"apiyi video forget {name}"
    )


def _describe(record: VideoRecord) -> dict[str, Any]:
    return {
        "id": record.name,
        "state": {"claimed": "unknown", "submitted": "running"}.get(record.stage, record.stage),
        "model": record.model,
        "profile": record.profile,
        "prompt": record.prompt,
        "began": record.began,
        "finished": record.finished,
        "dies": record.dies,
        "path": record.saved,
        "url": record.url,
        "message": record.message,
    }
