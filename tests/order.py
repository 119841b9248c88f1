"""The order in which xdist's workers run the tests: what takes long comes first.

Each worker begins with an equal share of the tests, and one that has none left takes half of
what another one has not begun. A test of ten seconds at the end of a share would be waited for
by all. What such a group of tests shares, a browser for one, is made by one worker only.
"""

from __future__ import annotations

import os

import pytest

LONG = (
    "tests/playground/test_page.py",
    "tests/export/test_programs.py",
    "tests/cli/test_batch.py::test_three_batches_of_one_key",
    "tests/cli/test_batch.py::test_a_storm_of_429",
    "tests/wire/limits/test_limiter.py::test_four_processes_get_no_429",
    "tests/wire/limits/test_redis_limiter.py::test_two_machines_in_batches",
    "tests/matrix/test_torture.py",
    "tests/cli/test_mcp_server.py",
    "tests/process/test_video_kill.py",
    "tests/process/test_batch_signals.py",
    "tests/fuzz/test_replies.py",
    "tests/test_readme.py",
)
"""The beginnings of the names of tests that take more than five seconds, alone or together."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin each worker's share with some of the long tests."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count > 1:
        items[:] = deal(items, count)


def deal(items: list[pytest.Item], count: int) -> list[pytest.Item]:
    """Return the items as `count` shares, one behind the other, as xdist will cut them."""
    groups: list[list[pytest.Item]] = [[] for _ in (*LONG, "others")]
    for item in items:
        at = (n for n, name in enumerate(LONG) if item.nodeid.startswith(name))
        groups[next(at, len(LONG))].append(item)
    rest = groups.pop()
    dealt: list[pytest.Item] = []
    for number in range(count):
        size = (len(items) - len(dealt)) // (count - number)
        share = [item for group in groups[number::count] for item in group]
        # Of a few tests nearly all may be long ones.
        share, rest = share[:size], [*share[size:], *rest]
        missing = size - len(share)
        dealt += [*share, *rest[:missing]]
        rest = rest[missing:]
    return dealt
