"""A gateway under weather, in a process of its own. Prints its base URL.

`weather.py SECONDS` answers each request after so long; with `sparse PERCENT` it refuses so many
rows with a 429 once each, with `bucket RATE` what is above a token bucket of so many requests in a
second. A GET answers with what was counted, and with the seconds that this process was busy: a
small part of the time that passed, it was not what limited its clients.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.tiny import ANSWER, read_requests

REFUSAL = b'{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}'
REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n" % len(REFUSAL)
) + REFUSAL
BUCKET_S = 0.2
"""The seconds' worth of requests that a token bucket holds."""


class Weather:
    """What is refused, and the counts."""

    def __init__(self, kind: str, amount: float) -> None:
        self._kind, self._amount = kind, amount
        self._suffered: set[bytes] = set()
        self._tokens = amount * BUCKET_S
        self._filled_at = time.monotonic()
        self.accepted: list[float] = []
        self.refused = 0

    def refuses(self, body: bytes) -> bool:
        """Return True if a request is refused; count it."""
        is_refused = getattr(self, f"_{self._kind}")(body)
        if is_refused:
            self.refused += 1
        else:
            self.accepted.append(time.monotonic())
        return bool(is_refused)

    def report(self) -> bytes:
        """Return the counts since the last report as JSON."""
        moments = self.accepted or [0.0]
        numbers = {
            "accepted": len(self.accepted),
            "refused": self.refused,
            "seconds": moments[-1] - moments[0],
            "busy_s": time.process_time(),
        }
        self.accepted, self.refused, self._suffered = [], 0, set()
        return json.dumps(numbers).encode()

    def _never(self, body: bytes) -> bool:
        return False

    def _sparse(self, body: bytes) -> bool:
        if zlib.crc32(body) % 10_000 >= self._amount * 100 or body in self._suffered:
            return False
        self._suffered.add(body)
        return True

    def _bucket(self, body: bytes) -> bool:
        now = time.monotonic()
        more = (now - self._filled_at) * self._amount
        self._tokens = min(self._amount * BUCKET_S, self._tokens + more)
        self._filled_at = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, weather: Weather, answer_s: float) -> None:
        self._weather, self._answer_s = weather, answer_s
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        requests, self._buffer = read_requests(self._buffer + data)
        for head, body in requests:
            if head.startswith(b"get"):
                report = self._weather.report()
                text = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(report)
                self._transport.write(text + report)
            elif self._weather.refuses(body):
                self._transport.write(REFUSED)
            else:
                loop = asyncio.get_running_loop()
                loop.call_later(self._answer_s, self._transport.write, ANSWER)


async def main() -> None:
    answer_s, kind, amount = [*sys.argv[1:], "never", "0"][:3]
    weather = Weather(kind, float(amount))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Client(weather, float(answer_s)), "127.0.0.1", 0, backlog=1024
    )
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
