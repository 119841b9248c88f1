"""Reads and checks everything that a run of `apiyi transcribe` requests, before sending."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from apiyi_cli.build.transcribe import RECORDING_BYTES, transcribe_call, upload_name
from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.inputs.uploads import read_upload
from apiyi_cli.cli.output.file_names import OutputFiles, check_skipping, print_skipped
from apiyi_cli.core.call import Call
from apiyi_cli.core.encodings import quote_path
from apiyi_cli.core.options.transcribe import TranscribeOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.output.names import DistinctNames, source_fields
from apiyi_cli.text import Text

TRANSCRIPT_NAME_FIELDS = ("index", "dir", "stem", "model", "ext")
EXTENSIONS = {"text": "txt"}


class Recording(NamedTuple):
    """One input file with its position among them, from 0."""

    place: int
    upload: Upload

    @property
    def name(self) -> str:
        """Return the name of the recording in messages."""
        return self.upload.name

    def fields(self, model: str) -> dict[str, object]:
        """Return the values of a template's fields for its transcript."""
        source = source_fields(self.upload.name)
        stem = Path(self.upload.filename).stem
        return {**source, "stem": stem, "index": self.place, "model": model}


class TranscribeJob(NamedTuple):
    """Everything that one run requests. Without `files` the transcripts go to stdout.

    `options` are the values of `-O`, `form` is the format of what is written, or ndjson.
    """

    model: str
    transcribe_options: TranscribeOptions
    options: Sequence[str]
    form: str
    files: OutputFiles | None
    recordings: tuple[Recording, ...]

    @property
    def extension(self) -> str:
        """Return the extension of a transcript's file."""
        return "json" if self.form.endswith("_json") else EXTENSIONS.get(self.form, self.form)

    @property
    def outputs(self) -> list[tuple[str, dict[str, object]]]:
        """Return each recording's name and the fields of its file name."""
        return [(item.name, item.fields(self.model)) for item in self.recordings]


def read_job(ctx: Context, names: list[str]) -> TranscribeJob:
    """Return the job of the command line.

    Raises UsageError for options that do not go together and for files that cannot be read.
    """
    transcribe_options = ctx.settings.fill(TranscribeOptions())
    if transcribe_options.prompt is not None:
        transcribe_options = transcribe_options.replace(
            prompt=ctx.inputs.expand_file(transcribe_options.prompt)
        )
    options = ctx.inputs.read_options(ctx.settings.request)
    _check_options(ctx, transcribe_options)
    check_skipping(ctx.settings.output, transcribe_options.skip_existing, needs_output=True)
    if not names:
        raise UsageError(
            Text("nothing to transcribe"),
            Text("no file was given"),
            hint="apiyi transcribe talk.mp3",
        )
    recordings = tuple(
        Recording(place, read_upload(ctx.inputs, name)) for place, name in enumerate(names)
    )
    form = _choose_form(ctx, transcribe_options)
    job = TranscribeJob(ctx.settings.models[0], transcribe_options, options, form, None, recordings)
    return job._replace(files=_name_files(ctx, job))


def build_call(job: TranscribeJob, upload: Upload) -> Call:
    """Return the request for a recording, or for a part of one."""
    return transcribe_call(
        upload, model=job.model, transcribe_options=job.transcribe_options, options=job.options
    )


def prepare(ctx: Context, job: TranscribeJob) -> TranscribeJob:
    """Return the job without existing transcripts, after checking that others can be made.

    Raises, before anything is sent, the error of what is wrong: the request, a file, the
    output, the key.
    """
    first = job.recordings[0]
    if job.files is not None:
        job.files.refuse_clashes(job.outputs)
        job = skip_existing(ctx, job)
    for recording in job.recordings:
        _check_size(job, recording.upload)
    build_call(job, first.upload)
    if job.files is None:
        ctx.process.console.require_stdout()
    else:
        job.files.require_creatable(job.outputs)
    if job.recordings:
        ctx.gateway.sender  # noqa: B018 - what is wrong with the set-up is said once
    return job


def skip_existing(ctx: Context, job: TranscribeJob) -> TranscribeJob:
    """With --skip-existing return the job without existing transcripts; print how many."""
    files = job.files
    if files is None:
        return job
    missing = [item for item in job.recordings if not files.should_skip(item.fields(job.model))]
    print_skipped(ctx.messages, len(job.recordings) - len(missing))
    return job._replace(recordings=tuple(missing))


def needs_split(upload: Upload) -> bool:
    """Return True if a recording is too large for one request."""
    return upload.size > RECORDING_BYTES


def _choose_form(ctx: Context, transcribe_options: TranscribeOptions) -> str:
    form = ctx.output.form
    if form == "ndjson":
        return form
    if transcribe_options.timestamps:
        return "verbose_json"
    return transcribe_options.format or ("json" if form == "json" else "text")


def _name_files(ctx: Context, job: TranscribeJob) -> OutputFiles | None:
    output = ctx.settings.output
    if output.output in (None, "-"):
        return None
    return OutputFiles(
        output,
        "{stem}.{ext}",
        apart=_distinct_template(job.recordings),
        known=TRANSCRIPT_NAME_FIELDS,
        extensions=(job.extension,),
        skip_existing=job.transcribe_options.skip_existing,
    )


def _distinct_template(recordings: Sequence[Recording]) -> str:
    """Return a template that gives each transcript of this run its own name."""
    distinct = DistinctNames()
    for item in recordings:
        source = source_fields(item.name)
        path = Path(source["dir"], source["stem"])
        if distinct.make_distinct(path) != path:
            return "{index}-{stem}.{ext}"
    return "{dir}/{stem}.{ext}"


def _check_size(job: TranscribeJob, upload: Upload) -> None:
    """Raise UsageError for a file that no request can carry."""
    upload_name(upload)
    if not upload.size:
        raise upload.error(Text("it is empty"))
    if not needs_split(upload):
        return
    if not job.transcribe_options.split:
        upload.check_size(
            RECORDING_BYTES,
            Text(
                "--split (cuts it at silences with ffmpeg), or a smaller file: "
                "ffmpeg -i {item} -ac 1 -b:a 32k small.mp3",
                item=quote_path(upload.name),
            ),
        )
    if job.transcribe_options.stream and job.files is None:
        raise upload.error(Text("--stream and --split do not go together"))
    from apiyi_cli.cli.commands.transcribe.split import require_ffmpeg

    require_ffmpeg(upload)


def _check_options(ctx: Context, transcribe_options: TranscribeOptions) -> None:
    plain = "json" not in (transcribe_options.format or "json")
    if ctx.output.form != "text" and plain and not transcribe_options.stream:
        raise UsageError(
            Text("these options do not go together"),
            Text(
                "{format} is no JSON, which --json, --ndjson and --jq are about",
                format=transcribe_options.format,
            ),
            hint=Text("leave out --format, or use --format verbose_json"),
        )
