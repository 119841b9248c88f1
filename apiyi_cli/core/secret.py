"""`Secret`: a key that prints masked, and the redaction of keys in texts.

Redaction goes by value and happens at the last writer: what a key looks like in a server's
error, a proxy's address or a traceback does not depend on where it is written.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable
from functools import cache
from typing import overload
from urllib.parse import quote

from apiyi_cli.text import Text

KEY_VARIABLE = "APIYI_API_KEY"
SYSTEM_TOKEN_VARIABLE = "APIYI_SYSTEM_TOKEN"
LOGIN_HINT = Text(
    "apiyi auth login, or set APIYI_API_KEY, or use --key-file PATH "
    "(without a keyring also: apiyi auth login --insecure-storage)"
)
"""The advice about how to pass a key, for hints."""
SHORTEST_REDACTED = 8
"""Shorter values are words such as `none` or `EMPTY`, which servers without keys are given;
taking them out of text would hide more than it protects."""

_LARGE_BYTES = 1 << 20

# Patterns are texts here, compiled by `re` when first used: most runs redact nothing.
# Shapes of keys: sk-…, a Google key, a JSON web token, a bearer's token.
# "task-…" is not a key; a key behind an escape as in "\nsk-…" or "%20sk-…" is one.
_SHAPED = (
    r"(?:(?<![A-Za-z])|(?<=\\[bfnrt]))sk-[A-Za-z0-9_-]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{35}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r"|(?<=\b[Bb]earer )[A-Za-z0-9._~+/-]{20,}=*"
)

# One of these is in all that has the shape of a key.
_KEY_STARTS = ("sk-", "AIza", "eyJ", "earer ")

# Words in the names of headers and parameters whose values are secret.
_SECRET_WORDS = frozenset(
    (
        *("auth", "authorization", "bearer", "jwt", "cookie", "signature"),
        *("key", "apikey", "token", "secret", "password", "passwd", "credential", "credentials"),
    )
)
_PUBLIC_NAMES = frozenset(("idempotency-key",))
_SCHEMES = frozenset(("bearer", "basic", "digest", "token", "apikey", "negotiate"))
_QUERY_FIELD = r"(?<=[?&])([^=&#]+)=([^&#]*)"
_USER_INFO = r"(?<=://)[^/?#@]*@"


class Secret:
    """A secret value that prints as its tail; `source` is where it came from."""

    __slots__ = ("source", "value")

    def __init__(self, value: str, source: str = "") -> None:
        self.value = value
        self.source = source

    @property
    def tail(self) -> str:
        """Return `…` and the last four characters, or `…` if those would reveal too much.

        Characters that JSON escapes are left out: the tail is put into finished lines.
        """
        last = self.value[-4:]
        is_shown = len(self.value) >= 16 and not {'"', "\\"} & set(last)
        return f"…{last}" if is_shown else "…"

    def __str__(self) -> str:
        return self.tail

    def __repr__(self) -> str:
        return f"Secret({self.tail})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


@overload
def redact(text: str, secrets: Iterable[Secret]) -> str: ...
@overload
def redact(text: bytes, secrets: Iterable[Secret]) -> bytes: ...
def redact(text: str | bytes, secrets: Iterable[Secret]) -> str | bytes:
    """Replace each spelling of the secrets, and what looks like keys, by its tail.

    The spellings are the value itself, percent-encoded, with JSON escapes (also several
    times over), and inside base64 of either alphabet at any alignment. The rest of the text
    is returned as it came, undecodable bytes included. Values shorter than
    `SHORTEST_REDACTED` are left.
    """
    if isinstance(text, bytes):
        return redact(text.decode("utf-8", "surrogateescape"), secrets).encode(
            "utf-8", "surrogateescape"
        )
    text = _redact_known(text, secrets)
    if not any(start in text for start in _KEY_STARTS):
        return text
    return re.sub(_SHAPED, lambda match: f"[key {Secret(match[0]).tail}]", text)


def redact_body(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """Return a server's bytes with the secrets redacted, all else unchanged.

    Other text that looks like a key stays: it may be part of a picture. Of large bodies
    only the plain spelling is looked for.
    """
    known = tuple(secrets)
    if len(body) <= _LARGE_BYTES:
        text = _redact_known(body.decode("utf-8", "surrogateescape"), known)
        return text.encode("utf-8", "surrogateescape")
    for secret in known:
        if len(secret.value) >= SHORTEST_REDACTED:
            body = body.replace(secret.value.encode(), f"[key {secret.tail}]".encode())
    return body


def _redact_known(text: str, secrets: Iterable[Secret]) -> str:
    # The longest first: a secret may be the beginning of another.
    for secret in sorted(secrets, key=lambda secret: -len(secret.value)):
        if len(secret.value) >= SHORTEST_REDACTED:
            mask = f"[key {secret.tail}]"
            if _has_escapes(text):
                text = _spellings(secret.value).sub(lambda _, mask=mask: mask, text)  # type: ignore[misc]
            else:
                for spelling in _plain_spellings(secret.value):
                    text = text.replace(spelling, mask)
    return text


def holds_secret(text: str, secrets: Iterable[Secret]) -> bool:
    """Return True if any spelling of one of the secrets is in the text."""
    values = [secret.value for secret in secrets if len(secret.value) >= SHORTEST_REDACTED]
    if _has_escapes(text):
        return any(_spellings(value).search(text) for value in values)
    return any(spelling in text for value in values for spelling in _plain_spellings(value))


def is_secret_name(name: str) -> bool:
    """Return True if a header or parameter of this name carries credentials."""
    lower = name.lower()
    return lower not in _PUBLIC_NAMES and not _SECRET_WORDS.isdisjoint(re.split(r"[-_.]", lower))


def is_secret_header(name: str, value: str, secrets: Iterable[Secret] = ()) -> bool:
    """Return True if a header must not be shown, by its name or its value."""
    return is_secret_name(name) or redact(value, secrets) != value


def mask_header(name: str, value: str, secrets: Iterable[Secret] = ()) -> str:
    """Return a header's value for display; a secret one is its scheme and `***`."""
    if not is_secret_header(name, value, secrets):
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} ***" if space and scheme.lower() in _SCHEMES else "***"


