"""The videos of a run: their prompts, and the template fields of their file names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from apiyi_cli.cli.context import Context
from apiyi_cli.core.options.video import VideoOptions
from apiyi_cli.errors import UsageError
from apiyi_cli.output.names import input_fields, slug
from apiyi_cli.text import Text


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
    name = find_source(options)
    source = {} if name is None else input_fields(name, default="video")
    for place, prompt in enumerate(_read_prompts(ctx, options, words, files)):
        yield PlannedVideo(place, prompt, source)


def find_source(options: VideoOptions) -> str | None:
    """Return the input after which files are named, None without one."""
    inputs = (options.first, *(options.input or ()))
    return next((name for name in inputs if name is not None), None)


def _read_prompts(
    ctx: Context, options: VideoOptions, words: list[str], files: list[str]
) -> Iterator[str | None]:
    if options.lines:
        from apiyi_cli.cli.inputs.lines import read_line_batches

        # All lines at once: names that clash are to be known before the first is paid for.
        for batch in read_line_batches(ctx.inputs, "--lines", 1):
            yield from (text for _, text in batch)
        return
    has_media = bool(options.input or options.first or options.last or options.reference)
    text = ctx.inputs.prompt(words, files, joins_stdin=False, needed=not has_media)
    if text is None and not has_media:
        raise UsageError(
            Text("nothing to film"),
            Text("no prompt was given"),
            hint='apiyi video "a cat surfs" -o cat.mp4',
        )
    yield text
