"""httpcore, the HTTP engine, loaded only in part.

The package imports its asynchronous half and everything for SOCKS as well, which would cost every
command ten milliseconds. So each name is taken from the module that defines it when it is first
used. Those modules are not a public interface: where a release has moved one, the whole package is
imported, and nothing but the time is lost.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from apiyi_cli.deferred import defer_names, defer_package

_HOMES = {
    "ConnectionPool": "_sync.connection_pool",
    "HTTPProxy": "_sync.http_proxy",
    "SOCKSProxy": "_sync.socks_proxy",
    "NetworkBackend": "_backends.base",
    "NetworkStream": "_backends.base",
    "SyncBackend": "_backends.sync",
    "Request": "_models",
    "Response": "_models",
    "URL": "_models",
}
_EXCEPTIONS = "_exceptions"
_ANNOTATIONS = {"ssl": ("SSLContext",)}
"""What httpcore takes from modules only to say what a function returns."""
# Workers come here at the same time: what one of them hides, another must not uncover.
_LOCK = threading.Lock()


class _Engine:
    """The names of httpcore, each looked up once."""

    def __getattr__(self, name: str) -> Any:
        with _LOCK, _without_asynchronous_libraries(), defer_names(_ANNOTATIONS):
            try:
                home = import_module(f"httpcore.{_HOMES.get(name, _EXCEPTIONS)}")
                value = getattr(home, name)
            except (ImportError, AttributeError):
                value = getattr(import_module("httpcore"), name)
        setattr(self, name, value)
        return value


@contextmanager
def _without_asynchronous_libraries() -> Iterator[None]:
    """Hide these libraries from httpcore, which imports them if they are installed."""
    absent = [name for name in ("anyio", "trio") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


if TYPE_CHECKING:
    import httpcore as httpcore
else:
    for _package in ("httpcore", "httpcore._sync", "httpcore._backends"):
        defer_package(_package)
    httpcore = _Engine()
