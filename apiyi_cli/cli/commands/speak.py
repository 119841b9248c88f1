"""`apiyi speak`: text to speech, into a file or on stdout for a player."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from apiyi_cli.build.speak import FORMATS, speak_call
from apiyi_cli.build.speech_parts import split_text
from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.output.file_names import OutputFiles, Values, check_skipping, print_skipped
from apiyi_cli.cli.typer_options import Words, spread
from apiyi_cli.core.call import Call
from apiyi_cli.core.disk import make_private_folder, replace_private
from apiyi_cli.core.jsontext import write
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.prompt import Prompt
from apiyi_cli.core.options.request import Model, Request
from apiyi_cli.core.options.speak import SpeakOptions
from apiyi_cli.decode.speak import audio
from apiyi_cli.decode.speech_join import join_audio, state_length
from apiyi_cli.errors import ApiyiError, IncompleteError, UsageError
from apiyi_cli.output.files import is_device
from apiyi_cli.output.names import slug, source_fields
from apiyi_cli.text import Text

_NUMBERED = {"opus": ("-c", "copy", "-f", "ogg"), "flac": ("-c:a", "flac", "-f", "flac")}
"""The formats whose frames are numbered, and how ffmpeg joins them."""


class SpeechParts:
    """The audio of several requests in the order of the text.

    Each part is a file in the rescue folder from the moment it is whole: the same command run
    again does not buy it twice. `discard` removes them once the speech is written.
    """

    def __init__(self, ctx: Context, calls: Sequence[Call]) -> None:
        self._ctx = ctx
        self._calls = calls
        self._format = str(calls[0].json.get("response_format", "mp3"))
        if self._format in _NUMBERED and shutil.which("ffmpeg") is None:
            raise UsageError(
                Text("cannot join parts of {format}", format=self._format),
                Text("there is no ffmpeg to do it"),
                hint=Text("--format mp3, or install ffmpeg"),
            )
        self._folder = self._make_folder()

    def read(self, speech: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
        """Yield the joined audio; `speech` has the audio of each call, requested when read.

        Before an error it is said which parts are kept.
        """
        done = 0

        def parts() -> Iterator[Iterable[bytes]]:
            nonlocal done
            for number, pieces in enumerate(speech):
                yield self._read_part(number, pieces)
                done += 1

        try:
            if self._format in _NUMBERED:
                for part in parts():
                    for _ in part:
                        pass
                yield from self._join_numbered()
            else:
                yield from join_audio(parts())
        except ApiyiError:
            if done:
                # The error's own hint may be replaced by one about the answer so far.
                self._ctx.messages.note(
                    Text(
                        "parts 1 to {done} of {count} are in {folder}; "
                        "the same command goes on from there",
                        done=done,
                        count=len(self._calls),
                        folder=self._folder,
                    )
                )
            raise

    def discard(self) -> None:
        """Remove the files of the parts."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_part(self, number: int, audio: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a part's audio: from its file, else from the gateway and into its file."""
        path = self._part_path(number)
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            self._ctx.messages.note(Text("{path} was there already", path=path))
            yield content
            return
        pieces: list[bytes] = []
        for piece in audio:
            pieces.append(piece)
            yield piece
        replace_private(path, b"".join(pieces))

    def _part_path(self, number: int) -> Path:
        return self._folder / f"{number + 1:04}.{self._format}"

    def _make_folder(self) -> Path:
        """Return the folder of these requests, a temporary one if the usual cannot be made."""
        name = hashlib.sha256(b"\n".join(write(call.json) for call in self._calls)).hexdigest()
        for folder in self._ctx.process.rescue.directories:
            with suppress(OSError):
                path = folder / f"speech-{name[:16]}"
                make_private_folder(path)
                return path
        return self._ctx.process.make_scratch_folder()

    def _join_numbered(self) -> Iterator[bytes]:
        lines = (f"file '{self._part_path(number).name}'" for number in range(len(self._calls)))
        parts_list, joined = self._folder / "parts.txt", self._folder / "joined"
        parts_list.write_text("\n".join(lines), "utf-8")
        read = ("-f", "concat", "-protocol_whitelist", "file,pipe", "-i", f"file:{parts_list}")
        how = _NUMBERED[self._format]
        # Into a file, because the length goes into its head at the end.
        status, report = self._ctx.process.run_program(
            ["ffmpeg", "-nostdin", "-v", "error", "-y", *read, *how, f"file:{joined}"]
        )
        if status:
            raise IncompleteError(
                Text("cannot join the parts"), Text("ffmpeg says: {report}", report=report)
            )
        yield joined.read_bytes()


