"""`apiyi auth`: keys kept for profiles, and what is known about the one in use."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from apiyi_cli.cli.app import several
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.secret import Secret
from apiyi_cli.errors import ApiyiError, AuthError, IncompleteError, UsageError
from apiyi_cli.text import Text

TOKEN_PAGE = "https://api.apiyi.com/token"
PROBE_S = 15.0


def login(
    ctx: Context,
    *,
    with_token: Annotated[
        bool, typer.Option("--with-token", help=Text("Read the key from stdin."))
    ] = False,
    no_check: Annotated[
        bool, typer.Option("--no-check", help=Text("Keep the key without asking the gateway."))
    ] = False,
    insecure_storage: Annotated[
        bool,
        typer.Option(
            "--insecure-storage", help=Text("Keep it in a 0600 file, not in the keyring.")
        ),
    ] = False,
    connection: Connection,
    output: Output,
) -> None:
    """Ask for a key, check it, and keep it for the profile in the keyring."""
    from apiyi_cli.core.secret import KEY_VARIABLE
    from apiyi_cli.settings.key_store import find_storage
    from apiyi_cli.settings.secrets import check_key

    settings = ctx.settings
    if settings.sandbox:
        raise UsageError(Text("cannot log in"), Text("the sandbox profile needs no key"))
    addresses = settings.base_urls
    # Before the key is asked for: nobody shall paste one that cannot be kept.
    in_file = find_storage(settings, insecure=insecure_storage) is None
    if in_file and not with_token:
        _agree_to_file(ctx)
    if with_token:
        key = check_key(ctx.inputs.stdin("--with-token"), "stdin")
    else:
        key = check_key(_typed(ctx, addresses), Text("the prompt"))
    ctx.process.secrets.append(key)
    if not no_check:
        _check(ctx, key)
    kept = _store(ctx, key, insecure=insecure_storage or in_file)
    if in_file:
        ctx.messages.note(
            Text("this machine has no keyring: the file is readable by you alone (0600)")
        )
    hosts = ", ".join(_host(url) for url in addresses)
    ctx.messages.note(
        Text(
            "the key {tail} of profile {profile} is kept in {kept}, for {hosts}",
            tail=key.tail,
            profile=settings.profile,
            kept=kept,
            hosts=hosts,
        )
    )
    if settings.environ.get(KEY_VARIABLE):
        ctx.messages.note(
            Text("{key_variable} is set and is used before it", key_variable=KEY_VARIABLE)
        )


def status(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Tell which key is in use, where it comes from, and whether its hosts answer."""
    from apiyi_cli.settings.key_store import list_places
    from apiyi_cli.settings.secrets import find_key

    settings = ctx.settings
    told: dict[str, Any] = {"profile": settings.profile, "key": None, "source": None, "hosts": []}
    refused: ApiyiError | None = None
    if ctx.settings.output.verbose:
        for place in list_places(settings):
            found = {True: Text("has a key"), False: Text("no key"), None: Text("cannot tell")}[
                place.present
            ]
            if place.note:
                found = Text("{found} ({note})", found=found, note=place.note)
            ctx.messages.debug(Text("* {place}: {found}", place=place.name, found=found))
    try:
        secret = find_key(settings)
    except AuthError as failure:
        refused = failure
        told["hosts"] = [{"host": _host(url), "base_url": url} for url in settings.base_urls]
    else:
        ctx.process.secrets.append(secret)
        told |= {"key": secret.tail, "source": secret.source}
        for url in settings.base_urls:
            row, failed = _probed(ctx, connection, secret, url)
            told["hosts"].append(row)
            refused = refused or failed
    ctx.output.write(_status_lines(ctx, told))
    if refused is not None:
        raise refused


