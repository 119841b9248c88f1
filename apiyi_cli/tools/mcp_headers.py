"""`--mcp-header`: headers for an MCP server behind a URL, such as a token.

A token is named, not written: by the file or the environment variable that has it. What is on a
command line is in the shell's history, and in the list of processes for every user to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from apiyi_cli.core.secret import Secret, is_secret_name
from apiyi_cli.errors import AuthError, UsageError
from apiyi_cli.settings.secrets import check_key, read_key_file
from apiyi_cli.text import Text

_HEADER: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*:\s*([ -~]*?)\s*")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_EXAMPLE: Final = Text(
    "name what has it, in single quotes: --mcp-header 'Authorization: Bearer @FILE', or a variable:"
    " --mcp-header 'Authorization: Bearer $NAME'"
)


class McpHeaders(NamedTuple):
    """Headers for the requests to a server, and what of them is secret."""

    values: Mapping[str, str]
    secrets: tuple[Secret, ...]


def read_mcp_headers(options: Sequence[str], environ: Mapping[str, str]) -> McpHeaders:
    """Return the headers of `--mcp-header` values, tokens read from where they are.

    The last word of a value may be `@FILE` (0600, as a key file) or `$NAME`. Raises UsageError
    for what is not `Name: value`, and for a secret that is written out; AuthError or SetupError
    for one that cannot be read.
    """
    values: dict[str, str] = {}
    secrets: list[Secret] = []
    for option in options:
        match = _HEADER.fullmatch(option)
        if match is None:
            # The value is not shown: without a colon it may be a token.
            raise UsageError(
                Text("cannot use --mcp-header"), Text("it is not 'Name: value'"), hint=_EXAMPLE
            )
        name, value = match.groups()
        start, space, last = value.rpartition(" ")
        secret = _read_reference(name, last, environ)
        if secret is not None:
            secrets.append(secret)
            values[name] = f"{start}{space}{secret.value}"
        elif is_secret_name(name):
            raise UsageError(
                Text("cannot use --mcp-header {name}", name=name),
                Text("a secret does not belong on the command line"),
                hint=_EXAMPLE,
            )
        else:
            values[name] = value
    return McpHeaders(values, tuple(secrets))


def _read_reference(name: str, word: str, environ: Mapping[str, str]) -> Secret | None:
    """Return the secret that a word names, None for a plain value."""
    source = f"--mcp-header {name}"
    try:
        if word.startswith("@"):
            return read_key_file(Path(word[1:]).expanduser(), source)
        if variable := _VARIABLE.fullmatch(word):
            return check_key(environ.get(variable[1] or variable[2], ""), f"{source} ({word})")
    except AuthError as failure:
        # Its own advice is about the gateway's key.
        raise failure.with_hint(Text("the file or variable has the token alone")) from None
    return None
