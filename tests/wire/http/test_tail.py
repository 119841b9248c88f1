"""An answer that is all there although the connection does not say that it ends."""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from apiyi_cli.errors import IncompleteError, LimitError, TemporaryError
from apiyi_cli.settings.defaults import Timeouts
from apiyi_cli.wire.http.client import Client
from apiyi_cli.wire.http.request import HttpRequest

WHOLE = b'{"data": [{"b64_json": "AAAA"}], "note": "{"}'
QUICK = Timeouts(bytes_s=30.0, tail_s=0.1)


@contextmanager
def talking(*pieces: bytes, headers: bytes = b"", at_once: bool = False) -> Iterator[str]:
    """A server that answers with the pieces, a moment apart, and leaves the connection open."""
    release = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                sock.sendall(headers + b"\r\n" + pieces[0])
                for piece in pieces[1:]:
                    # Later than the tail's patience: what came so far must be waited for.
                    release.wait(0.0 if at_once else 0.4)
                    sock.sendall(piece)
                release.wait(30)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/x"
        finally:
            release.set()
            thread.join(10)


def got(url: str, timeouts: Timeouts = QUICK, *, stream: bool = False) -> bytes:
    client = Client(environ={})
    request = HttpRequest("GET", url, (), b"", stream=stream, free=False)
    try:
        return b"".join(client.send(request, timeouts).chunks)
    finally:
        client.close()


def test_a_whole_text_whose_end_is_not_told_is_taken_after_a_moment() -> None:
    with talking(WHOLE) as url:
        assert got(url) == WHOLE


def test_a_compressed_one_is_taken_too() -> None:
    with talking(gzip.compress(WHOLE), headers=b"Content-Encoding: gzip\r\n") as url:
        assert got(url) == WHOLE


@pytest.mark.parametrize("cut", [10, 31, len(WHOLE) - 1])
def test_a_silence_inside_the_text_is_waited_out(cut: int) -> None:
    with talking(WHOLE[:cut], WHOLE[cut:]) as url:
        assert got(url) == WHOLE


def test_a_text_that_stays_incomplete_ends_by_the_clock_of_bytes() -> None:
    with (
        talking(WHOLE[:-1]) as url,
        pytest.raises(IncompleteError, match=r"no byte for 0\.5 s"),
    ):
        got(url, QUICK._replace(bytes_s=0.5))


def test_a_stream_has_no_such_end() -> None:
    with talking(WHOLE) as url, pytest.raises(IncompleteError, match="no byte"):
        got(url, QUICK._replace(bytes_s=0.5), stream=True)


def test_what_is_not_json_is_not_kept_while_it_is_read() -> None:
    count, piece = 64, bytes(1 << 18)
    with talking(*[piece] * count, at_once=True) as url:
        client = Client(environ={})
        tracemalloc.start()
        try:
            chunks = client.send(HttpRequest("GET", url, (), b"", False, False), QUICK).chunks
            read = 0
            for chunk in chunks:
                read += len(chunk)
                if read == count * len(piece):
                    break
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            client.close()
    assert peak < count * len(piece) / 4


@contextmanager
def deaf() -> Iterator[str]:
    """A server that takes the connection and never reads from it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/x"


def uploaded(url: str, timeouts: Timeouts) -> None:
    client = Client(environ={})
    body = bytes(16 << 20)
    length = (("Content-Length", str(len(body))),)
    try:
        client.send(HttpRequest("POST", url, length, body, stream=False, free=False), timeouts)
    finally:
        client.close()


def test_a_server_that_does_not_take_the_request_is_told_as_such() -> None:
    with deaf() as url, pytest.raises(TemporaryError, match="stopped taking the request"):
        uploaded(url, Timeouts(headers_s=0.3))


def test_the_whole_run_bounds_sending_as_well() -> None:
    from apiyi_cli.core.clock import CLOCK

    with deaf() as url, pytest.raises(LimitError, match="had not been sent"):
        uploaded(url, Timeouts(total_at=CLOCK.monotonic() + 0.3))
