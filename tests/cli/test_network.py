"""Reaching the gateway: refusals, silences, proxies, certificates, addresses."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from apiyi_cli.sandbox.play import Play
from apiyi_cli.sandbox.server import Gateway

if TYPE_CHECKING:
    from tests.conftest import Program


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_refused_connection_was_free(apiyi: Program) -> None:
    ran = apiyi(f"chat hi --retries 0 --base-url http://127.0.0.1:{closed_port()}/v1")
    assert (ran.code, ran.out) == (5, b"")
    assert "connection refused" in ran.err
    assert "apiyi doctor" in ran.err


def test_a_name_that_does_not_resolve_was_free(apiyi: Program) -> None:
    ran = apiyi("chat hi --retries 0 --base-url https://nowhere.invalid/v1")
    assert ran.code == 5
    assert "its name cannot be resolved" in ran.err


def test_a_failure_that_passes_is_retried_and_told(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(Play.error(503, "overloaded"))
    ran = apiyi("chat hi --retries 1")
    assert (ran.code, ran.out) == (0, b"[sandbox] You said: hi\n")
    assert ran.err.startswith("apiyi: retry 1 of 1 in ")
    first, second = gateway.ledger
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_nothing_is_retried_once_text_was_shown(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(Play.chat("one").cut(2))
    ran = apiyi("chat hi")
    assert (ran.code, ran.out, len(gateway.ledger)) == (8, b"one\n", 1)


@pytest.mark.parametrize(
    ("play", "code", "why", "out"),
    [
        (Play.chat("x").stall(), 8, "no answer within", ""),
        (Play.chat("one", "two").stall(2), 8, "no event for", "one\n"),
        (Play.json({"choices": []}).stall(at=5), 8, "no byte for 0.3", ""),
    ],
    ids=["headers", "event", "byte"],
)
def test_a_silence_longer_than_timeout_may_have_been_billed(
    apiyi: Program, gateway: Gateway, play: Play, code: int, why: str, out: str
) -> None:
    gateway.script(play)
    stream = "--no-stream" if why.startswith("no byte") else ""
    ran = apiyi(f"chat hi --timeout 0.3 --retries 0 {stream}")
    assert (ran.code, ran.text) == (code, out)
    assert why in ran.err
    assert gateway.wait_for(lambda: gateway.ledger[0].done)


def test_comments_are_no_events(apiyi: Program, gateway: Gateway) -> None:
    pings = Play(body=lambda: repeat(b": PING\n\n"), content_type="text/event-stream", gap_s=0.02)
    gateway.script(pings)
    ran = apiyi("chat hi --timeout 0.4 --retries 0")
    assert ran.code == 8
    assert "no event for" in ran.err


def test_a_silent_list_of_models_was_free(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(Play().stall())
    ran = apiyi("models --timeout 0.3 --retries 0")
    assert ran.code == 5


def test_the_whole_time_is_a_limit_of_the_user(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(Play.chat("one", "two").stall(2))
    ran = apiyi("chat hi --max-time 1.2 --retries 0")
    assert (ran.code, ran.out) == (9, b"one\n")
    assert "--max-time" in ran.err
    assert "had been sent" in ran.err


def test_no_wait_between_attempts_outlasts_the_whole_time(apiyi: Program, gateway: Gateway) -> None:
    gateway.script(Play.error(429, "slow down", headers=(("Retry-After", "20"),)))
    ran = apiyi("chat hi --max-time 2 --retries 3")
    assert ran.code == 5
    assert "no time for another attempt in 2 s" in ran.err
    assert len(gateway.ledger) == 1


def test_an_address_may_be_ipv6(apiyi: Program) -> None:
    with Gateway(host="::1") as gateway:
        assert apiyi(f"chat hi --base-url {gateway.base_url}").code == 0
        assert gateway.ledger[0].headers["host"] == f"[::1]:{gateway.port}"


def test_a_name_with_several_addresses_is_tried_to_the_last(
    apiyi: Program, gateway: Gateway
) -> None:
    assert apiyi(f"chat hi --base-url http://localhost:{gateway.port}/v1").code == 0


@pytest.mark.parametrize(
    ("url", "code", "why"),
    [
        ("http://127.0.0.1:9", 2, "ends in /v1"),
        ("http://127.0.0.1:9/v1/v1", 2, "twice"),
        ("http://127.0.0.1:9/v1/chat/completions", 2, "is an endpoint"),
        ("ftp://127.0.0.1/v1", 2, "starts with https://"),
        ("https://user:pw@127.0.0.1/v1", 2, "no user or password"),
        ("https://127.0.0.1:0/v1", 2, "the port is a number"),
        ("http://192.0.2.1/v1", 10, "plain http"),
    ],
)
def test_a_base_url_that_cannot_be_is_refused(
    apiyi: Program, url: str, code: int, why: str
) -> None:
    ran = apiyi(["chat", "hi", "--base-url", url])
    assert ran.code == code
    assert why in ran.err
    assert apiyi("chat hi", env={"APIYI_BASE_URL": url}).code == 10


def test_a_slash_at_the_end_of_a_base_url_does_not_matter(apiyi: Program, gateway: Gateway) -> None:
    assert apiyi(f"chat hi --base-url {gateway.base_url}/").code == 0
    assert gateway.ledger[0].path == "/v1/chat/completions"


PROXY_VARIABLES = (
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
)


@pytest.mark.parametrize("value", ["http://127.0.0.1:1", "socks://127.0.0.1:1", "::garbage::"])
def test_loopback_is_never_reached_through_a_proxy_of_the_environment(
    apiyi: Program, gateway: Gateway, value: str
) -> None:
    assert apiyi("chat hi", env=dict.fromkeys(PROXY_VARIABLES, value)).code == 0


def test_the_proxy_option_is_used_even_for_loopback(apiyi: Program, gateway: Gateway) -> None:
    with Gateway() as proxy:
        proxy.script(Play.chat("through"))
        url = f"http://me:pa%2Fss@127.0.0.1:{proxy.port}"
        ran = apiyi(["chat", "hi", "-v", "--proxy", url])
        assert (ran.code, ran.out) == (0, b"through\n")
        (received,) = proxy.ledger
    assert received.path == f"{gateway.base_url}/chat/completions"
    credentials = b64encode(b"me:pa/ss").decode()
    assert received.headers["proxy-authorization"] == f"Basic {credentials}"
    assert gateway.ledger == []
    assert "through http://127.0.0.1" in ran.err
    assert "pa%2Fss" not in ran.err and "pa/ss" not in ran.err and credentials not in ran.err


def test_a_proxy_never_sees_the_key_of_an_https_call(apiyi: Program) -> None:
    with Gateway() as proxy:
        proxy.script(Play(status=407, reason="Proxy Authentication Required"))
        ran = apiyi(
            "chat hi --retries 2 --base-url https://api.example.invalid/v1",
            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"},
        )
        assert ran.code == 10
        assert "the proxy refused" in ran.err and "407" in ran.err and "HTTPS_PROXY" in ran.err
        (received,) = proxy.ledger
    assert (received.method, received.path) == ("CONNECT", "api.example.invalid:443")
    assert "authorization" not in received.headers


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("https_proxy", "socks://127.0.0.1:{port}", 5),
        ("HTTPS_PROXY", "socks5h://127.0.0.1:{port}", 5),
        ("ALL_PROXY", "127.0.0.1:{port}", 5),
        ("all_proxy", "socks4://127.0.0.1:{port}", 10),
        ("HTTPS_PROXY", "http://", 10),
        ("HTTPS_PROXY", "http://127.0.0.1:port", 10),
        ("HTTPS_PROXY", "http://[::1", 10),
        ("HTTPS_PROXY", "://x", 10),
    ],
)
def test_a_proxy_variable_works_or_is_named(
    apiyi: Program, variable: str, value: str, code: int
) -> None:
    value = value.format(port=closed_port())
    line = "chat hi --retries 0 --base-url https://api.example.invalid/v1"
    ran = apiyi(line, env={variable: value})
    assert ran.code == code
    if code == 10:
        assert f"cannot use {variable}" in ran.err
    else:
        assert "through the proxy" in ran.err and "127.0.0.1" in ran.err


@pytest.mark.parametrize("listed", ["::1/128", "[::1]", "fd07::/64,10.0.0.0/8", "*.x,,;", "["])
def test_odd_entries_of_no_proxy_do_no_harm(apiyi: Program, listed: str) -> None:
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}", "NO_PROXY": listed}
    ran = apiyi("chat hi --retries 0 --base-url https://api.example.invalid/v1", env=env)
    assert ran.code == 5
    assert "through the proxy" in ran.err


@pytest.mark.parametrize("listed", ["*", "invalid", ".example.invalid", "api.example.invalid:443"])
def test_hosts_of_no_proxy_are_reached_directly(apiyi: Program, listed: str) -> None:
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}", "no_proxy": listed}
    ran = apiyi("chat hi --retries 0 --base-url https://api.example.invalid/v1", env=env)
    assert "cannot be resolved" in ran.err


ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"safe"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class TlsServer:
    """Answers every request over TLS with `ANSWER`, and counts who came and who asked.

    Without a certificate it is a mail server.
    """

    def __init__(self, certificate: trustme.LeafCert | None) -> None:
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self.context)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.base_url = f"https://127.0.0.1:{self.port}/v1"
        self.connections = 0
        self.requests: list[bytes] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with plain, contextlib.suppress(OSError):
                if self.context is None:
                    plain.sendall(b"220 mail.example ESMTP\r\n")
                    plain.recv(65536)
                    continue
                with self.context.wrap_socket(plain, server_side=True) as sock:
                    self.requests.append(_request(sock))
                    sock.sendall(ANSWER)


def _request(sock: ssl.SSLSocket) -> bytes:
    """Read a request to its end: closing a socket with unread data would reset it."""
    read = b""
    while b"\r\n\r\n" not in read or not read.endswith(b"}"):
        read += sock.recv(65536)
    return read


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def tls(authority: trustme.CA) -> Iterator[TlsServer]:
    server = TlsServer(authority.issue_cert("127.0.0.1"))
    yield server
    server.close()


def test_a_certificate_of_a_trusted_authority_is_accepted(
    apiyi: Program, tls: TlsServer, bundle: Path
) -> None:
    line = f"chat hi --base-url {tls.base_url}"
    assert apiyi(f"{line} --cacert {bundle}").out == b"safe\n"
    assert apiyi(line, env={"SSL_CERT_FILE": str(bundle)}).out == b"safe\n"
    assert [request.split(b"\r\n")[0] for request in tls.requests] == [
        b"POST /v1/chat/completions HTTP/1.1"
    ] * 2


def test_a_certificate_of_an_unknown_authority_is_refused_once(
    apiyi: Program, tls: TlsServer
) -> None:
    ran = apiyi(f"chat hi --base-url {tls.base_url}")
    assert (ran.code, ran.out) == (10, b"")
    assert "cannot trust the gateway's certificate" in ran.err
    assert "--cacert" in ran.err
    assert (tls.connections, tls.requests) == (1, [])


@pytest.mark.parametrize("flaw", ["host", "expired", "self-signed"])
def test_a_certificate_with_a_flaw_is_refused(
    apiyi: Program, authority: trustme.CA, bundle: Path, flaw: str
) -> None:
    day = datetime.timedelta(days=1)
    now = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = {
        "host": lambda: authority.issue_cert("other.example"),
        "expired": lambda: authority.issue_cert("127.0.0.1", not_before=now, not_after=now + day),
        "self-signed": lambda: trustme.CA().issue_cert("127.0.0.1"),
    }[flaw]()
    server = TlsServer(certificate)
    try:
        ran = apiyi(f"chat hi --base-url {server.base_url} --cacert {bundle}")
    finally:
        server.close()
    assert ran.code == 10
    assert "certificate" in ran.err
    assert (server.connections, server.requests) == (1, [])


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_file_without_certificates_is_named(
    apiyi: Program, tls: TlsServer, content: str | None
) -> None:
    path = apiyi.work / "ca.pem"
    if content is not None:
        path.write_text(content)
    line = f"chat hi --base-url {tls.base_url}"
    for ran in (apiyi(f"{line} --cacert ca.pem"), apiyi(line, env={"SSL_CERT_FILE": str(path)})):
        assert ran.code == 10
        assert "ca.pem" in ran.err
    assert tls.connections == 0


def test_a_missing_directory_of_certificates_is_named(apiyi: Program, tls: TlsServer) -> None:
    ran = apiyi(f"chat hi --base-url {tls.base_url}", env={"SSL_CERT_DIR": "/no/such/folder"})
    assert ran.code == 10
    assert "/no/such/folder" in ran.err


def test_a_server_without_tls_was_sent_nothing(apiyi: Program) -> None:
    server = TlsServer(None)
    try:
        ran = apiyi(f"chat hi --retries 0 --base-url {server.base_url}")
    finally:
        server.close()
    assert ran.code == 5
    assert "TLS handshake failed" in ran.err


@pytest.mark.parametrize("line", ["chat hi --insecure", "chat hi -k", "chat hi --api-key x"])
def test_there_is_no_way_to_trust_blindly_or_to_type_a_key(apiyi: Program, line: str) -> None:
    assert apiyi(line).code == 2