def mask_url(url: str, secrets: Iterable[Secret] = ()) -> str:
    """Return a URL for display: without password, keys in its query as `***`."""
    url = re.sub(_USER_INFO, "***@", url)
    url = re.sub(
        _QUERY_FIELD, lambda field: f"{field[1]}=***" if is_secret_name(field[1]) else field[0], url
    )
    return redact(url, secrets)


def _has_escapes(text: str) -> bool:
    """Return True if URLs or JSON may escape characters of the text."""
    return "%" in text or "\\" in text


def _plain_spellings(value: str) -> tuple[str, ...]:
    """Return the spellings of the value in a text without escapes, the longest first."""
    return tuple(sorted({value, *_base64_parts(value)}, key=len, reverse=True))


@cache
def _spellings(value: str) -> re.Pattern[str]:
    """Return the pattern of all spellings. Compiling it takes 3 ms."""
    characters = "".join(_character(character) for character in value)
    return re.compile("|".join((characters, *(re.escape(part) for part in _base64_parts(value)))))


def _character(character: str) -> str:
    """Return the pattern of one character in every spelling of URLs and JSON."""
    from apiyi_cli.core.jsontext import write_ascii

    percent = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    # ASCII-only JSON: two escapes for what lies beyond the first plane.
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = r"\\+u" + r"\\+u".join(units[at : at + 2].hex() for at in range(0, len(units), 2))
    spelled = {
        re.escape(character),
        f"(?i:{re.escape(percent)})",
        f"(?i:{escaped})",
        re.escape(quote(character, safe="")),
        r"\\+" + re.escape(write_ascii(character)[1:-1].removeprefix("\\")),
    }
    return f"(?:{'|'.join(sorted(spelled))})"


def _base64_parts(value: str) -> set[str]:
    """Return the base64 characters that depend on the value alone, for its three alignments.

    What precedes the value shifts it by 0, 1 or 2 bytes; the character on either edge
    may mix its bits with a neighbour's and is left out.
    """
    raw = value.encode("utf-8", "surrogateescape")
    parts = set()
    for shift in range(3):
        text = b2a_base64(bytes(shift) + raw, newline=False).decode("ascii")
        inner = text[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
        parts |= {inner, inner.replace("+", "-").replace("/", "_")}
    return parts
