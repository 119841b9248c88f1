"""One run of `apiyi image`: what is asked for, where it goes, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from apiyi_cli.build.image import expected_extension, image_call
from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.commands.image.worker import Maker, Outcome, Task
from apiyi_cli.cli.gateway.parallel import take_in_order
from apiyi_cli.cli.inputs.uploads import refuse_terminal, tell_usage, upload
from apiyi_cli.cli.output.file_names import FileKind, Places, check_skipping, print_skipped
from apiyi_cli.core.call import Call
from apiyi_cli.core.families import find_family
from apiyi_cli.core.filetypes import PICTURES, detect_picture
from apiyi_cli.core.options.image import Imaging
from apiyi_cli.errors import (
    ApiyiError,
    PartialError,
    UsageError,
    fails_every_item,
)
from apiyi_cli.output.files import refuse_existing
from apiyi_cli.output.names import slug, source_fields
from apiyi_cli.text import Text

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.core.events import Usage
    from apiyi_cli.render.progress import Progress

IMAGE_FIELDS = ("index", "slug", "model", "n", "ext")
SOURCE_FIELDS = ("stem", "dir")
DEFAULT_NAME = "{slug}-{n}.{ext}"
MAX_CHECKED = 64
DISTINCT_NAME = "{index:04}-{slug}-{n}.{ext}"
PICTURE = FileKind(Text("picture"), lambda head: detect_picture(head) is not None)


class Studio:
    """Reads and checks everything that is asked for; sends it when told to."""

    def __init__(self, ctx: Context, words: list[str], files: list[str], imaging: Imaging) -> None:
        self._ctx = ctx
        self._imaging = imaging
        self._stdout = ctx.settings.output.output == "-"
        _check_together(ctx, imaging, words, files)
        self._options = ctx.inputs.read_options(ctx.settings.request)
        inline = find_family(self._model).picture.route == "flux" and not imaging.vary
        self._inputs = [self._input(name, inline) for name in imaging.input or ()]
        self._mask = None if imaging.mask is None else upload(ctx, imaging.mask)
        self._tasks = list(self._planned(words, files))
        self._usage: list[Usage | None] = []
        self._failed: list[ApiyiError] = []
        self._done = 0
        self._noted: set[str] = set()

    def shown(self) -> bool:
        """Print the requests instead of sending them, if the user asked for that."""
        request = self._ctx.settings.request
        if not (request.dry_run or request.code):
            return False
        if not self._stdout:
            self._leave_out()
        for task in self._tasks:
            self._ctx.gateway.print_request(self._call(task))
        return True

    def prepare(self) -> None:
        """Refuse, before anything is sent, what could not be saved; leave out what is there."""
        ctx = self._ctx
        self._call(self._tasks[0])
        pictures_wanted = sum(len(task.numbers) for task in self._tasks)
        if self._stdout:
            if pictures_wanted > 1:
                raise UsageError(
                    Text("cannot write several pictures to stdout"),
                    Text("{pictures_wanted} are asked for", pictures_wanted=pictures_wanted),
                    hint=f"-o '{DISTINCT_NAME}'",
                )
            refuse_terminal(ctx, Text("a picture"), Text("-o FILE, or | a program that takes it"))
        else:
            self._places.refuse_clashes(self._wanted())
            self._leave_out()
            self._places.check(self._wanted())
            for task in self._tasks:
                self._refuse_extras(task)
            ctx.process.console.require_stdout()
        if self._tasks:
            ctx.gateway.sender  # noqa: B018 - what is wrong with the set-up is said once

    def run(self, jobs: int) -> None:
        """Send the requests and save the pictures; print what the form of the output asks for.

        Each picture is saved as soon as it is there, printed in the order of the input. Raises
        the error of a single request; of several, PartialError at the end, when some failed.
        """
        ctx = self._ctx
        total = len(self._tasks)
        if total == 1:
            self._take(self._maker.make(ctx.gateway.sender, self._tasks[0]))
        elif total:
            try:
                take_in_order(ctx, self._tasks, self._maker.make, min(jobs, total), self._take)
            finally:
                if self._progress is not None:
                    self._progress.stop()
        if total:
            tell_usage(ctx, self._usage)
        if self._failed and total == 1:
            raise self._failed[0]
        if self._failed:
            raise PartialError(
                Text("some pictures are missing"),
                Text("{count} of {total} requests failed", count=len(self._failed), total=total),
                hint=Text("run it again with --skip-existing to make only those"),
            )

    def _wanted(self) -> list[tuple[str, dict[str, object]]]:
        """Return what each picture is made of, and the fields of its file's name."""
        return [
            (task.maker, task.values(self._model, n)) for task in self._tasks for n in task.numbers
        ]

    def _refuse_extras(self, task: Task) -> None:
        """Refuse names that exist for pictures which the body asks for beyond `--n`."""
        call = self._call(task)
        likely = expected_extension(self._model, self._imaging)
        asked = _count_pictures(call.json if isinstance(call.json, dict) else {})
        last = max(task.numbers)
        for n in range(last + 1, last + 1 + min(asked, MAX_CHECKED) - len(task.numbers)):
            if path := self._places.extra(task.values(self._model, n), likely):
                refuse_existing(path, force=bool(self._ctx.settings.output.force))

    @cached_property
    def _model(self) -> str:
        return self._ctx.settings.models[0]

    @cached_property
    def _places(self) -> Places:
        ctx = self._ctx
        likely = expected_extension(self._model, self._imaging)
        names = dict.fromkeys((likely, *(kind.extension for kind in PICTURES)))
        return Places(
            ctx.settings.output.output,
            DEFAULT_NAME,
            apart=DISTINCT_NAME,
            known=(*IMAGE_FIELDS, *SOURCE_FIELDS) if self._imaging.input else IMAGE_FIELDS,
            extensions=tuple(names),
            force=bool(ctx.settings.output.force),
            skip_existing=bool(self._imaging.skip_existing),
        )

    @cached_property
    def _maker(self) -> Maker:
        private = bool(self._imaging.allow_private)
        places = None if self._stdout else self._places
        return Maker(self._ctx, self._model, self._call, places, private=private)

    @cached_property
    def _progress(self) -> Progress | None:
        ctx = self._ctx
        if ctx.settings.output.quiet or not ctx.process.console.stderr_is_terminal:
            return None
        from apiyi_cli.render.progress import Progress

        console = ctx.process.console
        return Progress(
            len(self._tasks), say=console.say, status=console.status, width=console.width
        )

    def _input(self, name: str, inline: bool) -> Upload | str:
        if name.startswith(("https://", "http://", "data:")):
            return name
        return upload(self._ctx, name, whole=inline)

    def _planned(self, words: list[str], files: list[str]) -> Iterator[Task]:
        numbers = tuple(range(1, (self._imaging.n or 1) + 1))
        source = _source_fields(self._imaging.input)
        if self._imaging.vary:
            yield Task(0, None, slug(source.get("stem", ""), default="image"), numbers, source)
            return
        for index, prompt in enumerate(self._prompts(words, files)):
            yield Task(index, prompt, slug(prompt, default="image"), numbers, source)

    def _prompts(self, words: list[str], files: list[str]) -> Iterator[str]:
        ctx = self._ctx
        if self._imaging.lines:
            from apiyi_cli.cli.inputs.lines import read_line_batches

            # All lines at once: names that clash are to be known before the first is paid for.
            for batch in read_line_batches(ctx.inputs, "--lines", 1):
                yield from (text for _, text in batch)
            return
        from_stdin = "-" in (self._imaging.input or ())
        text = ctx.inputs.prompt(words, files, joins_stdin=False, needed=not from_stdin)
        if text is None:
            raise UsageError(
                Text("nothing to draw"),
                Text("no prompt was given"),
                hint='apiyi image "a cat in the rain"',
            )
        yield text

    def _call(self, task: Task) -> Call:
        missing = len(task.numbers)
        call = image_call(
            model=self._model,
            prompt=task.prompt,
            imaging=self._imaging,
            inputs=self._inputs,
            mask=self._mask,
            n=missing if missing != (self._imaging.n or 1) else None,
            options=self._options,
        )
        for text in call.notes:
            # What holds for one line of many holds for all of them: it is said once.
            if text not in self._noted:
                self._noted.add(text)
                self._ctx.messages.note(text)
        return call._replace(notes=())

    def _leave_out(self) -> None:
        """Take the pictures that are there already out of the tasks."""
        left = []
        found = 0
        for task in self._tasks:
            missing = tuple(
                n
                for n in task.numbers
                if not self._places.exists(task.values(self._model, n), PICTURE)
            )
            found += len(task.numbers) - len(missing)
            if missing:
                left.append(task._replace(numbers=missing))
        self._tasks = left
        print_skipped(self._ctx, found)

    def _take(self, outcome: Outcome) -> None:
        """Print what became of one task, and keep count."""
        ctx = self._ctx
        alone = len(self._tasks) == 1
        self._done += 1
        if outcome.reply is not None:
            self._usage.append(outcome.reply.usage)
        if self._stdout and outcome.content:
            ctx.process.console.write_lines([outcome.content], ctx.process.rescue, "raw")
        elif ctx.output.form != "ndjson" or outcome.reply is not None or not alone:
            for line in ctx.output.filter_lines(list(self._lines(outcome))):
                ctx.process.console.write(line, "text" if ctx.output.form == "text" else "json")
        if self._imaging.preview:
            self._preview(outcome)
        failure = outcome.failure
        if failure is not None:
            self._failed.append(failure)
            if not alone:
                failure.what = Text("{place}: {what}", place=outcome.task.maker, what=failure.what)
                if fails_every_item(failure):
                    raise failure
                ctx.messages.error(failure)
        if self._progress is not None and not alone:
            failed = len(self._failed)
            self._progress.show(self._done, ok=self._done - failed, failed=failed)

    def _lines(self, outcome: Outcome) -> Iterator[bytes]:
        form = self._ctx.output.form
        if form == "json":
            if outcome.reply is not None:
                from apiyi_cli.core.jsontext import as_line

                yield as_line(outcome.reply.raw) + b"\n"
            return
        from apiyi_cli.core.jsontext import write

        for record in outcome.records:
            if form == "ndjson":
                yield write(record) + b"\n"
            elif record["path"] is not None:
                yield os.fsencode(record["path"]) + b"\n"

    def _preview(self, outcome: Outcome) -> None:
        ctx = self._ctx
        if not ctx.process.console.stdout_is_terminal:
            return
        from apiyi_cli.cli.output.terminal_image import previewed

        for record in outcome.records:
            if record["path"] is not None:
                previewed(ctx, record["path"])


