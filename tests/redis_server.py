"""A Redis server of a test, and a relay that brings it any distance away."""

from __future__ import annotations

import queue
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any

SERVER = shutil.which("redis-server")


class Redis:
    """A server of the test's own, which keeps nothing; it can be stopped and started again."""

    def __init__(self, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/3"
        self._options = options
        self.start()

    def start(self) -> None:
        assert SERVER is not None
        words = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [*words, "--appendonly", "no", "--dir", "/", *self._options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept connections" in line.lower():
                break

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        with self._process:
            self._process.kill()

    def client(self) -> Any:
        import redis

        return redis.Redis.from_url(self.url)


class Relay:
    """Passes bytes on to a port, each `delay_s` later in both directions, and counts requests.

    `requests` are the pieces that a client sent without waiting for an answer between them.
    """

    def __init__(self, port: int, delay_s: float) -> None:
        self.requests = 0
        self._to, self._delay_s = port, delay_s
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/3"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._listen)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *error: object) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._sockets):
            one.close()

    def _run(self, run: Any, *values: Any) -> None:
        thread = threading.Thread(target=run, args=values)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._sockets.append(near)
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    near.shutdown(socket.SHUT_RDWR)
                    continue
                self._sockets.append(far)
                for one in (near, far):
                    # Else a second piece waits 40 ms for the acknowledgement of the first.
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                turn = [""]
                self._run(self._pass, near, far, "request", turn)
                self._run(self._pass, far, near, "answer", turn)

    def _pass(self, source: socket.socket, target: socket.socket, kind: str, turn: Any) -> None:
        # Pieces are on their way at the same time: a distance is not a narrow place.
        under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._run(self._deliver, under_way, target)
        with suppress(OSError):
            while data := source.recv(1 << 20):
                self.requests += kind == "request" and turn[0] != kind
                turn[0] = kind
                under_way.put((time.monotonic() + self._delay_s, data))
        under_way.put((0.0, b""))

    @staticmethod
    def _deliver(under_way: queue.SimpleQueue[tuple[float, bytes]], target: socket.socket) -> None:
        with suppress(OSError):
            while True:
                due_at, data = under_way.get()
                if not data:
                    break
                time.sleep(max(0.0, due_at - time.monotonic()))
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
