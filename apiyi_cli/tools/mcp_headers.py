"""`--mcp-header`: headers for an MCP server behind a URL, such as a token.

A token is named, not written: by the file or the environment variable that has it. What is on a
command line is in the shell's history, and in the list of processes for every user to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from apiyi_cli.core.hosts import split_url
from apiyi_cli.core.secret import Secret, is_secret_name, mask_url
from apiyi_cli.errors import AuthError, UsageError
from apiyi_cli.settings.secrets import check_key, read_key_file
from apiyi_cli.text import Text

_HEADER: Final = re.compile(r"\s*(?:(\S*[^\s:])\s+)?([A-Za-z0-9][A-Za-z0-9_-]*)\s*:\s*([ -~]*?)\s*")
"""A server or none, name, value. A server's word has no colon at its end."""
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_EXAMPLE: Final = Text(
    "name what has it, in single quotes: --mcp-header 'Authorization: Bearer @FILE', or a variable:"
    " --mcp-header 'Authorization: Bearer $NAME'"
)


class McpHeaders(NamedTuple):
    """Headers by the URL of their server, and their secrets."""

    by_url: Mapping[str, Mapping[str, str]]
    secrets: tuple[Secret, ...]


def read_mcp_headers(
    options: Sequence[str], urls: Sequence[str], environ: Mapping[str, str]
) -> McpHeaders:
    """Return the headers of `--mcp-header` values, tokens read from where they are.

    `urls` are those of `--mcp`. Of several, a value begins with its server: the URL or its host.
    The last word of a value may be `@FILE` (0600, as a key file) or `$NAME`. Raises UsageError
    for what is not `Name: value`, and for a secret that is written out; AuthError or SetupError
    for one that cannot be read.
    """
    by_url: dict[str, dict[str, str]] = {}
    secrets: list[Secret] = []
    for option in options:
        match = _HEADER.fullmatch(option)
        if match is None:
            # The value is not shown: without a colon it may be a token.
            raise UsageError(
                Text("cannot use --mcp-header"), Text("it is not 'Name: value'"), hint=_EXAMPLE
            )
        server, name, value = match.groups()
        values = by_url.setdefault(_find_url(server, urls), {})
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
    return McpHeaders(by_url, tuple(secrets))


def _find_url(server: str | None, urls: Sequence[str]) -> str:
    """Return the URL of the named server, or the only one."""
    fitting = [url for url in urls if server is None or server in _list_names(url)]
    if len(fitting) == 1:
        return fitting[0]
    what = Text("cannot use --mcp-header")
    if not urls:
        raise UsageError(what, Text("there is no --mcp URL"))
    host, *others = _list_names((fitting or urls)[0])
    # Of two on one host only the URL says which.
    name = host if [_list_names(url)[0] for url in urls].count(host) == 1 else others[0]
    raise UsageError(
        what,
        Text("several --mcp are URLs, and a token goes to one")
        if server is None or fitting
        else Text("no --mcp is at {server}", server=mask_url(server)),
        hint=Text("begin it with the server: --mcp-header '{server} Name: value'", server=name),
    )


def _list_names(url: str) -> list[str]:
    """Return a server's names in a header: host, URL without and with query."""
    parts = split_url(url)
    host = "" if parts is None else parts.netloc.rpartition("@")[2]
    return [host, mask_url(url.partition("?")[0]), url]


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