def _source_fields(inputs: Sequence[str] | None) -> dict[str, str]:
    """Return the fields of the first picture that is edited; those of a URL are its path's."""
    if not inputs:
        return {}
    first = inputs[0]
    if first.startswith("data:"):
        return {"dir": ".", "stem": "image"}
    if first.startswith(("https://", "http://")):
        from urllib.parse import unquote, urlsplit

        return {**source_fields(unquote(urlsplit(first).path).rpartition("/")[2]), "dir": "."}
    return source_fields(first)


def _count_pictures(body: dict[str, Any]) -> int:
    """Return how many pictures a body asks for, also through `-O`; 1 where it does not say."""
    series = body.get("sequential_image_generation_options")
    counts = (body.get("n"), series.get("max_images") if isinstance(series, dict) else None)
    return max((count for count in counts if type(count) is int), default=1)


def _check_together(ctx: Context, imaging: Imaging, words: list[str], files: list[str]) -> None:
    """Raise UsageError for options that do not go together."""
    check_skipping(ctx, imaging.skip_existing, needs_output=False)
    count = len(imaging.input or ())
    why = ""
    if imaging.mask is not None and not count:
        why = Text("--mask needs the picture that it belongs to: -i FILE")
    elif imaging.vary and count != 1:
        why = Text("--vary needs one picture: -i FILE")
    elif imaging.vary and (words or files or imaging.lines or imaging.mask is not None):
        why = Text("--vary takes a picture and nothing else: no prompt, no --mask, no --lines")
    elif imaging.lines and (words or files):
        why = Text("with --lines the prompts are the lines of stdin alone")
    elif ctx.settings.output.output == "-" and ctx.output.form != "text":
        why = Text("stdout takes the picture (-o -) or the JSON, not both")
    if why:
        raise UsageError(Text("cannot do that"), why)
