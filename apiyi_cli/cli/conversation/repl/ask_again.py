"""Commands that send the last prompt again: unchanged, edited, or to other models."""

from __future__ import annotations

import shlex
from typing import Any

from apiyi_cli.cli.conversation.repl.dialogue import Dialogue
from apiyi_cli.cli.inputs.editor import edit_text
from apiyi_cli.errors import UsageError
from apiyi_cli.text import Text


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
