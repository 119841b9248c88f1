"""`apiyi auth login`: a key, its place, the profile, and its models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from apiyi_cli.cli.context import Context
from apiyi_cli.core.families import PROPOSED, refusal
from apiyi_cli.core.nearest import find_nearest
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.secret import KEY_VARIABLE, SYSTEM_TOKEN_VARIABLE, Secret
from apiyi_cli.errors import ApiyiError, AuthError, IncompleteError, UsageError
from apiyi_cli.output.user_terminal import is_yes
from apiyi_cli.settings.defaults import Profile
from apiyi_cli.settings.edit import remove, write, write_several
from apiyi_cli.settings.key_store import file_path, find_storage, store_key, system_user
from apiyi_cli.settings.secrets import SYSTEM_TOKEN_PAGE, check_key, check_system_token
from apiyi_cli.settings.vendor_files import is_for_gateway
from apiyi_cli.text import Text

TOKEN_PAGE = "https://api.apiyi.com/token"
OTHER_KEYS: Final = {
    "sk-ant-": "Anthropic",
    "sk-proj-": "OpenAI",
    "sk-or-": "OpenRouter",
    "AIza": "Google",
    "gsk_": "Groq",
    "xai-": "xAI",
}
"""How keys of other vendors begin; those of the gateway are `sk-` and letters and digits."""

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


NoModels = Annotated[
    bool, typer.Option("--no-models", help=Text("Leave the models of the profile as they are."))
]
Extra = Annotated[list[str] | None, typer.Argument(metavar="KEY", hidden=True, show_default=False)]

LEAVE_OUT: Final = "-"


def login(
    ctx: Context,
    extra: Extra = None,
    *,
    with_token: WithToken = False,
    no_check: NoCheck = False,
    insecure_storage: InsecureStorage = False,
    system_token: SystemToken = False,
    no_models: NoModels = False,
    connection: Connection,
    output: Output,
) -> None:
    """Ask for a key, check it, keep it for the profile, and choose its models.

    Makes the profile if there is none. An address or a node that is given is written into it.
    """
    settings = ctx.settings
    if extra:
        raise _refuse_words(ctx, extra, "--system-token" if system_token else "")
    if settings.sandbox:
        raise UsageError(Text("cannot log in"), Text("the sandbox profile needs no key"))
    if settings.profile not in settings.profiles:
        settings.in_profile = Profile(settings.profile)
    # Checked before the prompt, so that no key is pasted that cannot be stored.
    in_file = find_storage(settings, insecure=insecure_storage) is None
    if in_file and not with_token:
        _confirm_file(ctx)
    insecure = insecure_storage or in_file
    if system_token:
        token = _read_system_token(ctx, from_stdin=with_token, check=not no_check)
        _write_address(ctx, connection)
        _keep_system_token(ctx, token, insecure=insecure)
        return
    key = _read_key(ctx, from_stdin=with_token)
    ctx.process.secrets.append(key)
    names = [] if no_check else _check_key(ctx, key)
    _write_address(ctx, connection)
    place = _store_key(ctx, key, insecure=insecure)
    _print_stored(ctx, key, place, in_file=in_file)
    _choose_models(ctx, [] if no_models else names, ask=not with_token)


def _refuse_words(ctx: Context, words: list[str], option: str) -> UsageError:
    """Return the error for a key on the command line, where others can read it."""
    ctx.process.secrets += [Secret(word) for word in words]
    return UsageError(
        Text("a key does not belong on the command line"),
        Text("it would be in the shell's history and in the list of processes"),
        hint=Text(
            "{line} asks for it; {line} --with-token < FILE reads it",
            line=" ".join(filter(None, ("apiyi auth login", option))),
        ),
    )


def _write_address(ctx: Context, typed: Connection) -> None:
    """Write the typed address or node into the profile, which creates it."""
    settings = ctx.settings
    path, table = settings.config_path, ("profile", settings.profile)
    if typed.node is not None:
        write(path, (*table, "node"), typed.node)
        return
    if typed.base_url is not None:
        # A node in the file would count before the addresses.
        remove(path, (*table, "node"))
    if typed.base_url is not None or settings.profile not in settings.profiles:
        write(path, (*table, "base_urls"), list(settings.base_urls))


def _choose_models(ctx: Context, names: list[str], *, ask: bool) -> None:
    """Choose a model for each command; report them and a line to try."""
    chosen = choose_models(ctx, names, ask=ask) if names else {}
    if chosen and not ask:
        listed = ", ".join(f"{command} {model}" for command, model in chosen.items())
        ctx.messages.note(Text("models: {listed}", listed=listed))
    words = ctx.settings.typed_program
    has_model = "chat" in chosen or ctx.settings.value("model") is not None
    line = f"{words} chat hi" if has_model else f"{words} chat -m {PROPOSED['chat']} hi"
    ctx.messages.note(Text("try: {line}", line=line))


def _read_system_token(ctx: Context, *, from_stdin: bool, check: bool) -> Secret:
    """Return the account's token from stdin or the terminal, checked with the gateway."""
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
    if not check:
        return token
    from apiyi_cli.cli.gateway.account import fetch_balance

    ctx.settings.system_token = token
    try:
        fetch_balance(ctx.gateway, ctx.settings)
    except AuthError as failure:
        hint = Text("copy the token again; nothing was kept")
        raise failure.with_hint(hint) from failure.__cause__
    return token


