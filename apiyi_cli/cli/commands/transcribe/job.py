"""One run of `apiyi transcribe`: recordings in, transcripts out in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from apiyi_cli.build.transcribe import RECORDING_BYTES, asks_json, transcribe_call, upload_name
from apiyi_cli.build.upload import Upload
from apiyi_cli.cli.conversation.loop import print_reply
from apiyi_cli.cli.gateway.parallel import take_in_order
from apiyi_cli.cli.inputs.uploads import scratch, tell_usage, upload
from apiyi_cli.cli.output.file_names import Places, check_skipping, print_skipped
from apiyi_cli.core.call import Call, Reply
from apiyi_cli.core.encodings import quote_path
from apiyi_cli.core.options.chat import Answer
from apiyi_cli.core.options.transcribe import Transcribing
from apiyi_cli.decode.transcribe import Transcript, events, joined, transcript, written
from apiyi_cli.errors import (
    ApiyiError,
    IncompleteError,
    PartialError,
    UsageError,
    fails_every_item,
)
from apiyi_cli.output.names import Numbered, source_fields
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.cli.context import Context
    from apiyi_cli.core.events import Burst, Usage
    from apiyi_cli.core.terminal_text import Content
    from apiyi_cli.wire.send import Sender

TRANSCRIPT_NAME_FIELDS = ("index", "dir", "stem", "model", "ext")
EXTENSIONS = {"text": "txt", "verbose_json": "json"}


class Piece(NamedTuple):
    """What one request carries: a recording, or a part of one, and where that begins.

    `last` tells that it ends the recording; a `failure` stands for what could not be cut.
    """

    place: int
    upload: Upload
    begin_s: float = 0.0
    last: bool = True
    failure: ApiyiError | None = None


class Heard(NamedTuple):
    """What became of a piece."""

    piece: Piece
    transcript: Transcript | None
    failure: ApiyiError | None = None


class Desk:
    """Reads and checks everything that is asked for; sends it when told to."""

    def __init__(self, ctx: Context, names: list[str], transcribing: Transcribing) -> None:
        self._ctx = ctx
        if transcribing.prompt is not None:
            prompt = ctx.inputs.at(transcribing.prompt)
            transcribing = transcribing.replace(prompt=prompt)
        self._transcribing = transcribing
        self._options = ctx.inputs.read_options(ctx.settings.request)
        _check_together(ctx, transcribing)
        check_skipping(ctx, transcribing.skip_existing, needs_output=True)
        if not names:
            raise UsageError(
                Text("nothing to transcribe"),
                Text("no file was given"),
                hint="apiyi transcribe talk.mp3",
            )
        self._uploads = [upload(ctx, name) for name in names]
        self._wanted = list(range(len(names)))
        self._parts: list[tuple[Transcript, float]] = []
        self._lost: ApiyiError | None = None
        self._failed: list[ApiyiError] = []
        self._usage: list[Usage | None] = []
        self._noted: set[str] = set()

    def shown(self) -> bool:
        """Print the requests instead of sending them, if the user asked for that."""
        request = self._ctx.settings.request
        if not (request.dry_run or request.code):
            return False
        if self._places is not None:
            self._leave_out()
        for index in self._wanted:
            self._ctx.gateway.print_request(self._call(self._uploads[index]))
        return True

    def prepare(self) -> None:
        """Refuse, before anything is sent, what cannot be sent or could not be written."""
        ctx = self._ctx
        if self._places is not None:
            self._places.refuse_clashes(self._named())
            self._leave_out()
        for index in self._wanted:
            self._check(self._uploads[index])
        self._call(self._uploads[0])
        if self._places is None:
            ctx.process.console.require_stdout()
        else:
            self._places.check(self._named())
        if self._wanted:
            ctx.gateway.sender  # noqa: B018 - what is wrong with the set-up is said once

    def run(self, jobs: int) -> None:
        """Send the recordings and write the transcripts in their order.

        Raises the error of a single recording; of several, PartialError at the end.
        """
        streamed = self._transcribing.stream and self._places is None
        if streamed:
            self._print_streams()
            return
        if not self._wanted:
            return
        first = self._wanted[0]
        alone = len(self._wanted) == 1 and self._uploads[first].size <= RECORDING_BYTES
        try:
            if alone:
                self._take(self._ask(self._ctx.gateway.sender, Piece(first, self._uploads[first])))
            else:
                take_in_order(self._ctx, self._pieces(), self._ask, jobs, self._take)
        finally:
            tell_usage(self._ctx, self._usage)
        self._end()

    @cached_property
    def _form(self) -> str:
        """Return the form of what is written: a format, or ndjson."""
        form = self._ctx.output.form
        if form == "ndjson":
            return form
        chosen = self._transcribing.format
        if self._transcribing.timestamps:
            chosen = "verbose_json"
        return chosen or ("json" if form == "json" else "text")

    @cached_property
    def _places(self) -> Places | None:
        output = self._ctx.settings.output
        if output.output in (None, "-"):
            return None
        extension = EXTENSIONS.get(self._form, self._form)
        return Places(
            output.output,
            "{stem}.{ext}",
            apart=self._distinct_template(),
            known=TRANSCRIPT_NAME_FIELDS,
            extensions=(extension,),
            force=bool(output.force),
            skip_existing=bool(self._transcribing.skip_existing),
        )

    def _distinct_template(self) -> str:
        """Return a template that names the transcripts of this run apart."""
        sources = [source_fields(item.name) for item in self._uploads]
        beside = Numbered()
        paths = [Path(one["dir"], one["stem"]) for one in sources]
        if all(beside.distinct(path) == path for path in paths):
            return "{dir}/{stem}.{ext}"
        return "{index}-{stem}.{ext}"

    def _named(self) -> list[tuple[str, dict[str, object]]]:
        """Return what each transcript is made of, and the fields of its file's name."""
        return [(self._uploads[index].name, self._values(index)) for index in self._wanted]

    def _leave_out(self) -> None:
        """Take the recordings whose transcripts are there already out of the run."""
        places = self._places
        assert places is not None
        missing = [index for index in self._wanted if not places.exists(self._values(index))]
        print_skipped(self._ctx, len(self._wanted) - len(missing))
        self._wanted = missing

    def _values(self, index: int) -> dict[str, object]:
        one = self._uploads[index]
        source = {**source_fields(one.name), "stem": Path(one.filename).stem}
        return {**source, "index": index, "model": self._ctx.settings.models[0]}

    def _check(self, one: Upload) -> None:
        upload_name(one)
        if not one.size:
            raise one.error(Text("it is empty"))
        if one.size <= RECORDING_BYTES:
            return
        if not self._transcribing.split:
            one.check_size(
                RECORDING_BYTES,
                Text(
                    "--split (cuts it at silences with ffmpeg), or a smaller file: "
                    "ffmpeg -i {item} -ac 1 -b:a 32k small.mp3",
                    item=quote_path(one.name),
                ),
            )
        from apiyi_cli.cli.commands.transcribe.split import require_ffmpeg

        require_ffmpeg(one)

    def _call(self, one: Upload) -> Call:
        call = transcribe_call(
            one,
            model=self._ctx.settings.models[0],
            transcribing=self._transcribing,
            options=self._options,
        )
        for text in call.notes:
            if text not in self._noted:
                self._noted.add(text)
                self._ctx.messages.note(text)
        return call._replace(notes=())

    def _pieces(self) -> Iterator[Piece]:
        """Yield what to send; a recording that cannot be cut is told as a piece that failed."""
        for index in self._wanted:
            one = self._uploads[index]
            if one.size <= RECORDING_BYTES:
                yield Piece(index, one)
                continue
            from apiyi_cli.cli.commands.transcribe.split import cuts

            waiting: Piece | None = None
            try:
                for cut in cuts(self._ctx, one, scratch(self._ctx)):
                    if waiting is not None:
                        yield waiting
                    waiting = Piece(index, cut.upload, cut.begin_s, last=False)
            except ApiyiError as failure:
                waiting = Piece(index, one, failure=failure)
            if waiting is not None:
                yield waiting._replace(last=True)

    def _ask(self, sender: Sender, piece: Piece) -> Heard:
        """Send one piece; errors become part of what is returned."""
        if piece.failure is not None:
            return Heard(piece, None, piece.failure)
        call = self._call(piece.upload)

        def decode(reply: Reply) -> Iterator[Transcript]:
            if call.stream:
                yield _gathered(self._events(reply))
            else:
                yield transcript(reply, call.model, asks_json=asks_json(call))

        try:
            (found,) = self._ctx.gateway.stream(call, decode, sender=sender)
        except ApiyiError as failure:
            return Heard(piece, None, failure)
        return Heard(piece, found)

    def _take(self, heard: Heard) -> None:
        """Collect the pieces of a recording; write it when it is all there."""
        piece = heard.piece
        if heard.transcript is not None:
            self._usage.append(heard.transcript.usage)
            self._parts.append((heard.transcript, piece.begin_s))
        self._lost = self._lost or heard.failure
        if not piece.last:
            return
        parts, lost = self._parts, self._lost
        self._parts, self._lost = [], None
        if lost is None:
            try:
                self._write(piece.place, joined(parts))
                return
            except IncompleteError as failure:
                lost = failure
        if parts:
            self._keep(lost, joined(parts))
        self._failed.append(lost)
        if len(self._wanted) > 1:
            lost.what = Text("{file}: {what}", file=self._uploads[piece.place].name, what=lost.what)
            if fails_every_item(lost):
                raise lost
            self._ctx.messages.error(lost)

    def _keep(self, lost: ApiyiError, part: Transcript) -> None:
        """Put what was heard, and paid for, where the user can find it."""
        try:
            path = self._ctx.process.rescue.keep([written(part, "text")])
        except (OSError, ApiyiError):
            return
        kept = Text("what was heard is in {path}", path=path)
        lost.hint = join_texts(filter(None, (lost.hint, kept)), "; ")

    def _write(self, index: int, found: Transcript) -> None:
        ctx = self._ctx
        if self._form == "ndjson":
            line = _record(index, self._uploads[index].name, found)
            lines = list(ctx.output.filter_lines([line]))
        elif self._form in ("json", "verbose_json"):
            lines = list(ctx.output.filter_lines([written(found, self._form)]))
        else:
            lines = [written(found, self._form)]
        if self._form == "verbose_json" and not (found.value or {}).keys() & {"segments", "words"}:
            ctx.messages.note(
                Text("{name}: the gateway told no timestamps", name=self._uploads[index].name)
            )
        if self._places is None:
            json_forms = ("ndjson", "json", "verbose_json")
            content: Content = "json" if self._form in json_forms else "text"
            ctx.process.console.write_lines(lines, ctx.process.rescue, content)
            return
        extension = EXTENSIONS.get(self._form, self._form)
        path = self._places.write(
            self._values(index), extension, b"".join(lines), ctx.process.rescue
        )
        ctx.messages.debug(Text("saved {path}", path=path))

    def _end(self) -> None:
        if not self._failed:
            return
        if len(self._wanted) == 1:
            raise self._failed[0]
        raise PartialError(
            Text("some recordings are missing"),
            Text("{count} of {count2} failed", count=len(self._failed), count2=len(self._wanted)),
            hint=None
            if self._places is None
            else Text("run it again with --skip-existing to send only those"),
        )

    def _print_streams(self) -> None:
        """Print the texts as they are heard, one recording after the other."""

        def decode(reply: Reply, **how: Any) -> Iterator[Burst]:
            return self._events(reply, verbatim=bool(how.get("verbatim")))

        for one in self._uploads:
            if one.size > RECORDING_BYTES:
                raise one.error(Text("--stream and --split do not go together"))
        for one in self._uploads:
            print_reply(self._ctx, self._call(one), Answer(), decode)

    def _events(self, reply: Reply, *, verbatim: bool = False) -> Iterator[Burst]:
        speakers = bool(self._transcribing.diarize)
        return events(reply, verbatim=verbatim, speakers=speakers)


def _gathered(arriving: Iterator[Burst]) -> Transcript:
    from apiyi_cli.core.events import Delta, Usage

    pieces: list[str] = []
    value: dict[str, Any] | None = None
    for burst in arriving:
        for event in burst:
            if isinstance(event, Delta):
                pieces.append(event.text)
            elif isinstance(event, Usage) and event.raw is not None:
                value = {"usage": event.raw}
    text = "".join(pieces)
    if value is not None:
        value = {"text": text, **value}
    return Transcript(text, text.encode("utf-8", "replace"), value)


def _record(index: int, name: str, found: Transcript) -> bytes:
    from apiyi_cli.core.jsontext import write

    fields = found.value if found.value is not None else {"text": found.text}
    return write({"index": index, "file": name, **fields}) + b"\n"


def _check_together(ctx: Context, transcribing: Transcribing) -> None:
    plain = transcribing.format in ("text", "srt", "vtt")
    if ctx.output.form != "text" and plain and not transcribing.stream:
        raise UsageError(
            Text("these options do not go together"),
            Text(
                "{format} is no JSON, which --json, --ndjson and --jq are about",
                format=transcribing.format,
            ),
            hint=Text("leave out --format, or use --format verbose_json"),
        )
