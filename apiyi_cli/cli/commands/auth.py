"""`apiyi auth`: keys kept for profiles, and what is known about the one in use."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from apiyi_cli.cli.app import several
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.secret import Secret
from apiyi_cli.errors import ApiyiError, AuthError, IncompleteError, UsageError
from apiyi_cli.text import Text

TOKEN_PAGE = "https://api.apiyi.com/token"
PROBE_S = 15.0


def login(
    session: Session,
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
    from apiyi_cli.settings.secrets import KEY_VARIABLE, checked, storage

    settings = session.settings
    if settings.sandbox:
        raise UsageError(Text("cannot log in"), Text("the sandbox profile needs no key"))
    addresses = settings.base_urls
    # Before the key is asked for: nobody shall paste one that cannot be kept.
    in_file = storage(settings, insecure=insecure_storage) is None
    if in_file and not with_token:
        _agree_to_file(session)
    if with_token:
        key = checked(session.sources.stdin("--with-token"), "stdin")
    else:
        key = checked(_typed(session, addresses), Text("the prompt"))
    session.run.secrets.append(key)
    if not no_check:
        _check(session, key)
    kept = _store(session, key, insecure=insecure_storage or in_file)
    if in_file:
        session.note(Text("this machine has no keyring: the file is readable by you alone (0600)"))
    hosts = ", ".join(_host(url) for url in addresses)
    session.note(
        Text(
            "the key {tail} of profile {profile} is kept in {kept}, for {hosts}",
            tail=key.tail,
            profile=settings.profile,
            kept=kept,
            hosts=hosts,
        )
    )
    if settings.environ.get(KEY_VARIABLE):
        session.note(Text("{key_variable} is set and is used before it", key_variable=KEY_VARIABLE))


def status(session: Session, *, connection: Connection, output: Output) -> None:
    """Tell which key is in use, where it comes from, and whether its hosts answer."""
    from apiyi_cli.settings.secrets import find_key, places

    settings = session.settings
    told: dict[str, Any] = {"profile": settings.profile, "key": None, "source": None, "hosts": []}
    refused: ApiyiError | None = None
    if session.output.verbose:
        for place in places(settings):
            found = {True: Text("has a key"), False: Text("no key"), None: Text("cannot tell")}[
                place.present
            ]
            if place.note:
                found = Text("{found} ({note})", found=found, note=place.note)
            session.detail(Text("* {place}: {found}", place=place.name, found=found))
    try:
        secret = find_key(settings)
    except AuthError as failure:
        refused = failure
        told["hosts"] = [{"host": _host(url), "base_url": url} for url in settings.base_urls]
    else:
        session.run.secrets.append(secret)
        told |= {"key": secret.tail, "source": secret.source}
        for url in settings.base_urls:
            row, failed = _probed(session, connection, secret, url)
            told["hosts"].append(row)
            refused = refused or failed
    session.write(_status_lines(session, told))
    if refused is not None:
        raise refused


def logout(session: Session, *, connection: Connection, output: Output) -> None:
    """Remove the profile's key from the keyring and from the file."""
    from apiyi_cli.settings.secrets import KEY_VARIABLE, forget_key

    settings = session.settings
    profile = settings.in_profile
    removed = forget_key(settings)
    for place in removed:
        session.note(
            Text(
                "the key of profile {profile} was removed from {place}",
                profile=profile.name,
                place=place,
            )
        )
    if not removed:
        session.note(Text("no key was stored for profile {profile}", profile=profile.name))
    if settings.environ.get(KEY_VARIABLE):
        session.note(Text("{key_variable} is still set", key_variable=KEY_VARIABLE))
    if profile.key_command:
        session.note(Text("profile {profile} still has its key_command", profile=profile.name))


def token(session: Session, *, connection: Connection) -> None:
    """Print the key in use on stdout, for another program."""
    session.console.write(session.secret.value.encode() + b"\n")


def _typed(session: Session, addresses: tuple[str, ...]) -> str:
    """Ask for the key on the terminal, without showing what is typed."""
    console, say = session.console, session.run.translate
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
        asked = say(
            Text("Key for profile {profile} (not shown):", profile=session.settings.profile)
        )
        return getpass(f"{asked} ")
    except EOFError:
        raise AuthError(Text("no key"), Text("nothing was typed")) from None


def _agree_to_file(session: Session) -> None:
    """Ask whether a 0600 file may keep the key where there is no keyring."""
    from apiyi_cli.settings.vault import file_path

    console, say = session.console, session.run.translate
    path = file_path(session.settings.environ)
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


def _store(session: Session, key: Secret, *, insecure: bool) -> str:
    """Keep the key; an error never tells to log in, which is what is being done."""
    from apiyi_cli.settings.secrets import store_key

    try:
        return store_key(session.settings, key, insecure=insecure)
    except AuthError as failure:
        failure.hint = Text("apiyi auth login --insecure-storage, or set APIYI_API_KEY")
        raise


def _check(session: Session, key: Secret) -> None:
    """Ask the gateway for its models with the new key; raise what it says against it."""
    from apiyi_cli.cli.gateway.models import fetched_models

    session.secret = key
    try:
        fetched_models(session)
    except AuthError as failure:
        failure.hint = Text("copy the key again; nothing was kept")
        raise
    except IncompleteError:
        session.note(Text("the gateway took the key and named no models"))
    except ApiyiError as failure:
        failure.hint = Text("--no-check keeps the key without asking the gateway")
        raise


def _probed(
    session: Session, connection: Connection, secret: Secret, url: str
) -> tuple[dict[str, Any], AuthError | None]:
    """Ask one host for its models, once; return the row to show and a refusal of the key."""
    from apiyi_cli.cli.gateway.models import fetched_models

    given = vars(connection)
    quick = {"retries": given["retries"] or 0, "timeout": given["timeout"] or PROBE_S}
    probe = Session(session.run, connection.replace(base_url=url, **quick))
    probe.secret = secret
    row: dict[str, Any] = {"host": _host(url), "base_url": url, "reachable": True}
    try:
        row["models"] = len(fetched_models(probe)[0])
    except AuthError as failure:
        row["error"] = str(failure)
        return row, failure
    except ApiyiError as failure:
        row |= {"reachable": failure.facts.status is not None, "error": str(failure)}
    return row, None


def _status_lines(session: Session, told: dict[str, Any]) -> list[bytes]:
    if session.form != "text":
        from apiyi_cli.cli.records import write_record

        lines = [write_record(told, session.console.redact)]
        if session.filter is None:
            return lines
        from apiyi_cli.render.whole import filtered

        return list(filtered(lines, session.filter))
    key = (
        Text("{key} from {source}", key=told["key"], source=told["source"])
        if told["key"]
        else Text("none for this run")
    )
    rows = [("profile", told["profile"]), ("key", key)]
    for host in told["hosts"]:
        if "reachable" not in host:
            says = "not asked"
        elif "error" in host:
            says = f"{'answers' if host['reachable'] else 'not reachable'}: {host['error']}"
        else:
            says = f"reachable, {host['models']} models"
        rows.append(("host", f"{host['host']}  {says}"))
    return [f"{name:<9}{value}\n".encode("utf-8", "replace") for name, value in rows]


def _host(url: str) -> str:
    return urlsplit(url).netloc


app = several(
    login=spread(login), status=spread(status), logout=spread(logout), token=spread(token)
)
