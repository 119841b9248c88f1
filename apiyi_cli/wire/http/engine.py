"""httpcore, the HTTP engine, without its asynchronous half.

Importing the packages of that half would cost every command three milliseconds. httpcore has
stand-ins for the case that they are not installed.
"""

from __future__ import annotations

import sys

_ASYNCHRONOUS = [name for name in ("anyio", "trio") if name not in sys.modules]
for _name in _ASYNCHRONOUS:
    sys.modules[_name] = None  # type: ignore[assignment]

import httpcore as httpcore  # noqa: E402

for _name in _ASYNCHRONOUS:
    del sys.modules[_name]
