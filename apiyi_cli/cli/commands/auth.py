"""`apiyi auth`: keys kept for profiles, and what is known about the one in use."""

from __future__ import annotations

import sys
from collections.abc import Iterable
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


WithToken = Annotated[bool, typer.Option("--with-token", help=Text("Read the key from stdin."))]
NoCheck = Annotated[
    bool, typer.Option("--no-check", help=Text("Keep the key without asking the gateway."))
]
InsecureStorage = Annotated[
    bool,
    typer.Option("--insecure-storage", help=Text("Keep it in a 0600 file, not in the keyring.")),
]
SystemToken = Annotated[
    bool,
    typer.Option(
        "--system-token", help=Text("Keep the account's token (for balance and charges).")
    ),
]


def login(
    ctx: Context,
    *,
    with_token: WithToken = False,
    no_check: NoCheck = False,
    insecure_storage: InsecureStorage = False,
    system_token: SystemToken = False,
    connection: Connection,
    output: Output,
) -> None:
    """Ask for a key, check it, and keep it for the profile in the keyring."""
    from apiyi_cli.settings.key_store import find_storage

    if ctx.settings.sandbox:
        raise UsageError(Text("cannot log in"), Text("the sandbox profile needs no key"))
    # Before the key is asked for: nobody shall paste one that cannot be kept.
    in_file = find_storage(ctx.settings, insecure=insecure_storage) is None
    if in_file and not with_token:
        _confirm_file(ctx)
    insecure = insecure_storage or in_file
    if system_token:
        _keep_system_token(ctx, from_stdin=with_token, check=not no_check, insecure=insecure)
        return
    key = _read_key(ctx, from_stdin=with_token)
    ctx.process.secrets.append(key)
    if not no_check:
        _check_key(ctx, key)
    place = _store_key(ctx, key, insecure=insecure)
    _print_stored(ctx, key, place, in_file=in_file)


def _keep_system_token(ctx: Context, *, from_stdin: bool, check: bool, insecure: bool) -> None:
    """Ask for the account's token, check it, keep it beside the key, and say where."""
    from apiyi_cli.core.secret import SYSTEM_TOKEN_VARIABLE
    from apiyi_cli.settings.key_store import system_user
    from apiyi_cli.settings.system_token import SYSTEM_TOKEN_PAGE, check_system_token

    profile = ctx.settings.profile
    if from_stdin:
        token = check_system_token(ctx.inputs.stdin("--with-token"), "stdin")
    else:
        _require_terminal(ctx)
        ctx.messages.print(
            Text("System tokens are made at {page}, at the bottom", page=SYSTEM_TOKEN_PAGE)
        )
        question = Text("System token for profile {profile} (not shown):", profile=profile)
        token = check_system_token(_ask_hidden(ctx, question), Text("the prompt"))
    ctx.process.secrets.append(token)
    if check:
        _check_system_token(ctx, token)
    place = _store_key(ctx, token, insecure=insecure, user=system_user(profile))
    ctx.messages.note(
        Text(
            "the system token {tail} of profile {profile} is kept in {place}",
            tail=token.tail,
            profile=profile,
            place=place,
        )
    )
    _note_variable(ctx, SYSTEM_TOKEN_VARIABLE)


def _check_system_token(ctx: Context, token: Secret) -> None:
    """Ask the gateway for the balance with the new token; raise what it says against it."""
    from apiyi_cli.cli.gateway.account import open_account

    ctx.settings.system_token = token
    account = open_account(ctx.gateway, ctx.settings)
    try:
        account.fetch_balance()
    except AuthError as failure:
        hint = Text("copy the token again; nothing was kept")
        raise failure.with_hint(hint) from failure.__cause__
    finally:
        account.close()


def _note_variable(ctx: Context, variable: str) -> None:
    """Say that a variable of the environment counts before what is kept."""
    if ctx.settings.environ.get(variable):
        ctx.messages.note(
            Text("{key_variable} is set and is used before it", key_variable=variable)
        )


def status(ctx: Context, *, connection: Connection, output: Output) -> None:
    """Tell which key is in use, where it comes from, and whether its hosts answer."""
    from apiyi_cli.settings.secrets import find_key

    settings = ctx.settings
    report: dict[str, Any] = {"profile": settings.profile, "key": None, "source": None}
    refusal: ApiyiError | None = None
    if settings.output.verbose:
        _print_key_places(ctx)
    try:
        secret = find_key(settings)
    except AuthError as failure:
        refusal = failure
        report["hosts"] = [{"host": _host(url), "base_url": url} for url in settings.base_urls]
    else:
        ctx.process.secrets.append(secret)
        probes = [_probe_host(ctx, connection, secret, url) for url in settings.base_urls]
        report |= {
            "key": secret.tail,
            "source": secret.source,
            "hosts": [host for host, _ in probes],
        }
        refusal = next((error for _, error in probes if error is not None), None)
    ctx.output.write(_status_lines(ctx, report))
    if refusal is not None:
        raise refusal


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


def _read_key(ctx: Context, *, from_stdin: bool) -> Secret:
    """Return the key from stdin or from the terminal. Raises AuthError if it cannot be one."""
    from apiyi_cli.settings.secrets import check_key

    if from_stdin:
        return check_key(ctx.inputs.stdin("--with-token"), "stdin")
    return check_key(_ask_key(ctx), Text("the prompt"))


