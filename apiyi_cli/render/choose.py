"""Chooses the renderer of an answer by form and terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from apiyi_cli.core.events import EventBatch, Usage
from apiyi_cli.core.terminal_text import Content, neutralize_json
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.render.text import EventHandler, TextFilter
from apiyi_cli.text import Text, join_texts

if TYPE_CHECKING:
    from apiyi_cli.render.json_line import Assemble
    from apiyi_cli.render.live import SharedScreen

Render = Callable[[Iterable[EventBatch]], Iterator[bytes]]
Form = Literal["text", "ndjson", "json", "extract"]


class Renderer(PlainValue):
    """Turns event batches into output; `content` is its kind, for the console."""

    render: Render
    content: Content

    def __call__(self, batches: Iterable[EventBatch]) -> Iterator[bytes]:
        """Yield the pieces of output as soon as they are complete."""
        return self.render(batches)


def choose(
    form: Form,
    *,
    on_event: EventHandler,
    terminal: bool,
    markdown: bool | None = None,
    color: bool = False,
    width: int = 80,
    newline: bool = True,
    assemble: Assemble | None = None,
    program: Any = None,
    screen: SharedScreen | None = None,
) -> Renderer:
    """Return the renderer of event batches.

    `terminal` and `color` are those of the place written to; without a terminal the bytes
    are exact, unless Markdown and colour were asked for. On a terminal it is rendered if there
    are styles; on a `screen` as it comes. `assemble` is for `json`; `program` filters JSON.
    """
    styles = (color if markdown is None else markdown) if terminal else bool(markdown and color)
    if form == "text" and styles:
        from apiyi_cli.render.markdown_stream import pretty

        render = partial(pretty, on_event=on_event, width=width, color=color, screen=screen)
        return Renderer(render, "styled" if screen is None else "live")
    if form in ("text", "extract"):
        return Renderer(_choose_text(form, on_event, newline, terminal), "text")
    lines = _choose_json(form, on_event, assemble)
    if program is None:
        return Renderer(lines, "json")
    from apiyi_cli.render.json_line import apply_filter

    return Renderer(lambda batches: apply_filter(lines(batches), program), "json")


def _choose_json(form: Form, on_event: EventHandler, assemble: Assemble | None) -> Render:
    if form == "ndjson":
        from apiyi_cli.render.json_line import ndjson

        return partial(ndjson, on_event=on_event)
    if assemble is None:
        raise TypeError("the form json needs `assemble`")
    from apiyi_cli.render.json_line import whole

    return partial(whole, on_event=on_event, assemble=assemble)


def _choose_text(form: Form, on_event: EventHandler, newline: bool, terminal: bool) -> Render:
    from apiyi_cli.render.text import text

    through: Callable[[], TextFilter] | None = None
    if form == "extract":
        from apiyi_cli.render.fence import FirstBlock

        through = FirstBlock
    # Function calls are lines of JSON inside a text.
    json_text = neutralize_json if terminal else str
    return partial(text, on_event=on_event, newline=newline, through=through, json_text=json_text)


def should_color(
    when: Literal["auto", "always", "never"] | str, environ: Mapping[str, str], is_tty: bool
) -> bool:
    """Return True if a stream gets colour; stdout and stderr are decided separately.

    `always` and `never` are the user's word. Else a non-empty NO_COLOR (no-color.org) or
    TERM=dumb says no, CLICOLOR_FORCE or FORCE_COLOR (neither empty nor 0) says yes, and a
    terminal has colour.
    """
    if when in ("always", "never"):
        return when == "always"
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    if any(environ.get(name, "") not in ("", "0") for name in ("CLICOLOR_FORCE", "FORCE_COLOR")):
        return True
    return is_tty


def format_usage(usage: Usage) -> str:
    """Return token counts for stderr; missing ones are `unknown`, never 0."""
    prompt, completion, total = (
        "unknown" if count is None else str(count)
        for count in (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    )
    line = Text(
        "usage: {prompt} prompt + {completion} completion = {total} tokens",
        prompt=prompt,
        completion=completion,
        total=total,
    )
    details = [
        text
        for count, text in (
            (usage.cached_tokens, Text("{count} cached", count=usage.cached_tokens)),
            (usage.reasoning_tokens, Text("{count} reasoning", count=usage.reasoning_tokens)),
        )
        if count
    ]
    return Text("{line} ({details})", line=line, details=join_texts(details)) if details else line
