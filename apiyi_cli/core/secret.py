"""`Secret`: a key that does not show itself, and `redact`, which takes keys out of text.

Redaction goes by value and happens at the last writer: what a key looks like in a server's
error, a proxy's address or a traceback cannot be told from the place where it stands.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from typing import overload
from urllib.parse import quote

from apiyi_cli.core.jsontext import write_ascii

SHORTEST_REDACTED = 8
"""Shorter values are words such as `none` or `EMPTY`, which servers without keys are given;
taking them out of text would hide more than it protects."""

# "task-…" is no key; a key behind an escape as in "\nsk-…" or "%20sk-…" is one.
_SHAPED = re.compile(r"(?:(?<![A-Za-z])|(?<=\\[bfnrt]))sk-[A-Za-z0-9_-]{16,}")


class Secret:
    """A value that prints as its tail; `source` tells where it came from."""

    __slots__ = ("source", "value")

    def __init__(self, value: str, source: str = "") -> None:
        self.value = value
        self.source = source

    @property
    def tail(self) -> str:
        """Return `…` and the last four characters, or `…` alone when four would tell much."""
        return "…" + self.value[-4:] if len(self.value) >= 16 else "…"

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
    """Replace every spelling of the secrets, and whatever has the shape of a key, by its tail.

    The spellings are the value itself, percent-encoded, with JSON escapes (also several
    times over), and inside base64 of either alphabet at any alignment. The rest of the text
    is returned as it came, undecodable bytes included. Values shorter than
    `SHORTEST_REDACTED` are left.
    """
    if isinstance(text, bytes):
        return redact(text.decode("utf-8", "surrogateescape"), secrets).encode(
            "utf-8", "surrogateescape"
        )
    # The longest first: a secret may be the beginning of another.
    for secret in sorted(secrets, key=lambda secret: -len(secret.value)):
        if len(secret.value) >= SHORTEST_REDACTED:
            # A replacement text reads backslashes as references.
            shown = f"[key {secret.tail}]".replace("\\", r"\\")
            text = _spellings(secret.value).sub(shown, text)
    return _SHAPED.sub(lambda found: f"[key …{found[0][-4:]}]", text)


@cache
def _spellings(value: str) -> re.Pattern[str]:
    plain = "".join(_character(character) for character in value)
    return re.compile("|".join((plain, *(re.escape(part) for part in _base64_parts(value)))))


def _character(character: str) -> str:
    """Return the pattern of one character, however a URL or JSON may write it."""
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
    """Return the characters of base64 that the value alone decides, for its three alignments.

    What stands before the value shifts it by 0, 1 or 2 bytes; the character on either edge
    may mix its bits with a neighbour's and is left out.
    """
    raw = value.encode("utf-8", "surrogateescape")
    parts = set()
    for shift in range(3):
        text = b64encode(bytes(shift) + raw).decode("ascii")
        inner = text[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
        parts |= {inner, inner.replace("+", "-").replace("/", "_")}
    return parts
