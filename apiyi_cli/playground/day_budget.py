"""`--max-cost` of the playground: what a day's requests may cost together."""

from __future__ import annotations

from apiyi_cli.errors import LimitError
from apiyi_cli.playground.argv import CommandLine, PageRequest
from apiyi_cli.playground.facts import PageFacts
from apiyi_cli.text import Text


def limit_cost(
    line: CommandLine, request: PageRequest, facts: PageFacts, limit_usd: float | None
) -> CommandLine:
    """Return the line with the rest of the day's limit. Raises LimitError if nothing is left.

    It bounds the page's own limit as well: the last `--max-cost` counts.
    """
    if limit_usd is None or facts.settings(request.profile).sandbox:
        return line
    left = limit_usd - (facts.sum_today() or 0.0)
    if left <= 0:
        raise LimitError(
            Text("stopped by --max-cost"),
            Text("today's requests have cost {limit}", limit=f"${limit_usd:g}"),
            hint=Text("raise --max-cost"),
        )
    own = _read_number(request.options.get("max_cost"))
    if own is not None and own <= left:
        return line
    argv = tuple(word for word in line.argv if not word.startswith("--max-cost="))
    return line._replace(argv=argv, added=(*line.added, f"--max-cost={left:.6f}"))


def _read_number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
