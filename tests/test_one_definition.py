"""One definition of each thing: a name means one thing in the whole package."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from tests.source import SOURCES, classes, parsed, relative

EXCEPTIONS = {
    "LANGUAGE": "each export language is one module, whose LANGUAGE is what the others read",
}
"""Names that several modules have on purpose, with the reason."""


def constants(tree: ast.Module) -> Iterator[str]:
    """Yield the public constants that a module defines; type variables are none."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("TypeVar"):
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id.isupper() and target.id[0] != "_":
                yield target.id


@cache
def homes(of: str) -> dict[str, list[str]]:
    """Return the names that more than one place defines, with the files."""
    found = defaultdict(list)
    for path in SOURCES:
        is_class = of == "class"
        names = [node.name for node in classes(path)] if is_class else constants(parsed(path))
        for name in names:
            found[name].append(relative(path))
    return {name: files for name, files in sorted(found.items()) if len(files) > 1}


@pytest.mark.parametrize("of", ["class", "constant"])
def test_a_name_is_defined_once(of: str) -> None:
    twice = {name: files for name, files in homes(of).items() if name not in EXCEPTIONS}
    assert not twice, f"the same {of} in several files: {twice}"


def test_every_exception_is_still_needed() -> None:
    assert set(EXCEPTIONS) <= set(homes("class")) | set(homes("constant"))
