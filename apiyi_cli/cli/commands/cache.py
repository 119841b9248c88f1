"""`apiyi cache`: the response cache of `--cache`."""

from __future__ import annotations

from apiyi_cli.cli.app import several
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.output import Output
from apiyi_cli.settings.paths import cache_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.cache import Cache


def cache(ctx: Context) -> Cache:
    """Return the cache, closed with the run."""
    found = Cache(cache_dir(ctx.process.environ) / "replies.sqlite3", clock=ctx.process.clock)
    ctx.process.on_exit(found.close)
    return found


def path(ctx: Context, *, output: Output) -> None:
    """Print where the cache is."""
    ctx.output.write([f"{cache(ctx).path}\n".encode("utf-8", "surrogateescape")])


def stats(ctx: Context, *, output: Output) -> None:
    """Show how many answers are kept and how large they are."""
    from apiyi_cli.core.jsontext import write

    found = cache(ctx).stats()
    if ctx.output.form == "text" and ctx.process.console.stdout_is_terminal:
        state = Text("; it is damaged: apiyi cache clear") if found.is_damaged else ""
        text = Text(
            "{entries} answers, {size} of {cap} bytes{state}",
            entries=found.entries,
            size=found.bytes,
            cap=found.cap_bytes,
            state=state,
        )
        ctx.output.write([f"{ctx.messages.translate(text)}\n".encode()])
        return
    line = write({**found._asdict(), "path": str(found.path)}) + b"\n"
    ctx.output.write(ctx.output.filter_lines([line]), content="json")


def clear(ctx: Context, *, output: Output) -> None:
    """Remove every kept answer."""
    cache(ctx).clear()


app = several(path=spread(path), stats=spread(stats), clear=spread(clear))
