"""Decides which requests the page's server accepts, and how browsers may use answers.

Everything here is about one request's head: its lines decide, nothing else. The reasons are in
the page's own manual (`apiyi playground --help`): a page from another origin, another user of
the machine and the answer of a model must be able to do nothing.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from typing import Final, NamedTuple

TOKEN_BYTES: Final = 32
OWN_HEADER: Final = "X-Apiyi-Playground"
OWN_VALUE: Final = "1"
"""A header that no form and no link can send: with another origin it needs a preflight, which
is refused."""

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # No remote pictures: their addresses could carry away what a model has read.
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
FILE_POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""For files that a model or a gateway made: opened alone they are a document of ours."""

SAFETY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class HttpAnswer(NamedTuple):
    """An answer: `body` is bytes, or pieces that are sent as they come."""

    body: bytes | Generator[bytes]
    type: str = "application/json"
    status: int = 200
    policy: str = CONTENT_POLICY
    headers: tuple[tuple[str, str], ...] = ()


class HttpRefusal(Exception):
    """A request that is answered with a status only."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """The rules of one server; thread-safe.

    The token in the printed address is worth one cookie. The cookie's name carries the port,
    because cookies do not: two playgrounds on one host would take each other's away.
    """

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._secret = secrets.token_urlsafe(TOKEN_BYTES)
        self._is_token_used = False
        self._lock = threading.Lock()
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        self._cookie_name = f"apiyi_playground_{port}"

    def check(self, method: str, head: Message) -> bool:
        """Return True if an acceptable request has the cookie. Raises HttpRefusal.

        Host must be one exact line, or DNS rebinding makes another site's pages ours. Origin,
        where there is one, is that of the same host. Requests that change or run something are
        a POST with the exact Origin, from the same origin by the browser's word, with our header.
        """
        host = _read_single(head, "Host", 421)
        if host not in self._hosts:
            raise HttpRefusal(421, "this server answers for its own address alone")
        origin = _read_single(head, "Origin", 403, required=method == "POST")
        if origin is not None and origin != f"http://{host}":
            raise HttpRefusal(403, "the request comes from another origin")
        site = _read_single(head, "Sec-Fetch-Site", 403, required=method == "POST")
        if method == "POST":
            if site != "same-origin":
                raise HttpRefusal(403, "the request comes from another site")
            if _read_single(head, OWN_HEADER, 403) != OWN_VALUE:
                raise HttpRefusal(403, "the request was not made by the page")
        return self._has_cookie(head)

    def require_own_page(self, head: Message) -> None:
        """Raise HttpRefusal for a read caused by another site's page."""
        if head.get_all("Sec-Fetch-Site") not in (None, ["same-origin"], ["none"]):
            raise HttpRefusal(403, "the request comes from another site")

    def exchange_token(self, token: str) -> str | None:
        """Return the Set-Cookie line for the token, None for a wrong or used one."""
        fits = _is_same(token, self.token)
        with self._lock:
            if not fits or self._is_token_used:
                return None
            self._is_token_used = True
        return f"{self._cookie_name}={self._secret}; Path=/; HttpOnly; SameSite=Strict"

    def _has_cookie(self, head: Message) -> bool:
        # Two of one name: another program on this host may have set the other.
        for line in head.get_all("Cookie") or ():
            with suppress(CookieError):
                cookie = SimpleCookie(line).get(self._cookie_name)
                if cookie is not None and _is_same(cookie.value, self._secret):
                    return True
        return False


def _is_same(given: str, secret: str) -> bool:
    """Return True for the secret, in a time that does not depend on the difference."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _read_single(head: Message, name: str, status: int, *, required: bool = True) -> str | None:
    """Return the value of a header that may come once. Raises HttpRefusal."""
    lines: Sequence[str] = head.get_all(name) or ()
    if len(lines) > 1 or (required and not lines):
        raise HttpRefusal(status, f"{name} must be one line")
    return lines[0] if lines else None
