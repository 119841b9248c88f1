"""A run that is a fork of the warm process behaves as one that starts like the user's.

Other tests run forks because they cost a tenth (`tests/warm.py`). What an interpreter decides
when it starts (modules, locale, signals, descriptors) has its own tests in this folder.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import pytest

from tests.conftest import ROOT, Program
from tests.quick import Quick, Warm

LINES: list[tuple[str, dict[str, str | None]]] = [
    ("--version", {}),
    ("--help", {"COLUMNS": "80"}),
    ("help exit-codes", {"LANG": "zh_CN.UTF-8"}),
    ("chat hi", {}),
    ("chat hi", {"APIYI_BASE_URL": None, "APIYI_API_KEY": None, "APIYI_PROFILE": "sandbox"}),
    ("chat --json hi", {"LANG": "zh_CN.UTF-8"}),
    ("chat -m fault:400 hi", {"LANG": "zh_CN.UTF-8"}),
    ("chat --dry-run -s @missing.txt hi", {}),
    ("embed a b --jq .index", {}),
    ("chat --schema 'name, age int' hi", {}),
    ("image 'a cat' -o cat.png --force", {}),
    ("config list --origin", {"TZ": "Asia/Shanghai"}),
    ("no-such-command", {}),
    ("session list", {"APIYI_PROFILE": "other"}),
]


@pytest.fixture
def forked(started: Program, warm: Warm) -> Quick:
    return Quick(started, warm)


@pytest.mark.parametrize(("line", "env"), LINES, ids=lambda value: str(value)[:40])
def test_a_fork_and_a_start_say_the_same(
    started: Program, forked: Quick, line: str, env: Mapping[str, str | None]
) -> None:
    fresh, warm = started(line, env=env), forked(line, env=env)
    assert warm.code == fresh.code
    assert steady(warm.err) == steady(fresh.err)
    assert steady(warm.text) == steady(fresh.text)


def steady(text: str) -> str:
    """Return an output without what is new in each reply: its id and its time."""
    return re.sub(r"20250101\d{14}|[\w-]*-\d+\b|\b\d{10}\b", "", text)


def test_one_fork_leaves_nothing_to_the_next(forked: Quick) -> None:
    assert forked("chat hi", env={"LANG": "zh_CN.UTF-8", "APIYI_MODEL": "fault:400"}).code == 6
    assert forked("config get model", env={"APIYI_MODEL": None, "LANG": "C"}).code != 0
    before = forked("chat hi")
    assert forked("chat hi") == before
    assert before.code == 0


def test_a_run_that_hangs_does_not_spoil_the_next(forked: Quick) -> None:
    script = "apiyi chat -m fault:slow hi & kill $!; wait $!; apiyi chat hi"
    assert forked.shell(script).code == 0


def test_the_suite_can_be_collected_without_coverage(started: Program) -> None:
    """Import the harness where neither coverage nor pytest-cov can be found."""
    script = (
        "import sys; sys.modules['coverage'] = sys.modules['pytest_cov'] = None\n"
        "import tests.conftest, tests.quick"
    )
    ran = started.shell(f'cd "{ROOT}" && "{sys.executable}" -c "$SCRIPT"', env={"SCRIPT": script})
    assert ran.code == 0, ran.err
