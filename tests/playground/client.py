"""A playground that runs as a process, and raw requests to it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

LIMIT_S = 30.0


class PageAnswer(NamedTuple):
    """What came back: the status, the head as it came, the body."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        match = re.search(rf"^{name}: (.*)\r$", self.head, re.I | re.M)
        return match[1] if match else ""

    @property
    def value(self) -> Any:
        return json.loads(self.body)


class Playground:
    """One running playground; `cookie` is that of the browser that opened it."""

    process: subprocess.Popen[bytes]
    end: Callable[[], None]

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid
        parts = urlsplit(url)
        assert parts.port is not None, url
        self.port = parts.port
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        self.target = f"/?{parts.query}"
        self.cookie = ""
        self.received: list[bytes] = []

    @classmethod
    def started(cls, process: subprocess.Popen[bytes]) -> Self:
        """Return the playground of a process that was just started."""
        assert process.stdout is not None
        page = cls(process.stdout.readline().decode().strip(), process.pid)
        page.process = process
        return page

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection((address, self.port), LIMIT_S)

    def raw(self, data: bytes, address: str = "127.0.0.1") -> PageAnswer:
        """Send bytes as they are and return the answer."""
        with self.connect(address) as own:
            own.sendall(data)
            received = b""
            while piece := own.recv(1 << 16):
                received += piece
        self.received.append(received)
        head, _, body = received.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.1 (\d{3})", head)
        return PageAnswer(int(status[1]) if status else 0, f"{head.decode('latin-1')}\r\n", body)

    def open(self) -> None:
        """Trade the printed address for the cookie, as a browser does."""
        traded = self.raw(f"GET {self.target} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        assert traded.status == 303, traded
        self.cookie = traded.header("Set-Cookie").partition(";")[0]

    def head(self, method: str, path: str, **lines: str | None) -> dict[str, str | None]:
        """Return the head of a good request; `lines` replace or (None) remove lines of it."""
        good: dict[str, str | None] = {"Host": self.host, "Cookie": self.cookie}
        if method == "POST":
            good |= {
                "Origin": self.origin,
                "Sec-Fetch-Site": "same-origin",
                "X-Apiyi-Playground": "1",
                "Content-Type": "application/json",
            }
        return {**good, **{name.replace("_", "-"): line for name, line in lines.items()}}

    def request(self, method: str, path: str, body: bytes = b"", /, **lines: str | None) -> bytes:
        """Return the bytes of a request."""
        head = self.head(method, path, **lines)
        if method == "POST" and "Content-Length" not in head:
            head["Content-Length"] = str(len(body))
        shown = "".join(f"{name}: {line}\r\n" for name, line in head.items() if line is not None)
        return f"{method} {path} HTTP/1.1\r\n{shown}\r\n".encode("latin-1") + body

    def get(self, path: str, **lines: str | None) -> PageAnswer:
        return self.raw(self.request("GET", path, **lines))

    def post(self, path: str, value: Any, **lines: str | None) -> PageAnswer:
        return self.raw(self.request("POST", path, json.dumps(value).encode(), **lines))

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        kind = "application/octet-stream"
        answered = self.raw(
            self.request("POST", "/api/upload", content, Content_Type=kind, X_Apiyi_Name=name)
        )
        assert answered.status == 200, answered
        return answered.value  # type: ignore[no-any-return]

    def run(self, mode: str = "run", **request: Any) -> list[tuple[str, dict[str, Any]]]:
        """Run a request to its end and return its events."""
        answered = self.post("/api/run", {"mode": mode, "request": request})
        assert answered.status == 200, answered
        return list(read_events(answered.body))

    def begin(self, **request: Any) -> socket.socket:
        """Begin a run and return the connection once its first event has come."""
        body = json.dumps({"mode": "run", "request": request}).encode()
        own = self.connect()
        own.sendall(self.request("POST", "/api/run", body))
        received = b""
        while b"event: piece" not in received:
            piece = own.recv(1 << 16)
            assert piece, received
            received += piece
        return own

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=LIMIT_S)


def read_events(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in body.decode().split("\n\n"):
        if block.startswith("event: "):
            name, _, data = block.removeprefix("event: ").partition("\ndata: ")
            yield name, json.loads(data)


def text_of(events: list[tuple[str, dict[str, Any]]]) -> str:
    return "".join(
        data["text"] for name, data in events if name == "piece" and data["kind"] == "text"
    )
