"""`apiyi auth`: keys kept for profiles, and what is known about the one in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiyi_cli.cli.app import several
from apiyi_cli.cli.commands.auth.login import host_of, login
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.settings import CommandSettings
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.secret import KEY_VARIABLE, Secret
from apiyi_cli.errors import ApiyiError, AuthError
from apiyi_cli.settings.key_store import forget_key, list_places
from apiyi_cli.settings.secrets import find_key
from apiyi_cli.text import Text

PROBE_S = 15.0


def status(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Tell which key is in use, where it comes from, and whether its hosts answer."""
    settings = ctx.settings
    report: dict[str, Any] = {"profile": settings.profile, "key": None, "source": None}
    refusal: ApiyiError | None = None
    if settings.output.verbose:
        _print_key_places(ctx)
    try:
        secret = find_key(settings)
    except AuthError as failure:
        refusal = failure
        report["hosts"] = [{"host": host_of(url), "base_url": url} for url in settings.base_urls]
    else:
        ctx.process.secrets.append(secret)
        probes = [_probe_host(ctx, connection, secret, url) for url in settings.base_urls]
        hosts = [host for host, _ in probes]
        report |= {"key": secret.tail, "source": secret.source, "hosts": hosts}
        refusal = next((error for _, error in probes if error is not None), None)
    if ctx.output.form == "text":
        ctx.output.write(_status_lines(ctx, report))
    else:
        ctx.output.write_own_records([report])
    if refusal is not None:
        raise refusal


def logout(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Remove the profile's key from the keyring and from the file."""
    settings, note = ctx.settings, ctx.messages.note
    name = settings.in_profile.name
    removed = forget_key(settings)
    for place in removed:
        note(
            Text("the key of profile {profile} was removed from {place}", profile=name, place=place)
        )
    if not removed:
        note(Text("no key was stored for profile {profile}", profile=name))
    if settings.environ.get(KEY_VARIABLE):
        note(Text("{key_variable} is still set", key_variable=KEY_VARIABLE))
    if settings.in_profile.key_command:
        note(Text("profile {profile} still has its key_command", profile=name))


def token(ctx: Context, *, connection: Connection) -> None:
    """Print the key in use on stdout, for another program."""
    ctx.process.console.write(ctx.settings.secret.value.encode() + b"\n")


def _print_key_places(ctx: Context) -> None:
    """Print for `-v` each place that may hold a key, and whether it does."""
    states = {True: Text("has a key"), False: Text("no key"), None: Text("cannot tell")}
    for place in list_places(ctx.settings):
        state: str = states[place.present]
        if place.note:
            state = Text("{found} ({note})", found=state, note=place.note)
        ctx.messages.debug(Text("* {place}: {found}", place=place.name, found=state))


def _probe_host(
    ctx: Context, connection: Connection, secret: Secret, url: str
) -> tuple[dict[str, Any], AuthError | None]:
    """Ask one host for its models, once. Return what to show and a refusal of the key."""
    from apiyi_cli.cli.gateway.client import GatewayClient
    from apiyi_cli.cli.gateway.models import fetch_models

    given = vars(connection)
    quick = {"retries": given["retries"] or 0, "timeout": given["timeout"] or PROBE_S}
    settings = CommandSettings(
        connection.replace(base_url=url, node=None, **quick),
        environ=ctx.process.environ,
        root_options=ctx.process.root_options,
    )
    settings.secret = secret
    gateway = GatewayClient(ctx.process, settings)
    host: dict[str, Any] = {"host": host_of(url), "base_url": url, "reachable": True}
    try:
        host["models"] = len(fetch_models(gateway.ask, settings, ctx.messages.debug)[0])
    except AuthError as failure:
        host["error"] = str(failure)
        return host, failure
    except ApiyiError as failure:
        host |= {"reachable": failure.facts.status is not None, "error": str(failure)}
    return host, None


def _status_lines(ctx: Context, report: dict[str, Any]) -> Iterable[bytes]:
    from apiyi_cli.render.wrap import pad

    key = Text("none for this run")
    if report["key"]:
        key = Text("{key} from {source}", key=report["key"], source=report["source"])
    rows: list[tuple[str, str]] = [
        (Text("profile"), report["profile"]),
        (Text("key"), key),
        *((Text("host"), _describe_host(host)) for host in report["hosts"]),
    ]
    say = ctx.messages.translate if ctx.process.console.stdout_is_terminal else str
    texts = (f"{pad(say(name), 9)}{say(value)}\n" for name, value in rows)
    return [ctx.messages.redact(text).encode("utf-8", "replace") for text in texts]


def _describe_host(host: dict[str, Any]) -> Text:
    if "reachable" not in host:
        answer = Text("not asked")
    elif "error" in host:
        state = Text("answers") if host["reachable"] else Text("not reachable")
        answer = Text("{state}: {error}", state=state, error=host["error"])
    else:
        answer = Text("reachable, {count} models", count=host["models"])
    return Text("{host}  {answer}", host=host["host"], answer=answer)


app = several(
    login=spread(login), status=spread(status), logout=spread(logout), token=spread(token)
)
