"""What a check of `apiyi doctor` found: one line of the report."""

from __future__ import annotations

from typing import Literal, NamedTuple

from apiyi_cli.errors import ApiyiError

State = Literal["ok", "warning", "failure"]


class Finding(NamedTuple):
    """One line of the report. `advice` says what to do, "" when nothing is to be done;
    `exit_code` is what a failure makes of the run."""

    check: str
    state: State
    told: str
    advice: str = ""
    exit_code: int = 0


def make_failure(check: str, failure: ApiyiError) -> Finding:
    """Return the finding for a check that failed with an error."""
    return Finding(check, "failure", failure.sentence(), failure.hint or "", failure.exit_code)
