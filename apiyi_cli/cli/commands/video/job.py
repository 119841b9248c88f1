"""One run of `apiyi video`: its requests, its files, and its outcomes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from apiyi_cli.build.content import data_url
from apiyi_cli.build.upload import MB
from apiyi_cli.build.video import MediaInput, Role, VideoRequest, submit_call, video_form
from apiyi_cli.cli.commands.video.output import VideoOutcome, VideoOutput, refuse_stdout, write_out
from apiyi_cli.cli.commands.video.task_list import open_tasks
from apiyi_cli.cli.commands.video.worker import VideoWorker
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.lines import read_prompts
from apiyi_cli.cli.inputs.uploads import read_upload
from apiyi_cli.cli.output.file_names import FileKind, OutputFiles, check_skipping, print_skipped
from apiyi_cli.cli.output.usage import print_usage
from apiyi_cli.core.call import Call
from apiyi_cli.core.families import find_family
from apiyi_cli.core.filetypes import detect_type
from apiyi_cli.core.hosts import origin
from apiyi_cli.core.options.video import VideoOptions
from apiyi_cli.errors import ApiyiError, Interrupted, UsageError
from apiyi_cli.output.names import input_fields, slug
from apiyi_cli.store.video_tasks import VideoRecord, VideoTasks, make_claim_id
from apiyi_cli.text import Text
from apiyi_cli.wire.send import Sender

Kind = Literal["image", "video", "audio"]

MOST_BYTES = 64 * MB
"""A larger file does not fit into a request; the families accept links."""
_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys(("mp4", "mov", "webm", "mkv", "avi", "m4v"), "video"),
    **dict.fromkeys(("mp3", "wav", "m4a", "aac", "ogg", "flac"), "audio"),
}
_URLS = ("https://", "http://", "data:")

_FIELDS = ("index", "slug", "model", "n", "ext")
_SOURCE_FIELDS = ("stem", "dir")
VIDEO_NAME = "{slug}.{ext}"
DISTINCT_VIDEO_NAME = "{index:04}-{slug}.{ext}"
VIDEO_FILE = FileKind(
    Text("video"), lambda head: (kind := detect_type(head)) is not None and kind.family == "video"
)


def read_media(ctx: Context, options: VideoOptions, model: str) -> tuple[MediaInput, ...]:
    """Return the inputs of a video, in the order first, last, -i, references.

    One picture of `-i` is where the video begins; several, and clips and sounds, guide it, as all
    do for a model that takes references. Raises UsageError for a file that is none of them.
    """
    frames: tuple[tuple[Role, str | None], ...] = (("first", options.first), ("last", options.last))
    named = [(role, name) for role, name in frames if name is not None]
    media = [_read_frame(ctx, name, role) for role, name in named]
    media += _place_inputs([_read(ctx, name, "first") for name in options.input or ()], model)
    media += [_read(ctx, name, "reference") for name in options.reference or ()]
    if sum(item.role == "first" for item in media) > 1:
        raise UsageError(
            Text("cannot use these inputs"),
            Text("a video begins with one picture: -i or --first, not both"),
            hint=Text("--reference FILE for the others"),
        )
    return tuple(media)


def _place_inputs(items: Sequence[MediaInput], model: str) -> Iterator[MediaInput]:
    pictures = sum(item.kind == "image" for item in items)
    for item in items:
        guides = item.kind != "image" or pictures > 1 or "-r2v" in model
        yield item._replace(role="reference") if guides else item


def _read_frame(ctx: Context, name: str, role: Role) -> MediaInput:
    item = _read(ctx, name, role)
    if item.kind != "image":
        raise UsageError(
            Text("cannot use --{role}", role=role),
            Text("a video begins and ends with a picture"),
            hint=Text("--reference for clips and sounds"),
        )
    return item


def _read(ctx: Context, name: str, role: Role) -> MediaInput:
    if name.startswith(_URLS):
        item = MediaInput(role, _url_kind(name), name)
    else:
        file = read_upload(ctx.inputs, name)
        file.check_size(MOST_BYTES, hint=Text("give the link to it instead"))
        kind = detect_type(file.head)
        if kind is None or kind.family not in ("image", "video", "audio"):
            raise file.error(Text("it is no picture, clip or sound"))
        with open(file.path, "rb") as stream:
            url = data_url(kind, stream.read())
        family: Kind = kind.family
        item = MediaInput(role, family, url, None if file.name == "stdin" else file.path)
    return item


def _url_kind(url: str) -> Kind:
    if url.startswith("data:"):
        kind = url[5:].partition("/")[0]
        return kind if kind in ("video", "audio") else "image"  # type: ignore[return-value]
    return _SUFFIXES.get(urlsplit(url).path.rpartition(".")[2].lower(), "image")


class PlannedVideo(NamedTuple):
    """One requested video: its place in the input, its prompt, its template fields."""

    place: int
    prompt: str | None
    source: dict[str, str]

    @property
    def label(self) -> Text:
        """Return the name of the video in messages."""
        return Text("input {place}", place=self.place)

    def values(self, model: str) -> dict[str, object]:
        """Return the values of the template's fields."""
        words = slug(self.prompt or self.source.get("stem", ""), default="video")
        return {**self.source, "index": self.place, "slug": words, "model": model, "n": 1}


