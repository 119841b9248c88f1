"""Reads and checks everything that a run of `apiyi image` requests, before sending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from apiyi_cli.build.image import expected_extension, image_call, takes_inline
from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.lines import read_prompts
from apiyi_cli.cli.inputs.uploads import read_upload
from apiyi_cli.cli.output.file_names import FileKind, OutputFiles, check_skipping, print_skipped
from apiyi_cli.core.call import Call
from apiyi_cli.core.families import Overrides, find_family
from apiyi_cli.core.filetypes import PICTURES, detect_picture
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.output.files import refuse_existing
from apiyi_cli.output.names import input_fields, slug
from apiyi_cli.text import Text

IMAGE_FIELDS = ("index", "slug", "model", "n", "ext")
SOURCE_FIELDS = ("stem", "dir")
DEFAULT_NAME = "{slug}-{n}.{ext}"
DISTINCT_NAME = "{index:04}-{slug}-{n}.{ext}"
EXTRAS_CHECKED = 64
PICTURE = FileKind(Text("picture"), lambda head: detect_picture(head) is not None)


class ImageTask(NamedTuple):
    """One request: its place in the input, its prompt, its pictures' numbers from 1.

    `source` are the template fields of the picture that is edited. `total` is how many pictures
    of the prompt several requests make, 0 where this one makes all of them.
    """

    place: int
    prompt: str | None
    slug: str
    numbers: tuple[int, ...]
    source: dict[str, str] = {}  # noqa: RUF012 - never written to
    total: int = 0

    @property
    def name(self) -> str:
        """Return the name of the task in messages."""
        if self.total:
            return Text("input {place}, picture {n}", place=self.place, n=self.numbers[0])
        return Text("input {place}", place=self.place)

    @property
    def last(self) -> int:
        """Return the highest requested picture number."""
        return max(self.total, *self.numbers)

    def fields(self, model: str, n: int) -> dict[str, object]:
        """Return the values of a template's fields for one picture."""
        return {**self.source, "index": self.place, "slug": self.slug, "model": model, "n": n}


class ImageJob(NamedTuple):
    """Everything that one run requests. Without `files` the one picture goes to stdout.

    `options` are the values of `-O`, `inputs` the pictures to edit: files or URLs. `families`
    are the user's own.
    """

    model: str
    image_options: ImageOptions
    options: Sequence[str]
    inputs: Sequence[Upload | str]
    mask: Upload | None
    files: OutputFiles | None
    families: Overrides
    tasks: tuple[ImageTask, ...] = ()

    @property
    def pictures(self) -> list[tuple[str, dict[str, object]]]:
        """Return each picture's input name and the fields of its file name."""
        return [
            (task.name, task.fields(self.model, n)) for task in self.tasks for n in task.numbers
        ]


def read_job(ctx: Context, words: list[str], paths: list[str]) -> ImageJob:
    """Return the job of the command line. `words` and the files of `paths` are the prompt.

    Raises UsageError for options that do not go together and for files that cannot be read.
    """
    image_options = ctx.settings.fill(ImageOptions())
    _check_options(ctx, image_options, words, paths)
    model = ctx.settings.models[0]
    families = ctx.settings.families
    picture = find_family(model, families).picture
    job = ImageJob(
        model,
        image_options,
        ctx.inputs.read_options(ctx.settings.request),
        [_read_input(ctx, name, takes_inline(picture)) for name in image_options.input or ()],
        None if image_options.mask is None else read_upload(ctx.inputs, image_options.mask),
        None if ctx.settings.output.output == "-" else _name_files(ctx, model, image_options),
        families,
    )
    tasks = _read_tasks(ctx, image_options, words, paths)
    return job._replace(tasks=tuple(_split_tasks(tasks) if picture.one_each else tasks))


def build_call(job: ImageJob, task: ImageTask) -> Call:
    """Return the request for the missing pictures of a task."""
    wanted = len(task.numbers)
    return image_call(
        model=job.model,
        prompt=task.prompt,
        image_options=job.image_options,
        inputs=job.inputs,
        mask=job.mask,
        n=wanted if wanted != (job.image_options.n or 1) else None,
        options=job.options,
        families=job.families,
    )._replace(repeat=task.numbers[0] if task.total else 0)


def prepare(ctx: Context, job: ImageJob) -> ImageJob:
    """Return the job without existing pictures, after checking that all others can be saved.

    Raises, before anything is sent, the error of what is wrong: the request, the output, the
    names of the files, the key.
    """
    build_call(job, job.tasks[0])
    files = job.files
    if files is None:
        if (count := len(job.pictures)) > 1:
            raise UsageError(
                Text("cannot write several pictures to stdout"),
                Text("{pictures_wanted} are asked for", pictures_wanted=count),
                hint=f"-o '{DISTINCT_NAME}'",
            )
        ctx.output.refuse_terminal(Text("a picture"), Text("-o FILE, or | a program that takes it"))
    else:
        files.refuse_clashes(job.pictures)
        job = skip_existing(ctx, job)
        files.require_creatable(job.pictures)
        for task in job.tasks:
            _refuse_extra_files(ctx, job, task)
        ctx.process.console.require_stdout()
    if job.tasks:
        ctx.gateway.sender  # noqa: B018 - what is wrong with the set-up is said once
    return job


