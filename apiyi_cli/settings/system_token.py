"""The account's system token: stored beside the key, bound to the same servers."""

from __future__ import annotations

from typing import Final

from apiyi_cli.core.secret import SYSTEM_TOKEN_VARIABLE, Secret
from apiyi_cli.errors import AuthError
from apiyi_cli.settings.key_store import system_user
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.settings.secrets import check_key, find_stored
from apiyi_cli.settings.vendor_files import find_in_vendor_files
from apiyi_cli.text import Text

SYSTEM_TOKEN_PAGE: Final = "https://api.apiyi.com/account/profile"
_SANDBOX_TOKEN = Secret("sandbox-system-token", Text("built in: the sandbox needs no key"))


def find_system_token(settings: Settings) -> Secret:
    """Return the token of the account: from the environment, the keyring, or a file.

    Raises AuthError as `find_key`.
    """
    if settings.sandbox:
        return _SANDBOX_TOKEN
    if text := settings.environ.get(SYSTEM_TOKEN_VARIABLE):
        source = Text("environment {key_variable}", key_variable=SYSTEM_TOKEN_VARIABLE)
        return check_system_token(text, source)
    stored = find_stored(settings, system_user(settings.profile)) or find_in_vendor_files(
        settings, "system_token"
    )
    if stored is None:
        raise AuthError(
            Text("no system token for profile {profile}", profile=settings.profile),
            Text("the key alone cannot read the account"),
            hint=Text(
                "apiyi auth login --system-token, or set {variable} "
                "(made at {page}, at the bottom of the page)",
                variable=SYSTEM_TOKEN_VARIABLE,
                page=SYSTEM_TOKEN_PAGE,
            ),
        )
    return check_system_token(stored.value, stored.source)


def check_system_token(text: str, source: str) -> Secret:
    """Return the text as a system token. Raise AuthError if it is invalid or an API key."""
    token = check_key(text, source)
    if token.value.startswith("sk-"):
        raise AuthError(
            Text("the system token from {source} cannot be one", source=source),
            Text("it is an API key"),
            hint=Text("make a system token at {page}", page=SYSTEM_TOKEN_PAGE),
        )
    return token