def logout(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Remove the profile's key from the keyring and from the file."""
    from apiyi_cli.core.secret import KEY_VARIABLE
    from apiyi_cli.settings.key_store import forget_key

    settings = ctx.settings
    profile = settings.in_profile
    removed = forget_key(settings)
    for place in removed:
        ctx.messages.note(
            Text(
                "the key of profile {profile} was removed from {place}",
                profile=profile.name,
                place=place,
            )
        )
    if not removed:
        ctx.messages.note(Text("no key was stored for profile {profile}", profile=profile.name))
    if settings.environ.get(KEY_VARIABLE):
        ctx.messages.note(Text("{key_variable} is still set", key_variable=KEY_VARIABLE))
    if profile.key_command:
        ctx.messages.note(Text("profile {profile} still has its key_command", profile=profile.name))


def token(ctx: Context, *, connection: Connection) -> None:
    """Print the key in use on stdout, for another program."""
    ctx.process.console.write(ctx.settings.secret.value.encode() + b"\n")


def _typed(ctx: Context, addresses: tuple[str, ...]) -> str:
    """Ask for the key on the terminal, without showing what is typed."""
    console, say = ctx.process.console, ctx.messages.translate
    if not console.stdin_is_terminal:
        raise UsageError(
            Text("there is no terminal to ask for the key on"),
            hint="apiyi auth login --with-token < FILE",
        )
    if any(_host(url).endswith("apiyi.com") for url in addresses):
        console.say(say(Text("Keys are made at {token_page}", token_page=TOKEN_PAGE)))
    else:
        console.say(say(Text("Keys are made in the console of {host}", host=_host(addresses[0]))))
    from getpass import getpass

    try:
        asked = say(Text("Key for profile {profile} (not shown):", profile=ctx.settings.profile))
        return getpass(f"{asked} ")
    except EOFError:
        raise AuthError(Text("no key"), Text("nothing was typed")) from None


def _agree_to_file(ctx: Context) -> None:
    """Ask whether a 0600 file may keep the key where there is no keyring."""
    from apiyi_cli.settings.key_store import file_path

    console, say = ctx.process.console, ctx.messages.translate
    path = file_path(ctx.settings.environ)
    way = Text("set APIYI_API_KEY, or use --key-file PATH")
    if not console.stdin_is_terminal:
        raise UsageError(
            Text("there is no terminal to ask for the key on"),
            hint="apiyi auth login --with-token < FILE",
        )
    console.say(say(Text("this machine has no keyring to keep a key in")))
    question = say(Text("Keep it in {path}, readable by you alone (0600)? [y/N]", path=path))
    console.say(question)
    answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes", "是"):
        raise AuthError(Text("no key was asked for"), Text("it cannot be kept"), hint=way)


def _store(ctx: Context, key: Secret, *, insecure: bool) -> str:
    """Keep the key; an error never tells to log in, which is what is being done."""
    from apiyi_cli.settings.key_store import store_key

    try:
        return store_key(ctx.settings, key, insecure=insecure)
    except AuthError as failure:
        failure.hint = Text("apiyi auth login --insecure-storage, or set APIYI_API_KEY")
        raise


def _check(ctx: Context, key: Secret) -> None:
    """Ask the gateway for its models with the new key; raise what it says against it."""
    from apiyi_cli.cli.gateway.models import fetch_models

    ctx.settings.secret = key
    try:
        fetch_models(ctx.gateway.ask, ctx.settings, ctx.messages.debug)
    except AuthError as failure:
        failure.hint = Text("copy the key again; nothing was kept")
        raise
    except IncompleteError:
        ctx.messages.note(Text("the gateway took the key and named no models"))
    except ApiyiError as failure:
        failure.hint = Text("--no-check keeps the key without asking the gateway")
        raise


def _probed(
    ctx: Context, connection: Connection, secret: Secret, url: str
) -> tuple[dict[str, Any], AuthError | None]:
    """Ask one host for its models, once; return the row to show and a refusal of the key."""
    from apiyi_cli.cli.gateway.client import GatewayClient
    from apiyi_cli.cli.gateway.models import fetch_models
    from apiyi_cli.cli.settings import CommandSettings

    given = vars(connection)
    quick = {"retries": given["retries"] or 0, "timeout": given["timeout"] or PROBE_S}
    settings = CommandSettings(
        connection.replace(base_url=url, **quick),
        environ=ctx.process.environ,
        root_options=ctx.process.root_options,
    )
    settings.secret = secret
    gateway = GatewayClient(ctx.process, settings, ctx.messages)
    row: dict[str, Any] = {"host": _host(url), "base_url": url, "reachable": True}
    try:
        row["models"] = len(fetch_models(gateway.ask, settings, ctx.messages.debug)[0])
    except AuthError as failure:
        row["error"] = str(failure)
        return row, failure
    except ApiyiError as failure:
        row |= {"reachable": failure.facts.status is not None, "error": str(failure)}
    return row, None


def _status_lines(ctx: Context, told: dict[str, Any]) -> list[bytes]:
    if ctx.output.form != "text":
        from apiyi_cli.cli.records import write_record

        lines = [write_record(told, ctx.messages.redact)]
        if ctx.output.jq_filter is None:
            return lines
        from apiyi_cli.render.whole import apply_filter

        return list(apply_filter(lines, ctx.output.jq_filter))
    key = (
        Text("{key} from {source}", key=told["key"], source=told["source"])
        if told["key"]
        else Text("none for this run")
    )
    rows: list[tuple[str, str]] = [(Text("profile"), told["profile"]), (Text("key"), key)]
    for host in told["hosts"]:
        if "reachable" not in host:
            answer = Text("not asked")
        elif "error" in host:
            state = Text("answers") if host["reachable"] else Text("not reachable")
            answer = Text("{state}: {error}", state=state, error=host["error"])
        else:
            answer = Text("reachable, {count} models", count=host["models"])
        rows.append((Text("host"), Text("{host}  {answer}", host=host["host"], answer=answer)))
    from apiyi_cli.render.wrap import pad

    say = ctx.messages.translate if ctx.process.console.stdout_is_terminal else str
    texts = (f"{pad(say(name), 9)}{say(value)}\n" for name, value in rows)
    return [ctx.messages.redact(text).encode("utf-8", "replace") for text in texts]


def _host(url: str) -> str:
    return urlsplit(url).netloc


app = several(
    login=spread(login), status=spread(status), logout=spread(logout), token=spread(token)
)
