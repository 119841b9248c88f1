"""A connection that is begun early carries the request of this run, or nothing at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from apiyi_cli.wire.http.preconnect import Preconnection, preconnect
from apiyi_cli.wire.http.tls import tls_context, trust_of

if TYPE_CHECKING:
    from tests.conftest import Program

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"safe"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class Server:
    """A TLS server that notes, for each connection, all that was said after the handshake."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.base_url = f"https://127.0.0.1:{self.port}/v1"
        self.said: list[bytes] = []
        self._ended = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait(self, count: int) -> list[bytes]:
        """Return what was said on each connection, once so many have ended."""
        with self._ended:
            assert self._ended.wait_for(lambda: len(self.said) >= count, 10)
        return self.said

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        read = b""
        with (
            contextlib.suppress(OSError),
            plain,
            self._context.wrap_socket(plain, server_side=True) as secure,
        ):
            while not read.endswith(b"}") and (piece := secure.recv(65536)):
                read += piece
            if read:
                secure.sendall(ANSWER)
        with self._ended:
            self.said.append(read)
            self._ended.notify_all()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
    server = Server(authority.issue_cert("127.0.0.1"))
    yield server
    server.close()


def begin(server: Server, bundle: str) -> Preconnection:
    begun = preconnect(
        ["chat", "hi"], {"APIYI_BASE_URL": server.base_url, "SSL_CERT_FILE": bundle, "HOME": "/"}
    )
    assert begun is not None
    assert begun.ended.wait(10)
    return begun


@pytest.mark.parametrize("where", ["variable", "option", "profile"])
def test_the_request_goes_over_the_connection_that_was_begun(
    apiyi: Program, server: Server, bundle: str, where: str
) -> None:
    line, env = ["chat", "-n", "hi"], {"SSL_CERT_FILE": bundle}
    if where == "variable":
        env["APIYI_BASE_URL"] = server.base_url
    elif where == "option":
        line = ["chat", "--base-url", server.base_url, "hi", f"--cacert={bundle}"]
    else:
        path = Path(apiyi.environ["HOME"]) / "config" / "apiyi" / "config.toml"
        path.write_text(
            f'[profile.far]\nbase_urls = ["{server.base_url}"]\ncacert = "{bundle}"\nmodel = "m"\n'
        )
        line = ["--profile", "far", *line]
        env["APIYI_BASE_URL"] = ""
    ran = apiyi(line, env=env)
    assert (ran.code, ran.out, ran.err) == (0, b"safe\n", "")
    (request,) = server.wait(1)
    assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")


def test_a_command_that_is_refused_sends_nothing(
    apiyi: Program, server: Server, bundle: str
) -> None:
    env: dict[str, str | None] = {"SSL_CERT_FILE": bundle, "APIYI_BASE_URL": server.base_url}
    lines: list[tuple[str, int, dict[str, str | None]]] = [
        ("chat hi --temperature 9000", 2, {}),
        ("chat hi --no-such-option", 2, {}),
        ("chat hi -f /no/such/file", 2, {}),
        ("chat hi -m text-embedding-3-small", 2, {}),
        ("chat hi", 4, {"APIYI_API_KEY": ""}),
    ]
    for line, code, more in lines:
        assert apiyi(line, env={**env, **more}).code == code, line
    assert set(server.said) <= {b""}


@pytest.mark.parametrize(
    "words",
    [
        "chat hi --dry-run",
        "chat hi --code python",
        "chat hi --cache",
        "chat hi --cache=5m",
        "chat hi --proxy http://127.0.0.1:1",
        "chat hi -h",
        "--profile sandbox chat hi",
        "chat hi --profile=sandbox",
        "config list",
        "batch rows.jsonl",
        "chat -s --base-url https://127.0.0.2/v1",
        "chat hi --base-url http://127.0.0.1:1/v1",
        "chat hi --base-url nonsense",
        "chat hi --node nowhere",
        "chat hi --profile absent",
        "chat hi --cacert /no/such/file",
        "-- chat hi",
    ],
)
def test_on_any_doubt_nothing_is_begun(words: str, tmp_path: Path) -> None:
    environ = {"APIYI_BASE_URL": "https://127.0.0.1:1/v1", "HOME": str(tmp_path)}
    assert preconnect(words.split(), environ) is None


def test_a_proxy_of_the_environment_or_a_url_that_is_down_is_a_doubt(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    proxy = {"https_proxy": "http://127.0.0.1:1"}
    assert preconnect(["chat", "hi"], {**environ, **proxy}) is None
    folder = tmp_path / "apiyi"
    folder.mkdir()
    mark = f'{{"https://api.apiyi.com/v1": [{time.time()}, {time.monotonic()}]}}'
    (folder / "breaker.json").write_text(mark)
    assert preconnect(["chat", "hi"], environ) is None


def test_a_connection_is_taken_once_and_fits_to_the_letter(server: Server, bundle: str) -> None:
    begun = begin(server, bundle)
    trust = trust_of(None, {"SSL_CERT_FILE": bundle})
    assert begun.fits("127.0.0.1", server.port, trust)
    assert not begun.fits("127.0.0.1", server.port + 1, trust)
    assert not begun.fits("localhost", server.port, trust)
    assert not begun.fits("127.0.0.1", server.port, trust_of(None, {}))
    taken = begun.take()
    assert taken is not None
    assert begun.take() is None
    taken.close()
    assert server.wait(1) == [b""]


def test_what_is_not_used_is_closed_whether_it_is_made_before_or_after(
    server: Server, bundle: str
) -> None:
    begin(server, bundle).discard()
    environ = {"SSL_CERT_FILE": bundle}
    late = Preconnection("127.0.0.1", server.port, trust_of(None, environ))
    late.discard()
    assert late.start() is late
    late.secure_with(tls_context(None, environ))
    assert late.ended.wait(10)
    assert late.take() is None
    assert server.wait(2) == [b"", b""]


def test_the_handshake_waits_for_the_certificates_and_is_not_made_without_them(
    server: Server, bundle: str
) -> None:
    turn_s = sys.getswitchinterval()
    begun = Preconnection("127.0.0.1", server.port, trust_of(bundle, {})).start()
    assert begun is not None
    assert not begun.ended.wait(0.2)
    begun.secure_with(None)
    assert begun.ended.wait(10)
    assert begun.take() is None
    assert begun.failure is None
    assert sys.getswitchinterval() == turn_s
    assert server.wait(1) == [b""]


def test_a_connection_that_the_server_closed_is_not_used(
    authority: trustme.CA, bundle: str
) -> None:
    server = Server(authority.issue_cert("127.0.0.1"))
    server._serve = lambda plain: _greet_and_close(server, plain)  # type: ignore[method-assign]
    begun = begin(server, bundle)
    server.wait(1)
    assert begun.take() is None
    server.close()


def _greet_and_close(server: Server, plain: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server._context.wrap_socket(plain, server_side=True).close()
    with server._ended:
        server.said.append(b"")
        server._ended.notify_all()
