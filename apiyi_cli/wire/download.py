"""Downloads files that an answer links to, without the key and only from public addresses.

A URL in an answer is untrusted. It must not make this machine ask its own network, its router or
its cloud's metadata service, so only https to public addresses is allowed, and the checked
address is connected to. The gateway's own origin is trusted.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, quote, urljoin

from apiyi_cli import __version__
from apiyi_cli.core.call import Reply
from apiyi_cli.core.hosts import bare_host, is_inner_name, is_public, origin, split_url
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import (
    ApiyiError,
    Facts,
    IncompleteError,
    LimitError,
    OutputError,
    RejectedError,
    TemporaryError,
)
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.text import Text
from apiyi_cli.wire.http.client import Client
from apiyi_cli.wire.http.proxies import proxy_for
from apiyi_cli.wire.http.request import HttpRequest
from apiyi_cli.wire.send import Plan

MOST_REDIRECTS = 3
SILENCE_S = 30.0
WAITS_S = (0.5, 2.0)
"""Seconds before the second attempt, and before the third, which is the last."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# A new file may not have reached the server yet.
_TEMPORARY = frozenset((403, 404, 408, 425, 429))
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
T = TypeVar("T")


class DownloadKind(NamedTuple):
    """A kind of download: its request, its error message, its bounds."""

    accept: str
    failure: Text
    name: str
    most_bytes: int
    longest_s: float


PICTURE_DOWNLOAD = DownloadKind(
    "image/*, */*;q=0.5", Text("the picture cannot be downloaded"), "picture", 64 << 20, 120.0
)
VIDEO_DOWNLOAD = DownloadKind(
    "video/*, */*;q=0.5", Text("the video cannot be downloaded"), "video", 16 << 30, 3600.0
)

Take = Callable[[Reply, Iterator[bytes]], T]
"""Gets the headers and the pieces of a file, and returns its result."""

ContentCheck = Callable[[bytes, str], str | None]
"""Gets the bytes and their content type; returns why they are not the expected file, or None."""


def download(url: str, plan: Plan, *, accepted: ContentCheck, private: bool = False) -> bytes:
    """Return the file at `url`; `private` lifts all restrictions on schemes and addresses.

    At most 64 MB and 120 s; see `fetch`.
    """

    def read(reply: Reply, pieces: Iterator[bytes]) -> bytes:
        content = b"".join(pieces)
        if why := accepted(content, reply.headers.get("content-type", "")):
            raise TemporaryError(why, received=content)
        return content

    return fetch(url, plan, read, PICTURE_DOWNLOAD, private=private)


def fetch(url: str, plan: Plan, take: Take[T], kind: DownloadKind, *, private: bool = False) -> T:
    """Return the result of `take` for the file at `url`.

    Up to three attempts, each with up to three redirects that are checked like the URL itself.
    `take` is called in each; the pieces raise an ApiyiError where the file is cut or too large.
    Nothing that identifies the user is sent. Raises IncompleteError with the reason (the answer
    with the URL was paid for), LimitError for `--max-time`, and an OutputError of `take`.
    """
    attempt = _Download(plan, private, kind)
    try:
        for wait_s in WAITS_S:
            with suppress(TemporaryError, IncompleteError):
                return attempt.run(url, take)
            plan.clock.sleep(wait_s)
        return attempt.run(url, take)
    except (LimitError, OutputError):
        raise
    except ApiyiError as failure:
        raise IncompleteError(
            kind.failure,
            failure.why or failure.what,
            hint=_hint(url, kind),
            facts=Facts(phase="content"),
            received=failure.received,
        ) from failure
    finally:
        attempt.client.close()


def _hint(url: str, kind: DownloadKind) -> str:
    """Return how to get the file by hand. The URL is untrusted, so it is quoted."""
    quoted = quote_word(url)
    if not url.startswith(("https://", "http://")):
        return Text("it is paid for; its address is {url}", url=quoted)
    return Text(
        "curl -L -o {name} {url} (it is paid for; the link may die in minutes)",
        name=kind.name,
        url=quoted,
    )


