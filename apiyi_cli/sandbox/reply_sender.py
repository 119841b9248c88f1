"""Sends a `ScriptedReply` over a socket, exactly as it is written.

A reply without waits or cuts leaves in one `sendall`; everything else goes piece by piece.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice, repeat

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.sandbox.scripted_reply import ScriptedReply, Stop

_RESET = struct.pack("ii", 1, 0)
_RANDOM_MAX_BYTES = 40
_EVENT_STREAM = (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))
_BODILESS = frozenset({204, 304})


class ClientLeft(Exception):
    """The client closed its side before the answer's end."""


class ReplySender:
    """Sends one reply: counts its pieces, and notices if the client leaves."""

    def __init__(self, sock: socket.socket, clock: Clock = CLOCK) -> None:
        self.sock = sock
        self.clock = clock
        self.sent = 0

    def send(self, reply: ScriptedReply, request_id: str = "", *, bodiless: bool = False) -> bool:
        """Send a reply; return whether the connection may serve another request.

        `bodiless` (HEAD) leaves the body out. Raises ClientLeft.
        """
        try:
            return self._send_reply(reply, request_id, bodiless or reply.status in _BODILESS)
        except ConnectionError:
            raise ClientLeft from None

    def _send_reply(self, reply: ScriptedReply, request_id: str, bodiless: bool) -> bool:
        self._wait(reply, -1, reply.delay_s)
        if reply.stop and reply.stop.unit == "head":
            return self._stop(reply.stop.kind)
        if reply.raw is not None:
            self._send(reply.raw[: reply.stop.k] if reply.stop else reply.raw)
            return self._stop(reply.stop.kind) if reply.stop else False
        pieces, size = _pieces(reply)
        transfer = reply.transfer or ("length" if size is not None else "chunked")
        if transfer == "length" and size is None:
            whole = b"".join(pieces)
            pieces, size = iter((whole,)), len(whole)
        head = _head(reply, transfer, size, request_id)
        if bodiless:
            self._send(head)
            return reply.keep_alive
        if reply.drip_head:
            for k in range(len(head)):
                self._wait(reply, k, reply.gap_s)
                self._send(head[k : k + 1])
            head = b""
        self._body(reply, head, pieces, chunked=transfer == "chunked")
        if reply.stop:
            return self._stop(reply.stop.kind)
        return (
            reply.keep_alive
            and transfer != "close"
            and not reply.length_off
            and reply.version == "1.1"
        )

    def _body(
        self, reply: ScriptedReply, head: bytes, pieces: Iterator[bytes], *, chunked: bool
    ) -> None:
        patient = bool(
            reply.gap_s or reply.wait or reply.pings or reply.split or callable(reply.body)
        )
        waiting = [head]
        for k, piece in enumerate(_until(reply.stop, pieces)):
            if patient:
                self._send(b"".join(waiting))
                waiting.clear()
                self._wait(reply, k, reply.gap_s)
                for _ in range(reply.pings):
                    self._send(_encode_chunk(b": PING\n\n", chunked))
            waiting.append(_encode_chunk(piece, chunked))
        if chunked and not reply.stop:
            waiting.append(b"0\r\n\r\n")
        self._send(b"".join(waiting))

    def _send(self, data: bytes) -> None:
        if data:
            self.sock.sendall(data)
            self.sent += len(data)

    def _wait(self, reply: ScriptedReply, k: int, seconds: float) -> None:
        if reply.wait is not None:
            reply.wait(k)
            if is_closed(self.sock, 0):
                raise ClientLeft
        if seconds and self.clock is CLOCK:
            if is_closed(self.sock, seconds):
                raise ClientLeft
        elif seconds:
            self.clock.sleep(seconds)

    def _stop(self, kind: str) -> bool:
        if kind == "stall":
            # Only the client, or the closing gateway, ends a stall.
            while not is_closed(self.sock, None):
                self.sock.recv(65536)
            raise ClientLeft
        if kind == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False


def is_closed(sock: socket.socket, seconds: float | None) -> bool:
    """Wait until the client closes or sends something; return True if it closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        if not selector.select(seconds):
            return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _encode_chunk(piece: bytes, chunked: bool) -> bytes:
    if not chunked:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def _until(stop: Stop | None, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if stop is None:
        yield from pieces
    elif stop.unit == "piece":
        yield from islice(pieces, stop.k)
    else:
        left = stop.k
        while left > 0 and (piece := next(pieces, None)) is not None:
            yield piece[:left]
            left -= len(piece)


def _pieces(reply: ScriptedReply) -> tuple[Iterator[bytes], int | None]:
    """Return the sent pieces of the body, and its size if it is whole."""
    body = reply.body
    if callable(body):
        return iter(body()), None
    parts = body if isinstance(body, tuple) else (body,) if body else ()
    if reply.gzip:
        parts = (_zip(b"".join(parts)),)
    size = sum(map(len, parts)) if isinstance(body, bytes) else None
    pieces = iter(parts)
    if reply.split is not None:
        pieces = _resize(b"".join(pieces), reply.split, reply.seed)
    return pieces, size


def _resize(whole: bytes, split: str | tuple[int, ...], seed: int) -> Iterator[bytes]:
    at = 0
    for size in _sizes(split, seed):
        if at >= len(whole):
            return
        end = at + size if size else len(whole)
        yield whole[at:end]
        at = end


def _sizes(split: str | tuple[int, ...], seed: int) -> Iterator[int]:
    """Yield piece sizes without end; 0 is "all the rest"."""
    if isinstance(split, tuple):
        yield from split
        yield from repeat(split[-1])
    elif split == "random":
        import random

        draw = random.Random(seed)
        while True:
            yield draw.randint(1, _RANDOM_MAX_BYTES)
    yield from repeat(1 if split == "bytes" else 0)


def _zip(body: bytes) -> bytes:
    import gzip

    return gzip.compress(body, mtime=0)


def _head(reply: ScriptedReply, transfer: str, size: int | None, request_id: str) -> bytes:
    lines = []
    for status in reply.interim:
        lines += [f"HTTP/1.1 {status} {_reason(status)}", ""]
    reason = _reason(reply.status) if reply.reason is None else reply.reason
    lines.append(f"HTTP/{reply.version} {reply.status} {reason}")
    if reply.content_type is not None:
        lines.append(f"Content-Type: {reply.content_type}")
        if reply.content_type.startswith("text/event-stream"):
            lines += [f"{name}: {value}" for name, value in _EVENT_STREAM]
    if request_id:
        lines.append(f"X-Oneapi-Request-Id: {request_id}")
    if reply.gzip:
        lines.append("Content-Encoding: gzip")
    if transfer == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif transfer == "length" and reply.status not in _BODILESS:
        lines.append(f"Content-Length: {(size or 0) + reply.length_off}")
    if not reply.keep_alive or transfer == "close":
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in reply.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
