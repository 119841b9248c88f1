"""`apiyi cache`: the response cache of `--cache`."""

from __future__ import annotations

from apiyi_cli.cli.app import several
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.output import Output
from apiyi_cli.settings.paths import cache_dir
from apiyi_cli.text import Text
from apiyi_cli.wire.cache import Cache


def open_cache(ctx: Context) -> Cache:
    """Return the cache; it is closed when the run ends."""
    cache = Cache(cache_dir(ctx.process.environ) / "replies.sqlite3", clock=ctx.process.clock)
    ctx.process.on_exit(cache.close)
    return cache


def path(ctx: Context, *, output: Output) -> None:
    """Print where the cache is."""
    ctx.output.write([f"{open_cache(ctx).path}\n".encode("utf-8", "surrogateescape")])


def stats(ctx: Context, *, output: Output) -> None:
    """Show how many answers are kept and how large they are."""
    stats = open_cache(ctx).stats()
    if ctx.output.form != "text" or not ctx.process.console.stdout_is_terminal:
        ctx.output.write_records([{**stats._asdict(), "path": str(stats.path)}])
        return
    text = Text(
        "{entries} answers, {size} of {cap} bytes{state}",
        entries=stats.entries,
        size=stats.bytes,
        cap=stats.cap_bytes,
        state=Text("; it is damaged: apiyi cache clear") if stats.is_damaged else "",
    )
    ctx.output.write([f"{ctx.messages.translate(text)}\n".encode()])


def clear(ctx: Context, *, output: Output) -> None:
    """Remove every kept answer."""
    open_cache(ctx).clear()


app = several(path=spread(path), stats=spread(stats), clear=spread(clear))
