"""TLS: which certificates are trusted, and what the others come to."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

if TYPE_CHECKING:
    from tests.conftest import Program


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
                if self.context.minimum_version == ssl.TLSVersion.TLSv1_3:
                    self._refuse(plain, self.context)
                    continue
                with self.context.wrap_socket(plain, server_side=True) as sock:
                    self.requests.append(_request(sock))
                    sock.sendall(ANSWER)

    def _refuse(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        """Shake hands with a client that has no certificate, after it has sent what it may."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        # What ends the handshake is shorter than 400 bytes: the request is there, too.
        for least in (1, 400):
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            plain.sendall(outgoing.read())
            read = b""
            while len(read) < least:
                read += plain.recv(65536)
            incoming.write(read)
        with contextlib.suppress(ssl.SSLError):
            tls.do_handshake()
        plain.sendall(outgoing.read())


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


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate_has_read_no_request(
    apiyi: Program, tls: TlsServer, bundle: Path, version: ssl.TLSVersion
) -> None:
    assert tls.context is not None
    tls.context.verify_mode = ssl.CERT_REQUIRED
    tls.context.minimum_version = tls.context.maximum_version = version
    ran = apiyi(f"chat hi --base-url {tls.base_url} --cacert {bundle} --retries 0")
    assert ran.code == 5
    assert "the TLS handshake failed" in ran.err
    assert "billed" not in ran.err
    assert tls.requests == []


@pytest.mark.parametrize("line", ["chat hi --insecure", "chat hi -k", "chat hi --api-key x"])
def test_there_is_no_way_to_trust_blindly_or_to_type_a_key(apiyi: Program, line: str) -> None:
    assert apiyi(line).code == 2
