"""The output of `-v`: each request and reply, without the key."""

from __future__ import annotations

from collections.abc import Callable

from apiyi_cli.core.call import Reply
from apiyi_cli.core.secret import mask_header, mask_url
from apiyi_cli.wire.http.client import Observer
from apiyi_cli.wire.http.proxies import Proxy
from apiyi_cli.wire.http.request import HttpRequest

SHOWN_BYTES = 2000


class Trace(Observer):
    """Prints exchanges like `curl -v`: `>` is sent, `<` is received."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def on_connect(self, url: str, proxy: Proxy | None) -> None:
        """Print the connection's target, and its proxy."""
        via = f" through {proxy.address} ({proxy.source})" if proxy else ""
        self._tell(f"* connecting for {mask_url(url)}{via}")

    def on_request(self, request: HttpRequest) -> None:
        """Print the request line, the headers and the start of a JSON body."""
        self._tell(f"> {request.method} {mask_url(request.url)}")
        for name, value in request.headers:
            self._tell(f"> {name}: {mask_header(name, value)}")
        if isinstance(request.body, bytes) and request.body:
            text = request.body[:SHOWN_BYTES].decode("utf-8", "replace")
            more = len(request.body) - SHOWN_BYTES
            self._tell(f"> {text}" + (f"… ({more} bytes more)" if more > 0 else ""))

    def on_reply(self, reply: Reply, after_s: float) -> None:
        """Print the status line, the headers and their time."""
        self._tell(f"< {reply.status} {reply.reason} ({after_s:.3f} s, {reply.host})")
        for name, value in reply.headers.items():
            self._tell(f"< {name}: {mask_header(name, value)}")
