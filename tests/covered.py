"""What the last run with coverage covered, and what is below the bounds; `make cover` prints it.

It fails nothing: which of two threads is first decides over a branch now and then.

Branches count as lines do. Measured is every process in which the program runs, except those
that a signal kills at once.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from typing import Any

from coverage import Coverage

WHOLE_PERCENT = 95.0
AREAS = {
    "retry": ("wire/retry/attempts.py", "wire/retry/decision.py"),
    "failover": ("wire/retry/failover.py",),
    "limits": (
        "wire/limits/limiter.py",
        "wire/limits/rates.py",
        "wire/limits/windows.py",
        "wire/limits/slots.py",
        "wire/limits/bookings.py",
        "wire/limits/admission.py",
        *(("wire/limits/redis_limiter.py",) if shutil.which("redis-server") else ()),
    ),
    "cache": ("wire/cache.py",),
    "sse": ("decode/frames/sse.py",),
    "redaction": ("core/secret.py",),
    "safe text": ("core/terminal_text.py",),
    "output names": ("output/names.py",),
}
"""The parts of the program in which no branch may go untested."""


def measured() -> dict[str, Any]:
    """Return what coverage tells of each file of the program, by its path in the package."""
    coverage = Coverage()
    coverage.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        coverage.json_report(outfile=report.name)
        files: dict[str, Any] = json.load(report)["files"]
    return {name.partition("apiyi_cli/")[2]: file for name, file in files.items()}


def percent(files: Iterable[dict[str, Any]]) -> float:
    """Return which part of the statements and branches was taken."""
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(file["summary"])
    all_there = counts["num_statements"] + counts["num_branches"]
    return 100 * (counts["covered_lines"] + counts["covered_branches"]) / all_there


def main() -> None:
    """Print a line for each area and one for the whole."""
    files = measured()
    below = 0
    for area, names in AREAS.items():
        found = percent(files[name] for name in names)
        below += found < 100
        print(f"{area:14}{found:7.2f} %")
        for name in names:
            lines, branches = files[name]["missing_lines"], files[name]["missing_branches"]
            if lines or branches:
                print(f"  {name}: lines {lines}, branches {branches}")
    whole = percent(files.values())
    print(f"{'the whole':14}{whole:7.2f} %")
    if below or whole < WHOLE_PERCENT:
        print(f"wanted are 100 % of each area and {WHOLE_PERCENT:.0f} % of the whole")


if __name__ == "__main__":
    main()