class _Download:
    """Fetches one URL through a client that checks every connection."""

    def __init__(self, plan: Plan, private: bool, kind: DownloadKind) -> None:
        self._plan = plan
        self._kind = kind
        self._headers = (
            ("Accept", kind.accept),
            ("Accept-Encoding", "identity"),
            ("User-Agent", f"apiyi/{__version__}"),
        )
        self._private = private
        self._own = {origin(base_url) for base_url in plan.base_urls}
        self._trusted = False
        self.client = Client(
            environ=plan.environ,
            cacert=plan.cacert,
            proxy=plan.proxy,
            clock=plan.clock,
            observer=plan.observer,
            check_address=self._check_address,
        )

    def run(self, url: str, take: Take[T]) -> T:
        """Return the result of one attempt."""
        ends_at = self._plan.clock.monotonic() + self._kind.longest_s
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._get(url)
            try:
                if reply.status not in _REDIRECTS:
                    self._refuse(reply)
                    return take(reply, self._pieces(reply, ends_at))
                target = reply.headers.get("location", "")
            finally:
                reply.close()
            if not target:
                raise RejectedError(Text("the server redirects and does not say where"))
            try:
                url = urljoin(url, target)
            except ValueError:
                raise RejectedError(Text("its address is no https URL")) from None
        redirects = {"most_redirects": MOST_REDIRECTS}
        raise RejectedError(
            Text("the server redirects more than {most_redirects} times", **redirects)
        )

    def _get(self, url: str) -> Reply:
        parts = split_url(url)
        is_web = parts is not None and parts.scheme in ("https", "http")
        if parts is None or not is_web or not parts.hostname or _CONTROL.search(url):
            raise RejectedError(Text("its address is no https URL"))
        self._trusted = self._private or origin(url) in self._own
        if not self._trusted:
            self._check(parts)
        timeouts = Timeouts(10.0, SILENCE_S, SILENCE_S, SILENCE_S, self._plan.timeouts.total_at)
        plain = quote(url.partition("#")[0], safe="%/:=&?~+!$,;'@()*[]", errors="replace")
        return self.client.send(
            HttpRequest("GET", plain, self._headers, b"", stream=False, free=True), timeouts
        )

    def _check(self, parts: SplitResult) -> None:
        """Refuse URLs that can be judged without a connection."""
        host = bare_host(parts.hostname or "")
        if parts.scheme != "https":
            raise RejectedError(Text("its address is not https"))
        if parts.username is not None or parts.password is not None:
            raise RejectedError(Text("its address has a user name in it"))
        if is_inner_name(host):
            raise RejectedError(Text("{host} is not a public address", host=host))
        if proxy_for("https", host, self._plan.proxy, self._plan.environ) is not None:
            self._check_behind_proxy(host, parts.port or 443)

    def _check_behind_proxy(self, host: str, port: int) -> None:
        """Refuse private addresses, as far as this machine resolves names like the proxy."""
        self._trusted = True  # The address that is connected to is the proxy's.
        if "." not in host and ":" not in host:
            raise RejectedError(Text("{host} is not a public address", host=host))
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            return  # Behind some proxies no public name can be resolved.
        for entry in entries:
            _require_public(str(entry[4][0]))

    def _check_address(self, address: str) -> None:
        if not self._trusted:
            _require_public(address)

    def _refuse(self, reply: Reply) -> None:
        """Raise an error for a reply without the file, or for a too large file."""
        if reply.status != 200:
            is_temporary = reply.status >= 500 or reply.status in _TEMPORARY
            kind = TemporaryError if is_temporary else RejectedError
            raise kind(Text("the server answers HTTP {status}", status=reply.status))
        announced = reply.headers.get("content-length", "")
        most = self._kind.most_bytes
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > most):
            raise _too_large(most)

    def _pieces(self, reply: Reply, ends_at: float) -> Iterator[bytes]:
        size = 0
        for piece in reply.chunks:
            size += len(piece)
            if size > self._kind.most_bytes:
                raise _too_large(self._kind.most_bytes)
            if self._plan.clock.monotonic() > ends_at:
                numbers = {"size": size, "longest_s": f"{self._kind.longest_s:g}"}
                raise TemporaryError(Text("only {size} bytes came in {longest_s} s", **numbers))
            yield piece


def _require_public(address: str) -> None:
    if not is_public(address):
        raise RejectedError(Text("{address} is not a public address", address=address))


def _too_large(most_bytes: int) -> RejectedError:
    return RejectedError(Text("it is larger than {most_bytes} MB", most_bytes=most_bytes >> 20))
