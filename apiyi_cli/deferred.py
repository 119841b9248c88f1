"""Modules that libraries import at their top and that few runs need, loaded on first use.

Until then a `DeferredModule` has the place of the module in `sys.modules`; the first attribute
that anybody asks for loads the real one, which takes that place. `import x` costs nothing then,
`from x import y` loads x as always. PEP 810 brings this as a statement to Python 3.15.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class DeferredModule(ModuleType):
    """Loads the module of its name on first use, and forwards every access."""

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the real module, which is loaded if needed."""
        if name.startswith("__"):
            # Only the import system and introspection ask for these.
            raise AttributeError(f"module {self.__name__!r} has not been loaded")
        return getattr(_load(self.__name__), name)

    def __setattr__(self, name: str, value: object) -> None:
        """Set the attribute of the real module; imported submodules are set here."""
        if isinstance(value, ModuleType) or name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(_load(self.__name__), name, value)


def defer_modules(*names: str) -> None:
    """Load modules on first use; loaded ones stay."""
    for name in names:
        sys.modules.setdefault(name, DeferredModule(name))


def defer_package(name: str) -> None:
    """Run a package's `__init__` on first use; its submodules can be imported.

    Other names are left to an ordinary import and its error.
    """
    parent, _, _ = name.rpartition(".")
    if name in sys.modules or (parent and parent not in sys.modules):
        return
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(name, sys.modules[parent].__path__ if parent else None)
    if spec is not None and spec.submodule_search_locations:
        package = DeferredModule(name)
        package.__path__ = spec.submodule_search_locations
        sys.modules[name] = package


def _load(name: str) -> ModuleType:
    from importlib import import_module

    # Threads may come here at once: the import system makes the others wait for the first.
    if type(sys.modules.get(name)) is DeferredModule:
        sys.modules.pop(name, None)
    return import_module(name)
