"""Files that an answer points to: fetched without the key, and only from where it is safe.

A URL in an answer is a stranger's word. It must not make this machine ask its own network,
its router or its cloud's metadata service, so https to public addresses alone is taken, and
what was checked is what is connected to. The gateway's own origin is trusted as it is.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from urllib.parse import quote, urljoin, urlsplit

from apiyi_cli import __version__
from apiyi_cli.core.call import Reply
from apiyi_cli.errors import (
    ApiyiError,
    Facts,
    IncompleteError,
    LimitError,
    RejectedError,
    TemporaryError,
)
from apiyi_cli.text import Text
from apiyi_cli.wire.client import Client, Outgoing
from apiyi_cli.wire.clocks import Timeouts
from apiyi_cli.wire.proxies import is_loopback, proxy_for
from apiyi_cli.wire.send import Plan

MOST_BYTES = 64 << 20
MOST_REDIRECTS = 3
LONGEST_S = 120.0
SILENCE_S = 30.0
WAITS_S = (0.5, 2.0)
"""Before the second attempt, and before the third, which is the last."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# A fresh file may not have reached the server that is asked for it.
_PASSING = frozenset((403, 404, 408, 425, 429))
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INNER_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_HEADERS = (
    ("Accept", "image/*, */*;q=0.5"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", f"apiyi/{__version__}"),
)

Accepted = Callable[[bytes, str], str | None]
"""Looks at the bytes and their content type; returns why they are not what was meant, or None."""


def download(url: str, plan: Plan, *, accepted: Accepted, private: bool = False) -> bytes:
    """Return what is at `url`; `private` lifts every restriction on schemes and addresses.

    Up to three attempts, each with up to three redirects that are checked like the URL itself,
    64 MB and 120 s. Nothing that identifies the user is sent. Raises IncompleteError with the
    reason (the answer that has the URL was paid for), and LimitError for `--max-time`.
    """
    fetch = _Fetch(plan, private)
    try:
        for wait_s in (*WAITS_S, None):
            try:
                return fetch.file(url, accepted)
            except (LimitError, RejectedError):
                raise
            except (TemporaryError, IncompleteError):
                if wait_s is None:
                    raise
                plan.clock.sleep(wait_s)
    except LimitError:
        raise
    except ApiyiError as failure:
        raise IncompleteError(
            Text("the picture cannot be downloaded"),
            failure.why or failure.what,
            hint=Text(
                "curl -L -o picture '{url}' (it is paid for; the link may die in minutes)", url=url
            ),
            facts=Facts(phase="content"),
        ) from failure
    finally:
        fetch.close()
    raise AssertionError("the last attempt returns or raises")


class _Fetch:
    """Fetches one URL, through a client whose every connection is checked."""

    def __init__(self, plan: Plan, private: bool) -> None:
        self._plan = plan
        self._private = private
        self._own = {_origin(base_url) for base_url in plan.base_urls}
        self._trusted = False
        self._client = Client(
            environ=plan.environ,
            cacert=plan.cacert,
            proxy=plan.proxy,
            clock=plan.clock,
            watch=plan.watch,
            admitted=self._admit,
        )

    def file(self, url: str, accepted: Accepted) -> bytes:
        """Make one attempt."""
        ends_at = self._plan.clock.monotonic() + LONGEST_S
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._asked(url)
            try:
                if reply.status not in _REDIRECTS:
                    return self._content(reply, ends_at, accepted)
                target = reply.headers.get("location", "")
            finally:
                reply.close()
            if not target:
                raise RejectedError(Text("the server redirects and does not say where"))
            url = urljoin(url, target)
        raise RejectedError(
            Text(
                "the server redirects more than {most_redirects} times",
                most_redirects=MOST_REDIRECTS,
            )
        )

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _asked(self, url: str) -> Reply:
        parts = urlsplit(url)
        self._trusted = self._private or _origin(url) in self._own
        if parts.scheme not in ("https", "http") or not parts.hostname or _CONTROL.search(url):
            raise RejectedError(Text("its address is no https URL"))
        if not self._trusted:
            self._check(url)
        total_at = self._plan.timeouts.total_at
        timeouts = Timeouts(10.0, SILENCE_S, SILENCE_S, SILENCE_S, total_at)
        plain = quote(url.partition("#")[0], safe="%/:=&?~+!$,;'@()*[]")
        return self._client.exchange(
            Outgoing("GET", plain, _HEADERS, b"", stream=False, free=True), timeouts
        )

    def _check(self, url: str) -> None:
        """Refuse what needs no connection to be judged."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme != "https":
            raise RejectedError(Text("its address is not https"))
        if parts.username is not None or parts.password is not None:
            raise RejectedError(Text("its address has a user name in it"))
        if is_loopback(host) or host.endswith(_INNER_NAMES):
            raise RejectedError(Text("{host} is not a public address", host=host))
        if proxy_for("https", host, self._plan.proxy, self._plan.environ) is not None:
            self._check_behind_proxy(host, parts.port or 443)

    def _check_behind_proxy(self, host: str, port: int) -> None:
        """Refuse private addresses as far as this machine can tell where the proxy will go."""
        self._trusted = True  # The address that is connected to is the proxy's.
        if "." not in host and ":" not in host:
            raise RejectedError(Text("{host} is not a public address", host=host))
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            return  # Behind some proxies no outside name can be resolved.
        for entry in found:
            _require_public(str(entry[4][0]))

    def _admit(self, address: str) -> None:
        if not self._trusted:
            _require_public(address)

    def _content(self, reply: Reply, ends_at: float, accepted: Accepted) -> bytes:
        if reply.status != 200:
            kind = TemporaryError
            if reply.status < 500 and reply.status not in _PASSING:
                kind = RejectedError  # type: ignore[assignment]
            raise kind(Text("the server answers HTTP {status}", status=reply.status))
        announced = reply.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MOST_BYTES:
            raise _too_large()
        pieces: list[bytes] = []
        size = 0
        for piece in reply.chunks:
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise _too_large()
            if self._plan.clock.monotonic() > ends_at:
                raise TemporaryError(
                    Text(
                        "only {size} bytes came in {longest_s} s",
                        size=size,
                        longest_s=f"{LONGEST_S:g}",
                    )
                )
        content = b"".join(pieces)
        if why := accepted(content, reply.headers.get("content-type", "")):
            raise TemporaryError(why)
        return content


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the internet's, also where it wraps another one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _require_public(address: str) -> None:
    if not is_public(address):
        raise RejectedError(Text("{address} is not a public address", address=address))


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise RejectedError(Text("its address is no https URL")) from None
    return parts.scheme, parts.hostname or "", port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _too_large() -> RejectedError:
    return RejectedError(Text("it is larger than {most_bytes} MB", most_bytes=MOST_BYTES >> 20))
