"""One run of `apiyi image`: what is asked for, where it goes, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.build.image import expected_extension, family, image_call
from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.media import each, refuse_terminal, tell_usage, upload
from apiyi_cli.cli.places import Places
from apiyi_cli.cli.talk import body_options
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.groups import Imaging
from apiyi_cli.decode.image import KINDS, Kind, Picture, Pictures, is_whole, kind_of, pictures
from apiyi_cli.errors import (
    ApiyiError,
    AuthError,
    FundsError,
    IncompleteError,
    LimitError,
    OutputError,
    PartialError,
    SetupError,
    UsageError,
)
from apiyi_cli.sinks.names import slug

if TYPE_CHECKING:
    from apiyi_cli.cli.session import Session
    from apiyi_cli.render.progress import Progress
    from apiyi_cli.wire.send import Sender

FIELDS = ("index", "slug", "model", "n", "ext")
DEFAULT_NAME = "{slug}-{n}.{ext}"
DISTINCT_NAME = "{index:04}-{slug}-{n}.{ext}"
# Whatever fails like this fails for every picture of the run.
_FATAL = (AuthError, FundsError, LimitError, OutputError, SetupError, UsageError)


class Task(NamedTuple):
    """One request: its place in the input, its prompt, and the pictures wanted, from 1."""

    index: int
    prompt: str | None
    slug: str
    numbers: tuple[int, ...]

    @property
    def maker(self) -> str:
        """Return what messages call it."""
        return f"input {self.index}"


class Outcome(NamedTuple):
    """What became of a task: a record for each picture, and the first thing that failed.

    `content` is the picture for stdout. `paid` tells that the gateway made something.
    """

    task: Task
    records: list[dict[str, Any]]
    reply: Pictures | None = None
    failure: ApiyiError | None = None
    content: bytes = b""


class Studio:
    """Reads and checks everything that is asked for; sends it when told to."""

    def __init__(
        self, session: Session, words: list[str], files: list[str], imaging: Imaging
    ) -> None:
        self._session = session
        self._imaging = imaging
        self._stdout = session.output.output == "-"
        _check_together(session, imaging, words, files)
        self._options = body_options(session)
        inline = family(self._model).edits == "json" and not imaging.vary
        self._inputs = [self._input(name, inline) for name in imaging.input or ()]
        self._mask = None if imaging.mask is None else upload(session, imaging.mask)
        self._tasks = list(self._planned(words, files))
        self._usage: list[dict[str, Any] | None] = []
        self._failed: list[ApiyiError] = []

    def shown(self) -> bool:
        """Print the requests instead of sending them, if the user asked for that."""
        request = self._session.request
        if not (request.dry_run or request.code):
            return False
        for task in self._tasks:
            self._session.shown(self._call(task))
        return True

    def prepare(self) -> None:
        """Refuse, before anything is sent, what could not be saved; leave out what is there."""
        session, imaging = self._session, self._imaging
        self._call(self._tasks[0])
        pictures_wanted = sum(len(task.numbers) for task in self._tasks)
        if self._stdout:
            if pictures_wanted > 1:
                raise UsageError(
                    "cannot write several pictures to stdout",
                    f"{pictures_wanted} are asked for",
                    hint=f"-o '{DISTINCT_NAME}'",
                )
            refuse_terminal(session, "a picture", "-o FILE, or | a program that takes it")
        else:
            if imaging.skip_existing:
                self._leave_out()
            self._places.check(
                (task.maker, self._values(task, n)) for task in self._tasks for n in task.numbers
            )
            session.console.require_stdout()
        if self._tasks:
            session.sender  # noqa: B018 - what is wrong with the set-up is said once

    def run(self, jobs: int) -> None:
        """Send the requests and save the pictures; print what the form of the output asks for.

        Each picture is saved as soon as it is there, printed in the order of the input. Raises
        the error of a single request; of several, PartialError at the end, when some failed.
        """
        session = self._session
        total = len(self._tasks)
        if total == 1:
            self._take(self._work(session.sender, self._tasks[0]))
        elif total:
            try:
                each(session, self._tasks, self._work, min(jobs, total), self._take)
            finally:
                if self._progress is not None:
                    self._progress.stop()
        tell_usage(session, self._usage)
        if self._failed and total == 1:
            raise self._failed[0]
        if self._failed:
            raise PartialError(
                "some pictures are missing",
                f"{len(self._failed)} of {total} requests failed",
                hint="run it again with --skip-existing to make only those",
            )

    @cached_property
    def _model(self) -> str:
        return self._session.models[0]

    @cached_property
    def _places(self) -> Places:
        session = self._session
        likely = expected_extension(self._model, self._imaging)
        names = dict.fromkeys((likely, *(kind.extension for kind in KINDS)))
        return Places(
            session.output.output,
            DEFAULT_NAME,
            apart=DISTINCT_NAME,
            known=FIELDS,
            extensions=tuple(names),
            force=bool(session.output.force),
        )

    @cached_property
    def _progress(self) -> Progress | None:
        session = self._session
        if session.output.quiet or not session.console.stderr_is_terminal:
            return None
        from apiyi_cli.render.progress import Progress

        console = session.console
        return Progress(
            len(self._tasks), say=console.say, status=console.status, width=console.width
        )

    def _input(self, name: str, inline: bool) -> Upload | str:
        if name.startswith(("https://", "http://", "data:")):
            return name
        return upload(self._session, name, whole=inline)

    def _planned(self, words: list[str], files: list[str]) -> Iterator[Task]:
        numbers = tuple(range(1, (self._imaging.n or 1) + 1))
        if self._imaging.vary:
            stem = Path(self._imaging.input[0]).stem if self._imaging.input else ""
            yield Task(0, None, slug(stem, default="image"), numbers)
            return
        for index, prompt in enumerate(self._prompts(words, files)):
            yield Task(index, prompt, slug(prompt, default="image"), numbers)

    def _prompts(self, words: list[str], files: list[str]) -> Iterator[str]:
        session = self._session
        if self._imaging.lines:
            from apiyi_cli.cli.input import batches

            # All lines at once: names that clash are to be known before the first is paid for.
            for batch in batches(session.sources, "--lines", 1):
                yield from (text for _, text in batch)
            return
        from_stdin = "-" in (self._imaging.input or ())
        text = session.sources.prompt(words, files, joins_stdin=False, needed=not from_stdin)
        if text is None:
            raise UsageError(
                "nothing to draw", "no prompt was given", hint='apiyi image "a cat in the rain"'
            )
        yield text

    def _call(self, task: Task) -> Call:
        missing = len(task.numbers)
        return image_call(
            model=self._model,
            prompt=task.prompt,
            imaging=self._imaging,
            inputs=self._inputs,
            mask=self._mask,
            n=missing if missing != (self._imaging.n or 1) else None,
            options=self._options,
        )

    def _values(self, task: Task, n: int) -> dict[str, object]:
        return {"index": task.index, "slug": task.slug, "model": self._model, "n": n}

    def _leave_out(self) -> None:
        """Take the pictures that are there already out of the tasks."""
        left = []
        found = 0
        for task in self._tasks:
            missing = tuple(n for n in task.numbers if not self._is_there(task, n))
            found += len(task.numbers) - len(missing)
            if missing:
                left.append(task._replace(numbers=missing))
        self._tasks = left
        if found:
            self._session.note(f"skipped {found} that {'exists' if found == 1 else 'exist'}")

    def _is_there(self, task: Task, n: int) -> bool:
        path = self._places.standing(self._values(task, n))
        if path is None:
            return False
        try:
            with open(path, "rb") as file:
                if kind_of(file.read(1024)) is not None:
                    return True
        except OSError as failure:
            raise OutputError(f"cannot read {path}", failure.strerror or "") from None
        raise OutputError(
            f"cannot skip {path}", "it exists and is no picture", hint="move it out of the way"
        )

    def _work(self, sender: Sender, task: Task) -> Outcome:
        """Send one request and save its pictures; errors become part of the outcome."""

        def decode(reply: Reply) -> Iterator[Pictures]:
            yield pictures(reply, self._model)

        try:
            (reply,) = self._session.answers(self._call(task), decode, sender=sender)
        except ApiyiError as failure:
            return Outcome(
                task, [self._record(task, n, error=failure) for n in task.numbers], failure=failure
            )
        records = []
        failure = None
        content = b""
        for place, n in enumerate(task.numbers):
            picture = reply.items[place] if place < len(reply.items) else None
            usage = reply.usage if place == 0 else None
            try:
                if picture is None:
                    raise _missing(reply, len(task.numbers))
                content, kind = self._fetched(sender, picture)
                saved = {} if self._stdout else self._saved(task, n, content, kind)
                records.append(self._record(task, n, picture, usage=usage, **saved))
            except ApiyiError as error:
                failure = failure or error
                records.append(self._record(task, n, picture, usage=usage, error=error))
        return Outcome(task, records, reply, failure, content)

    def _fetched(self, sender: Sender, picture: Picture) -> tuple[bytes, Kind]:
        """Return a picture's bytes, downloaded where they are not here, and their kind."""
        content = picture.content
        if not picture.whole:
            where = self._rescued(content)
            raise IncompleteError(
                "the picture was cut", f"{len(content)} bytes of it came", hint=where
            )
        if picture.url is not None:
            from apiyi_cli.wire.download import download

            content = download(
                picture.url,
                sender.plan,
                accepted=_unfit,
                private=bool(self._imaging.allow_private),
            )
        kind = kind_of(content)
        assert kind is not None, "checked by the decoder and by the download"
        return content, kind

    def _rescued(self, content: bytes) -> str | None:
        try:
            return f"take what came from {self._session.rescue.keep([content])}"
        except OSError:
            return None

    def _saved(self, task: Task, n: int, content: bytes, kind: Kind) -> dict[str, Any]:
        path = self._places.write(
            self._values(task, n), kind.extension, content, self._session.rescue
        )
        suffix = path.suffix.lower().removeprefix(".")
        if suffix in _NAMED and _NAMED[suffix] != kind.extension:
            self._session.note(f"{path} holds {kind.extension}, whatever its name says")
        return {"path": str(path), "bytes": len(content), "type": kind.mime}

    def _record(
        self,
        task: Task,
        n: int,
        picture: Picture | None = None,
        *,
        error: ApiyiError | None = None,
        **saved: Any,
    ) -> dict[str, Any]:
        record = {
            "path": saved.get("path"),
            "index": task.index,
            "n": n,
            "model": self._model,
            "revised_prompt": picture.revised_prompt if picture else None,
            "bytes": saved.get("bytes"),
            "type": saved.get("type"),
            "usage": saved.get("usage"),
        }
        if error is not None:
            if picture is not None and picture.url:
                record["url"] = picture.url
            record["error"] = error.as_json()["error"]
        return record

    def _take(self, outcome: Outcome) -> None:
        """Print what became of one task, and keep count."""
        session = self._session
        alone = len(self._tasks) == 1
        if outcome.reply is not None:
            self._usage.append(outcome.reply.usage)
        if self._stdout and outcome.content:
            session.console.write_lines([outcome.content], session.rescue)
        elif session.form != "ndjson" or outcome.reply is not None or not alone:
            for line in session.filtered(list(self._lines(outcome))):
                session.console.write(line)
        if self._imaging.preview:
            self._preview(outcome)
        failure = outcome.failure
        if failure is not None:
            self._failed.append(failure)
            if not alone:
                failure.what = f"{outcome.task.maker}: {failure.what}"
                if isinstance(failure, _FATAL) or failure.facts.phase == "connect":
                    raise failure
                session.run.report(failure)
        if self._progress is not None and not alone:
            self._done = getattr(self, "_done", 0) + 1
            failed = len(self._failed)
            self._progress.show(self._done, ok=self._done - failed, failed=failed)

    def _lines(self, outcome: Outcome) -> Iterator[bytes]:
        form = self._session.form
        if form == "json":
            if outcome.reply is not None:
                from apiyi_cli.decode.whole import one_line

                yield one_line(outcome.reply.raw) + b"\n"
            return
        from apiyi_cli.wire.encode import json_bytes

        for record in outcome.records:
            if form == "ndjson":
                yield json_bytes(record) + b"\n"
            elif record["path"] is not None:
                yield os.fsencode(record["path"]) + b"\n"

    def _preview(self, outcome: Outcome) -> None:
        session = self._session
        if not session.console.stdout_is_terminal:
            return
        from apiyi_cli.cli.gallery import previewed

        for record in outcome.records:
            if record["path"] is not None:
                previewed(session, record["path"])


