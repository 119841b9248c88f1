"""Checks and normalises base URLs.

The rules are strict because the key is sent to this address.
"""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from apiyi_cli.core.hosts import DEFAULT_PORTS, host_in_url, is_loopback, is_private_way
from apiyi_cli.errors import ApiyiError, SetupError, UsageError
from apiyi_cli.text import Text

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
_VERSION = re.compile(r"v\d+(?:alpha|beta)?\d*")
_UNUSABLE = frozenset(' \\"<>^`{|}')
_EXAMPLE = "https://api.apiyi.com/v1"


def normalize_base_url(text: str, source: str) -> str:
    """Return the base URL without trailing slash and default port, host in lower case.

    `source` is how messages name the place it was written: a file and line, a variable, an
    option. Accepted are http and https with a host and a path that has exactly one version,
    such as `/v1`, which a bare host gets; plain http to loopback alone. Raises UsageError for
    an option, else SetupError; for plain http to another machine always SetupError.
    """
    parts = _split(text, source)
    if parts.scheme not in ("http", "https"):
        raise _refusal(source, Text("a base URL starts with https://"), _add_scheme(text, source))
    host = (parts.hostname or "").removesuffix(".")
    if not _HOST.fullmatch(host):
        raise _refusal(source, Text("a base URL needs a host name in ASCII"), _EXAMPLE)
    if "@" in parts.netloc:
        raise _refusal(
            source,
            Text("a base URL holds no user or password"),
            Text("put the key into APIYI_API_KEY"),
        )
    if parts.query or parts.fragment or text.rstrip().endswith(("?", "#")):
        raise _refusal(source, Text("a base URL ends with its path, without ? or #"), _EXAMPLE)
    place = host_in_url(host)
    if (port := _port(parts, source)) not in (None, DEFAULT_PORTS[parts.scheme]):
        place += f":{port}"
    path = _normal_path(parts, f"{parts.scheme}://{place}", source)
    if not is_private_way(f"{parts.scheme}://{place}"):
        raise SetupError(
            source,
            Text("plain http would show the key to everyone on the way to {host}", host=host),
            hint=Text("use https://{place}{path}", place=place, path=path),
        )
    return f"{parts.scheme}://{place}{path}"


def _add_scheme(text: str, source: str) -> str:
    """Return the base URL that was probably meant by one without http:// or https://."""
    bare = text.strip()
    if "://" not in bare:
        scheme = "http" if is_loopback(bare.partition("/")[0].rpartition(":")[0]) else "https"
        with suppress(ApiyiError):
            return normalize_base_url(f"{scheme}://{bare}", source)
    return _EXAMPLE


def _split(text: str, source: str) -> SplitResult:
    stripped = text.strip()
    # A backslash is a slash to some programs and part of the name to others.
    if not stripped.isprintable() or not _UNUSABLE.isdisjoint(stripped):
        raise _refusal(source, Text("a base URL holds no spaces, quotes or backslashes"), _EXAMPLE)
    try:
        return urlsplit(stripped)
    except ValueError as error:
        raise _refusal(source, Text("this is not a URL"), _EXAMPLE) from error


def _port(parts: SplitResult, source: str) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _refusal(source, Text("the port is a number from 1 to 65535"), _EXAMPLE)
    return port


def _normal_path(parts: SplitResult, server: str, source: str) -> str:
    from apiyi_cli.core.endpoints import is_endpoint_folder

    segments = parts.path.rstrip("/").split("/")[1:]
    if any(segment in ("", ".", "..") for segment in segments):
        raise _refusal(source, Text("the path of a base URL has empty or dotted parts"), _EXAMPLE)
    versions = [at for at, segment in enumerate(segments) if _VERSION.fullmatch(segment)]
    if not segments:
        # As in the vendor's own tool.
        return "/v1"
    if not versions:
        path = "/".join(("", *segments, "v1"))
        raise _refusal(source, Text("a base URL ends in /v1"), f"{server}{path}")
    below = segments[versions[0] + 1 :]
    kept = "/".join(("", *segments[: versions[0] + 1]))
    if len(versions) > 1:
        raise _refusal(source, Text("the version stands twice in the base URL"), f"{server}{kept}")
    if below and is_endpoint_folder(below[0]):
        raise _refusal(
            source,
            Text("/{below} is an endpoint, not a base URL", below="/".join(below)),
            f"{server}{kept}",
        )
    return "/".join(("", *segments))


def _refusal(source: str, why: str, hint: str) -> ApiyiError:
    return (UsageError if source.startswith("--") else SetupError)(source, why, hint=hint)
