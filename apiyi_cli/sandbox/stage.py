"""Performing a `Play` on a socket, exactly as it is written.

A play without waits or cuts leaves in one `sendall`; everything else goes piece by piece.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator
from http import HTTPStatus
from itertools import repeat

from apiyi_cli.core.clock import CLOCK, Clock
from apiyi_cli.sandbox.play import Play

_RESET = struct.pack("ii", 1, 0)
_RANDOM_MAX_BYTES = 40
_EVENT_STREAM = (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))
_BODILESS = frozenset({204, 304})


class ClientLeft(Exception):
    """The client closed its side while it was being answered."""


class Stage:
    """One reply on its way: counts what was sent, and looks whether the client is there."""

    def __init__(self, sock: socket.socket, clock: Clock = CLOCK) -> None:
        self.sock = sock
        self.clock = clock
        self.sent = 0

    def perform(self, play: Play, request_id: str = "", *, bodiless: bool = False) -> bool:
        """Send a play; return whether the connection may serve another request.

        `bodiless` (HEAD) leaves the body out. Raises ClientLeft.
        """
        try:
            return self._perform(play, request_id, bodiless or play.status in _BODILESS)
        except (BrokenPipeError, ConnectionError):
            raise ClientLeft from None

    def _perform(self, play: Play, request_id: str, bodiless: bool) -> bool:
        self._wait(play, -1, play.delay_s)
        if play.stop and play.stop.unit == "head":
            return self._stop(play.stop.kind)
        if play.raw is not None:
            self._send(play.raw[: play.stop.k] if play.stop else play.raw)
            return self._stop(play.stop.kind) if play.stop else False
        pieces, size = _pieces(play)
        transfer = play.transfer or ("length" if size is not None else "chunked")
        if transfer == "length" and size is None:
            whole = b"".join(pieces)
            pieces, size = iter((whole,)), len(whole)
        head = _head(play, transfer, size, request_id)
        if bodiless:
            self._send(head)
            return play.keep_alive
        if play.drip_head:
            for k in range(len(head)):
                self._wait(play, k, play.gap_s)
                self._send(head[k : k + 1])
            head = b""
        stopped = self._body(play, head, pieces, chunked=transfer == "chunked")
        if stopped and play.stop:
            return self._stop(play.stop.kind)
        return (
            play.keep_alive
            and transfer != "close"
            and not play.length_off
            and play.version == "1.1"
        )

    def _body(self, play: Play, head: bytes, pieces: Iterator[bytes], *, chunked: bool) -> bool:
        """Send the pieces; return whether the play's stop was reached."""
        patient = bool(play.gap_s or play.wait or play.pings or play.split or callable(play.body))
        waiting = [head]
        stopped = False
        for k, piece in enumerate(_until(play, pieces)):
            if piece is None:
                stopped = True
                break
            if patient:
                self._flush(waiting)
                self._wait(play, k, play.gap_s)
                for _ in range(play.pings):
                    self._send(_encoded(b": PING\n\n", chunked))
            waiting.append(_encoded(piece, chunked))
        if chunked and not stopped:
            waiting.append(b"0\r\n\r\n")
        self._flush(waiting)
        return stopped

    def _flush(self, waiting: list[bytes]) -> None:
        if waiting:
            self._send(b"".join(waiting))
            waiting.clear()

    def _send(self, data: bytes) -> None:
        if data:
            self.sock.sendall(data)
            self.sent += len(data)

    def _wait(self, play: Play, k: int, seconds: float) -> None:
        if play.wait is not None:
            play.wait(k)
            if gone(self.sock, 0):
                raise ClientLeft
        if seconds and self.clock is CLOCK:
            if gone(self.sock, seconds):
                raise ClientLeft
        elif seconds:
            self.clock.sleep(seconds)

    def _stop(self, kind: str) -> bool:
        if kind == "stall":
            # Only the client, or the closing gateway, ends a stall.
            while not gone(self.sock, None):
                self.sock.recv(65536)
            raise ClientLeft
        if kind == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False


def gone(sock: socket.socket, seconds: float | None) -> bool:
    """Wait until the client closes or says something, at most so long; tell if it closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        if not selector.select(seconds):
            return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _encoded(piece: bytes, chunked: bool) -> bytes:
    if not chunked:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def _until(play: Play, pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield the pieces up to the play's stop, and then None."""
    stop = play.stop
    if stop is None:
        yield from pieces
        return
    left = stop.k
    for piece in pieces:
        if left <= 0:
            break
        if stop.unit == "byte":
            piece = piece[:left]
            left -= len(piece)
        else:
            left -= 1
        yield piece
    yield None


def _pieces(play: Play) -> tuple[Iterator[bytes], int | None]:
    """Return what is sent of the body, piece by piece, and its size where it is one whole."""
    body = play.body
    size: int | None = None
    if isinstance(body, bytes):
        whole = _zipped(body) if play.gzip else body
        pieces: Iterator[bytes] = iter((whole,)) if whole else iter(())
        size = len(whole)
    elif callable(body):
        return iter(body()), None
    else:
        pieces = iter((_zipped(b"".join(body)),)) if play.gzip else iter(body)
    if play.split is not None:
        pieces = _resized(b"".join(pieces), play.split, play.seed)
    return pieces, size


def _resized(whole: bytes, split: str | tuple[int, ...], seed: int) -> Iterator[bytes]:
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


def _zipped(body: bytes) -> bytes:
    import gzip

    return gzip.compress(body, mtime=0)


def _head(play: Play, transfer: str, size: int | None, request_id: str) -> bytes:
    lines = []
    for status in play.interim:
        lines += [f"HTTP/1.1 {status} {_reason(status)}", ""]
    reason = _reason(play.status) if play.reason is None else play.reason
    lines.append(f"HTTP/{play.version} {play.status} {reason}")
    if play.content_type is not None:
        lines.append(f"Content-Type: {play.content_type}")
        if play.content_type.startswith("text/event-stream"):
            lines += [f"{name}: {value}" for name, value in _EVENT_STREAM]
    if request_id:
        lines.append(f"X-Oneapi-Request-Id: {request_id}")
    if play.gzip:
        lines.append("Content-Encoding: gzip")
    if transfer == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif transfer == "length" and play.status not in _BODILESS:
        lines.append(f"Content-Length: {(size or 0) + play.length_off}")
    if not play.keep_alive or transfer == "close":
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in play.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
