"""SHA-256 of short texts, on the path of every command.

`hashlib` loads OpenSSL's part of it first, which takes 1 ms and is faster only for long data.
So this is Python's own, as in the standard library's `random`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def sha256(data: bytes) -> Any:
    """Return the hash object of `data`, as hashlib's function does."""
    # Of Python since 3.12, of 3.11, and of one that was built without it.
    for name in ("_sha2", "_sha256"):
        try:
            return import_module(name).sha256(data)
        except ImportError:
            continue
    import hashlib

    return hashlib.sha256(data)
