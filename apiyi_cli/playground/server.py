"""The page's HTTP server: a thread for each connection, one request each, loopback only."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from apiyi_cli.errors import SetupError
from apiyi_cli.playground.argv import FormTable
from apiyi_cli.playground.facts import PageProgram
from apiyi_cli.playground.routes import PAGE, PageRoutes
from apiyi_cli.playground.security import SAFETY_HEADERS, Guard, HttpAnswer, HttpRefusal
from apiyi_cli.playground.uploads import MOST_UPLOAD_BYTES
from apiyi_cli.text import Text, system_reason

MOST_BODY_BYTES: Final = 8 << 20
MOST_CONNECTIONS: Final = 64
HEAD_TIMEOUT_S: Final = 20.0
_TRIES: Final = 20
"""How many free ports are tried until one is free on both addresses."""
UPLOAD_PATH: Final = "/api/upload"
NAME_HEADER: Final = "X-Apiyi-Name"
PUBLIC: Final = ("/favicon.svg", "/favicon.ico", "/assets/locked.css")
"""Paths without a cookie: the page that explains how to get one uses them."""


class PlaygroundServer:
    """The running playground: `start`, then `wait`, then `close`.

    Raises SetupError where the port cannot be listened on, OutputError without a temporary
    folder.
    """

    def __init__(self, program: PageProgram, port: int = 0) -> None:
        self._sockets = _open_sockets(port)
        self.port: int = self._sockets[0].getsockname()[1]
        table = FormTable(program.groups, allows_api=program.allows_api)
        self.guard = Guard(self.port)
        self.routes = PageRoutes(program, table)
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._last_s = time.monotonic()
        self._is_closed = threading.Event()

    @property
    def url(self) -> str:
        """Return the address to open, with the one-time token."""
        return f"http://127.0.0.1:{self.port}/?t={self.guard.token}"

    def start(self) -> None:
        """Start to answer requests."""
        for own in self._sockets:
            threading.Thread(target=self._accept, args=(own,), daemon=True).start()

    def wait(self, idle_s: float) -> None:
        """Return after the idle time without any request or run."""
        while True:
            left_s = self._last_s + idle_s - time.monotonic()
            if self.routes.is_busy:
                self._last_s = time.monotonic()
            elif left_s <= 0:
                return
            # Not in one go: a signal just before an endless wait would not end it.
            self._is_closed.wait(min(max(left_s, 0.05), 1.0))

    def mark_used(self) -> None:
        """Restart the idle time: the page asked, not a stranger who tries the port."""
        self._last_s = time.monotonic()

    def close(self) -> None:
        """Stop listening, end the children, delete the temporary files."""
        self._is_closed.set()
        for own in self._sockets:
            # Closing alone does not wake a thread that waits in accept.
            with suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)
            own.close()
        self.routes.close()

    def _accept(self, own: socket.socket) -> None:
        while not self._is_closed.is_set():
            try:
                connection, address = own.accept()
            except OSError:
                return
            if not self._room.acquire(blocking=False):
                connection.close()
                continue
            args = (connection, address)
            threading.Thread(target=self._serve, args=args, daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            # Broken connections and invalid requests of clients are not reported.
            with suppress(OSError, ValueError):
                PageHandler(connection, address, self)  # type: ignore[arg-type]
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            self._room.release()


class PageHandler(BaseHTTPRequestHandler):
    """Answers one request: checks its head, then lets the routes answer."""

    protocol_version = "HTTP/1.1"
    server_version = "apiyi"
    sys_version = ""
    timeout = HEAD_TIMEOUT_S
    server: PlaygroundServer  # type: ignore[assignment]

    def handle(self) -> None:
        """Read one request and answer it; the connection is then closed."""
        # Several on one connection would let one hide in the body of another.
        self.close_connection = True
        self.handle_one_request()

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer(self._read)

    def do_POST(self) -> None:
        """Answer a POST, which runs or changes something."""
        self._answer(self._write)

    def do_HEAD(self) -> None:
        """Refuse every other method."""
        self._answer(self._refuse_method)

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = do_HEAD

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request whose first lines cannot be read."""
        self._send(_make_refusal(int(code)))

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the path of a request may contain the token."""

    def _answer(self, find: Callable[[str, dict[str, str]], HttpAnswer]) -> None:
        try:
            if not self.path.startswith("/"):
                raise HttpRefusal(421, "this server is not a proxy")
            target = urlsplit(self.path)
            path = unquote(target.path)
            # Of equal names the last counts.
            query = dict(parse_qsl(target.query, keep_blank_values=True))
            is_known = self.server.guard.check(self.command, self.headers)
            if path in PUBLIC and self.command == "GET":
                answer = self.server.routes.read(path, {})
            elif path == "/" and "t" in query and self.command == "GET":
                answer = self._exchange_token(query["t"], is_known)
            elif not is_known:
                raise HttpRefusal(401, "")
            else:
                self.server.mark_used()
                answer = find(path, query)
        except HttpRefusal as refusal:
            answer = _make_refusal(refusal.status)
        self._send(answer)

    def _exchange_token(self, token: str, is_known: bool) -> HttpAnswer:
        """Answer the printed address: exchange the token for a cookie, and redirect."""
        cookie = self.server.guard.exchange_token(token)
        if cookie is None and not is_known:
            raise HttpRefusal(401, "")
        self.server.mark_used()
        headers = [("Location", "/")]
        if cookie is not None:
            headers.append(("Set-Cookie", cookie))
        return HttpAnswer(b"", "text/plain", 303, headers=tuple(headers))

    def _read(self, path: str, query: dict[str, str]) -> HttpAnswer:
        if path != "/":
            self.server.guard.require_own_page(self.headers)
        return self.server.routes.read(path, query, self.headers.get("Range") or "")

    def _write(self, path: str, query: dict[str, str]) -> HttpAnswer:
        size = self._body_size()
        kind = (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if path == UPLOAD_PATH:
            if kind != "application/octet-stream":
                raise HttpRefusal(415, "an upload is bytes")
            if size > MOST_UPLOAD_BYTES:
                raise HttpRefusal(413, "the file is too large")
            name = unquote(self.headers.get(NAME_HEADER) or "file")
            return self.server.routes.upload(name, size, self.rfile.read, query.get("lang", ""))
        if kind != "application/json":
            raise HttpRefusal(415, "the body is not JSON")
        if size > MOST_BODY_BYTES:
            raise HttpRefusal(413, "the body is too large")
        return self.server.routes.write(path, self.rfile.read(size), self._is_gone)

    def _refuse_method(self, path: str, query: dict[str, str]) -> HttpAnswer:
        raise HttpRefusal(405, "the method is not allowed")

    def _body_size(self) -> int:
        """Return the length from the head. Raises HttpRefusal if it is doubtful."""
        lines = self.headers.get_all("Content-Length") or []
        if self.headers.get_all("Transfer-Encoding") or len(lines) != 1:
            raise HttpRefusal(411, "the length of the body is needed")
        if not (lines[0].isascii() and lines[0].isdigit() and len(lines[0]) < 12):
            raise HttpRefusal(400, "the length of the body is not a number")
        return int(lines[0])

    def _is_gone(self) -> bool:
        """Return True if the client has closed the connection."""
        try:
            readable = select.select([self.connection], [], [], 0)[0]
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True

    def _send(self, answer: HttpAnswer) -> None:
        # Without a version the class would send no head, and with it no rules.
        self.request_version = self.protocol_version
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Security-Policy", answer.policy)
        for name, value in (*SAFETY_HEADERS.items(), *answer.headers):
            self.send_header(name, value)
        self.send_header("Connection", "close")
        if not isinstance(answer.body, bytes):
            self._send_pieces(answer.body)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _send_pieces(self, pieces: Generator[bytes]) -> None:
        """Send a stream; if the client is gone, close the generator, which ends its child."""
        try:
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)
        finally:
            pieces.close()


def _make_refusal(status: int) -> HttpAnswer:
    page = PAGE / ("locked.html" if status == 401 else "refused.html")
    body = page.read_bytes().replace(b"%STATUS%", str(status).encode())
    return HttpAnswer(body, "text/html; charset=utf-8", status)


def _open_sockets(port: int) -> list[socket.socket]:
    """Return listening sockets of 127.0.0.1 and, with IPv6, ::1, on the same port.

    With port 0 it is any free one. Both are taken, so that no other user of the machine can
    listen on the second. Raises SetupError.
    """
    failure: OSError | None = None
    for _ in range(_TRIES if port == 0 else 1):
        try:
            first = _listen("127.0.0.1", port)
        except OSError as error:
            failure = error
            break
        own_port = first.getsockname()[1]
        try:
            return [first, _listen("::1", own_port)]
        except OSError as error:
            if not _has_inner_ipv6():
                return [first]
            first.close()
            failure = error
    assert failure is not None
    raise SetupError(
        Text("cannot listen on port {port}", port=port), system_reason(failure), hint="--port 0"
    )


def _has_inner_ipv6() -> bool:
    """Return True if the system can listen on ::1."""
    try:
        _listen("::1", 0).close()
    except OSError:
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=64)
