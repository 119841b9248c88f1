"""Status lines of a conversation: its head, and the figures beside the prompt."""

from __future__ import annotations

from collections.abc import Callable

from apiyi_cli.cli.conversation.repl.dialogue import Dialogue
from apiyi_cli.render.wrap import clip, display_width, fold
from apiyi_cli.text import Text

SEPARATOR = " · "


def describe_start(dialogue: Dialogue) -> str:
    """Return the head line: program, model, profile, how to get help and to quit."""
    from apiyi_cli import __version__

    translate = dialogue.messages.translate
    pieces = (
        f"apiyi {__version__}",
        dialogue.model,
        translate(Text("profile {name}", name=dialogue.context.settings.profile)),
        translate(Text("/help, Ctrl-D ends")),
    )
    return fold(pieces, SEPARATOR, dialogue.process.console.width)


def describe_state(dialogue: Dialogue, translate: Callable[[str], str], width: int) -> str:
    """Return session, messages, context and cost, as many of them as `width` columns hold."""
    log, totals = dialogue.log, dialogue.totals
    pieces = []
    if log.is_named:
        pieces.append(translate(Text("session {name}", name=log.name)))
    if log.everything:
        pieces.append(translate(Text("{count} messages", count=len(log.everything))))
        length = dialogue.find_context_length()
        used = format_count(dialogue.count_context())
        pieces.append(f"{used}/{format_count(length)} ctx" if length else f"{used} ctx")
    if totals.knows_prices and totals.by_model:
        pieces.append(format_total(totals.usd))
    extra = describe_pending(dialogue, translate)
    pieces = [*extra, *pieces]
    while pieces and display_width(SEPARATOR.join(pieces)) > width:
        # The figures on the right matter most.
        pieces.pop(0)
    return clip(SEPARATOR.join(pieces), max(width, 1))


def describe_pending(dialogue: Dialogue, translate: Callable[[str], str]) -> list[str]:
    """Return descriptions of the next prompt's input."""
    pending = dialogue.pending
    count = len(pending.files) + len(pending.attach) + (pending.messages is not None)
    files = [translate(Text("+{count} files", count=count))] if count else []
    if pending.template is None:
        return files
    return [translate(Text("template {name}", name=pending.template)), *files]


def format_count(count: int) -> str:
    """Return a count in few characters: 950, 6.1k, 128k, 1.0M."""
    if count < 1000:
        return str(count)
    if count < 1_000_000:
        return f"{count / 1000:.1f}k" if count < 10_000 else f"{count / 1000:.0f}k"
    return f"{count / 1e6:.1f}M"


def format_total(usd: float) -> str:
    """Return the cost of a conversation so far, without the sign of an estimate."""
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.3f}" if usd >= 0.001 or not usd else "< $0.001"
