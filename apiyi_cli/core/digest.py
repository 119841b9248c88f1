"""SHA-256 of short texts, on the path of every command.

`hashlib` loads OpenSSL's part of it first, which takes 1 ms and is faster only for long data.
So this is Python's own, as in the standard library's `random`.
"""

from __future__ import annotations

import sys

try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha256

__all__ = ["sha256"]
