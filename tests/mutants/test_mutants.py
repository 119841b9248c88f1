"""The table of mutants fits the program; `make mutants` runs them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import apiyi_cli
from tests.mutants.run import ROOT, read_mutants


def test_every_mutant_is_one_change_of_the_program() -> None:
    package = Path(apiyi_cli.__file__).parent
    for mutant in read_mutants():
        text = (package / mutant.file).read_text("utf-8")
        assert text.count(mutant.old) == 1, mutant.name
        assert mutant.old != mutant.new
        assert all((ROOT / test.partition("::")[0]).exists() for test in mutant.tests)


def test_each_table_has_at_least_five() -> None:
    counts = Counter(mutant.name.split()[0] for mutant in read_mutants())
    assert min(counts.values()) >= 5
    assert {"retry", "limits", "sse", "journal", "secrets", "conversation"} <= counts.keys()