def speak(
    ctx: Context,
    text: Words = None,
    *,
    model: Model,
    source: Prompt,
    speak_options: SpeakOptions,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Read a text aloud: into a file (-o speech.mp3), or to a player in a pipe.

    Without --format the extension of the -o file decides, else the API's own default (mp3). -o
    may be a directory or a template (fields: slug, model, ext; of the first -f FILE dir, stem).
    --split reads a long text in several requests and joins their sound.
    """
    if ctx.output.form != "text":
        raise UsageError(
            Text("cannot print speech as JSON"), Text("it is audio"), hint="-o speech.mp3"
        )
    files = ctx.settings.fill(source).file or []
    spoken = ctx.inputs.prompt(text or (), files, joins_stdin=False)
    if spoken is None:
        raise UsageError(
            Text("nothing to say"),
            Text("no text was given"),
            hint='apiyi speak "Good morning" -o hello.mp3',
        )
    speak_options = ctx.settings.fill(speak_options)
    check_skipping(ctx.settings.output, speak_options.skip_existing, needs_output=True)
    target = _find_target(ctx, speak_options, spoken, files)
    calls = _build_calls(ctx, speak_options, spoken, target)
    if target is not None and target.places.should_skip(target.values):
        print_skipped(ctx.messages, 1)
    elif ctx.settings.prints_request:
        for call in calls:
            ctx.gateway.print_request(call)
    else:
        _write_speech(ctx, calls, target)


def _build_calls(
    ctx: Context, speak_options: SpeakOptions, text: str, target: SpeechFile | None
) -> list[Call]:
    """Return the requests in the text's order: one, or with --split one a part."""
    model = ctx.settings.models[0]
    completed = _complete_options(ctx, speak_options, None if target is None else target.path)
    options = ctx.inputs.read_options(ctx.settings.request)
    texts = [text]
    if speak_options.split:
        texts = split_text(text, counts_tokens=not model.startswith("tts-1")) or texts
    return [
        speak_call(model=model, text=part, speak_options=completed, options=options)
        for part in texts
    ]


def _write_speech(ctx: Context, calls: list[Call], target: SpeechFile | None) -> None:
    """Send the calls and write their audio to the target, or to stdout."""
    path = None if target is None else target.path
    if target is None:
        ctx.output.require_ready()
        ctx.output.refuse_terminal("speech", Text("-o speech.mp3, or | a player: mpv -, ffplay -"))
    else:
        target.places.require_creatable([(str(target.path), target.values)])
    if len(calls) == 1:
        ctx.output.write(_request_audio(ctx, calls[0]), content="raw", path=path)
        return
    parts = SpeechParts(ctx, calls)
    speech = (_request_audio(ctx, call) for call in calls)
    ctx.output.write(parts.read(speech), content="raw", path=path)
    if path is not None and not is_device(path):
        state_length(path)
    parts.discard()


def _request_audio(ctx: Context, call: Call) -> Iterator[bytes]:
    """Yield a call's audio; it is sent when the first piece is asked for."""
    return ctx.gateway.stream(
        call, lambda reply: audio(reply, call.model), shows=lambda piece: True
    )


class SpeechFile(NamedTuple):
    """The file that `-o` names for one speech, with the values in its name."""

    path: Path
    places: OutputFiles
    values: Values


def _find_target(
    ctx: Context, speak_options: SpeakOptions, text: str, files: list[str]
) -> SpeechFile | None:
    output = ctx.settings.output
    if output.output in (None, "-"):
        return None
    places = OutputFiles(
        output,
        "{stem}.{ext}" if files else "{slug}.{ext}",
        apart="{slug}.{ext}",
        known=("dir", "stem", "slug", "model", "ext") if files else ("slug", "model", "ext"),
        extensions=(speak_options.format or next(iter(FORMATS)),),
        skip_existing=speak_options.skip_existing,
    )
    source = source_fields(files[0]) if files else {}
    own = {"slug": slug(text, default="speech"), "model": ctx.settings.models[0]}
    values = {**source, **own}
    return SpeechFile(places.likely_path(values), places, values)


def _complete_options(
    ctx: Context, speak_options: SpeakOptions, target: Path | None
) -> SpeakOptions:
    """Return the options with `@FILE` read and the format of the target's extension."""
    if speak_options.instructions is not None:
        speak_options = speak_options.replace(
            instructions=ctx.inputs.expand_file(speak_options.instructions)
        )
    suffix = target.suffix.lower().removeprefix(".") if target is not None else ""
    if speak_options.format is not None or not suffix:
        return speak_options
    if suffix not in FORMATS:
        raise UsageError(
            Text("cannot tell the format of {target}", target=target),
            Text("its extension is none of {formats}", formats=", ".join(FORMATS)),
            hint=f"--format {next(iter(FORMATS))}",
        )
    return speak_options.replace(format=FORMATS[suffix])


app = single(spread(speak))
