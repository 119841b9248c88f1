"""The order in which xdist's workers run the tests: what takes long comes first.

Each worker begins with an equal share of the tests, and one that has none left takes half of
what another one has not begun. A test of ten seconds at the end of a share would be waited for
by all. What a group of tests shares, such as a browser or the parsed sources, takes seconds as
well: one worker makes it.
"""

from __future__ import annotations

import os

import pytest

GROUPS = (
    ("tests/playground/test_page.py",),
    ("tests/export/test_programs.py", "tests/sandbox/test_native", "tests/sandbox/test_openai"),
    ("tests/cli/test_mcp_server.py", "tests/cli/test_mcp_tools.py"),
    (
        "tests/cli/test_keys.py::test_every_program_is_started",
        "tests/test_circles.py",
        "tests/test_floors.py",
        "tests/test_one_definition.py",
        "tests/test_sizes.py",
        "tests/test_translation.py",
        "tests/test_words.py",
    ),
    ("tests/cli/test_batch.py::test_three_batches_of_one_key",),
    ("tests/wire/limits/test_limiter.py::test_four_processes_get_no_429",),
    ("tests/cli/test_batch.py::test_a_storm_of_429",),
    ("tests/wire/limits/test_redis_limiter.py",),
    ("tests/matrix/test_torture.py",),
    ("tests/process/test_video_kill.py",),
    ("tests/process/test_batch_signals.py",),
    ("tests/fuzz/test_replies.py",),
    ("tests/test_readme.py",),
)
"""The beginnings of the names of tests that take more than five seconds, by what they share."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin each worker's share with some of the groups."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count > 1:
        items[:] = deal(items, count)


def deal(items: list[pytest.Item], count: int) -> list[pytest.Item]:
    """Return the items as `count` shares, one behind the other, as xdist will cut them."""
    groups: list[list[pytest.Item]] = [[] for _ in (*GROUPS, "others")]
    for item in items:
        at = (n for n, names in enumerate(GROUPS) if item.nodeid.startswith(names))
        groups[next(at, len(GROUPS))].append(item)
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
