"""Commands about the last exchange: copy, save or show the answer, ask it again."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from apiyi_cli.cli.conversation.repl.dialogue import Dialogue
from apiyi_cli.cli.conversation.repl.turn import TurnRecord
from apiyi_cli.cli.inputs.editor import edit_text
from apiyi_cli.core.jsontext import write
from apiyi_cli.errors import OutputError, UsageError
from apiyi_cli.text import Text, system_reason


def copy(dialogue: Dialogue, rest: str) -> None:
    """Copy the last answer, or its code, to the clipboard."""
    from apiyi_cli.cli.conversation.repl.clipboard import copy_text

    if rest not in ("", "code"):
        raise UsageError(
            Text("cannot copy {what}", what=rest),
            Text("it is the answer or its code"),
            hint="/help",
        )
    text = find_answer(dialogue)
    if rest:
        from apiyi_cli.render.fence import first_block

        text = first_block(text)
    way = copy_text(dialogue.process, text)
    dialogue.messages.note(Text("copied {count} characters ({way})", count=len(text), way=way))


def save(dialogue: Dialogue, rest: str) -> None:
    """Write the last answer to a new file; to *.ndjson all messages."""
    if not rest:
        raise UsageError(Text("cannot save"), Text("no file was named"), hint="/save FILE")
    path = Path(os.path.expanduser(rest))
    if path.suffix in (".ndjson", ".jsonl"):
        lines = [write(message) + b"\n" for message in dialogue.log.messages()]
        if not lines:
            raise _no_answer()
    else:
        text = find_answer(dialogue)
        lines = [(text if text.endswith("\n") else f"{text}\n").encode("utf-8", "replace")]
    _write_new(path, b"".join(lines))
    dialogue.messages.note(Text("saved as {path}", path=path))


def show(dialogue: Dialogue, rest: str) -> None:
    """Print the last request as JSON or as a program, or the gateway's raw answer."""
    word, _, language = rest.partition(" ")
    record = _find_record(dialogue)
    if word == "raw":
        lines = (chunk.rstrip(b"\n") + b"\n" for chunk in record.chunks)
        dialogue.process.console.write(b"".join(lines), "json")
        return
    if word not in ("request", "code") or (word == "code") != bool(language.strip()):
        raise UsageError(
            Text("cannot show that"),
            Text("it is request, raw, or code and a language"),
            hint="/help",
        )
    options: dict[str, Any] = {"dry_run": True}
    if word == "code":
        from apiyi_cli.cli.conversation.repl.options import read_value

        options = {"code": read_value(dialogue.options.find_any("code"), language.strip())}
    assert record.call is not None
    dialogue.make_context(**options).gateway.print_request(record.call)


def show_reasoning(dialogue: Dialogue, rest: str) -> None:
    """Print the reasoning before the last answer."""
    text = "".join(_find_record(dialogue).reasoning)
    if not text:
        dialogue.messages.note(Text("the model told nothing of its thoughts"))
        return
    dialogue.messages.print_faint(text.rstrip("\n"))


def show_usage(dialogue: Dialogue, rest: str) -> None:
    """Print the usage and cost of the conversation, by model."""
    totals = dialogue.totals
    if not totals.by_model:
        dialogue.messages.print(Text("nothing was used yet"))
        return
    from apiyi_cli.store.prices import format_cost

    headers = [Text("model"), Text("requests"), Text("prompt"), Text("completion"), Text("cost")]
    rows = [
        [
            model,
            str(total.requests),
            f"{total.prompt:,}",
            f"{total.completion:,}",
            format_cost(None if total.unknown == total.requests else total.usd),
        ]
        for model, total in totals.by_model.items()
    ]
    output = dialogue.make_context().output
    output.write([output.format_table(rows, headers)], content="styled", to_stdout=True)


def find_answer(dialogue: Dialogue) -> str:
    """Return the text of the last answer. Raises UsageError without one."""
    for message in reversed(dialogue.log.everything):
        if message["role"] == "assistant" and isinstance(message.get("content"), str):
            return str(message["content"])
    raise _no_answer()


def _find_record(dialogue: Dialogue) -> TurnRecord:
    if dialogue.last is None:
        raise _no_answer()
    return dialogue.last


def _no_answer() -> UsageError:
    return UsageError(
        Text("there is no answer yet"), Text("nothing was asked in this conversation")
    )


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet, with the user's default permissions."""
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        raise OutputError(
            Text("cannot write {path}", path=path),
            Text("the file exists"),
            hint=Text("another name: nothing is overwritten here"),
        ) from None
    except OSError as failure:
        raise OutputError(Text("cannot write {path}", path=path), system_reason(failure)) from None


def ask_again(dialogue: Dialogue, rest: str) -> None:
    """Send the last prompt again and replace its answer; `-m MODEL` uses another model once."""
    place, message = _find_last(dialogue)
    words = split_words(rest)
    if words and (len(words) != 2 or words[0] not in ("-m", "--model")):
        raise UsageError(
            Text("cannot ask again"), Text("only a model can be given"), hint="/retry -m MODEL"
        )
    dialogue.ask(None, base=place, content=message, models=words[1:])


def edit_last(dialogue: Dialogue, rest: str) -> None:
    """Open the last prompt in the editor and send the edited text."""
    place = dialogue.log.last_exchange()
    if place is None:
        text = edit_text(dialogue.process, "", Text("nothing was sent"))
        if text.strip():
            dialogue.ask(text)
        return
    message = dialogue.log.messages()[place]
    old = _read_text(message)
    text = edit_text(dialogue.process, old, Text("nothing was sent"))
    if not text.strip() or text == old:
        dialogue.messages.note(Text("the prompt is unchanged; /retry asks it again"))
        return
    dialogue.ask(None, base=place, content=_with_text(message, text))


def undo(dialogue: Dialogue, rest: str) -> str:
    """Remove the last exchange; its prompt becomes the draft."""
    _, message = _find_last(dialogue)
    dialogue.log.undo()
    count = len(dialogue.log.everything)
    dialogue.messages.note(
        Text("the last exchange is taken back; {count} messages are left", count=count)
    )
    return _read_text(message)


def compare_models(dialogue: Dialogue, rest: str) -> None:
    """Send the last prompt to several models; the conversation is not changed."""
    place, message = _find_last(dialogue)
    models = split_words(rest)
    if len(models) < 2:
        raise UsageError(
            Text("cannot compare"), Text("it takes two models"), hint="/compare MODEL MODEL"
        )
    dialogue.ask(None, base=place, content=message, models=models)


def _find_last(dialogue: Dialogue) -> tuple[int, dict[str, Any]]:
    place = dialogue.log.last_exchange()
    if place is None:
        raise UsageError(
            Text("there is no prompt yet"), Text("nothing was asked in this conversation")
        )
    return place, dialogue.log.messages()[place]


def split_words(rest: str) -> list[str]:
    """Return the words of a line, split as POSIX shells do. Raises UsageError."""
    try:
        return shlex.split(rest)
    except ValueError as failure:
        raise UsageError(Text("cannot read the line"), str(failure)) from None


def _read_text(message: dict[str, Any]) -> str:
    """Return the text of a prompt, without its attachments."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n\n".join(text for text in texts if isinstance(text, str))


def _with_text(message: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a prompt with another text and the same attachments."""
    content = message.get("content")
    if not isinstance(content, list):
        return {**message, "content": text}
    others = [part for part in content if not (isinstance(part, dict) and "text" in part)]
    return {**message, "content": [{"type": "text", "text": text}, *others]}