def _keep_system_token(ctx: Context, token: Secret, *, insecure: bool) -> None:
    profile = ctx.settings.profile
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


def _note_variable(ctx: Context, variable: str) -> None:
    """Report that an environment variable overrides the stored key."""
    if ctx.settings.environ.get(variable):
        ctx.messages.note(
            Text("{key_variable} is set and is used before it", key_variable=variable)
        )


def _read_key(ctx: Context, *, from_stdin: bool) -> Secret:
    """Return the key from stdin or the terminal. Raises AuthError if it is not a key."""
    line = f"{ctx.settings.typed_program} auth login"
    text = ctx.inputs.stdin("--with-token") if from_stdin else _ask_key(ctx)
    source = "stdin" if from_stdin else Text("the prompt")
    try:
        key = check_key(text, source)
    except AuthError as failure:
        # Its own advice may be to log in, which is being done.
        hint = Text("copy the key again: {line}", line=line)
        if from_stdin:
            hint = Text("give it the key alone: {line} --with-token < FILE", line=line)
        raise failure.with_hint(hint) from None
    vendors = (vendor for start, vendor in OTHER_KEYS.items() if key.value.startswith(start))
    if is_for_gateway(ctx.settings.base_urls) and (vendor := next(vendors, None)):
        raise AuthError(
            Text("the key from {source} is not sent", source=source),
            Text("it looks like a key of {vendor}", vendor=vendor),
            hint=Text("make a key of this gateway: {page}", page=TOKEN_PAGE),
        )
    return key


def _ask_key(ctx: Context) -> str:

    _require_terminal(ctx)
    if is_for_gateway(ctx.settings.base_urls):
        ctx.messages.print(Text("Keys are made at {token_page}", token_page=TOKEN_PAGE))
    else:
        host = host_of(ctx.settings.base_urls[0])
        ctx.messages.print(Text("Keys are made in the console of {host}", host=host))
    question = Text("Key for profile {profile} (not shown):", profile=ctx.settings.profile)
    return _ask_hidden(ctx, question)


def _ask_hidden(ctx: Context, question: str) -> str:

    from getpass import getpass

    try:
        return getpass(f"{ctx.messages.translate(question)} ")
    except EOFError:
        raise AuthError(Text("no key"), Text("nothing was typed")) from None


def _confirm_file(ctx: Context) -> None:
    """Ask for permission to use a 0600 file on a machine without a keyring."""
    _require_terminal(ctx)
    path = file_path(ctx.settings.environ)
    ctx.messages.print(Text("this machine has no keyring to keep a key in"))
    question = Text("Keep it in {path}, readable by you alone (0600)? [y/N]", path=path)
    if not is_yes(ctx.messages.ask(question) or ""):
        raise AuthError(
            Text("no key was asked for"),
            Text("it cannot be kept"),
            hint=Text("set APIYI_API_KEY, or use --key-file PATH"),
        )


