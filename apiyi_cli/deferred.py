"""Modules that libraries import but few runs need, loaded on first use.

Until then a `DeferredModule` has the place of the module in `sys.modules`; the first attribute
that anybody asks for loads the real one, which takes that place. `import x` costs nothing then,
`from x import y` loads x as always. PEP 810 brings this as a statement to Python 3.15.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_WARNING = 30
"""logging.WARNING: less than that is shown only where `logging` was loaded and configured."""


class DeferredModule(ModuleType):
    """Loads the module of its name on first use, and forwards every access."""

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the real module, which is loaded if needed."""
        if name == "__all__":
            # For `from module import *`, which looks at no attribute before.
            real = _load(self.__name__)
            return getattr(real, name, [word for word in vars(real) if not word.startswith("_")])
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


class DeferredLogger:
    """A logger that loads `logging` with the first record that anybody would see."""

    def __init__(self, name: str = "root") -> None:
        self.__dict__["name"] = name

    def isEnabledFor(self, level: int) -> bool:
        """Return True if records of that level are wanted."""
        if _is_deferred("logging"):
            # What nobody has loaded nobody has configured.
            return level >= _WARNING
        return bool(self._logger().isEnabledFor(level))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._logger(), name, value)

    def _logger(self) -> Any:
        return _load("logging").getLogger(None if self.name == "root" else self.name)


def defer_modules(*names: str) -> None:
    """Load modules on first use; loaded ones stay."""
    for name in names:
        defer_module(name)


def defer_module(name: str, **known: Any) -> None:
    """Load a module on first use of an attribute not yet known."""
    if name not in sys.modules:
        module = sys.modules[name] = DeferredModule(name)
        vars(module).update(known)


def defer_logging() -> None:
    """Load `logging` with the first record: libraries make loggers when they are imported."""
    if "logging" not in sys.modules:
        defer_package("logging")
        vars(sys.modules["logging"]).update(DEBUG=10, getLogger=DeferredLogger)


@contextmanager
def defer_names(names: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Load nothing for `from module import name` while this block imports a library.

    It gets a function that calls the real one. So the names are those of functions, or of classes
    that the library does not need before it is asked for something rare.
    """
    defer_modules(*names)
    modules = {name: sys.modules[name] for name in names if _is_deferred(name)}
    for name, module in modules.items():
        vars(module).update({word: _call_later(name, word) for word in names[name]})
    try:
        yield
    finally:
        for name, module in modules.items():
            for word in names[name]:
                del vars(module)[word]


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


def _is_deferred(name: str) -> bool:
    return type(sys.modules.get(name)) is DeferredModule


def _call_later(module: str, name: str) -> Callable[..., Any]:
    def call(*values: Any, **named: Any) -> Any:
        return getattr(_load(module), name)(*values, **named)

    return call


def _load(name: str) -> ModuleType:
    from importlib import import_module

    # Threads may come here at once: the import system makes the others wait for the first.
    if _is_deferred(name):
        sys.modules.pop(name, None)
    return import_module(name)