_NAMED = {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp", "gif": "gif", "avif": "avif"}


def _unfit(content: bytes, declared: str) -> str | None:
    """Say why a download is no picture, None when it is one."""
    if not content:
        return "the file is empty"
    if kind_of(content) is None:
        return f"the file is no picture ({declared.partition(';')[0] or 'of unknown type'})"
    return None if is_whole(content) else f"the file is cut after {len(content)} bytes"


def _missing(reply: Pictures, wanted: int) -> IncompleteError:
    why = f"{len(reply.items)} of {wanted} pictures are in the answer"
    if reply.lost:
        why += f"; {'; '.join(dict.fromkeys(reply.lost))}"
    return IncompleteError("the answer is not what was asked for", why)


def _check_together(session: Session, imaging: Imaging, words: list[str], files: list[str]) -> None:
    """Raise UsageError for options that do not go together."""
    count = len(imaging.input or ())
    why = ""
    if imaging.mask is not None and not count:
        why = "--mask needs the picture that it belongs to: -i FILE"
    elif imaging.vary and count != 1:
        why = "--vary needs one picture: -i FILE"
    elif imaging.vary and (words or files or imaging.lines or imaging.mask is not None):
        why = "--vary takes a picture and nothing else: no prompt, no --mask, no --lines"
    elif imaging.lines and (words or files):
        why = "with --lines the prompts are the lines of stdin alone"
    elif imaging.skip_existing and (session.output.force or session.output.output == "-"):
        other = "--force" if session.output.force else "-o -"
        why = f"--skip-existing does not go with {other}"
    elif session.output.output == "-" and session.form != "text":
        why = "stdout takes the picture (-o -) or the JSON, not both"
    if why:
        raise UsageError("cannot do that", why)
