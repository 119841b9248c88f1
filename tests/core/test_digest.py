"""The hash of short texts."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from typing import ClassVar

import pytest

from apiyi_cli.core.digest import sha256


def test_it_is_hashlib_s() -> None:
    for data in (b"", b"gpt-4o", bytes(range(256)) * 9):
        assert sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()


def test_no_module_is_looked_for_after_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        """Notes the modules that are looked for."""

        names: ClassVar = list[str]()

        def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
            self.names.append(name)

    sha256(b"first")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    sha256(b"second")
    assert Finder.names == []
