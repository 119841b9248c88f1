"""First token over TLS from a server that is far away, against curl.

Runs in a network namespace that has a TUN device. This program is what is on its other side: a
packet for FAR comes back as one from FAR for the server here, half a round trip later. So every
byte is delayed, those of the TCP and TLS handshakes as well, and nothing else is slower.
Argument: the path of `apiyi`.
"""

from __future__ import annotations

import fcntl
import os
import select
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import trustme

NEAR, FAR, PORT = "10.9.0.1", "10.9.0.2", 8443
ROUND_TRIPS_MS = {160: 1.10, 50: 1.5}
ROUNDS = 9
_TUNSETIFF = 0x400454CA
_IFF_TUN_WITHOUT_HEADER = 0x1001
BODY = '{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":%s}]}'
EVENTS = CHUNK % b"null" + b"\n\n" + CHUNK % b'"stop"' + b"\n\ndata: [DONE]\n\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s" % (
    len(EVENTS),
    EVENTS,
)


class Wire:
    """The way there and back; `delay_s` is that of one direction."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(
            self._device, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TUN_WITHOUT_HEADER)
        )
        for line in (f"ip addr add {NEAR}/24 dev far0", "ip link set far0 up"):
            subprocess.run(line.split(), check=True)

    def carry(self) -> None:
        """Hand each packet back with source and destination exchanged, for ever."""
        under_way: deque[tuple[float, bytes]] = deque()
        while True:
            left_s = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            if select.select([self._device], [], [], left_s)[0]:
                packet = os.read(self._device, 65536)
                if packet[0] >> 4 == 4:
                    # The checksums do not change: they are sums.
                    back = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
                    under_way.append((time.monotonic() + self.delay_s, back))
            while under_way and under_way[0][0] <= time.monotonic():
                os.write(self._device, under_way.popleft()[1])


def serve(certificate: str) -> None:
    """Answer every request over TLS with two events, in a process of its own."""
    import asyncio

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(size)
            writer.write(ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, NEAR, PORT, ssl=context)
        print("ready", flush=True)
        await server.serve_forever()

    asyncio.run(run())


def first_byte_ms(command: list[str], environ: dict[str, str]) -> float:
    """Run a command to its end; return the time to the first byte of its output."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        if not os.read(process.stdout.fileno(), 1):
            raise SystemExit(f"{command} printed nothing")
        took_ms = (time.perf_counter() - began) * 1000
        process.stdout.read()
    return took_ms


def compare(apiyi: str, wire: Wire, bundle: str, home: str) -> None:
    """Print the medians and ratios for each round trip."""
    url = f"https://{FAR}:{PORT}/v1"
    environ = {
        **os.environ,
        "APIYI_BASE_URL": url,
        "APIYI_API_KEY": "sk-bench-0123456789abcdef",
        "APIYI_MODEL": "gpt-4o",
        "HOME": home,
        "XDG_RUNTIME_DIR": home,
        "SSL_CERT_FILE": bundle,
        "CURL_CA_BUNDLE": bundle,
        # As installed, from compiled modules.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    header = "content-type: application/json"
    commands = {
        "curl -sN": ["curl", "-sN", "-H", header, "-d", BODY, f"{url}/chat/completions"],
        "apiyi chat": [apiyi, "chat", "-n", "hi"],
    }
    for round_trip_ms, goal in ROUND_TRIPS_MS.items():
        wire.delay_s = round_trip_ms / 2000
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(ROUNDS + 1):
            for name, command in commands.items():
                took_ms = first_byte_ms(command, environ)
                if number:
                    times[name].append(took_ms)
        print(f"\nFirst token over TLS, round trip {round_trip_ms} ms ({ROUNDS} rounds)")
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, median in medians.items():
            print(f"  {name:34} {median:9.1f} ms")
        value = medians["apiyi chat"] / medians["curl -sN"]
        print(f"  -> {'apiyi chat / curl':46} {value:5.2f}   (goal: <= {goal})")


def main() -> None:
    if len(sys.argv) > 2:
        serve(sys.argv[2])
    wire = Wire()
    threading.Thread(target=wire.carry, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        bundle, certificate = Path(folder, "ca.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(str(bundle))
        authority.issue_cert(FAR).private_key_and_cert_chain_pem.write_to_path(str(certificate))
        server = subprocess.Popen(
            [sys.executable, __file__, "serve", str(certificate)], stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            server.stdout.readline()
            compare(sys.argv[1], wire, str(bundle), folder)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