def skip_existing(ctx: Context, job: ImageJob) -> ImageJob:
    """With --skip-existing return the job without existing pictures; print how many."""
    files = job.files
    if files is None:
        return job
    tasks = []
    skipped = 0
    for task in job.tasks:
        missing = tuple(
            n for n in task.numbers if not files.should_skip(task.fields(job.model, n), PICTURE)
        )
        skipped += len(task.numbers) - len(missing)
        if missing:
            tasks.append(task._replace(numbers=missing))
    print_skipped(ctx.messages, skipped)
    return job._replace(tasks=tuple(tasks))


def _name_files(ctx: Context, model: str, image_options: ImageOptions) -> OutputFiles:
    likely = expected_extension(model, image_options, ctx.settings.families)
    names = dict.fromkeys((likely, *(kind.extension for kind in PICTURES)))
    return OutputFiles(
        ctx.settings.output,
        DEFAULT_NAME,
        apart=DISTINCT_NAME,
        known=(*IMAGE_FIELDS, *SOURCE_FIELDS) if image_options.input else IMAGE_FIELDS,
        extensions=tuple(names),
        skip_existing=image_options.skip_existing,
    )


def _refuse_extra_files(ctx: Context, job: ImageJob, task: ImageTask) -> None:
    """Refuse existing names for pictures that the body requests beyond `--n`."""
    if job.files is None:
        return
    call = build_call(job, task)
    likely = expected_extension(job.model, job.image_options, job.families)
    asked = min(_count_pictures(call.json if isinstance(call.json, dict) else {}), EXTRAS_CHECKED)
    for n in range(task.last + 1, task.last + 1 + asked - len(task.numbers)):
        if path := job.files.extra_path(task.fields(job.model, n), likely):
            refuse_existing(path, force=bool(ctx.settings.output.force))


def _count_pictures(body: dict[str, Any]) -> int:
    """Return how many pictures a body requests, also through `-O`; 1 by default."""
    series = body.get("sequential_image_generation_options")
    counts = (body.get("n"), series.get("max_images") if isinstance(series, dict) else None)
    return max((count for count in counts if type(count) is int), default=1)


def _read_input(ctx: Context, name: str, inline: bool) -> Upload | str:
    if name.startswith(("https://", "http://", "data:")):
        return name
    return read_upload(ctx.inputs, name, whole=inline)


def _read_tasks(
    ctx: Context, image_options: ImageOptions, words: list[str], paths: list[str]
) -> Iterator[ImageTask]:
    numbers = tuple(range(1, (image_options.n or 1) + 1))
    inputs, lines = image_options.input or (), bool(image_options.lines)
    source = input_fields(inputs[0], default="image") if inputs else {}
    if image_options.vary:
        yield ImageTask(0, None, slug(source.get("stem", ""), default="image"), numbers, source)
        return
    prompts = read_prompts(ctx.inputs, words, paths, lines=lines, needed="-" not in inputs)
    for index, prompt in enumerate(prompts):
        if prompt is None:
            raise UsageError(
                Text("nothing to draw"),
                Text("no prompt was given"),
                hint='apiyi image "a cat in the rain"',
            )
        yield ImageTask(index, prompt, slug(prompt, default="image"), numbers, source)


def _split_tasks(tasks: Iterable[ImageTask]) -> Iterator[ImageTask]:
    """Yield a task for each picture, for families that make one picture a request."""
    for task in tasks:
        if len(task.numbers) == 1:
            yield task
            continue
        for n in task.numbers:
            yield task._replace(numbers=(n,), total=len(task.numbers))


def _check_options(
    ctx: Context, image_options: ImageOptions, words: list[str], paths: list[str]
) -> None:
    check_skipping(ctx.settings.output, image_options.skip_existing, needs_output=False)
    count = len(image_options.input or ())
    why = ""
    if image_options.mask is not None and not count:
        why = Text("--mask needs the picture that it belongs to: -i FILE")
    elif image_options.vary and count != 1:
        why = Text("--vary needs one picture: -i FILE")
    elif image_options.vary and (
        words or paths or image_options.lines or image_options.mask is not None
    ):
        why = Text("--vary takes a picture and nothing else: no prompt, no --mask, no --lines")
    elif image_options.lines and (words or paths):
        why = Text("with --lines the prompts are the lines of stdin alone")
    elif ctx.settings.output.output == "-" and ctx.output.form != "text":
        why = Text("stdout takes the picture (-o -) or the JSON, not both")
    if why:
        raise UsageError(Text("cannot do that"), why)
