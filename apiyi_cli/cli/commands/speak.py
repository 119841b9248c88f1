"""`apiyi speak`: text to speech, into a file or on stdout for a player."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from apiyi_cli.build.speak import FORMATS, speak_call
from apiyi_cli.cli.app import single
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spread import Words, spread
from apiyi_cli.cli.talk import body_options
from apiyi_cli.core.call import Reply
from apiyi_cli.core.groups import Connection, Model, Output, Prompt, Request, Speaking
from apiyi_cli.decode.speak import audio
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


def speak(
    session: Session,
    text: Words = None,
    *,
    model: Model,
    source: Prompt,
    speaking: Speaking,
    connection: Connection,
    output: Output,
    request: Request,
) -> None:
    """Read a text aloud: into a file (-o speech.mp3), or to a player in a pipe.

    Without --format the extension of the -o file decides, else the API's own default (mp3).
    """
    from apiyi_cli.cli.media import refuse_terminal

    if session.form != "text":
        raise UsageError(
            Text("cannot print speech as JSON"), Text("it is audio"), hint="-o speech.mp3"
        )
    said = session.sources.prompt(text or (), session.fill(source).file or (), joins_stdin=False)
    if said is None:
        raise UsageError(
            Text("nothing to say"),
            Text("no text was given"),
            hint='apiyi speak "Good morning" -o hello.mp3',
        )
    call = speak_call(
        model=session.models[0],
        text=said,
        speaking=_completed(session, session.fill(speaking)),
        options=body_options(session),
    )
    if session.shown(call):
        return
    session.ready()
    if session.output.output in (None, "-"):
        refuse_terminal(session, "speech", Text("-o speech.mp3, or | a player: mpv -, ffplay -"))

    def decode(reply: Reply) -> Iterator[bytes]:
        return audio(reply, call.model)

    session.write(session.answers(call, decode, shows=lambda piece: True), content="raw")


def _completed(session: Session, speaking: Speaking) -> Speaking:
    """Read `@FILE`, and take the format from the name of the file where none was chosen."""
    if speaking.instructions is not None:
        speaking = speaking.replace(instructions=session.sources.at(speaking.instructions))
    target = session.output.output
    suffix = Path(target).suffix.lower().removeprefix(".") if target else ""
    if speaking.format is not None or not suffix:
        return speaking
    if suffix not in FORMATS:
        raise UsageError(
            Text("cannot tell the format of {target}", target=target),
            Text("its extension is none of {formats}", formats=", ".join(FORMATS)),
            hint=f"--format {next(iter(FORMATS))}",
        )
    return speaking.replace(format=FORMATS[suffix])


app = single(spread(speak))