def _require_terminal(ctx: Context) -> None:
    if not ctx.process.console.stdin_is_terminal:
        raise UsageError(
            Text("there is no terminal to ask for the key on"),
            hint=Text(
                "{program} auth login --with-token < FILE reads it",
                program=ctx.settings.typed_program,
            ),
        )


def _store_key(ctx: Context, key: Secret, *, insecure: bool, user: str | None = None) -> str:
    """Store the key and return where; errors do not advise `auth login`, which is running."""
    try:
        return store_key(ctx.settings, key, insecure=insecure, user=user)
    except AuthError as failure:
        hint = Text("apiyi auth login --insecure-storage, or set APIYI_API_KEY")
        raise failure.with_hint(hint) from failure.__cause__


def _check_key(ctx: Context, key: Secret) -> list[str]:
    """Return the gateway's models, requested with the new key. Raises its refusal."""
    from apiyi_cli.cli.gateway.models import fetch_models

    ctx.settings.secret = key
    try:
        models, _ = fetch_models(ctx.gateway.ask, ctx.settings, ctx.messages.debug)
        return [model["id"] for model in models]
    except IncompleteError:
        ctx.messages.note(Text("the gateway took the key and named no models"))
        return []
    except ApiyiError as failure:
        hint: str = Text("--no-check keeps the key without asking the gateway")
        if failure.hint:
            hint = Text("{first}; {rest}", first=failure.hint, rest=hint)
        if isinstance(failure, AuthError):
            hint = Text("copy the key again; nothing was kept")
        raise failure.with_hint(hint) from failure.__cause__


def _print_stored(ctx: Context, key: Secret, place: str, *, in_file: bool) -> None:
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
            hosts=", ".join(map(host_of, ctx.settings.base_urls)),
        )
    )
    _note_variable(ctx, KEY_VARIABLE)


def host_of(url: str) -> str:
    """Return host and port of an address."""
    return urlsplit(url).netloc


def choose_models(ctx: Context, names: Sequence[str], *, ask: bool) -> dict[str, str]:
    """Set a model for each command without one in the profile. Return all models in force.

    With `ask` the user confirms each on the terminal; Enter takes the proposal.
    """
    from apiyi_cli.cli.gateway.models import MODEL_ORDER, propose_models

    chosen: dict[str, str] = {}
    proposals = propose_models(names)
    added: list[tuple[tuple[str, ...], str]] = []
    is_introduced = False
    for command in MODEL_ORDER:
        proposal, own = proposals.get(command), _find_model(ctx, command)
        if own is not None or proposal is None:
            chosen |= {command: own} if own else {}
            continue
        if ask and not is_introduced:
            is_introduced = True
            ctx.messages.print(
                Text("A model for each command: Enter takes it, another name, or - for none")
            )
        model = _ask_model(ctx, command, proposal, names) if ask else proposal
        if model is not None:
            # `model` alone is that of the text commands.
            table = () if command == "chat" else (command,)
            added.append((("profile", ctx.settings.profile, *table, "model"), model))
            chosen[command] = model
    write_several(ctx.settings.config_path, added)
    return chosen


def _find_model(ctx: Context, command: str) -> str | None:
    """Return the model that the profile in the file has for a command."""
    profile = ctx.settings.in_profile
    own = profile.commands.get(command, {}).get("model")
    if own is None and command == "chat":
        own = profile.options.get("model")
    return None if own is None else str(own)


def _ask_model(ctx: Context, command: str, proposal: str, names: Iterable[str]) -> str | None:
    """Return the model that the user confirms for a command, None for none."""
    known = set(names)
    while True:
        typed = ctx.messages.ask(f"  {command} [{proposal}]:")
        if typed is None or typed == LEAVE_OUT:
            return None
        if not typed:
            return proposal
        if typed in known and (why := refusal(typed, command)):
            ctx.messages.print(Text("{model}: {why}", model=typed, why=why))
        elif typed in known:
            return typed
        else:
            near = find_nearest(typed, [name for name in known if not refusal(name, command)])
            line = Text("the gateway has no model {model}", model=typed)
            if near:
                line = Text("{line}: did you mean {near}?", line=line, near=near)
            ctx.messages.print(line)