def plan_videos(
    ctx: Context, options: VideoOptions, words: list[str], files: list[str]
) -> Iterator[PlannedVideo]:
    """Yield the videos of a run. Raises UsageError if there is nothing to make one of."""
    name, lines = find_source(options), bool(options.lines)
    source = {} if name is None else input_fields(name, default="video")
    has_media = bool(options.input or options.first or options.last or options.reference)
    prompts = read_prompts(ctx.inputs, words, files, lines=lines, needed=not has_media)
    for place, prompt in enumerate(prompts):
        if prompt is None and not has_media:
            raise UsageError(
                Text("nothing to film"),
                Text("no prompt was given"),
                hint='apiyi video "a cat surfs" -o cat.mp4',
            )
        yield PlannedVideo(place, prompt, source)


def find_source(options: VideoOptions) -> str | None:
    """Return the input after which files are named, None without one."""
    inputs = (options.first, *(options.input or ()))
    return next((name for name in inputs if name is not None), None)


class VideoJob:
    """Reads and checks everything that is requested; `run` submits it."""

    def __init__(
        self, ctx: Context, words: list[str], files: list[str], options: VideoOptions
    ) -> None:
        self._ctx = ctx
        self._video = options
        _check_together(ctx, options, words, files)
        self._model = ctx.settings.models[0]
        family = find_family(self._model, ctx.settings.families)
        self._form = video_form(self._model, family.video)
        self._options = ctx.inputs.read_options(ctx.settings.request)
        self._media = read_media(ctx, options, self._model)
        self._planned = list(plan_videos(ctx, options, words, files))
        self._to_stdout = ctx.settings.output.output == "-"
        self._output = VideoOutput(ctx, alone=len(self._planned) == 1)

    def print_requests(self) -> bool:
        """Print the submissions instead of sending them, if the user asked for that."""
        if not self._ctx.settings.prints_request:
            return False
        self._leave_out()
        for video in self._planned:
            self._ctx.gateway.print_request(self._call(video))
        return True

    def check(self) -> None:
        """Refuse, before sending, videos that cannot be saved; leave out existing ones."""
        self._call(self._planned[0])
        if not self._to_stdout:
            self._files.refuse_clashes(self._list_wanted())
            self._leave_out()
            self._files.require_creatable(self._list_wanted())
        self._ctx.process.console.require_stdout()
        if self._planned:
            self._ctx.gateway.sender  # noqa: B018 - what is wrong with the set-up is said once

    def run(self) -> None:
        """Submit the tasks, wait for them, save the videos; print each as it is saved.

        Raises the error of a single task; of several, PartialError at the end, if some failed.
        An early end leaves the tasks running, and prints how to resume them.
        """
        if not self._planned:
            return
        try:
            outcome = self._output.add_all(self._planned, self._make, self._worker.stop)
            if self._to_stdout and outcome.failure is None:
                write_out(self._ctx, self._tasks, outcome.record)
        except BaseException as ended:
            self._leave(ended)
            raise
        finally:
            self._output.end()
        print_usage(self._output.usage, self._ctx.settings, self._ctx.messages)
        self._output.raise_failures(
            len(self._planned),
            Text("apiyi video list; --skip-existing makes only those that are missing"),
        )

    def _leave(self, ended: BaseException) -> None:
        """Start no further task, and report which ones continue."""
        self._worker.stop.set()
        self._worker.wait_for_submissions()
        note = self._output.describe_open(self._tasks)
        if note is None:
            return
        if isinstance(ended, Interrupted):
            ended.note = ended.note or note
        elif len(self._planned) > 1:
            self._ctx.messages.note(note)

    def _make(self, sender: Sender, video: PlannedVideo) -> VideoOutcome:
        """Make one video and save it; errors become part of the outcome."""
        outcome = VideoOutcome(video.place, video.label)
        try:
            record = self._worker.submit(sender, self._call(video), self._claim(video))
            outcome = outcome._replace(record=record)
            self._output.begin(record)
            look = self._worker.wait(sender, record)
            outcome = outcome._replace(record=look.record, look=look, failure=look.failure)
            if look.failure is None:
                record = self._worker.saver.save(sender, look.record)
                path = None if self._to_stdout else self._relative_path(record)
                outcome = outcome._replace(record=record, path=path)
        except ApiyiError as failure:
            return outcome._replace(failure=failure)
        return outcome

    def _claim(self, video: PlannedVideo) -> VideoRecord:
        ctx = self._ctx
        claim = make_claim_id()
        if self._to_stdout:
            path = self._tasks.kept_path(claim)
        else:
            path = self._files.likely_path(video.values(self._model))
        return VideoRecord(
            claim,
            "claimed",
            self._model,
            self._form,
            host=origin(ctx.gateway.plan.base_urls[0]),
            profile=ctx.settings.profile,
            began=ctx.process.clock.wall(),
            prompt=(video.prompt or "")[:200],
            output=str(path.absolute()),
            is_named=not self._to_stdout and "ext" not in self._files.fields,
            force=bool(ctx.settings.output.force),
        )

    def _relative_path(self, record: VideoRecord) -> str:
        """Return a saved video's path as the user wrote `-o`: relative or not."""
        saved = record.saved or ""
        output = self._ctx.settings.output.output
        return saved if output and os.path.isabs(output) else os.path.relpath(saved)

    @cached_property
    def _tasks(self) -> VideoTasks:
        tasks = open_tasks(self._ctx)
        tasks.remove_old(self._ctx.process.clock.wall())
        return tasks

    @cached_property
    def _files(self) -> OutputFiles:
        return OutputFiles(
            self._ctx.settings.output,
            VIDEO_NAME,
            apart=DISTINCT_VIDEO_NAME,
            known=(*_FIELDS, *_SOURCE_FIELDS) if find_source(self._video) is not None else _FIELDS,
            extensions=("mp4", "mov", "webm"),
            skip_existing=self._video.skip_existing,
        )

    def _list_wanted(self) -> list[tuple[str, dict[str, object]]]:
        """Return the request of each video, and the template fields of its file name."""
        return [(video.label, video.values(self._model)) for video in self._planned]

    def _leave_out(self) -> None:
        """Remove existing videos from the plan."""
        if self._to_stdout:
            return
        missing = [
            video
            for video in self._planned
            if not self._files.should_skip(video.values(self._model), VIDEO_FILE)
        ]
        print_skipped(self._ctx.messages, len(self._planned) - len(missing))
        self._planned = missing

    @cached_property
    def _worker(self) -> VideoWorker:
        return VideoWorker(
            self._ctx,
            self._tasks,
            poll_s=self._video.poll,
            private=bool(self._video.allow_private),
            show=self._output.show,
        )

    def _call(self, video: PlannedVideo) -> Call:
        options = self._video
        request = VideoRequest(
            self._model,
            video.prompt,
            self._media,
            duration=options.duration,
            resolution=options.resolution,
            ratio=options.ratio,
            seed=options.seed,
            audio=options.audio,
            options=self._options,
        )
        return submit_call(request, self._form)


def _check_together(
    ctx: Context, options: VideoOptions, words: list[str], files: list[str]
) -> None:
    check_skipping(ctx.settings.output, options.skip_existing, needs_output=False)
    why = None
    if options.lines and (words or files):
        why = Text("with --lines the prompts are the lines of stdin alone")
    elif ctx.settings.output.output == "-":
        why = refuse_stdout(ctx, several=bool(options.lines))
    elif options.duration == 0:
        why = Text("--duration 0 is no length")
    if why is not None:
        raise UsageError(Text("cannot do that"), why)
