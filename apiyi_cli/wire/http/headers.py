"""Headers of requests and replies as the engine takes and gives them."""

from __future__ import annotations

from collections.abc import Iterable

from apiyi_cli.core.clock import Clock
from apiyi_cli.errors import Facts, UsageError
from apiyi_cli.text import Text
from apiyi_cli.wire.http.engine import httpcore


def read_headers(raw: Iterable[tuple[bytes, bytes]], clock: Clock) -> dict[str, str]:
    """Return a reply's headers by their lower-case names; a repeated one is joined by commas.

    A wait until a date counts from the reply's `date`; where that is missing it is the time of
    receipt (RFC 9110, 6.6.1).
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "retry-after" in headers and "date" not in headers:
        from email.utils import formatdate

        headers["date"] = formatdate(clock.wall(), usegmt=True)
    return headers


def add_host(
    headers: tuple[tuple[str, str], ...], url: httpcore.URL
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a request with its host, unless the user gave one."""
    if any(name.lower() == "host" for name, _ in headers):
        return headers
    host = url.host.decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    return (("Host", shown if url.port is None else f"{shown}:{url.port}"), *headers)


def encode_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return the headers as bytes; raise UsageError for characters that HTTP cannot carry."""
    encoded = []
    for name, value in headers:
        try:
            encoded.append((name.encode("ascii"), value.encode("latin-1")))
        except UnicodeEncodeError:
            raise UsageError(
                Text("cannot send the header {name}", name=repr(name)),
                Text("it has characters that HTTP headers cannot carry"),
                hint=Text("use plain ASCII in -H and in the key"),
                facts=Facts(phase="connect"),
            ) from None
    return encoded
