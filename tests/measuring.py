"""Lets coverage see the tests and their fixtures, and nothing else that pytest does.

With Python 3.11 coverage is called for every line that a thread runs, of whatever file. Of 1,300
tests of decode, render and core 14 s of a processor become 36 s with pytest-cov alone, 18 s with
this; `make test` measures nothing, because the whole suite would take a third longer. A test that
repeats what others do asks for `pytest.mark.no_cover`; of one that runs the program with many
parameters the first are measured, because the others take the same branches. Where nothing is
measured no tracer is touched: debuggers have one. With Python 3.12 and later coverage is not called
so; this can go with 3.11.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pytest

Around = Generator[None, object, object]

MEASURED_PARAMETERS = 8
"""How many of the parameter sets of a test that runs the program are measured.

A measured run takes twice the time; what tests call themselves takes a quarter more.
"""


def leave_out_repetitions(items: Iterable[pytest.Item]) -> None:
    """Mark the parameter sets of a test that are not measured."""
    seen: Counter[str] = Counter()
    for item in items:
        if "apiyi" not in getattr(item, "fixturenames", ()):
            continue
        name = item.nodeid.partition("[")[0]
        seen[name] += 1
        if seen[name] > MEASURED_PARAMETERS:
            item.add_marker(pytest.mark.no_cover)


class Measuring:
    """A plugin that takes the tracer of coverage out, and puts it in where it is wanted."""

    def __init__(self) -> None:
        self._tracer: Any = None
        self._measures = False

    def _pause(self) -> None:
        if self._measures:
            self._tracer = sys.gettrace() or self._tracer
            sys.settrace(None)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Iterator[None]:
        """Collect without; `warm.py` measures what is done by importing.

        pytest-cov starts a second measurement in each worker, of which nothing is kept: it ends
        here, as does that of the process which hands out the tests and runs none.
        """
        # What does not measure need not have coverage, either.
        coverage = sys.modules.get("coverage")
        stopped = []
        while coverage is not None and (current := coverage.Coverage.current()) is not None:
            current.stop()
            stopped.append(current)
        yield
        if stopped and not session.config.pluginmanager.hasplugin("dsession"):
            stopped[0].start()
            self._measures = True
            self._pause()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        leave_out_repetitions(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self) -> Around:
        with self:
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Around:
        if pyfuncitem.get_closest_marker("no_cover") is not None:
            return (yield)
        with self:
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Around:
        try:
            return (yield)
        finally:
            # After a test that asked for none, pytest-cov puts another one in.
            self._pause()

    def __enter__(self) -> None:
        if self._tracer is not None:
            sys.settrace(self._tracer)

    def __exit__(self, *_: object) -> None:
        self._pause()
