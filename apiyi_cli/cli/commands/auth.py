"""`apiyi auth`: keys kept for profiles, and what is known about the one in use."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from apiyi_cli.cli.app import several
from apiyi_cli.cli.session import Session
from apiyi_cli.cli.spread import spread
from apiyi_cli.core.groups import Connection, Output
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
    from apiyi_cli.settings.secrets import KEY_VARIABLE, checked, store_key

    settings = session.settings
    if settings.sandbox:
        raise UsageError(Text("cannot log in"), Text("the sandbox profile needs no key"))
    addresses = settings.base_urls
    if with_token:
        key = checked(session.sources.stdin("--with-token"), "stdin")
    else:
        key = checked(_typed(session, addresses), Text("the prompt"))
    session.run.secrets.append(key)
    if not no_check:
        _check(session, key)
    kept = store_key(settings, key, insecure=insecure_storage)
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


def _check(session: Session, key: Secret) -> None:
    """Ask the gateway for its models with the new key; raise what it says against it."""
    from apiyi_cli.cli.catalogue import fetched_models

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
    from apiyi_cli.cli.catalogue import fetched_models

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
