"""`apiyi balance`: what the account has left."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.text import Text


def balance(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Show what is left in the account, in US dollars.

    Needs the account's system token: `apiyi auth login --system-token` keeps it.
    """
    from apiyi_cli.cli.gateway.account import fetch_balance

    ctx.output.require_ready()
    left = fetch_balance(ctx.gateway, ctx.settings)
    if ctx.output.form != "text":
        ctx.output.write_own_records([left._asdict()])
        return
    usd, used_usd = f"{left.usd:.2f}", f"{left.used_usd:.2f}"
    line = usd
    if ctx.output.is_terminal:
        line = ctx.messages.translate(
            Text("${usd} left, ${used_usd} used", usd=usd, used_usd=used_usd)
        )
    ctx.output.write([f"{line}\n".encode("utf-8", "replace")])


app = single(spread(balance))
