"""Loads the trusted certificates as cheaply as possible.

Loading a bundle of all authorities takes 14-17 ms; a hashed directory is read on demand and
costs nothing until a certificate is checked. Verification cannot be switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from apiyi_cli.errors import SetupError
from apiyi_cli.text import Text

if TYPE_CHECKING:
    import ssl


def tls_context(cacert: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that verifies servers.

    Trust comes from `cacert`, else SSL_CERT_FILE and SSL_CERT_DIR, else the system's hashed
    directory, else the system's default bundle, else certifi. Raises SetupError naming a
    file that is missing or holds no certificate.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    named_file, named_dir = trust_of(cacert, environ)
    if named_file or named_dir:
        source = "--cacert" if cacert else "SSL_CERT_FILE" if named_file else "SSL_CERT_DIR"
        _load(context, source, named_file or None, named_dir or None)
        return context
    system = ssl.get_default_verify_paths()
    if system.capath and next(Path(system.capath).glob("*.0"), None) is not None:
        context.load_verify_locations(capath=system.capath)
    elif system.cafile:
        context.load_verify_locations(cafile=system.cafile)
    else:
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    return context


def trust_of(cacert: str | None, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the user's file and folder of certificates, None for the system's.

    Contexts of the same two trust the same servers.
    """
    if cacert:
        return cacert, None
    return environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")


def _load(context: ssl.SSLContext, source: str, file: str | None, folder: str | None) -> None:
    path = file or folder or ""
    what, hint = Text("cannot use {source}", source=source), Text("correct {source}", source=source)
    if file:
        hint = Text("give {source} a file of PEM certificates", source=source)
    if folder and not Path(folder).is_dir():
        problem = Text("{folder} is not a directory", folder=folder)
        hint = Text("correct SSL_CERT_DIR, or unset it")
        raise SetupError(Text("cannot use SSL_CERT_DIR"), problem, hint=hint)
    try:
        context.load_verify_locations(cafile=file, capath=folder)
    except FileNotFoundError:
        raise SetupError(what, Text("{path} does not exist", path=path), hint=hint) from None
    except OSError as failure:
        why = failure.strerror or Text("holds no certificate")
        raise SetupError(what, f"{path}: {why}", hint=hint) from None
