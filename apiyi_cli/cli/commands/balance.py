"""`apiyi balance`: what the account has left."""

from __future__ import annotations

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.decode.account import AccountBalance
from apiyi_cli.text import Text


def balance(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Show what is left in the account, in US dollars.

    Needs the account's system token: `apiyi auth login --system-token` keeps it.
    """
    from apiyi_cli.cli.gateway.account import open_account

    ctx.output.require_ready()
    account = open_account(ctx.gateway, ctx.settings)
    try:
        left = account.fetch_balance()
    finally:
        account.close()
    if ctx.output.form == "text":
        line = ctx.messages.translate(_line(left)) if ctx.output.is_terminal else f"{left.usd:.2f}"
        ctx.output.write([f"{line}\n".encode("utf-8", "replace")])
        return
    ctx.output.write_own_records([left._asdict()])


def _line(left: AccountBalance) -> str:
    return Text(
        "${usd} left, ${used_usd} used", usd=f"{left.usd:.2f}", used_usd=f"{left.used_usd:.2f}"
    )


app = single(spread(balance))