def _ask_key(ctx: Context) -> str:
    """Ask for the key on the terminal, without showing what is typed."""
    _require_terminal(ctx)
    hosts = [_host(url) for url in ctx.settings.base_urls]
    if any(host.endswith("apiyi.com") for host in hosts):
        ctx.messages.print(Text("Keys are made at {token_page}", token_page=TOKEN_PAGE))
    else:
        ctx.messages.print(Text("Keys are made in the console of {host}", host=hosts[0]))
    question = Text("Key for profile {profile} (not shown):", profile=ctx.settings.profile)
    return _ask_hidden(ctx, question)


def _ask_hidden(ctx: Context, question: str) -> str:
    """Return what is typed on the terminal without showing it."""
    from getpass import getpass

    try:
        return getpass(f"{ctx.messages.translate(question)} ")
    except EOFError:
        raise AuthError(Text("no key"), Text("nothing was typed")) from None


def _confirm_file(ctx: Context) -> None:
    """Ask whether a 0600 file may keep the key of a machine without a keyring."""
    from apiyi_cli.settings.key_store import file_path

    _require_terminal(ctx)
    path = file_path(ctx.settings.environ)
    ctx.messages.print(Text("this machine has no keyring to keep a key in"))
    ctx.messages.print(Text("Keep it in {path}, readable by you alone (0600)? [y/N]", path=path))
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
        raise AuthError(
            Text("no key was asked for"),
            Text("it cannot be kept"),
            hint=Text("set APIYI_API_KEY, or use --key-file PATH"),
        )


def _require_terminal(ctx: Context) -> None:
    if not ctx.process.console.stdin_is_terminal:
        raise UsageError(
            Text("there is no terminal to ask for the key on"),
            hint="apiyi auth login --with-token < FILE",
        )


def _store_key(ctx: Context, key: Secret, *, insecure: bool, user: str | None = None) -> str:
    """Keep the key and return where; no error advises to log in, which is being done."""
    from apiyi_cli.settings.key_store import store_key

    try:
        return store_key(ctx.settings, key, insecure=insecure, user=user)
    except AuthError as failure:
        hint = Text("apiyi auth login --insecure-storage, or set APIYI_API_KEY")
        raise failure.with_hint(hint) from failure.__cause__


def _check_key(ctx: Context, key: Secret) -> None:
    """Ask the gateway for its models with the new key. Raises what it says against it."""
    from apiyi_cli.cli.gateway.models import fetch_models

    ctx.settings.secret = key
    try:
        fetch_models(ctx.gateway.ask, ctx.settings, ctx.messages.debug)
    except IncompleteError:
        ctx.messages.note(Text("the gateway took the key and named no models"))
    except ApiyiError as failure:
        hint = Text("--no-check keeps the key without asking the gateway")
        if isinstance(failure, AuthError):
            hint = Text("copy the key again; nothing was kept")
        raise failure.with_hint(hint) from failure.__cause__


def _print_stored(ctx: Context, key: Secret, place: str, *, in_file: bool) -> None:
    from apiyi_cli.core.secret import KEY_VARIABLE

    if in_file:
        ctx.messages.note(
            Text("this machine has no keyring: the file is readable by you alone (0600)")
        )
    ctx.messages.note(
        Text(
            "the key {tail} of profile {profile} is kept in {kept}, for {hosts}",
            tail=key.tail,
            profile=ctx.settings.profile,
            kept=place,
            hosts=", ".join(map(_host, ctx.settings.base_urls)),
        )
    )
    _note_variable(ctx, KEY_VARIABLE)


def _print_key_places(ctx: Context) -> None:
    """Print for `-v` each place that may hold a key, and whether it does."""
    from apiyi_cli.settings.key_store import list_places

    states = {True: Text("has a key"), False: Text("no key"), None: Text("cannot tell")}
    for place in list_places(ctx.settings):
        state: str = states[place.present]
        if place.note:
            state = Text("{found} ({note})", found=state, note=place.note)
        ctx.messages.debug(Text("* {place}: {found}", place=place.name, found=state))


def _probe_host(
    ctx: Context, connection: Connection, secret: Secret, url: str
) -> tuple[dict[str, Any], AuthError | None]:
    """Ask one host for its models, once; return what to show and a refusal of the key."""
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
    host: dict[str, Any] = {"host": _host(url), "base_url": url, "reachable": True}
    try:
        host["models"] = len(fetch_models(gateway.ask, settings, ctx.messages.debug)[0])
    except AuthError as failure:
        host["error"] = str(failure)
        return host, failure
    except ApiyiError as failure:
        host |= {"reachable": failure.facts.status is not None, "error": str(failure)}
    return host, None


def _status_lines(ctx: Context, report: dict[str, Any]) -> Iterable[bytes]:
    if ctx.output.form != "text":
        from apiyi_cli.cli.records import write_record

        return ctx.output.filter_lines([write_record(report, ctx.messages.redact)])
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


def _host(url: str) -> str:
    return urlsplit(url).netloc


app = several(
    login=spread(login), status=spread(status), logout=spread(logout), token=spread(token)
)
