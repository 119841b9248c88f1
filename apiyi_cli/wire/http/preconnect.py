"""A connection that is made while the program is still being imported.

`preconnect` starts it as soon as command line, environment and configuration say without doubt
where the request of this run will go; on any doubt it does nothing. A thread looks the name up
and connects, while `ssl` and the certificates are loaded, and makes the TLS handshake. `Client`
takes the connection over if host, port and trust are its own to the letter, or its failure; any
other connection is closed unused. Nothing but the handshake is sent before the request. Whatever
is wrong with the command line is not reported here: the command does that.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from apiyi_cli.core.clock import start_thread
from apiyi_cli.core.hosts import split_url
from apiyi_cli.core.options.connection import Connection
from apiyi_cli.core.options.output import Output
from apiyi_cli.core.options.request import Request
from apiyi_cli.settings.defaults import TIMEOUTS
from apiyi_cli.settings.paths import state_dir
from apiyi_cli.settings.resolve import Settings
from apiyi_cli.wire.http.proxies import proxy_for
from apiyi_cli.wire.http.sockets import DEAD_ADDRESS_S, find_addresses, keep_alive_options
from apiyi_cli.wire.http.tls import tls_context, trust_of

if TYPE_CHECKING:
    import ssl

    Trust = tuple[str | None, ...]

FRESH_S: Final = 10.0
"""How long a connection may wait for its request; servers close silent ones after that."""
_TURN_S: Final = 0.0005
"""How long the importing thread may keep the interpreter once a packet has arrived, at most; by
default it is ten times that, for each step of the handshake."""

_COMMANDS = frozenset(
    ("chat", "complete", "respond", "embed", "image", "transcribe", "speak", "rank", "models")
)
# With these nothing is sent, or it is not known now whether and where.
_DOUBTS = ("--dry-run", "--code", "--cache", "--proxy", "--help", "--edit", "--mcp")
_READ = {"--profile": "profile", "--base-url": "base_url", "--node": "node", "--cacert": "cacert"}


class Preconnection:
    """A connection that a thread makes, for the client that needs the same one."""

    def __init__(self, host: str, port: int, trust: Trust) -> None:
        self._target = (host, port, trust)
        self._usual_turn_s = sys.getswitchinterval()
        self.context: ssl.SSLContext | None = None
        self._has_context = threading.Event()
        self._lock = threading.Lock()
        self._socket: ssl.SSLSocket | None = None
        self._is_wanted = True
        self._made_at = 0.0
        self.is_resolved = False
        self.ended = threading.Event()
        self.failure: OSError | None = None

    def start(self) -> Preconnection | None:
        """Start connecting; return None if the system refuses a thread."""
        if start_thread(self._connect) is None:
            return None
        sys.setswitchinterval(_TURN_S)
        return self

    def secure_with(self, context: ssl.SSLContext | None) -> None:
        """Make the TLS handshake with this context as soon as there is a connection.

        None gives the connection up.
        """
        self.context = context
        self._has_context.set()

    def fits(self, host: str, port: int, trust: Trust) -> bool:
        """Return True if this is a connection to that server with that trust."""
        return self._target == (host, port, trust)

    def take(self) -> ssl.SSLSocket | None:
        """Return the connection if it is ready, open and fresh; the caller owns it."""
        sys.setswitchinterval(self._usual_turn_s)
        with self._lock:
            taken, self._socket, self._is_wanted = self._socket, None, False
        if taken is None:
            return None
        if time.monotonic() - self._made_at < FRESH_S and _is_open(taken):
            return taken
        taken.close()
        return None

    def discard(self) -> None:
        """Close the connection, now or when it is ready."""
        if (unused := self.take()) is not None:
            unused.close()

    def _connect(self) -> None:
        host, port, _ = self._target
        try:
            addresses = find_addresses(host, port)
            self.is_resolved = True
            tls_socket = self._shake_hands(_connect_first(addresses, port))
            if tls_socket is None:
                return
            with self._lock:
                if self._is_wanted:
                    self._socket, self._made_at = tls_socket, time.monotonic()
                    return
            tls_socket.close()
        except OSError as failure:
            self.failure = failure
        except Exception:
            # Not the network's: the client finds out itself.
            pass
        finally:
            self.ended.set()

    def _shake_hands(self, plain: socket.socket) -> ssl.SSLSocket | None:
        try:
            self._has_context.wait()
            if self.context is None:
                plain.close()
                return None
            # As bytes: for a str Python imports its codec of international names.
            name: str = self._target[0].encode("ascii")  # type: ignore[assignment]
            return self.context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise


def preconnect(argv: Sequence[str], environ: Mapping[str, str]) -> Preconnection | None:
    """Begin to connect to this command line's server, if the server is certain."""
    # Whatever is wrong with options, environment or configuration is reported later.
    with suppress(Exception):
        if (settings := _read_settings(argv, environ)) is None:
            return None
        url = split_url(settings.base_urls[0])
        host = (url.hostname or "") if url is not None and url.scheme == "https" else ""
        if url is None or not host:
            return None
        options, request = settings.fill(Connection()), settings.fill(Request())
        if request.dry_run or request.code or request.cache:
            return None
        if proxy_for("https", host, options.proxy, environ) is not None or _is_down(settings):
            return None
        begun = Preconnection(host, url.port or 443, trust_of(options.cacert, environ)).start()
        if begun is not None:
            context = None
            try:
                context = tls_context(options.cacert, environ)
            finally:
                begun.secure_with(context)
        return begun
    return None


def _read_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings | None:
    """Return the settings of a command line that sends one request, None if in doubt."""
    words = list(argv)
    if "--" in words:
        words = words[: words.index("--")]
    if any(word.startswith(_DOUBTS) or word == "-h" for word in words):
        return None
    switches = {name for flag in Output.flags.values() if flag.kind is bool for name in flag.names}
    named: dict[str, str] = {}
    command = before = ""
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name in _READ:
            if before.startswith("-") and "=" not in before and before not in switches:
                # It may be the value of the option before it.
                return None
            named[_READ[name]] = value if equals else next(left, "")
            word = ""
        elif not command and not word.startswith("-"):
            command = word
        before = word
    if command not in _COMMANDS:
        return None
    settings = Settings(Connection(**named), environ=environ, command=command)
    return None if settings.sandbox else settings


def _is_down(settings: Settings) -> bool:
    """Return True if the first URL may not be the one that is used."""
    path = state_dir(settings.environ) / "breaker.json"
    if len(settings.base_urls) == 1 or not path.exists():
        return False
    from apiyi_cli.wire.retry.failover import CircuitBreaker

    return CircuitBreaker(path).state(settings.base_urls[0]) != "up"


def _connect_first(addresses: list[str], port: int) -> socket.socket:
    while True:
        address = addresses.pop(0)
        wait_s = DEAD_ADDRESS_S if addresses else TIMEOUTS.connect_s
        try:
            connection = socket.create_connection((address, port), wait_s)
        except OSError:
            if not addresses:
                raise
            continue
        connection.settimeout(TIMEOUTS.connect_s)
        for option in (*keep_alive_options(), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
            connection.setsockopt(*option)
        return connection


def _is_open(connection: ssl.SSLSocket) -> bool:
    import ssl

    connection.setblocking(False)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        pass
    return False
