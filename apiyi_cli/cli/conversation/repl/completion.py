"""What readers of prompts ask: completions of words, and code blocks that are open."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from apiyi_cli.cli.conversation.repl.command_names import COMMAND_NAMES
from apiyi_cli.cli.conversation.repl.dialogue import Dialogue

_SHOWN_MOST = 500

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.M)


def find_completions(dialogue: Dialogue, before: str) -> tuple[int, list[str]]:
    """Return completions of the text before the cursor; the only one ends with a space.

    The number is how many of its last characters a completion replaces.
    """
    length, words = _find_words(dialogue, before)
    if len(words) == 1 and not words[0].endswith("/"):
        words = [f"{words[0]} "]
    return length, words


def _find_words(dialogue: Dialogue, before: str) -> tuple[int, list[str]]:
    word = before.rpartition("\n")[2].rpartition(" ")[2]
    if before.startswith("/") and not before.startswith("//"):
        name, space, rest = before.partition(" ")
        if not space:
            return len(before), [
                f"/{item}" for item in COMMAND_NAMES if f"/{item}".startswith(before)
            ]
        find = _ARGUMENTS.get(name[1:])
        words = [] if find is None else find(dialogue, rest)
        if words:
            return len(word), [item for item in words if item.startswith(word)][:_SHOWN_MOST]
        if name in ("/file", "/attach", "/save"):
            return len(rest), list_files(rest)
    if word.startswith("@"):
        return len(word) - 1, list_files(word[1:])
    return 0, []


def list_files(begun: str) -> list[str]:
    """Return the paths with this beginning; folders end with a slash."""
    folder, _, start = begun.rpartition("/")
    place = os.path.expanduser(f"{folder}/" if "/" in begun else ".")
    head = begun[: len(begun) - len(start)]
    try:
        with os.scandir(place) as entries:
            words = sorted(
                f"{head}{entry.name}{'/' if entry.is_dir() else ''}"
                for entry in entries
                if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            )
    except OSError:
        return []
    return words[:_SHOWN_MOST]


def list_models(dialogue: Dialogue) -> list[str]:
    """Return the names of the models that the gateway listed last."""
    from apiyi_cli.cli.gateway.models import read_cached_models

    return read_cached_models(dialogue.context.settings) or [dialogue.model]


def _list_option_words(dialogue: Dialogue, rest: str) -> Sequence[str]:
    name, space, _ = rest.partition(" ")
    flags = dialogue.options.flags()
    if not space:
        return sorted(word for word in flags if len(word) > 1)
    option = flags.get(name.lstrip("-").replace("_", "-"))
    if option is None:
        return ()
    if option.kind is bool:
        return ("on", "off")
    if option.complete == "model":
        return list_models(dialogue)
    return option.choices or option.suggestions


def _list_show_words(dialogue: Dialogue, rest: str) -> Sequence[str]:
    if rest.startswith("code "):
        return dialogue.options.find_any("code").choices
    return ("request", "raw", "code")


def _list_session_words(dialogue: Dialogue, rest: str) -> Sequence[str]:
    from apiyi_cli.store.sessions import SessionStore

    names = [info.name for info in SessionStore.open(dialogue.process.environ).all()]
    return ["list", "new", "fork", *names]


def _list_template_names(dialogue: Dialogue, rest: str) -> Sequence[str]:
    from apiyi_cli.cli.conversation.prompt_template import list_templates

    return list_templates(dialogue.context.settings)


_ARGUMENTS: dict[str, Callable[[Dialogue, str], Sequence[str]]] = {
    "model": lambda dialogue, rest: list_models(dialogue),
    "retry": lambda dialogue, rest: list_models(dialogue) if "-m" in rest else ("-m",),
    "compare": lambda dialogue, rest: list_models(dialogue),
    "set": _list_option_words,
    "unset": lambda dialogue, rest: [
        line.partition(" ")[0] for line in dialogue.options.describe_given()
    ],
    "show": _list_show_words,
    "session": _list_session_words,
    "template": _list_template_names,
    "copy": lambda dialogue, rest: ("code",),
}


def has_open_fence(text: str) -> bool:
    """Return True if a fenced block of the text is not closed."""
    opened = ""
    for match in _FENCE.finditer(text):
        fence = match[1]
        if not opened:
            opened = fence
        elif fence[0] == opened[0] and len(fence) >= len(opened):
            opened = ""
    return bool(opened)
