"""Which certificates are trusted, and what a wrong file comes to."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from apiyi_cli.errors import SetupError
from apiyi_cli.wire.http.tls import tls_context


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_servers_are_always_verified(bundle: Path) -> None:
    for context in (tls_context(None, {}), tls_context(str(bundle), {})):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_named_file_is_the_only_trust(bundle: Path) -> None:
    names = [
        tls_context(str(bundle), {"SSL_CERT_FILE": "/no/such/file"}),
        tls_context(None, {"SSL_CERT_FILE": str(bundle)}),
    ]
    for context in names:
        assert context.cert_store_stats()["x509_ca"] == 1


def test_empty_variables_count_as_unset() -> None:
    tls_context(None, {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})


def test_a_directory_is_trusted_without_being_read(tmp_path: Path) -> None:
    context = tls_context(None, {"SSL_CERT_DIR": str(tmp_path)})
    assert context.cert_store_stats()["x509"] == 0


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\n", b"\xff\0"])
def test_a_file_without_certificates_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    for cacert, environ in ((str(path), {}), (None, {"SSL_CERT_FILE": str(path)})):
        with pytest.raises(SetupError) as caught:
            tls_context(cacert, environ)
        assert str(path) in str(caught.value)
        assert ("--cacert" if cacert else "SSL_CERT_FILE") in caught.value.what


def test_a_missing_directory_is_named() -> None:
    with pytest.raises(SetupError, match="/no/such/folder"):
        tls_context(None, {"SSL_CERT_DIR": "/no/such/folder"})
